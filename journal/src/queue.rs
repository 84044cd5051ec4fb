//! A request on its way to the batcher.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use crate::append::{Append, Appended, Refused};

/// What a caller gets; with when the attempt began that wrote it.
pub(crate) type Answer = Result<(Appended, std::time::Instant), Refused>;

/// A request, and where its answer goes.
pub(crate) struct Item {
    pub(crate) append: Append,
    pub(crate) due: Due,
    /// How many bytes it holds.
    pub(crate) bytes: usize,
    /// How often it was tried again.
    pub(crate) attempts: u8,
    /// Its share of the bytes that may wait.
    _room: OwnedSemaphorePermit,
    answer: oneshot::Sender<Answer>,
}

impl Item {
    /// `None` if too many bytes wait already. One that is larger than all the room there is waits
    /// for nobody but takes it all.
    pub(crate) fn new(append: Append, due: Due, room: &Room) -> Option<(Self, oneshot::Receiver<Answer>)> {
        let bytes = size(&append);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX).min(room.all);
        let permit = room.free.clone().try_acquire_many_owned(permits).ok()?;
        let (answer, receiver) = oneshot::channel();
        Some((Self { append, due, bytes, attempts: 0, _room: permit, answer }, receiver))
    }

    /// Answers. `false` if nobody waits for it any more.
    pub(crate) fn answer(self, answer: Answer) -> bool {
        self.answer.send(answer).is_ok()
    }

    /// Is it too late to begin with it? Also when its caller has gone away.
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        now >= self.due.start || self.answer.is_closed()
    }
}

/// How many bytes may wait.
pub(crate) struct Room {
    free: Arc<Semaphore>,
    all: u32,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        let all = u32::try_from(bytes).unwrap_or(u32::MAX);
        Self { free: Arc::new(Semaphore::new(all as usize)), all }
    }
}

/// What of an append is of any length worth counting.
fn size(append: &Append) -> usize {
    let events = append.writes.iter().flat_map(|write| &write.events);
    events
        .map(|event| {
            let sealed: usize = event.sealed.iter().map(|field| field.ciphertext.len()).sum();
            event.payload.len() + event.metadata.len() + sealed
        })
        .sum()
}

/// By when a request must have come how far. See [`crate::Settings::deadline`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    /// It may wait in the queue until then.
    pub(crate) start: Instant,
    /// The lock must be had by then; the database refuses to write later.
    pub(crate) lock: Instant,
    /// The database must have answered by then.
    pub(crate) answer: Instant,
    /// The caller must have an answer by then.
    pub(crate) end: Instant,
}

impl Due {
    pub(crate) fn within(deadline: Duration, now: Instant) -> Self {
        Self {
            start: now + deadline * 3 / 8,
            lock: now + deadline * 5 / 8,
            answer: now + deadline * 3 / 4,
            end: now + deadline,
        }
    }
}

/// When another try may be worth it.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn unavailable(reason: impl Into<String>) -> Refused {
    Refused::Unavailable { reason: reason.into(), retry_after: RETRY_AFTER }
}
