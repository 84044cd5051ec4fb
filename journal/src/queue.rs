//! A request on its way to the batcher.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::append::{Append, Appended, Refused};

/// What a caller gets.
pub(crate) type Answer = Result<Appended, Refused>;

/// A request, and where its answer goes.
pub(crate) struct Item {
    pub(crate) append: Append,
    pub(crate) due: Due,
    /// How often it was tried again.
    pub(crate) attempts: u8,
    answer: oneshot::Sender<Answer>,
}

impl Item {
    pub(crate) fn new(append: Append, due: Due) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, receiver) = oneshot::channel();
        (Self { append, due, attempts: 0, answer }, receiver)
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
