//! This process as one of the replicas of a book: its signs of life, and the calls of the dead.
//!
//! A call's permit is durable before the call, its outcome is written after it; a process that dies
//! in between leaves a call without an outcome. Another replica, or the next start, writes that it is
//! unknown. For that not to be said of a call whose process lives, each process works under a
//! [`Tenure`]: a lease by the database's clock, extended by a heartbeat. Permits and outcomes are
//! appended with the end of the lease as their `not_after`, which the book checks under the append
//! lock; and nobody is declared dead before his lease has ended. So of a process that was paused and
//! its heir, exactly one can write a call's outcome. Why a lease and not a key per call: docs/adr/0063.
//!
//! Deliberately absent: what a call is permitted by, and how its outcome is told.

mod orphans;
mod outcome;
mod register;
mod tenure;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tollbook_aggregates::{SessionEvent, SessionId};
use tollbook_journal::{Journal, Position, Refused};
use uuid::Uuid;

use crate::authority::Authority;
use crate::book::{Attribution, Scribe};
use crate::clock::Clock;

pub use outcome::Place;
use register::Register;
pub use register::RegisterError;
pub use tenure::{Tenure, Unsettled};

/// How often a replica says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// How often the embedded book, which is one process's, is told from where on calls are open.
const SLOW_BEAT: Duration = Duration::from_secs(10);
/// A replica that hasn't said so for this long, by the database's clock, is dead.
const DEAD_AFTER: Duration = Duration::from_secs(10);
/// How often is looked for the dead.
const ROUND: Duration = Duration::from_secs(1);

/// This process among the replicas. Cheap to clone.
#[derive(Clone)]
pub struct Replica {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Journal,
    authority: Authority,
    scribe: Scribe,
    register: Register,
    tenure: RwLock<Arc<Tenure>>,
    /// How often the lease was extended, for those who wait for it.
    beats: watch::Sender<u64>,
    beat_now: Notify,
    /// Since when it has reached the database without a gap. Who didn't can't tell the dead from the
    /// cut off: it may have been himself.
    unbroken: Mutex<Instant>,
}

impl Replica {
    /// Enters the register, and keeps the lease until `stop` fires. `scribe` is in the name of this
    /// incarnation.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn enter(
        journal: Journal,
        authority: Authority,
        scribe: Scribe,
        clock: Clock,
        stop: CancellationToken,
    ) -> Result<Self, RegisterError> {
        let register = Register::new(journal.database().clone(), clock);
        let open_from = authority.look(crate::authority::Live::next);
        let until = register.enter(scribe.incarnation(), open_from).await?;
        let tenure = RwLock::new(Arc::new(Tenure::new(scribe.incarnation(), until)));
        let (beats, _) = watch::channel(0);
        let (beat_now, unbroken) = (Notify::new(), Mutex::new(Instant::now()));
        let inner =
            Arc::new(Inner { journal, authority, scribe, register, tenure, beats, beat_now, unbroken });
        tokio::spawn(stop.clone().run_until_cancelled_owned(Arc::clone(&inner).live()));
        tokio::spawn(stop.run_until_cancelled_owned(Arc::clone(&inner).look_after_the_dead()));
        Ok(Self { inner })
    }

    /// What calls are made under now.
    pub fn tenure(&self) -> Arc<Tenure> {
        self.inner.tenure()
    }

    /// Waits until the lease is longer than `than`, or another tenure has begun. Says whether it came
    /// to that within the time.
    pub async fn renewed(&self, than: DateTime<Utc>, within: Duration) -> bool {
        let mut beats = self.inner.beats.subscribe();
        self.inner.beat_now.notify_one();
        let longer = beats.wait_for(|_| self.tenure().until() > than);
        tokio::time::timeout(within, longer).await.is_ok_and(|beat| beat.is_ok())
    }

    /// Writes how a call of ours ended.
    ///
    /// # Errors
    /// [`Refused::Expired`] when its tenure is over, or is longer than it was known to be a moment ago.
    pub async fn write_outcome(
        &self,
        call: &Unsettled,
        of: Place,
        event: &SessionEvent,
        attribution: &Attribution,
    ) -> Result<(), Refused> {
        self.inner.write_outcome(call.tenure(), of, event, attribution).await
    }

    /// Does the book have an outcome of this call? Asked when an append of one had no answer. Says no
    /// also when the book can't be read.
    pub async fn has_outcome(&self, call: &Unsettled, session: SessionId, permitted_at: Position) -> bool {
        self.inner.has_outcome(call.call_id(), session, permitted_at).await.unwrap_or(false)
    }

    /// Leaves the register, if every call has its outcome. Else another sees to them.
    pub async fn leave(&self) {
        let tenure = self.tenure();
        if !tenure.all_settled() {
            tracing::warn!(
                "calls are left without an outcome; another replica, or the next start, closes them"
            );
            return;
        }
        if let Err(error) = self.inner.register.leave(tenure.incarnation()).await {
            tracing::warn!(%error, "this replica's end cannot be written; it will be found dead");
        }
    }
}

impl Inner {
    fn tenure(&self) -> Arc<Tenure> {
        Arc::clone(&self.tenure.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every call of `tenure` that stands before this has its outcome.
    fn open_from(&self, tenure: &Tenure) -> Position {
        // In this order: a call that isn't among the open ones yet is appended behind this.
        let next = self.authority.look(crate::authority::Live::next);
        tenure.open_from().map_or(next, |open| open.min(next))
    }

    async fn live(self: Arc<Self>) {
        let every = if self.register.is_shared() { BEAT } else { SLOW_BEAT };
        let mut failing = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.beat_now.notified() => {}
            }
            match self.beat().await {
                Ok(()) => failing = false,
                Err(error) => {
                    *self.unbroken.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                    if !failing {
                        tracing::warn!(%error, "this replica cannot say that it lives");
                    }
                    failing = true;
                    tokio::time::sleep(BEAT / 10).await;
                }
            }
        }
    }

    /// Extends the lease; or begins a new tenure, when others took this one for dead.
    async fn beat(&self) -> Result<(), RegisterError> {
        let tenure = self.tenure();
        if let Some(until) = self.register.beat(tenure.incarnation(), self.open_from(&tenure)).await? {
            tenure.extend(until);
        } else {
            tenure.end();
            let incarnation: Uuid = Clock::fresh_id();
            let until = self.register.enter(incarnation, self.open_from(&tenure)).await?;
            tracing::warn!(
                before = %tenure.incarnation(), %incarnation,
                "this replica was taken for dead: its open calls were closed by another; it goes on as a new one"
            );
            let new = Arc::new(Tenure::new(incarnation, until));
            *self.tenure.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
        self.beats.send_modify(|beats| *beats += 1);
        Ok(())
    }

    async fn look_after_the_dead(self: Arc<Self>) {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "calls without an outcome cannot be closed now");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn round(&self) -> Result<(), orphans::OrphanError> {
        let tenure = self.tenure();
        self.close_abandoned(&tenure).await?;
        let unbroken = self.unbroken.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if self.register.is_shared() && unbroken < DEAD_AFTER {
            return Ok(());
        }
        for dead in self.register.claim(tenure.incarnation()).await? {
            let closed = self.close_dead(&tenure, &dead).await?;
            self.register.strike(dead.incarnation, tenure.incarnation()).await?;
            tracing::warn!(incarnation = %dead.incarnation, closed, "a replica died; its open calls have an unknown outcome");
        }
        Ok(self.register.forget_stopped().await?)
    }
}
