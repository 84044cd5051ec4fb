//! Leases: which replica folds which build. By the database's clock, so that no two clocks need agree.

use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use uuid::Uuid;

use super::Store;

impl Store {
    /// Takes the lease of each of `builds` that nobody else has, or keeps it, for so long from now on.
    /// Answers with those that are the holder's now.
    pub(crate) async fn lease(
        &self,
        builds: &[i32],
        holder: Uuid,
        lasts: Duration,
    ) -> Result<Vec<i32>, sqlx::Error> {
        match self {
            Self::Postgres(pool) => lease_postgres(pool, builds, holder, lasts).await,
            Self::Sqlite(views) => lease_sqlite(views, builds, holder).await,
        }
    }

    /// Gives back all that this holder has: others needn't wait until it has run out.
    pub(crate) async fn release(&self, holder: Uuid) -> Result<(), sqlx::Error> {
        let sql = "UPDATE projection_checkpoints SET holder = NULL, held_until = NULL WHERE holder = $1";
        match self {
            Self::Postgres(pool) => sqlx::query(sql).bind(holder).execute(pool).await.map(drop),
            Self::Sqlite(views) => sqlx::query(sql).bind(holder).execute(views).await.map(drop),
        }
    }
}

/// One that somebody is folding right now isn't waited for.
async fn lease_postgres(
    pool: &PgPool,
    builds: &[i32],
    holder: Uuid,
    lasts: Duration,
) -> Result<Vec<i32>, sqlx::Error> {
    sqlx::query_scalar(
        "UPDATE projection_checkpoints SET holder = $2,
            held_until = clock_timestamp() + $3 * interval '1 second'
         WHERE build IN (
            SELECT build FROM projection_checkpoints
            WHERE build = ANY($1) AND (holder IS NULL OR holder = $2 OR held_until < clock_timestamp())
            ORDER BY build FOR UPDATE SKIP LOCKED)
         RETURNING build",
    )
    .bind(builds)
    .bind(holder)
    .bind(lasts.as_secs_f64())
    .fetch_all(pool)
    .await
}

/// The book is one process's: whoever asks has it. It is written down once, for whoever looks.
async fn lease_sqlite(views: &SqlitePool, builds: &[i32], holder: Uuid) -> Result<Vec<i32>, sqlx::Error> {
    let listed = serde_json::json!(builds).to_string();
    let others = "build IN (SELECT value FROM json_each($1)) AND holder IS NOT $2";
    let sql = format!("SELECT count(*) FROM projection_checkpoints WHERE {others}");
    let count: i64 = sqlx::query_scalar(&sql).bind(&listed).bind(holder).fetch_one(views).await?;
    if count > 0 {
        let sql = format!("UPDATE projection_checkpoints SET holder = $2 WHERE {others}");
        sqlx::query(&sql).bind(&listed).bind(holder).execute(views).await?;
    }
    Ok(builds.to_vec())
}
