//! What the tests of more than one page speak of.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::Verifier;

/// The moment at which everything in the tests happens.
pub(crate) fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// So many hours after (before, when negative) [`noon`].
pub(crate) fn hours(hours: i64) -> DateTime<Utc> {
    noon() + TimeDelta::hours(hours)
}

/// The id of this number.
pub(crate) fn id<T: From<Uuid>>(number: u128) -> T {
    Uuid::from_u128(number).into()
}

/// Of no credential in particular.
pub(crate) fn verifier() -> Verifier {
    Verifier::default()
}
