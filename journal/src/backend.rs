//! What the batcher needs of a database.

pub(crate) mod columns;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::append::Appended;
use crate::event::Position;
use crate::queue::Item;

/// A home of the book, as the batcher sees it: one batch at a time.
pub(crate) trait Backend: Send + 'static {
    /// Writes what passes its checks, in one transaction. The lock must be had by `lock`, and the
    /// database must answer by `answer`.
    fn write(
        &mut self,
        batch: &[Item],
        lock: Instant,
        answer: Instant,
    ) -> impl Future<Output = Result<Written, Failure>> + Send;

    /// After [`Failure::Unknown`]: makes sure that the attempt is over, and says what it wrote.
    fn find(&mut self, batch: &[Item]) -> impl Future<Output = Result<Vec<Option<Appended>>, String>> + Send;
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Written {
    /// One a request, in order.
    pub(crate) verdicts: Vec<Verdict>,
    /// The database's clock under the lock.
    pub(crate) recorded_at: DateTime<Utc>,
    /// The workspace sequence of the last event that was written.
    pub(crate) tail: Option<u64>,
}

impl Written {
    /// Where the last event stands, if anything was written.
    pub(crate) fn last(&self) -> Option<Position> {
        self.verdicts.iter().rev().find_map(|verdict| match verdict {
            Verdict::Committed { last, .. } => Some(*last),
            _ => None,
        })
    }
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Written at these positions.
    Committed { first: Position, last: Position },
    /// Something was narrowed.
    Stale(Position),
    /// This stream is elsewhere.
    Conflict(String),
    /// `not_after` has passed.
    Expired,
    /// The budget is used up.
    Exhausted,
    /// Written before.
    Duplicate { position: Position, same_request: bool, answer: Option<Vec<u8>> },
    /// The lock was had too late: nothing was written.
    Late,
    /// The fence lies behind the end of the book: the caller's state is of a book that was lost.
    Ahead,
}

/// Why there are no verdicts.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database refused the data of some request; nothing was written.
    Data(String),
    /// Nothing was written; another try may help.
    NotWritten(String),
    /// The book has outgrown its partitions; nothing was written. Said where it was noticed.
    NoRoom(String),
    /// There is no connection, so nothing was written.
    Unreachable(String),
    /// It may have been written.
    Unknown(String),
}
