//! What can be set on a journal.

use std::time::Duration;

use crate::clock::BookClock;
use crate::failpoint::Failpoints;

/// How a [`crate::Journal`] behaves. The defaults are meant for production.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Within this time every append has its answer (2 s). It is divided: a request waits in the
    /// queue for at most three eighths of it, the lock must be had within five eighths, the answer
    /// of the database within six, and the rest is left to find out what became of a batch.
    /// Short reads have the same time, pages and streams five times as much.
    pub deadline: Duration,
    /// How many requests may wait (8192). More are refused at once.
    pub queue: usize,
    /// How many bytes of payload, metadata and bodies may wait (64 MiB). More are refused at once.
    pub queue_bytes: usize,
    /// How many requests are written in one transaction at most (512).
    pub batch: usize,
    /// How many bytes of payload, metadata and bodies a batch holds at most (4 MiB). A single
    /// larger request is a batch of its own.
    pub batch_bytes: usize,
    /// How large one payload or body may be (8 MiB).
    pub item_bytes: usize,
    /// How often the head is read without being asked for: the net under LISTEN/NOTIFY (500 ms).
    pub poll: Duration,
    /// How often expired idempotency keys are looked for, to be cleared away (1 min).
    pub forget: Duration,
    /// The book's time. On `SQLite` it gives it; on `PostgreSQL`, which has its own, it learns it.
    pub clock: BookClock,
    /// For tests: does nothing in builds without the feature `failpoints`.
    pub failpoints: Failpoints,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(2),
            queue: 8192,
            queue_bytes: 64 << 20,
            batch: 512,
            batch_bytes: 4 << 20,
            item_bytes: 8 << 20,
            poll: Duration::from_millis(500),
            forget: Duration::from_secs(60),
            clock: BookClock::default(),
            failpoints: Failpoints::default(),
        }
    }
}
