//! The table `last_used`, which all replicas share.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::FromRow as _;
use sqlx::types::Json;
use tollbook_journal::{Database, rows};
use uuid::Uuid;

use super::noted::Use;

/// No statement here waits longer.
const LIMIT: Duration = Duration::from_secs(2);

/// The table of when credentials were last used can't be reached.
#[derive(Debug, thiserror::Error)]
#[error("when credentials were last used cannot be read or written: {0}")]
pub struct Unavailable(#[from] sqlx::Error);

pub(super) struct Table(pub(super) Database);

impl Table {
    /// Writes a batch, in the order of its ids. What is later in the table already stays.
    pub(super) async fn keep(&self, batch: &[Use]) -> Result<(), Unavailable> {
        match &self.0 {
            Database::Postgres(pool) => {
                let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = batch.iter().copied().unzip();
                let sql = "INSERT INTO public.last_used AS known (credential_id, used_at)
                           SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
                           ON CONFLICT (credential_id) DO UPDATE SET used_at = excluded.used_at
                           WHERE known.used_at < excluded.used_at";
                rows(pool, LIMIT, sqlx::query(sql).bind(ids).bind(times)).await?;
            }
            Database::Sqlite(book) => {
                let batch = batch.iter().map(|(id, at)| (id.simple().to_string(), at.timestamp_micros()));
                // `WHERE true`: else it would take `ON` for a join's.
                let sql = "INSERT INTO last_used (credential_id, used_at)
                           SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?1) WHERE true
                           ON CONFLICT (credential_id) DO UPDATE SET used_at = excluded.used_at
                           WHERE last_used.used_at < excluded.used_at";
                let insert = sqlx::query(sql).bind(Json(batch.collect::<Vec<_>>()));
                insert.execute(&book.writer).await?;
            }
        }
        Ok(())
    }

    /// When these were last used, as far as any replica has written it.
    pub(super) async fn of(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, DateTime<Utc>>, Unavailable> {
        match &self.0 {
            Database::Postgres(pool) => {
                let sql = "SELECT credential_id, used_at FROM public.last_used WHERE credential_id = ANY($1)";
                let found = rows(pool, LIMIT, sqlx::query(sql).bind(ids)).await?;
                Ok(found.iter().map(Use::from_row).collect::<Result<_, _>>()?)
            }
            Database::Sqlite(book) => {
                let sql = "SELECT credential_id, used_at FROM last_used
                           WHERE credential_id IN (SELECT unhex(value) FROM json_each(?1))";
                let found: Vec<(Uuid, i64)> =
                    sqlx::query_as(sql).bind(Json(hexadecimal(ids))).fetch_all(&book.readers).await?;
                let time = |(id, at)| Some((id, DateTime::from_timestamp_micros(at)?));
                Ok(found.into_iter().filter_map(time).collect())
            }
        }
    }

    /// Takes these out of it.
    pub(super) async fn forget(&self, ids: &[Uuid]) -> Result<(), Unavailable> {
        match &self.0 {
            Database::Postgres(pool) => {
                let sql = "DELETE FROM public.last_used WHERE credential_id = ANY($1)";
                rows(pool, LIMIT, sqlx::query(sql).bind(ids)).await?;
            }
            Database::Sqlite(book) => {
                let sql = "DELETE FROM last_used
                           WHERE credential_id IN (SELECT unhex(value) FROM json_each(?1))";
                sqlx::query(sql).bind(Json(hexadecimal(ids))).execute(&book.writer).await?;
            }
        }
        Ok(())
    }
}

fn hexadecimal(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(|id| id.simple().to_string()).collect()
}
