//! Times, as people read them, and as programs do beside it.

use chrono::{DateTime, Utc};

use crate::clock::rfc3339;

/// A time.
pub(super) struct Said {
    /// For people.
    pub(super) words: String,
    /// RFC 3339.
    pub(super) iso: String,
}

impl Said {
    /// This one.
    pub(super) fn of(at: DateTime<Utc>) -> Self {
        Self { words: at.format("%-d %b %Y, %H:%M UTC").to_string(), iso: rfc3339(at) }
    }
}
