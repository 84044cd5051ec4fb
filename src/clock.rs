//! The one place where the time is read and ids are drawn; everything else has them passed in.
//!
//! What must hold against a wrong clock doesn't rest on this one: a session's expiry is checked
//! again by the database's clock, under the append lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use uuid::Uuid;

/// The machine's clock, in UTC and whole microseconds. A test may set it apart from the machine's.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset_microseconds: Arc<AtomicI64>,
}

impl Clock {
    /// The time.
    #[expect(clippy::disallowed_methods, reason = "the one clock")]
    pub fn now(&self) -> DateTime<Utc> {
        let offset = TimeDelta::microseconds(self.offset_microseconds.load(Ordering::Relaxed));
        (Utc::now() + offset).trunc_subsecs(6)
    }

    /// Sets this clock ahead of the machine's (or behind, when negative).
    pub fn set_ahead(&self, by: TimeDelta) {
        self.offset_microseconds.store(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }

    /// A new `UUIDv7`.
    pub fn fresh_id<T: From<Uuid>>() -> T {
        Uuid::now_v7().into()
    }
}

/// A time as answers and events write it: RFC 3339, UTC, microseconds.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
