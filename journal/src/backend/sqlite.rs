//! Writing batches to `SQLite`: the same checks as `append_batch`, in one `BEGIN IMMEDIATE`.

mod checks;
mod insert;

use std::collections::HashMap;

use chrono::DateTime;
use sqlx::sqlite::SqlitePool;
use sqlx::types::Json;
use sqlx::{Connection, Sqlite, Transaction};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::columns::number as signed;
use super::{Backend, Failure, Verdict, Written};
use crate::append::Appended;
use crate::clock::BookClock;
use crate::event::Position;
use crate::failpoint::{Failpoint, Failpoints};
use crate::queue::Item;
use crate::reading::sqlite as reading;
use crate::settings::Settings;

/// See the module.
pub(crate) struct SqliteBackend {
    writer: SqlitePool,
    clock: BookClock,
    failpoints: Failpoints,
    /// The last batch stands at this position or behind it, if anywhere.
    floor: Position,
}

impl SqliteBackend {
    pub(crate) fn new(writer: SqlitePool, settings: &Settings) -> Self {
        let (clock, failpoints) = (settings.clock.clone(), settings.failpoints.clone());
        Self { writer, clock, failpoints, floor: Position::default() }
    }

    /// What happens between BEGIN and COMMIT.
    async fn attempt(
        &mut self,
        book: &mut Transaction<'_, Sqlite>,
        batch: &[Item],
    ) -> Result<Written, Failure> {
        let recorded_at = self.clock.now();
        if self.failpoints.hit(Failpoint::AfterLock) {
            return Err(Failure::NotWritten("failpoint after the lock".into()));
        }
        let head = reading::head(book).await.map_err(|error| Failure::NotWritten(error.to_string()))?;
        self.floor = head;
        let refused = checks::run(book, batch, head, recorded_at).await.map_err(|error| failure(&error))?;
        let verdicts = number(batch, refused, head);
        let tail =
            insert::insert(book, batch, &verdicts, recorded_at).await.map_err(|error| failure(&error))?;
        Ok(Written { verdicts, recorded_at, tail })
    }
}

impl Backend for SqliteBackend {
    /// `SQLite` answers when it is done: there is no wait that could be cut short after the lock.
    async fn write(&mut self, batch: &[Item], lock: Instant, _: Instant) -> Result<Written, Failure> {
        let not_written = |error: sqlx::Error| Failure::NotWritten(error.to_string());
        let writer = timeout_at(lock, self.writer.acquire()).await;
        let writer = writer.map_err(|_| Failure::NotWritten("no lock in time".into()))?;
        let mut writer = writer.map_err(not_written)?;
        let mut book = writer.begin_with("BEGIN IMMEDIATE").await.map_err(not_written)?;
        let written = self.attempt(&mut book, batch).await?;
        book.commit().await.map_err(|error| Failure::Unknown(error.to_string()))?;
        if self.failpoints.hit(Failpoint::AfterCommit) {
            return Err(Failure::Unknown("failpoint after the commit".into()));
        }
        Ok(written)
    }

    /// A commit that failed is rolled back before the one writing connection can be had again.
    async fn find(&mut self, batch: &[Item]) -> Result<Vec<Option<Appended>>, String> {
        let events = batch.iter().flat_map(|item| &item.append.writes).flat_map(|write| &write.events);
        let ids: Vec<_> = events.map(|event| event.event_id.simple().to_string()).collect();
        let sql = "SELECT event_id, position, recorded_at FROM events
                   WHERE position >= ?1 AND event_id IN (SELECT unhex(value) FROM json_each(?2))";
        let mut writer = self.writer.acquire().await.map_err(|error| error.to_string())?;
        let rows = sqlx::query_as::<_, (Uuid, i64, i64)>(sql).bind(signed(self.floor.0)).bind(Json(ids));
        let rows = rows.fetch_all(&mut *writer).await.map_err(|error| error.to_string())?;
        let found = rows.into_iter().map(|(id, position, at)| (id, (position, at))).collect();
        Ok(batch.iter().map(|item| appended(item, &found)).collect())
    }
}

fn appended(item: &Item, found: &HashMap<Uuid, (i64, i64)>) -> Option<Appended> {
    let mut events = item.append.writes.iter().flat_map(|write| &write.events);
    let (first, at) = *found.get(&events.next()?.event_id)?;
    let last = events.last().map_or(Some(first), |event| found.get(&event.event_id).map(|place| place.0))?;
    let position = |value| u64::try_from(value).ok().map(Position);
    Some(Appended {
        first: position(first)?,
        last: position(last)?,
        recorded_at: DateTime::from_timestamp_micros(at)?,
    })
}

/// Positions for what isn't refused.
fn number(batch: &[Item], refused: Vec<Option<Verdict>>, head: Position) -> Vec<Verdict> {
    let mut next = head.0;
    let verdict = |(item, refused): (&Item, Option<Verdict>)| {
        refused.unwrap_or_else(|| {
            let events: usize = item.append.writes.iter().map(|write| write.events.len()).sum();
            let first = Position(next);
            next += events as u64;
            Verdict::Committed { first, last: Position(next.saturating_sub(1)) }
        })
    };
    batch.iter().zip(refused).map(verdict).collect()
}

/// An error before the commit means that nothing was written.
fn failure(error: &sqlx::Error) -> Failure {
    let reason = error.to_string();
    let Some(refusal) = error.as_database_error() else { return Failure::NotWritten(reason) };
    // Primary result codes (the low byte): 18 TOOBIG, 19 CONSTRAINT, 20 MISMATCH, 25 RANGE.
    let code = refusal.code().and_then(|code| code.parse::<u32>().ok());
    match code.map(|code| code & 0xff) {
        Some(18 | 19 | 20 | 25) => Failure::Data(reason),
        _ => Failure::NotWritten(reason),
    }
}
