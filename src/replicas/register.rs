//! The table of replicas. Every time in it is the database's.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgPool;
use sqlx::{FromRow as _, Row as _};
use tollbook_journal::{Database, Position, rows};
use uuid::Uuid;

use super::DEAD_AFTER;
use crate::clock::Clock;

/// No statement here waits longer: a heartbeat that comes late is none.
const LIMIT: Duration = Duration::from_secs(2);

/// The register can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the register of replicas cannot be used: {0}")]
pub struct RegisterError(#[from] sqlx::Error);

/// A replica that was declared dead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dead {
    pub(super) incarnation: Uuid,
    /// Every call of it before this position has its outcome.
    pub(super) open_from: Position,
}

pub(super) struct Register {
    database: Database,
    clock: Clock,
}

impl Register {
    pub(super) const fn new(database: Database, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Can there be other replicas?
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self.database, Database::Postgres(_))
    }

    /// A new life begins; answers with the end of its lease.
    pub(super) async fn enter(
        &self,
        incarnation: Uuid,
        open_from: Position,
    ) -> Result<DateTime<Utc>, RegisterError> {
        match &self.database {
            Database::Postgres(pool) => {
                let insert = "INSERT INTO public.replicas (incarnation, started_at, heartbeat_at, open_from)
                              SELECT $1, clock, clock, $2 FROM clock_timestamp() AS clock RETURNING heartbeat_at";
                let until = lease(pool, insert, incarnation, open_from).await?;
                Ok(until.ok_or(sqlx::Error::RowNotFound)?)
            }
            Database::Sqlite(book) => {
                let insert = "INSERT INTO replicas (incarnation, started_at, heartbeat_at, open_from)
                              VALUES (?1, ?2, ?2, ?3)";
                let insert = sqlx::query(insert).bind(incarnation).bind(self.clock.now().timestamp_micros());
                insert.bind(signed(open_from)).execute(&book.writer).await?;
                Ok(DateTime::<Utc>::MAX_UTC)
            }
        }
    }

    /// The life goes on; answers with the end of its lease, or with nothing if it was ended by another.
    pub(super) async fn beat(
        &self,
        incarnation: Uuid,
        open_from: Position,
    ) -> Result<Option<DateTime<Utc>>, RegisterError> {
        match &self.database {
            Database::Postgres(pool) => {
                let update = "UPDATE public.replicas SET heartbeat_at = clock_timestamp(), open_from = $2
                              WHERE incarnation = $1 AND closed_by IS NULL RETURNING heartbeat_at";
                lease(pool, update, incarnation, open_from).await
            }
            Database::Sqlite(book) => {
                let update = "UPDATE replicas SET heartbeat_at = ?2, open_from = ?3
                              WHERE incarnation = ?1 AND open_from <> ?3";
                let update = sqlx::query(update).bind(incarnation).bind(self.clock.now().timestamp_micros());
                update.bind(signed(open_from)).execute(&book.writer).await?;
                Ok(Some(DateTime::<Utc>::MAX_UTC))
            }
        }
    }

    /// The life ends well.
    pub(super) async fn leave(&self, incarnation: Uuid) -> Result<(), RegisterError> {
        match &self.database {
            Database::Postgres(pool) => {
                let update =
                    "UPDATE public.replicas SET stopped_at = clock_timestamp() WHERE incarnation = $1";
                rows(pool, LIMIT, sqlx::query(update).bind(incarnation)).await?;
            }
            Database::Sqlite(book) => {
                let update = "UPDATE replicas SET stopped_at = ?2 WHERE incarnation = ?1";
                let update = sqlx::query(update).bind(incarnation).bind(self.clock.now().timestamp_micros());
                update.execute(&book.writer).await?;
            }
        }
        Ok(())
    }

    /// Declares dead whose lease has ended, and those whose heir died. From then on none of them can
    /// write a permit or an outcome, and all that they wrote can be read.
    ///
    /// An heir is replaced only once he is declared dead himself: his lease is over then.
    pub(super) async fn claim(&self, heir: Uuid) -> Result<Vec<Dead>, RegisterError> {
        let dead = match &self.database {
            Database::Postgres(pool) => {
                let update = "UPDATE public.replicas r SET closed_by = $1
                     WHERE r.incarnation <> $1 AND r.stopped_at IS NULL
                       AND r.heartbeat_at < clock_timestamp() - make_interval(secs => $2)
                       AND (r.closed_by IS NULL OR r.closed_by = $1 OR NOT EXISTS (
                           SELECT FROM public.replicas h WHERE h.incarnation = r.closed_by
                               AND h.stopped_at IS NULL AND h.closed_by IS NULL))
                     RETURNING incarnation, open_from";
                let claim = sqlx::query(update).bind(heir).bind(DEAD_AFTER.as_secs_f64());
                let claimed = rows(pool, LIMIT, claim).await?;
                if !claimed.is_empty() {
                    self.barrier().await?;
                }
                claimed.iter().map(<(Uuid, i64)>::from_row).collect::<Result<Vec<_>, _>>()?
            }
            Database::Sqlite(book) => {
                // One process at a time has the book: whoever else is in the register is dead.
                let update =
                    "UPDATE replicas SET closed_by = ?1 WHERE incarnation <> ?1 AND stopped_at IS NULL
                              RETURNING incarnation, open_from";
                sqlx::query_as(update).bind(heir).fetch_all(&book.writer).await?
            }
        };
        let position = |open_from| Position(u64::try_from(open_from).unwrap_or(0));
        let dead = dead.into_iter();
        Ok(dead.map(|(incarnation, from)| Dead { incarnation, open_from: position(from) }).collect())
    }

    /// Whatever was let in under the append lock by now can be read afterwards: who has the lock may
    /// have had it since before a lease ended.
    pub(super) async fn barrier(&self) -> Result<(), RegisterError> {
        if let Database::Postgres(pool) = &self.database {
            rows(pool, LIMIT, sqlx::query("SELECT pg_advisory_xact_lock(7070, 1)")).await?;
        }
        Ok(())
    }

    /// A dead one's calls are closed: it is cleared away.
    pub(super) async fn strike(&self, dead: Uuid, heir: Uuid) -> Result<(), RegisterError> {
        match &self.database {
            Database::Postgres(pool) => {
                let delete = "DELETE FROM public.replicas WHERE incarnation = $1 AND closed_by = $2";
                rows(pool, LIMIT, sqlx::query(delete).bind(dead).bind(heir)).await?;
            }
            Database::Sqlite(book) => {
                let delete = "DELETE FROM replicas WHERE incarnation = ?1 AND closed_by = ?2";
                sqlx::query(delete).bind(dead).bind(heir).execute(&book.writer).await?;
            }
        }
        Ok(())
    }

    /// Clears away who stopped well, a day later.
    pub(super) async fn forget_stopped(&self) -> Result<(), RegisterError> {
        match &self.database {
            Database::Postgres(pool) => {
                let delete =
                    "DELETE FROM public.replicas WHERE stopped_at < clock_timestamp() - interval '1 day'";
                rows(pool, LIMIT, sqlx::query(delete)).await?;
            }
            Database::Sqlite(book) => {
                let delete = "DELETE FROM replicas WHERE stopped_at < ?1";
                let before = self.clock.now() - TimeDelta::days(1);
                sqlx::query(delete).bind(before.timestamp_micros()).execute(&book.writer).await?;
            }
        }
        Ok(())
    }
}

/// Runs a statement that answers with the heartbeat it wrote, if it wrote one.
async fn lease(
    pool: &PgPool,
    statement: &str,
    incarnation: Uuid,
    open_from: Position,
) -> Result<Option<DateTime<Utc>>, RegisterError> {
    let query = sqlx::query(statement).bind(incarnation).bind(signed(open_from));
    let found = rows(pool, LIMIT, query).await?;
    let beat: Option<DateTime<Utc>> = found.first().map(|row| row.try_get(0)).transpose()?;
    Ok(beat.map(|beat| beat + DEAD_AFTER))
}

fn signed(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}
