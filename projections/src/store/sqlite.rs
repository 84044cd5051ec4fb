//! The statements for `SQLite`. One JSON array goes in, and each statement works on the whole page.

use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Sqlite, Transaction};
use uuid::Uuid;

use super::{Claim, LoadedColumns, Step, status, stored};
use crate::version::Version;

/// The one parameter of a statement that works on many rows.
fn json<T: Serialize>(rows: &[T]) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// A transaction that has the only right to write.
///
/// Begun in a task of its own: given up in the middle, a beginning with a statement of its own leaves
/// sqlx 0.8's connection in a transaction that nobody ends, and everybody else locked out for good. This
/// way it is carried through wherever its caller goes, and then rolled back.
pub(super) async fn begin(views: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    let views = views.clone();
    let begun = tokio::spawn(async move { views.begin_with("BEGIN IMMEDIATE").await });
    begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
}

/// The checkpoints of `claims`. The transaction has begun by taking the only right to write.
pub(super) async fn hold(
    work: &mut SqliteConnection,
    claims: &[Claim],
) -> Result<Vec<(String, i32, i64, String)>, sqlx::Error> {
    let claims: Vec<_> = claims.iter().map(|claim| (claim.projection, claim.version.stored())).collect();
    sqlx::query_as(
        "SELECT c.projection, c.version, c.position, c.status
         FROM json_each($1) AS n CROSS JOIN projection_checkpoints AS c
            ON c.projection = n.value ->> 0 AND c.version = n.value ->> 1",
    )
    .bind(json(&claims)?)
    .fetch_all(work)
    .await
}

pub(super) async fn load(
    work: &mut SqliteConnection,
    keys: &[(Claim, Vec<String>)],
) -> Result<Vec<LoadedColumns>, sqlx::Error> {
    let mut wanted = Vec::new();
    for (number, (claim, keys)) in (0_i64..).zip(keys) {
        wanted.extend(keys.iter().map(|key| (number, claim.projection, claim.version.stored(), key)));
    }
    // CROSS JOIN keeps the order: each wanted key is looked up.
    sqlx::query_as(
        "SELECT n.value ->> 0, r.key, r.workspace_id, r.ordinal, r.data
         FROM json_each($1) AS n CROSS JOIN projection_rows AS r
            ON r.projection = n.value ->> 1 AND r.version = n.value ->> 2 AND r.key = n.value ->> 3",
    )
    .bind(json(&wanted)?)
    .fetch_all(work)
    .await
}

pub(super) async fn write(work: &mut SqliteConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    delete_rows(work, steps).await?;
    upsert_rows(work, steps).await?;
    write_terms(work, steps, false).await?;
    write_terms(work, steps, true).await?;
    move_checkpoints(work, steps).await
}

async fn delete_rows(work: &mut SqliteConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let mut rows = Vec::new();
    for Step { claim, folded, .. } in steps {
        rows.extend(folded.deletes.iter().map(|key| (claim.projection, claim.version.stored(), key)));
    }
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM projection_rows WHERE (projection, version, key) IN
            (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1))",
    )
    .bind(json(&rows)?)
    .execute(work)
    .await?;
    Ok(())
}

async fn upsert_rows(work: &mut SqliteConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let mut rows = Vec::new();
    for Step { claim, folded, .. } in steps {
        rows.extend(folded.upserts.iter().map(|row| {
            let workspace = hex(row.workspace_id);
            (claim.projection, claim.version.stored(), &row.key, workspace, row.ordinal, &row.data)
        }));
    }
    if rows.is_empty() {
        return Ok(());
    }
    // `WHERE true` tells the upsert's ON apart from a join's.
    sqlx::query(
        "INSERT INTO projection_rows (projection, version, key, workspace_id, ordinal, data)
         SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5
         FROM json_each($1) WHERE true
         ON CONFLICT (projection, version, key) DO UPDATE
            SET workspace_id = excluded.workspace_id, ordinal = excluded.ordinal, data = excluded.data",
    )
    .bind(json(&rows)?)
    .execute(work)
    .await?;
    Ok(())
}

async fn write_terms(work: &mut SqliteConnection, steps: &[Step], add: bool) -> Result<(), sqlx::Error> {
    let mut terms = Vec::new();
    for Step { claim, folded, .. } in steps {
        let postings = if add { &folded.added } else { &folded.removed };
        terms.extend(postings.iter().map(|posting| {
            let workspace = hex(posting.workspace_id);
            (claim.projection, claim.version.stored(), workspace, &posting.term, posting.ordinal)
        }));
    }
    if terms.is_empty() {
        return Ok(());
    }
    sqlx::query(if add {
        "INSERT INTO projection_terms (projection, version, workspace_id, term, ordinal)
         SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4 FROM json_each($1)"
    } else {
        "DELETE FROM projection_terms WHERE (projection, version, workspace_id, term, ordinal) IN
            (SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4 FROM json_each($1))"
    })
    .bind(json(&terms)?)
    .execute(work)
    .await?;
    Ok(())
}

async fn move_checkpoints(work: &mut SqliteConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let moves: Vec<_> = steps
        .iter()
        .map(|Step { claim, folded, next }| {
            let error = folded.poison.as_ref().map(|(_, error)| error);
            (claim.projection, claim.version.stored(), stored(claim.expected), stored(*next), error)
        })
        .collect();
    let moved = sqlx::query(
        "UPDATE projection_checkpoints AS c
         SET position = n.value ->> 3, error = n.value ->> 4,
            updated_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER),
            status = CASE WHEN n.value ->> 4 IS NULL THEN c.status ELSE $2 END
         FROM json_each($1) AS n
         WHERE c.projection = n.value ->> 0 AND c.version = n.value ->> 1 AND c.position = n.value ->> 2",
    )
    .bind(json(&moves)?)
    .bind(status::STOPPED)
    .execute(work)
    .await?
    .rows_affected();
    super::all_moved(moved, steps)
}

/// The database reads it with `unhex`.
fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

pub(super) async fn ensure(
    views: &SqlitePool,
    projection: &str,
    version: Version,
) -> Result<(), sqlx::Error> {
    let mut work = begin(views).await?;
    sqlx::query(
        "INSERT INTO projection_active (projection, version) VALUES ($1, $2) ON CONFLICT (projection) DO NOTHING",
    )
    .bind(projection)
    .bind(version.stored())
    .execute(&mut *work)
    .await?;
    sqlx::query(
        "INSERT INTO projection_checkpoints (projection, version, position, status, updated_at)
         SELECT projection, version, 0, $2, CAST(unixepoch('subsec') * 1000000 AS INTEGER)
         FROM projection_active WHERE projection = $1
         ON CONFLICT (projection, version) DO NOTHING",
    )
    .bind(projection)
    .bind(status::RUNNING)
    .execute(&mut *work)
    .await?;
    work.commit().await
}

pub(super) async fn insert_checkpoint(
    views: &SqlitePool,
    projection: &str,
    version: Version,
    status: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO projection_checkpoints (projection, version, position, status, updated_at)
         VALUES ($1, $2, 0, $3, CAST(unixepoch('subsec') * 1000000 AS INTEGER))
         ON CONFLICT (projection, version) DO NOTHING",
    )
    .bind(projection)
    .bind(version.stored())
    .bind(status)
    .execute(views)
    .await?;
    Ok(())
}

pub(super) async fn resume(
    views: &SqlitePool,
    projection: &str,
    version: Version,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_checkpoints SET error = NULL,
            status = CASE WHEN version IN (SELECT version FROM projection_active WHERE projection = $1)
                THEN $3 ELSE $4 END
         WHERE projection = $1 AND version = $2 AND status = $5",
    )
    .bind(projection)
    .bind(version.stored())
    .bind(status::RUNNING)
    .bind(status::BUILDING)
    .bind(status::STOPPED)
    .execute(views)
    .await?;
    Ok(())
}

pub(super) async fn swap(views: &SqlitePool, projection: &str, new: Version) -> Result<bool, sqlx::Error> {
    let mut work = begin(views).await?;
    let both: Vec<(i32, i64, String)> =
        sqlx::query_as("SELECT version, position, status FROM projection_checkpoints WHERE projection = $1")
            .bind(projection)
            .fetch_all(&mut *work)
            .await?;
    let active: Option<i32> =
        sqlx::query_scalar("SELECT version FROM projection_active WHERE projection = $1")
            .bind(projection)
            .fetch_optional(&mut *work)
            .await?;
    if !super::may_swap(&both, active, new.stored()) {
        return Ok(false);
    }
    for statement in super::SWAP {
        sqlx::query(statement).bind(projection).bind(new.stored()).bind(active).execute(&mut *work).await?;
    }
    work.commit().await?;
    Ok(true)
}

pub(super) async fn drop_version(
    views: &SqlitePool,
    projection: &str,
    version: Version,
) -> Result<(), sqlx::Error> {
    // In portions, so that nothing is held for long.
    for statement in [
        "DELETE FROM projection_rows WHERE projection = $1 AND version = $2 AND key IN
            (SELECT key FROM projection_rows WHERE projection = $1 AND version = $2 LIMIT 5000)",
        "DELETE FROM projection_terms WHERE (projection, version, workspace_id, term, ordinal) IN
            (SELECT projection, version, workspace_id, term, ordinal FROM projection_terms
             WHERE projection = $1 AND version = $2 LIMIT 5000)",
    ] {
        loop {
            let query = sqlx::query(statement).bind(projection).bind(version.stored());
            if query.execute(views).await?.rows_affected() == 0 {
                break;
            }
        }
    }
    sqlx::query(
        "DELETE FROM projection_checkpoints WHERE projection = $1 AND version = $2
            AND version NOT IN (SELECT version FROM projection_active WHERE projection = $1)",
    )
    .bind(projection)
    .bind(version.stored())
    .execute(views)
    .await?;
    Ok(())
}
