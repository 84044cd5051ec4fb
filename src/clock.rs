//! The one place where the time is read and ids are drawn; everything else has them passed in.
//!
//! The time is the book's: what decides when something has ended is the same clock for all replicas,
//! whatever those of their machines show (docs/adr/0066). What must hold even if it were wrong doesn't
//! rest on it: a session's expiry is checked again under the append lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use tollbook_journal::BookClock;
use uuid::Uuid;

/// The book's time, in UTC and whole microseconds: heard from the database with what is read anyway; this
/// machine's on `SQLite`, and until the book is open. Clones are one clock.
#[derive(Debug, Clone)]
pub struct Clock {
    book: BookClock,
    ahead: Offset,
    machine_ahead: Offset,
}

impl Clock {
    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        self.book.now() + self.ahead.get()
    }

    /// What this machine's own clock shows, which may be wrong: for comparing the two.
    pub fn machine(&self) -> DateTime<Utc> {
        machine(&self.machine_ahead)
    }

    /// May this machine have been suspended since the book was last heard?
    pub fn is_disturbed(&self) -> bool {
        self.book.is_disturbed()
    }

    /// What a journal gives its time to, or learns it by.
    pub fn of_the_book(&self) -> BookClock {
        self.book.clone()
    }

    /// For tests: from now on, what is decided here is decided so much later than it is by the book (or
    /// earlier, when negative).
    pub fn set_ahead(&self, by: TimeDelta) {
        self.ahead.set(by);
    }

    /// For tests: this machine's clock is set so much ahead (or behind, when negative).
    pub fn set_machine_ahead(&self, by: TimeDelta) {
        self.machine_ahead.set(by);
    }

    /// A new `UUIDv7`.
    pub fn fresh_id<T: From<Uuid>>() -> T {
        Uuid::now_v7().into()
    }
}

impl Default for Clock {
    fn default() -> Self {
        let machine_ahead = Offset::default();
        let book = BookClock::new({
            let ahead = machine_ahead.clone();
            move || machine(&ahead)
        });
        Self { book, ahead: Offset::default(), machine_ahead }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock")]
fn machine(ahead: &Offset) -> DateTime<Utc> {
    (Utc::now() + ahead.get()).trunc_subsecs(6)
}

/// How far a clock is set apart, in microseconds.
#[derive(Debug, Clone, Default)]
struct Offset(Arc<AtomicI64>);

impl Offset {
    fn get(&self) -> TimeDelta {
        TimeDelta::microseconds(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, by: TimeDelta) {
        self.0.store(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }
}

/// A time as answers and events write it: RFC 3339, UTC, microseconds.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
