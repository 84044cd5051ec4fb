//! Is the book's order whole? Counted over the newest positions, or over all of them.

/// The book's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// The next position that it will assign.
    pub head: u64,
    /// The first position that it still has: not 0 once old partitions were detached.
    pub first: u64,
    /// From which position on everything was counted.
    pub counted_from: u64,
    /// The first position that should be there and isn't.
    pub hole: Option<u64>,
    /// Where a workspace's own numbers first don't follow each other.
    pub misnumbered: Option<u64>,
}

/// How fast it grows.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
pub struct Speed {
    /// So many events …
    pub events: i64,
    /// … in so many seconds, up to now.
    pub seconds: f64,
}

/// What stands in one range of positions, seen at one moment.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(crate) struct Stretch {
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    pub(crate) counted: i64,
}

impl Stretch {
    /// Are there fewer than there should be?
    pub(crate) fn has_hole(self) -> bool {
        match (self.first, self.last) {
            (Some(first), Some(last)) => last - first + 1 != self.counted,
            _ => false,
        }
    }
}

/// `$1` and `$2` are the first position and the first behind it. One statement, so of one moment.
pub(crate) const STRETCH: &str = "
    SELECT (SELECT min(position) FROM events WHERE position >= $1 AND position < $2) AS first,
           (SELECT max(position) FROM events WHERE position >= $1 AND position < $2) AS last,
           (SELECT count(*) FROM events WHERE position >= $1 AND position < $2) AS counted";

/// The first position that is missing between two that are there.
pub(crate) const HOLE: &str = "
    SELECT s.position + 1 FROM (
        SELECT position, lead(position) OVER (ORDER BY position) AS behind
        FROM events WHERE position >= $1 AND position < $2) s
    WHERE s.behind <> s.position + 1 ORDER BY s.position LIMIT 1";

/// Where a workspace's numbers have a gap, from position `$1` on. From position 0 on they must begin with 1.
pub(crate) const MISNUMBERED: &str = "
    SELECT s.position FROM (
        SELECT position, workspace_sequence AS number,
            lag(workspace_sequence) OVER (PARTITION BY workspace_id ORDER BY position) AS before
        FROM events WHERE position >= $1) s
    WHERE s.number <> coalesce(s.before, CASE WHEN $1 = 0 THEN 0 ELSE s.number - 1 END) + 1
    ORDER BY s.position LIMIT 1";

/// Positions stay far below 2⁶³, and are never negative.
pub(crate) fn unsigned(position: i64) -> u64 {
    u64::try_from(position).unwrap_or(0)
}
