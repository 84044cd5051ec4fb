//! Running services, as they report themselves.

use chrono::TimeDelta;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::{Looked, span};

/// A service that hasn't said that it stopped, and whose calls nobody has closed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its name for this one run.
    pub incarnation: Uuid,
    /// How long ago it started.
    pub age: TimeDelta,
    /// How long ago it last said that it lives.
    pub silent_for: TimeDelta,
}

const REPLICAS: &str = "
    SELECT incarnation, extract(epoch FROM clock_timestamp() - started_at)::float8 AS age,
        extract(epoch FROM clock_timestamp() - heartbeat_at)::float8 AS silent_for
    FROM replicas WHERE stopped_at IS NULL AND closed_by IS NULL ORDER BY started_at DESC LIMIT 100";

pub(super) async fn look(connection: &mut PgConnection) -> Looked<Vec<Replica>> {
    let replica = |row: &PgRow| {
        Ok(Replica {
            incarnation: row.try_get("incarnation")?,
            age: span(row.try_get("age")?),
            silent_for: span(row.try_get("silent_for")?),
        })
    };
    let rows = sqlx::query(REPLICAS).fetch_all(connection).await?;
    Ok(rows.iter().map(replica).collect::<Result<_, sqlx::Error>>()?)
}
