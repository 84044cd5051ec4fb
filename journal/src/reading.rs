//! Reading the book: one face over both backends, and one place where it is seen to that nobody waits
//! too long for a database that is stuck or has gone silent.

mod budget;
mod control;
mod idempotent;
mod load;
pub(crate) mod postgres;
pub(crate) mod sqlite;

pub use control::{ControlEvent, ControlPage};
pub use idempotent::StoredAnswer;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use crate::clock::BookClock;
use crate::database::Database;
use crate::event::{Body, Position, Recorded, Stream};
use crate::head::{Head, Heads};
use crate::read::{Filter, Page, ReadError};
use crate::settings::Settings;

/// How many deadlines a page, a stream or an aggregate may take to read: they are long.
const LONG: u32 = 5;

/// Every read of the book, each within its time ([`Settings::deadline`]). Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reads {
    database: Database,
    clock: BookClock,
    deadline: Duration,
    heads: Arc<Heads>,
}

impl Reads {
    pub(crate) fn new(database: Database, settings: &Settings) -> Self {
        let (clock, deadline) = (settings.clock.clone(), settings.deadline);
        Self { database, clock, deadline, heads: Arc::default() }
    }

    /// What looks at little.
    fn short<T>(
        &self,
        reading: impl Future<Output = Result<T, ReadError>>,
    ) -> impl Future<Output = Result<T, ReadError>> {
        within(self.deadline, Box::pin(reading))
    }

    /// What looks at much.
    fn long<T>(
        &self,
        reading: impl Future<Output = Result<T, ReadError>>,
    ) -> impl Future<Output = Result<T, ReadError>> {
        within(self.deadline * LONG, Box::pin(reading))
    }

    /// Read after this was called. Callers at the same time share a read.
    pub(crate) async fn head(&self) -> Result<Head, ReadError> {
        self.short(self.heads.read(self.read_head())).await
    }

    async fn read_head(&self) -> Result<Position, ReadError> {
        match &self.database {
            Database::Postgres(pool) => postgres::head_of(pool, &self.clock).await,
            Database::Sqlite(book) => sqlite::head(&mut *book.readers.acquire().await.map_err(failed)?).await,
        }
    }

    pub(crate) async fn page(
        &self,
        from: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Page, ReadError> {
        self.long(self.read_page(from, limit, filter)).await
    }

    async fn read_page(&self, from: Position, limit: usize, filter: &Filter) -> Result<Page, ReadError> {
        let rows = match &self.database {
            Database::Postgres(pool) => postgres::page(pool, from, limit, filter, &self.clock).await?,
            Database::Sqlite(book) => sqlite::page(&book.readers, from, limit, filter).await?,
        };
        let full = rows.events.len() >= limit;
        if *filter == Filter::default() {
            check_holes(from, &rows, full)?;
        }
        let end = filter.event_types.map_or(rows.head, |_| rows.head.min(span_end(from)));
        let next = match rows.events.last() {
            Some(last) if full => last.position.next(),
            None if full => from,
            _ => end,
        };
        if filter.event_types.is_some() {
            self.check_all_there(from, next).await?;
        }
        Ok(Page { events: rows.events, next, head: rows.head })
    }

    /// Every position from `from` up to `next` is there, though not all were read.
    async fn check_all_there(&self, from: Position, next: Position) -> Result<(), ReadError> {
        if next <= from {
            return Ok(());
        }
        let counted = match &self.database {
            Database::Postgres(pool) => postgres::count(pool, from, next).await?,
            Database::Sqlite(book) => sqlite::count(&book.readers, from, next).await?,
        };
        if counted == next.0 - from.0 {
            return Ok(());
        }
        let positions = match &self.database {
            Database::Postgres(pool) => postgres::positions(pool, from, next).await?,
            Database::Sqlite(book) => sqlite::positions(&book.readers, from, next).await?,
        };
        let there = (from.0..).zip(&positions).take_while(|(expected, found)| expected == *found).count();
        Err(ReadError::Hole(Position(from.0.saturating_add(u64::try_from(there).unwrap_or(u64::MAX)))))
    }

    pub(crate) async fn stream(
        &self,
        stream: &Stream,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.long(async {
            match &self.database {
                Database::Postgres(pool) => postgres::stream(pool, stream, from, limit).await,
                Database::Sqlite(book) => sqlite::stream(&book.readers, stream, from, limit).await,
            }
        })
        .await
    }

    /// The control events of one stream, which are few.
    pub(crate) async fn control_stream(&self, stream: &Stream) -> Result<Vec<Recorded>, ReadError> {
        self.long(async {
            match &self.database {
                Database::Postgres(pool) => postgres::control_stream(pool, stream).await,
                Database::Sqlite(book) => sqlite::control_stream(&book.readers, stream).await,
            }
        })
        .await
    }

    pub(crate) async fn events(&self, positions: &[Position]) -> Result<Vec<Recorded>, ReadError> {
        self.short(async {
            match &self.database {
                Database::Postgres(pool) => postgres::events(pool, positions).await,
                Database::Sqlite(book) => sqlite::events(&book.readers, positions).await,
            }
        })
        .await
    }

    pub(crate) async fn bodies(&self, event_ids: &[Uuid]) -> Result<Vec<Body>, ReadError> {
        self.short(async {
            match &self.database {
                Database::Postgres(pool) => postgres::bodies(pool, event_ids).await,
                Database::Sqlite(book) => sqlite::bodies(&book.readers, event_ids).await,
            }
        })
        .await
    }
}

async fn within<T>(
    limit: Duration,
    reading: impl Future<Output = Result<T, ReadError>>,
) -> Result<T, ReadError> {
    let read = timeout(limit, reading).await;
    read.unwrap_or_else(|_| Err(ReadError::Unavailable("no answer in time".into())))
}

/// A page's rows and the head, from one snapshot.
pub(crate) struct Rows {
    pub(crate) events: Vec<Recorded>,
    pub(crate) head: Position,
}

/// Behind the last position that a page filtered by types looks at.
pub(crate) const fn span_end(from: Position) -> Position {
    Position(from.0.saturating_add(Filter::SPAN))
}

/// Every position from `from` on is there, up to the last one read, or to the head if the page
/// wasn't filled.
fn check_holes(from: Position, rows: &Rows, full: bool) -> Result<(), ReadError> {
    let mut expected = from;
    for event in &rows.events {
        if event.position != expected {
            return Err(ReadError::Hole(expected));
        }
        expected = expected.next();
    }
    // Asked for what lies behind the head: that isn't a hole.
    if full || expected >= rows.head { Ok(()) } else { Err(ReadError::Hole(expected)) }
}

#[expect(clippy::needless_pass_by_value, reason = "it is a function for map_err")]
pub(crate) fn failed(error: sqlx::Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

pub(crate) fn undecodable(position: Position, reason: &dyn Display) -> ReadError {
    ReadError::Undecodable { position, reason: reason.to_string() }
}

/// Positions and numbers are stored as signed integers, and never negative.
pub(crate) fn unsigned(value: i64) -> Result<u64, String> {
    u64::try_from(value).map_err(|_| format!("`{value}` is negative"))
}

pub(crate) fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
