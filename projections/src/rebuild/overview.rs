//! What is told of projections and their builds.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tollbook_journal::Position;

use super::compare::Difference;
use crate::progress::ProjectionStatus;
use crate::store::building::BuildRow;
use crate::store::read;
use crate::version::Version;

/// Everything about one projection.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Which.
    pub name: String,
    /// The next position that the book will assign.
    pub head: Position,
    /// Every version that there is, the one that is read among them.
    pub versions: Vec<ProjectionStatus>,
    /// The newest build beside the version that is read, whatever became of it.
    pub build: Option<Build>,
}

/// A build beside the version that is read.
#[derive(Debug, Clone)]
pub struct Build {
    /// What is, or was, built.
    pub version: Version,
    /// What for.
    pub purpose: Purpose,
    /// What became of it.
    pub state: BuildState,
    /// The next position that it will fold; the target, when there is nothing of it any more.
    pub position: Position,
    /// Where the book ended when it was last looked at.
    pub target: Position,
    /// Events of the book that it passes, per second.
    pub events_per_second: u64,
    /// By that, how many seconds there are left to the target.
    pub seconds_left: Option<u64>,
    /// When it was begun.
    pub began_at: Option<DateTime<Utc>>,
    /// When it came to an end.
    pub ended_at: Option<DateTime<Utc>>,
    /// At which position it was compared with the version that was read.
    pub compared_at: Option<Position>,
    /// In how many rows (of an index: events) they differed. No more than 100,000 are counted.
    pub differences: Option<u64>,
    /// Some of them.
    pub examples: Vec<Difference>,
    /// Where the newest order stands that was carried out.
    pub ordered_at: Option<Position>,
    /// Why it stopped, if it did.
    pub error: Option<String>,
}

/// What a build is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To take the place of what is read, if it is the same.
    Rebuild,
    /// To be compared with it, and then to go.
    Verify,
    /// To take the place of what older code has built.
    Renew,
}

impl Purpose {
    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Verify => "verify",
            Self::Renew => "renew",
        }
    }

    pub(crate) fn of(column: &str) -> Self {
        match column {
            "verify" => Self::Verify,
            "renew" => Self::Renew,
            _ => Self::Rebuild,
        }
    }
}

/// What became of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildState {
    /// It is being folded.
    Building,
    /// It is being held against what is read.
    Comparing,
    /// It is read now; what was read before is kept for a rollback.
    Swapped,
    /// It differs from what is read, and waits for somebody to swap it all the same.
    Differs,
    /// It was compared, and is gone.
    Verified,
    /// It can't fold an event.
    Stopped,
    /// It was read, and what was read before is read again.
    RolledBack,
}

impl BuildState {
    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Comparing => "comparing",
            Self::Swapped => "swapped",
            Self::Differs => "differs",
            Self::Verified => "verified",
            Self::Stopped => "stopped",
            Self::RolledBack => "rolled_back",
        }
    }

    pub(crate) fn of(column: &str) -> Self {
        let all =
            [Self::Building, Self::Comparing, Self::Swapped, Self::Differs, Self::Verified, Self::RolledBack];
        all.into_iter().find(|state| state.as_str() == column).unwrap_or(Self::Stopped)
    }

    /// Is somebody at it?
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Building | Self::Comparing)
    }
}

/// A build, as its row and the checkpoint of its version say.
pub(super) fn build(row: BuildRow, versions: &[ProjectionStatus]) -> Build {
    let version = Version::of_stored(row.version);
    let standing = versions.iter().find(|one| one.version == version);
    let target = read(row.target);
    let position = standing.map_or(target, |one| one.position);
    let rate = u64::try_from(row.rate).unwrap_or(0);
    let state = BuildState::of(&row.state);
    let left = target.0.saturating_sub(position.0);
    let time = |micros: i64| DateTime::from_timestamp_micros(micros);
    Build {
        version,
        purpose: Purpose::of(&row.purpose),
        state,
        position,
        target,
        events_per_second: rate,
        seconds_left: if state.is_open() { left.checked_div(rate) } else { None },
        began_at: time(row.began_at),
        ended_at: row.ended_at.and_then(time),
        compared_at: row.compared_at.map(read),
        differences: row.differences.and_then(|count| u64::try_from(count).ok()),
        examples: row.examples.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        ordered_at: u64::try_from(row.ordered_at).ok().map(Position),
        error: standing.and_then(|one| one.error.clone()),
    }
}
