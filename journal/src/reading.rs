//! Reading the book: one face over both backends.

mod budget;
mod control;
pub(crate) mod postgres;
pub(crate) mod sqlite;

pub use control::{ControlEvent, ControlPage};

use std::fmt::Display;

use uuid::Uuid;

use crate::clock::BookClock;
use crate::database::Database;
use crate::event::{Body, Position, Recorded, Stream};
use crate::read::{Filter, Page, ReadError};

/// A page's rows and the head, from one snapshot.
pub(crate) struct Rows {
    pub(crate) events: Vec<Recorded>,
    pub(crate) head: Position,
}

impl Database {
    pub(crate) async fn read_head(&self, clock: &BookClock) -> Result<Position, ReadError> {
        match self {
            Self::Postgres(pool) => postgres::head_of(pool, clock).await,
            Self::Sqlite(book) => sqlite::head(&mut *book.readers.acquire().await.map_err(failed)?).await,
        }
    }

    pub(crate) async fn read_page(
        &self,
        from: Position,
        limit: usize,
        filter: &Filter,
        clock: &BookClock,
    ) -> Result<Page, ReadError> {
        let rows = match self {
            Self::Postgres(pool) => postgres::page(pool, from, limit, filter, clock).await?,
            Self::Sqlite(book) => sqlite::page(&book.readers, from, limit, filter).await?,
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
        let counted = match self {
            Self::Postgres(pool) => postgres::count(pool, from, next).await?,
            Self::Sqlite(book) => sqlite::count(&book.readers, from, next).await?,
        };
        if counted == next.0 - from.0 {
            return Ok(());
        }
        let positions = match self {
            Self::Postgres(pool) => postgres::positions(pool, from, next).await?,
            Self::Sqlite(book) => sqlite::positions(&book.readers, from, next).await?,
        };
        let there = (from.0..).zip(&positions).take_while(|(expected, found)| expected == *found).count();
        Err(ReadError::Hole(Position(from.0.saturating_add(u64::try_from(there).unwrap_or(u64::MAX)))))
    }

    pub(crate) async fn read_stream(
        &self,
        stream: &Stream,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        match self {
            Self::Postgres(pool) => postgres::stream(pool, stream, from, limit).await,
            Self::Sqlite(book) => sqlite::stream(&book.readers, stream, from, limit).await,
        }
    }

    /// The control events of one stream, which are few.
    pub(crate) async fn read_control_stream(&self, stream: &Stream) -> Result<Vec<Recorded>, ReadError> {
        match self {
            Self::Postgres(pool) => postgres::control_stream(pool, stream).await,
            Self::Sqlite(book) => sqlite::control_stream(&book.readers, stream).await,
        }
    }

    pub(crate) async fn read_events(&self, positions: &[Position]) -> Result<Vec<Recorded>, ReadError> {
        match self {
            Self::Postgres(pool) => postgres::events(pool, positions).await,
            Self::Sqlite(book) => sqlite::events(&book.readers, positions).await,
        }
    }

    pub(crate) async fn read_bodies(&self, event_ids: &[Uuid]) -> Result<Vec<Body>, ReadError> {
        match self {
            Self::Postgres(pool) => postgres::bodies(pool, event_ids).await,
            Self::Sqlite(book) => sqlite::bodies(&book.readers, event_ids).await,
        }
    }
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
