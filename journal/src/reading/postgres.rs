//! Reading the book on `PostgreSQL`.

use std::fmt::Display;
use std::time::Instant;

use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::{FromRow, Row, ValueRef};
use uuid::Uuid;

use super::{Rows, failed, limited, span_end, undecodable, unsigned};
use crate::backend::columns::number;
use crate::clock::BookClock;
use crate::commitments;
use crate::event::{Body, Position, Recorded, Stream};
use crate::lending::fetch;
use crate::read::{Filter, ReadError};

/// `json` is fetched as the text that it is stored as.
const COLUMNS: &str = "position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
    payload::text AS payload, metadata::text AS metadata, workspace_id, workspace_sequence, control, narrows,
    commitments::text AS commitments, recorded_at";

/// The head, and what the book's clock shows meanwhile.
const HEAD: &str =
    "SELECT coalesce((SELECT position + 1 FROM public.events ORDER BY position DESC LIMIT 1), 0)
    AS head, clock_timestamp() AS clock";

pub(crate) async fn head(connection: &mut PgConnection) -> Result<Position, ReadError> {
    let head: i64 = sqlx::query_scalar(HEAD).fetch_one(connection).await.map_err(failed)?;
    unsigned(head).map(Position).map_err(ReadError::Unavailable)
}

/// On any connection.
pub(super) async fn head_of(pool: &PgPool, clock: &BookClock) -> Result<Position, ReadError> {
    let asked = Instant::now();
    let rows = fetch(pool, sqlx::query(HEAD)).await.map_err(failed)?;
    head_in(&rows, asked, clock)
}

/// The head, from the first of these rows; its clock was read since `asked`.
fn head_in(rows: &[PgRow], asked: Instant, clock: &BookClock) -> Result<Position, ReadError> {
    let row = rows.first().ok_or_else(|| ReadError::Unavailable("no head".into()))?;
    clock.heard(asked, row.try_get("clock").map_err(failed)?);
    unsigned(row.try_get("head").map_err(failed)?).map(Position).map_err(ReadError::Unavailable)
}

/// One statement, so that events and head are of one snapshot, also when there are no events.
pub(super) async fn page(
    pool: &PgPool,
    from: Position,
    limit: usize,
    filter: &Filter,
    clock: &BookClock,
) -> Result<Rows, ReadError> {
    let workspace = if filter.workspace_id.is_some() { "AND workspace_id = $3" } else { "" };
    let control = if filter.control_only { "AND control" } else { "" };
    let types = match filter.event_types {
        Some(_) => "AND position < $4 AND (event_type = ANY($5) OR aggregate_type = ANY($5))",
        None => "",
    };
    let sql = format!(
        "SELECT h.head, h.clock, e.* FROM ({HEAD}) h LEFT JOIN LATERAL (
             SELECT {COLUMNS} FROM public.events
             WHERE position >= $1 {workspace} {control} {types} ORDER BY position LIMIT $2) e ON true"
    );
    let mut query = sqlx::query(&sql).bind(number(from.0)).bind(limited(limit));
    if filter.workspace_id.is_some() || filter.event_types.is_some() {
        query = query.bind(filter.workspace_id);
    }
    if let Some(types) = filter.event_types {
        query = query.bind(number(span_end(from).0)).bind(types);
    }
    let asked = Instant::now();
    let rows = fetch(pool, query).await.map_err(failed)?;
    let head = head_in(&rows, asked, clock)?;
    let is_event = |row: &&PgRow| row.try_get_raw("position").is_ok_and(|value| !value.is_null());
    let mut events = rows.iter().filter(is_event).map(recorded).collect::<Result<Vec<_>, _>>()?;
    // A join keeps the order of its inner side, but SQL doesn't say so.
    events.sort_by_key(|event| event.position);
    Ok(Rows { events, head })
}

/// How many positions there are from `from` up to `next`.
pub(super) async fn count(pool: &PgPool, from: Position, next: Position) -> Result<u64, ReadError> {
    let sql = "SELECT count(*) FROM public.events WHERE position >= $1 AND position < $2";
    let query = sqlx::query(sql).bind(number(from.0)).bind(number(next.0));
    let rows = fetch(pool, query).await.map_err(failed)?;
    let row = rows.first().ok_or_else(|| ReadError::Unavailable("no count".into()))?;
    unsigned(row.try_get(0).map_err(failed)?).map_err(ReadError::Unavailable)
}

/// Which positions there are from `from` up to `next`, in order.
pub(super) async fn positions(pool: &PgPool, from: Position, next: Position) -> Result<Vec<u64>, ReadError> {
    let sql = "SELECT position FROM public.events WHERE position >= $1 AND position < $2 ORDER BY position";
    let query = sqlx::query(sql).bind(number(from.0)).bind(number(next.0));
    let rows = fetch(pool, query).await.map_err(failed)?;
    let position = |row: &PgRow| unsigned(row.try_get(0).map_err(failed)?).map_err(ReadError::Unavailable);
    rows.iter().map(position).collect()
}

pub(super) async fn stream(
    pool: &PgPool,
    stream: &Stream,
    from: Position,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM public.events WHERE aggregate_type = $1 AND aggregate_id = $2 AND position >= $3
         ORDER BY position LIMIT $4"
    );
    let query = sqlx::query(&sql).bind(stream.aggregate_type.as_ref()).bind(&stream.aggregate_id);
    let query = query.bind(number(from.0)).bind(limited(limit));
    let rows = fetch(pool, query).await.map_err(failed)?;
    rows.iter().map(recorded).collect()
}

pub(super) async fn control_stream(pool: &PgPool, stream: &Stream) -> Result<Vec<Recorded>, ReadError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM public.events WHERE aggregate_type = $1 AND aggregate_id = $2 AND control
         ORDER BY position"
    );
    let query = sqlx::query(&sql).bind(stream.aggregate_type.as_ref()).bind(&stream.aggregate_id);
    let rows = fetch(pool, query).await.map_err(failed)?;
    rows.iter().map(recorded).collect()
}

pub(super) async fn events(pool: &PgPool, positions: &[Position]) -> Result<Vec<Recorded>, ReadError> {
    let positions: Vec<i64> = positions.iter().map(|position| number(position.0)).collect();
    let sql = format!("SELECT {COLUMNS} FROM public.events WHERE position = ANY($1) ORDER BY position");
    let rows = fetch(pool, sqlx::query(&sql).bind(positions)).await.map_err(failed)?;
    rows.iter().map(recorded).collect()
}

/// On a connection of one's own.
pub(crate) async fn event(
    connection: &mut PgConnection,
    at: Position,
) -> Result<Option<Recorded>, ReadError> {
    let sql = format!("SELECT {COLUMNS} FROM public.events WHERE position = $1");
    let row = sqlx::query(&sql).bind(number(at.0)).fetch_optional(connection).await.map_err(failed)?;
    row.as_ref().map(recorded).transpose()
}

pub(super) async fn bodies(pool: &PgPool, event_ids: &[Uuid]) -> Result<Vec<Body>, ReadError> {
    let sql = "SELECT event_id, field, key_id, ciphertext FROM public.event_bodies
               WHERE event_id = ANY($1) ORDER BY event_id, field";
    let rows = fetch(pool, sqlx::query(sql).bind(event_ids)).await.map_err(failed)?;
    let body = |row: &PgRow| {
        let (event_id, field, key_id, ciphertext) = FromRow::from_row(row)?;
        Ok(Body { event_id, field, key_id, ciphertext })
    };
    rows.iter().map(body).collect::<Result<_, _>>().map_err(failed)
}

fn recorded(row: &PgRow) -> Result<Recorded, ReadError> {
    let position = row.try_get("position").map_err(failed)?;
    let position = unsigned(position).map(Position).map_err(ReadError::Unavailable)?;
    let bad = |error: &dyn Display| undecodable(position, error);
    let number = |column| {
        let value = row.try_get::<i64, _>(column).map_err(|error| bad(&error))?;
        unsigned(value).map_err(|error| bad(&error))
    };
    let text = |column| row.try_get::<String, _>(column).map_err(|error| bad(&error));
    let flag = |column| row.try_get::<bool, _>(column).map_err(|error| bad(&error));
    let id = |column| row.try_get::<Uuid, _>(column).map_err(|error| bad(&error));
    let stored: Option<&str> = row.try_get("commitments").map_err(|error| bad(&error))?;
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
        recorded_at: row.try_get("recorded_at").map_err(|error| bad(&error))?,
    })
}
