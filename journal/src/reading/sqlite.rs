//! Reading the book on `SQLite`.

use std::fmt::Display;

use chrono::DateTime;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Row, ValueRef};
use uuid::Uuid;

use super::{Rows, failed, limited, span_end, undecodable, unsigned};
use crate::backend::columns::number;
use crate::commitments;
use crate::event::{Body, Position, Recorded, Stream};
use crate::read::{Filter, ReadError};

const COLUMNS: &str = "position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
    payload, metadata, workspace_id, workspace_sequence, control, narrows, commitments, recorded_at";

const HEAD: &str =
    "SELECT coalesce((SELECT position + 1 FROM events ORDER BY position DESC LIMIT 1), 0) AS head";

pub(crate) async fn head(connection: &mut SqliteConnection) -> Result<Position, ReadError> {
    let head: i64 = sqlx::query_scalar(HEAD).fetch_one(connection).await.map_err(failed)?;
    unsigned(head).map(Position).map_err(ReadError::Unavailable)
}

/// One statement, so that events and head are of one snapshot, also when there are no events.
pub(super) async fn page(
    pool: &SqlitePool,
    from: Position,
    limit: usize,
    filter: &Filter,
) -> Result<Rows, ReadError> {
    let workspace = if filter.workspace_id.is_some() { "AND workspace_id = ?3" } else { "" };
    let control = if filter.control_only { "AND control" } else { "" };
    let types = match filter.event_types {
        Some(_) => {
            "AND position < ?4 AND (event_type IN (SELECT value FROM json_each(?5))
                OR aggregate_type IN (SELECT value FROM json_each(?5)))"
        }
        None => "",
    };
    let sql = format!(
        "SELECT h.head, e.* FROM ({HEAD}) h LEFT JOIN (
             SELECT {COLUMNS} FROM events
             WHERE position >= ?1 {workspace} {control} {types} ORDER BY position LIMIT ?2) e ON true"
    );
    let mut query = sqlx::query(&sql).bind(number(from.0)).bind(limited(limit));
    if filter.workspace_id.is_some() || filter.event_types.is_some() {
        query = query.bind(filter.workspace_id);
    }
    if let Some(types) = filter.event_types {
        query = query.bind(number(span_end(from).0)).bind(sqlx::types::Json(types));
    }
    let rows = query.fetch_all(pool).await.map_err(failed)?;
    let head = match rows.first() {
        Some(row) => unsigned(row.try_get("head").map_err(failed)?).map_err(ReadError::Unavailable)?,
        None => return Err(ReadError::Unavailable("a page without a head".into())),
    };
    let is_event = |row: &&SqliteRow| row.try_get_raw("position").is_ok_and(|value| !value.is_null());
    let mut events = rows.iter().filter(is_event).map(recorded).collect::<Result<Vec<_>, _>>()?;
    // A join keeps the order of its inner side, but SQL doesn't say so.
    events.sort_by_key(|event| event.position);
    Ok(Rows { events, head: Position(head) })
}

/// How many positions there are from `from` up to `next`.
pub(super) async fn count(pool: &SqlitePool, from: Position, next: Position) -> Result<u64, ReadError> {
    let sql = "SELECT count(*) FROM events WHERE position >= ?1 AND position < ?2";
    let query = sqlx::query_scalar(sql).bind(number(from.0)).bind(number(next.0));
    unsigned(query.fetch_one(pool).await.map_err(failed)?).map_err(ReadError::Unavailable)
}

/// Which positions there are from `from` up to `next`, in order.
pub(super) async fn positions(
    pool: &SqlitePool,
    from: Position,
    next: Position,
) -> Result<Vec<u64>, ReadError> {
    let sql = "SELECT position FROM events WHERE position >= ?1 AND position < ?2 ORDER BY position";
    let query = sqlx::query_scalar(sql).bind(number(from.0)).bind(number(next.0));
    let found: Vec<i64> = query.fetch_all(pool).await.map_err(failed)?;
    found.into_iter().map(unsigned).collect::<Result<_, _>>().map_err(ReadError::Unavailable)
}

pub(super) async fn stream(
    pool: &SqlitePool,
    stream: &Stream,
    from: Position,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE aggregate_type = ?1 AND aggregate_id = ?2 AND position >= ?3
         ORDER BY position LIMIT ?4"
    );
    let query = sqlx::query(&sql).bind(stream.aggregate_type.as_ref()).bind(&stream.aggregate_id);
    let rows = query.bind(number(from.0)).bind(limited(limit)).fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(recorded).collect()
}

pub(super) async fn control_stream(pool: &SqlitePool, stream: &Stream) -> Result<Vec<Recorded>, ReadError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE aggregate_type = ?1 AND aggregate_id = ?2 AND control
         ORDER BY position"
    );
    let query = sqlx::query(&sql).bind(stream.aggregate_type.as_ref()).bind(&stream.aggregate_id);
    let rows = query.fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(recorded).collect()
}

pub(super) async fn events(pool: &SqlitePool, positions: &[Position]) -> Result<Vec<Recorded>, ReadError> {
    let positions: Vec<i64> = positions.iter().map(|position| number(position.0)).collect();
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE position IN (SELECT value FROM json_each(?1)) ORDER BY position"
    );
    let rows = sqlx::query(&sql).bind(sqlx::types::Json(positions)).fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(recorded).collect()
}

pub(super) async fn bodies(pool: &SqlitePool, event_ids: &[Uuid]) -> Result<Vec<Body>, ReadError> {
    let ids: Vec<_> = event_ids.iter().map(|id| id.simple().to_string()).collect();
    let sql = "SELECT event_id, field, key_id, ciphertext FROM event_bodies
               WHERE event_id IN (SELECT unhex(value) FROM json_each(?1)) ORDER BY event_id, field";
    let rows = sqlx::query_as(sql).bind(sqlx::types::Json(ids)).fetch_all(pool).await.map_err(failed)?;
    let body = |(event_id, field, key_id, ciphertext)| Body { event_id, field, key_id, ciphertext };
    Ok(rows.into_iter().map(body).collect())
}

fn recorded(row: &SqliteRow) -> Result<Recorded, ReadError> {
    let position = row.try_get("position").map_err(failed)?;
    let position = unsigned(position).map(Position).map_err(ReadError::Unavailable)?;
    let bad = |error: &dyn Display| undecodable(position, error);
    let integer = |column| row.try_get::<i64, _>(column).map_err(|error| bad(&error));
    let number = |column| unsigned(integer(column)?).map_err(|error| bad(&error));
    let text = |column| row.try_get::<String, _>(column).map_err(|error| bad(&error));
    let flag = |column| row.try_get::<bool, _>(column).map_err(|error| bad(&error));
    let id = |column| row.try_get::<Uuid, _>(column).map_err(|error| bad(&error));
    let stored: Option<&str> = row.try_get("commitments").map_err(|error| bad(&error))?;
    let micros = integer("recorded_at")?;
    let recorded_at = DateTime::from_timestamp_micros(micros);
    Ok(Recorded {
        position,
        event_id: id("event_id")?,
        stream: Stream {
            aggregate_type: text("aggregate_type")?.into(),
            aggregate_id: text("aggregate_id")?,
        },
        sequence: number("sequence")?,
        event_type: text("event_type")?,
        event_version: text("event_version")?,
        payload: text("payload")?,
        metadata: text("metadata")?,
        workspace_id: id("workspace_id")?,
        workspace_sequence: number("workspace_sequence")?,
        control: flag("control")?,
        narrows: flag("narrows")?,
        commitments: commitments::decode(stored).map_err(|error| bad(&error))?,
        recorded_at: recorded_at.ok_or_else(|| bad(&format!("`{micros}` is no time")))?,
    })
}
