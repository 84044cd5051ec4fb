//! How appends were answered, counted: what an operator watches, and what shows that a race was one.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::append::Refused;

/// Since this journal was opened; of this process only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// Durable.
    pub committed: u64,
    /// Refused by the fence.
    pub stale: u64,
    /// Refused because the stream was elsewhere.
    pub conflict: u64,
    /// Refused by the book's clock.
    pub expired: u64,
    /// Refused because a budget was used up.
    pub exhausted: u64,
    /// Asked before.
    pub duplicate: u64,
    /// Not storable.
    pub invalid: u64,
    /// Not known to be durable.
    pub unavailable: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    committed: AtomicU64,
    stale: AtomicU64,
    conflict: AtomicU64,
    expired: AtomicU64,
    exhausted: AtomicU64,
    duplicate: AtomicU64,
    invalid: AtomicU64,
    unavailable: AtomicU64,
}

impl Counters {
    pub(crate) fn count<T>(&self, answer: &Result<T, Refused>) {
        let counter = match answer {
            Ok(_) => &self.committed,
            Err(Refused::Stale { .. }) => &self.stale,
            Err(Refused::Conflict { .. }) => &self.conflict,
            Err(Refused::Expired) => &self.expired,
            Err(Refused::Exhausted) => &self.exhausted,
            Err(Refused::Duplicate { .. }) => &self.duplicate,
            Err(Refused::Invalid(_)) => &self.invalid,
            Err(Refused::Unavailable { .. }) => &self.unavailable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Answers {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Answers {
            committed: read(&self.committed),
            stale: read(&self.stale),
            conflict: read(&self.conflict),
            expired: read(&self.expired),
            exhausted: read(&self.exhausted),
            duplicate: read(&self.duplicate),
            invalid: read(&self.invalid),
            unavailable: read(&self.unavailable),
        }
    }
}
