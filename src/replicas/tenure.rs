//! The time during which a process is taken for alive, and the calls that it has open.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tollbook_aggregates::CallId;
use tollbook_journal::Position;
use uuid::Uuid;

/// An append that nobody waits for any more is written within this time, or never.
const IN_DOUBT: Duration = Duration::from_secs(4);

/// One life of a process, as the others see it.
#[derive(Debug)]
pub struct Tenure {
    incarnation: Uuid,
    /// Microseconds since 1970.
    until: AtomicI64,
    ended: AtomicBool,
    open: Mutex<HashMap<CallId, Open>>,
}

/// A call that may stand in the book without an outcome.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Its permit stands here or behind it, if anywhere.
    from: Position,
    /// Since when nobody knows whether its permit was written.
    in_doubt: Option<Instant>,
}

impl Tenure {
    pub(super) fn new(incarnation: Uuid, until: DateTime<Utc>) -> Self {
        let until = AtomicI64::new(until.timestamp_micros());
        Self { incarnation, until, ended: AtomicBool::new(false), open: Mutex::default() }
    }

    /// What events of this life are signed with.
    pub const fn incarnation(&self) -> Uuid {
        self.incarnation
    }

    /// From this moment on, by the book's clock, others may say what became of its calls.
    pub fn until(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.until.load(Ordering::Acquire)).unwrap_or_default()
    }

    /// Is it over? Then its calls were closed by another.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// A call is about to be permitted, on a state that is exact up to `from`.
    pub fn begin(self: &Arc<Self>, call_id: CallId, from: Position) -> Unsettled {
        self.lock().insert(call_id, Open { from, in_doubt: None });
        Unsettled { tenure: Arc::clone(self), call_id, settled: false }
    }

    pub(super) fn extend(&self, until: DateTime<Utc>) {
        self.until.store(until.timestamp_micros(), Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Where the first call stands that may have no outcome; none is open, without one.
    pub(super) fn open_from(&self) -> Option<Position> {
        self.lock().values().map(|open| open.from).min()
    }

    pub(super) fn all_settled(&self) -> bool {
        self.lock().is_empty()
    }

    /// The calls of which nobody knows, for long enough now that the book does.
    pub(super) fn in_doubt(&self) -> HashMap<CallId, Position> {
        let long_enough = |open: &Open| open.in_doubt.is_some_and(|since| since.elapsed() >= IN_DOUBT);
        self.lock().iter().filter(|(_, open)| long_enough(open)).map(|(id, open)| (*id, open.from)).collect()
    }

    pub(super) fn settle(&self, call_id: CallId) {
        self.lock().remove(&call_id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that may stand in the book without an outcome. Dropped before it is settled, nobody knows:
/// then the book is asked.
#[derive(Debug)]
pub struct Unsettled {
    tenure: Arc<Tenure>,
    call_id: CallId,
    settled: bool,
}

impl Unsettled {
    /// Which call.
    pub const fn call_id(&self) -> CallId {
        self.call_id
    }

    /// What it is made under.
    pub const fn tenure(&self) -> &Arc<Tenure> {
        &self.tenure
    }

    /// Its outcome stands in the book, or its permit certainly doesn't.
    pub fn settled(mut self) {
        self.settled = true;
        self.tenure.settle(self.call_id);
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if !self.settled
            && let Some(open) = self.tenure.lock().get_mut(&self.call_id)
        {
            open.in_doubt = Some(Instant::now());
        }
    }
}
