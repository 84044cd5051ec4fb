//! The question and the answers of an append.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::event::{NewEvent, Position, Stream};

/// What the caller knows of the stream that it writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Anything: the fence is enough.
    Any,
    /// Nothing was ever written to it.
    NoStream,
    /// Its last *control* event stands at this position.
    At(Position),
}

/// Events for one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// [`crate::INSTANCE`] where there is none.
    pub workspace_id: Uuid,
    /// Where to.
    pub stream: Stream,
    /// Checked under the lock.
    pub expected: Expected,
    /// At least one.
    pub events: Vec<NewEvent>,
}

/// Makes a repeated request harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Caller and route.
    pub scope: String,
    /// What the client sent as `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of the request.
    pub request_hash: [u8; 32],
    /// What to answer a repetition with, sealed; `None` while it isn't known yet.
    pub answer: Option<Vec<u8>>,
    /// When it may be forgotten.
    pub expires_at: DateTime<Utc>,
}

/// Takes one unit of a session's budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Whose.
    pub session_id: Uuid,
    /// How many units the session has in all.
    pub total: u64,
}

/// One decision's events, written whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// At least one.
    pub writes: Vec<Write>,
    /// The caller's state was exact up to this position (exclusive): no event that narrows, of one
    /// of the writes' workspaces or of the instance, may stand at it or behind it.
    pub fence: Option<Position>,
    /// Refused from this moment on, by the database's clock, read under the lock.
    pub not_after: Option<DateTime<Utc>>,
    /// Checked and stored in the same transaction.
    pub idempotency: Option<Idempotency>,
    /// Checked and taken in the same transaction.
    pub budget: Option<Budget>,
}

/// It is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Of the first event.
    pub first: Position,
    /// Of the last event.
    pub last: Position,
    /// The database's clock under the lock.
    pub recorded_at: DateTime<Utc>,
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something was narrowed at this position: catch up behind it and decide again.
    #[error("stale: something was narrowed at position {position}")]
    Stale {
        /// Of the newest event that narrows.
        position: Position,
    },
    /// The stream isn't where the caller expected it.
    #[error("conflict: `{stream}` was written to meanwhile")]
    Conflict {
        /// `type/id` of the stream.
        stream: String,
    },
    /// `not_after` has passed by the database's clock.
    #[error("expired by the book's clock")]
    Expired,
    /// The budget is used up.
    #[error("the budget is used up")]
    Exhausted,
    /// The idempotency key was used before.
    #[error("the idempotency key was used at position {position}")]
    Duplicate {
        /// Of the first use's first event.
        position: Position,
        /// Was it the same request?
        same_request: bool,
        /// The sealed answer of then, if it is known.
        answer: Option<Vec<u8>>,
    },
    /// The events themselves can't be stored (malformed JSON, U+0000, too large).
    #[error("not storable: {0}")]
    Invalid(String),
    /// It isn't known to be durable. Nothing may be done on the strength of it.
    #[error("the book cannot be written: {reason}")]
    Unavailable {
        /// For the log.
        reason: String,
        /// When another try may be worth it.
        retry_after: Duration,
    },
}

/// A witness that what it carries is durable in the book. Only the journal makes one.
#[derive(Debug)]
pub struct Committed<T> {
    value: T,
    appended: Appended,
    at: Instant,
}

impl<T> Committed<T> {
    /// How long a committed permit may be acted on.
    pub const GOOD_FOR: Duration = Duration::from_secs(1);

    /// `at` is when writing it began: what was narrowed before then was seen under the lock, and
    /// what was narrowed since may not have been.
    pub(crate) const fn new(value: T, appended: Appended, at: Instant) -> Self {
        Self { value, appended, at }
    }

    /// Where it stands.
    pub const fn appended(&self) -> Appended {
        self.appended
    }

    /// What was committed, if not more than [`Self::GOOD_FOR`] of monotonic time has passed since.
    ///
    /// # Errors
    /// The positions alone, when it is too late to act on it.
    pub fn redeem(self) -> Result<T, Appended> {
        if self.at.elapsed() <= Self::GOOD_FOR { Ok(self.value) } else { Err(self.appended) }
    }
}
