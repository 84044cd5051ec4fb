//! Writing what passed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::types::Json;
use sqlx::{QueryBuilder, Sqlite};
use uuid::Uuid;

use super::super::Verdict;
use super::super::columns::number;
use crate::append::Write;
use crate::commitments;
use crate::event::{NewEvent, Position};
use crate::queue::Item;

/// Rows are inserted in statements of these many, so that few statements do, and all are prepared.
const CHUNKS: [usize; 4] = [64, 16, 4, 1];

/// An event with its numbers.
struct Numbered<'a> {
    write: &'a Write,
    event: &'a NewEvent,
    position: Position,
    sequence: i64,
}

/// Answers with the workspace sequence of the last event.
pub(super) async fn insert(
    book: &mut SqliteConnection,
    batch: &[Item],
    verdicts: &[Verdict],
    now: DateTime<Utc>,
) -> Result<Option<u64>, sqlx::Error> {
    let accepted: Vec<(&Item, Position)> = batch
        .iter()
        .zip(verdicts)
        .filter_map(|(item, verdict)| match verdict {
            Verdict::Committed { first, .. } => Some((item, *first)),
            _ => None,
        })
        .collect();
    let events = number_events(book, &accepted).await?;
    let mut rest = events.as_slice();
    for size in CHUNKS {
        while let Some((chunk, after)) = rest.split_at_checked(size) {
            insert_events(book, chunk, now).await?;
            rest = after;
        }
    }
    for numbered in &events {
        insert_bodies(book, numbered.event).await?;
    }
    for (item, first) in accepted {
        remember(book, item, first).await?;
    }
    Ok(events.last().and_then(|last| u64::try_from(last.sequence).ok()))
}

async fn number_events<'a>(
    book: &mut SqliteConnection,
    accepted: &[(&'a Item, Position)],
) -> Result<Vec<Numbered<'a>>, sqlx::Error> {
    let mut ends = ends(book, accepted).await?;
    let mut events = Vec::new();
    for (item, first) in accepted {
        let mut position = *first;
        for write in &item.append.writes {
            let end = ends.entry(write.workspace_id).or_default();
            for event in &write.events {
                *end += 1;
                events.push(Numbered { write, event, position, sequence: *end });
                position = position.next();
            }
        }
    }
    Ok(events)
}

/// The last number of each workspace that is written to.
async fn ends(
    book: &mut SqliteConnection,
    accepted: &[(&Item, Position)],
) -> Result<HashMap<Uuid, i64>, sqlx::Error> {
    let mut ids: Vec<_> =
        accepted.iter().flat_map(|(item, _)| &item.append.writes).map(|write| write.workspace_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let ids: Vec<_> = ids.iter().map(|id| id.simple().to_string()).collect();
    let sql = "SELECT unhex(j.value), coalesce((SELECT e.workspace_sequence FROM events e
                   WHERE e.workspace_id = unhex(j.value) ORDER BY e.position DESC LIMIT 1), 0)
               FROM json_each(?1) j";
    let rows = sqlx::query_as::<_, (Uuid, i64)>(sql).bind(Json(ids)).fetch_all(book).await?;
    Ok(rows.into_iter().collect())
}

async fn insert_events(
    book: &mut SqliteConnection,
    events: &[Numbered<'_>],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let mut insert: QueryBuilder<'_, Sqlite> = QueryBuilder::new(
        "INSERT INTO events (position, event_id, aggregate_type, aggregate_id, event_type, event_version, payload,
             metadata, workspace_id, workspace_sequence, control, narrows, commitments, recorded_at) ",
    );
    insert.push_values(events, |mut row, Numbered { write, event, position, sequence }| {
        row.push_bind(number(position.0))
            .push_bind(event.event_id)
            .push_bind(write.stream.aggregate_type.as_ref())
            .push_bind(&write.stream.aggregate_id)
            .push_bind(event.event_type.as_ref())
            .push_bind(event.event_version.as_ref())
            .push_bind(&event.payload)
            .push_bind(&event.metadata)
            .push_bind(write.workspace_id)
            .push_bind(*sequence)
            .push_bind(event.control)
            .push_bind(event.narrows)
            .push_bind(commitments::encode(&event.sealed))
            .push_bind(now.timestamp_micros());
    });
    insert.build().execute(book).await?;
    Ok(())
}

async fn insert_bodies(book: &mut SqliteConnection, event: &NewEvent) -> Result<(), sqlx::Error> {
    for field in &event.sealed {
        sqlx::query("INSERT INTO event_bodies (event_id, field, key_id, ciphertext) VALUES (?1, ?2, ?3, ?4)")
            .bind(event.event_id)
            .bind(field.field.as_ref())
            .bind(field.key_id)
            .bind(&field.ciphertext)
            .execute(&mut *book)
            .await?;
    }
    Ok(())
}

/// The request's idempotency key, and the unit of a budget that it takes.
async fn remember(book: &mut SqliteConnection, item: &Item, first: Position) -> Result<(), sqlx::Error> {
    if let Some(idempotency) = &item.append.idempotency {
        // An expired one is replaced.
        let sql =
            "INSERT OR REPLACE INTO idempotency (scope, key, request_hash, position, answer, expires_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let query: Query<'_, Sqlite, SqliteArguments<'_>> = sqlx::query(sql);
        query
            .bind(&idempotency.scope)
            .bind(&idempotency.key)
            .bind(idempotency.request_hash.as_slice())
            .bind(number(first.0))
            .bind(&idempotency.answer)
            .bind(idempotency.expires_at.timestamp_micros())
            .execute(&mut *book)
            .await?;
    }
    if let Some(budget) = item.append.budget {
        let sql = "INSERT INTO budgets (session_id, used, total) VALUES (?1, 1, ?2)
                   ON CONFLICT (session_id) DO UPDATE SET used = used + 1, total = excluded.total";
        sqlx::query(sql).bind(budget.session_id).bind(number(budget.total)).execute(book).await?;
    }
    Ok(())
}
