//! The statements for `PostgreSQL`. Arrays go in, and each statement works on the whole page.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Postgres, Transaction};

use super::{Claim, LoadedColumns, Step, status, stored};
use crate::model::{Posting, Stored};
use crate::version::Version;

/// One column of what goes into a statement.
fn each<'a, T, C>(rows: &'a [T], column: impl Fn(&'a T) -> C) -> Vec<C> {
    rows.iter().map(column).collect()
}

pub(super) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut work = pool.begin().await?;
    // Rows and checkpoint are lost together or not at all, and both can be built again: so they needn't
    // wait for the disk, and don't compete with the appends for it.
    sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *work).await?;
    Ok(work)
}

/// The checkpoints of `claims` that nobody else holds. Whoever finds one held has nothing to do: its
/// holder is doing it.
pub(super) async fn hold(
    work: &mut PgConnection,
    claims: &[Claim],
) -> Result<Vec<(String, i32, i64, String)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT c.projection, c.version, c.position, c.status
         FROM projection_checkpoints c
         JOIN UNNEST($1::text[], $2::integer[]) AS n(projection, version)
            ON c.projection = n.projection AND c.version = n.version
         ORDER BY c.projection, c.version
         FOR UPDATE OF c SKIP LOCKED",
    )
    .bind(each(claims, |claim| claim.projection))
    .bind(each(claims, |claim| claim.version.stored()))
    .fetch_all(work)
    .await
}

pub(super) async fn load(
    work: &mut PgConnection,
    keys: &[(Claim, Vec<String>)],
) -> Result<Vec<LoadedColumns>, sqlx::Error> {
    let wanted: Vec<(i64, &Claim, &String)> = (0..)
        .zip(keys)
        .flat_map(|(number, (claim, keys))| keys.iter().map(move |key| (number, claim, key)))
        .collect();
    sqlx::query_as(
        "SELECT n.number, r.key, r.workspace_id, r.ordinal, r.data::text
         FROM UNNEST($1::bigint[], $2::text[], $3::integer[], $4::text[]) AS n(number, projection, version, key)
         JOIN projection_rows r
            ON r.projection = n.projection AND r.version = n.version AND r.key = n.key",
    )
    .bind(each(&wanted, |(number, ..)| *number))
    .bind(each(&wanted, |(_, claim, _)| claim.projection))
    .bind(each(&wanted, |(_, claim, _)| claim.version.stored()))
    .bind(each(&wanted, |(.., key)| key.as_str()))
    .fetch_all(work)
    .await
}

pub(super) async fn write(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    delete_rows(work, steps).await?;
    upsert_rows(work, steps).await?;
    write_terms(work, steps, false).await?;
    write_terms(work, steps, true).await?;
    move_checkpoints(work, steps).await
}

async fn delete_rows(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let rows: Vec<(&Claim, &String)> = steps
        .iter()
        .flat_map(|Step { claim, folded, .. }| folded.deletes.iter().map(move |key| (claim, key)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM projection_rows r
         USING UNNEST($1::text[], $2::integer[], $3::text[]) AS n(projection, version, key)
         WHERE r.projection = n.projection AND r.version = n.version AND r.key = n.key",
    )
    .bind(each(&rows, |(claim, _)| claim.projection))
    .bind(each(&rows, |(claim, _)| claim.version.stored()))
    .bind(each(&rows, |(_, key)| key.as_str()))
    .execute(work)
    .await?;
    Ok(())
}

async fn upsert_rows(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let rows: Vec<(&Claim, &Stored)> = steps
        .iter()
        .flat_map(|Step { claim, folded, .. }| folded.upserts.iter().map(move |row| (claim, row)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO projection_rows (projection, version, key, workspace_id, ordinal, data)
         SELECT n.projection, n.version, n.key, n.workspace_id, n.ordinal, n.data::json
         FROM UNNEST($1::text[], $2::integer[], $3::text[], $4::uuid[], $5::bigint[], $6::text[])
            AS n(projection, version, key, workspace_id, ordinal, data)
         ON CONFLICT (projection, version, key) DO UPDATE
            SET workspace_id = excluded.workspace_id, ordinal = excluded.ordinal, data = excluded.data",
    )
    .bind(each(&rows, |(claim, _)| claim.projection))
    .bind(each(&rows, |(claim, _)| claim.version.stored()))
    .bind(each(&rows, |(_, row)| row.key.as_str()))
    .bind(each(&rows, |(_, row)| row.workspace_id))
    .bind(each(&rows, |(_, row)| row.ordinal))
    .bind(each(&rows, |(_, row)| row.data.as_str()))
    .execute(work)
    .await?;
    Ok(())
}

async fn write_terms(work: &mut PgConnection, steps: &[Step], add: bool) -> Result<(), sqlx::Error> {
    let terms: Vec<(&Claim, &Posting)> = steps
        .iter()
        .flat_map(|Step { claim, folded, .. }| {
            let postings = if add { &folded.added } else { &folded.removed };
            postings.iter().map(move |posting| (claim, posting))
        })
        .collect();
    if terms.is_empty() {
        return Ok(());
    }
    sqlx::query(if add {
        "INSERT INTO projection_terms (projection, version, workspace_id, term, ordinal)
         SELECT * FROM UNNEST($1::text[], $2::integer[], $3::uuid[], $4::text[], $5::bigint[])"
    } else {
        "DELETE FROM projection_terms t
         USING UNNEST($1::text[], $2::integer[], $3::uuid[], $4::text[], $5::bigint[])
            AS n(projection, version, workspace_id, term, ordinal)
         WHERE t.projection = n.projection AND t.version = n.version AND t.workspace_id = n.workspace_id
            AND t.term = n.term AND t.ordinal = n.ordinal"
    })
    .bind(each(&terms, |(claim, _)| claim.projection))
    .bind(each(&terms, |(claim, _)| claim.version.stored()))
    .bind(each(&terms, |(_, posting)| posting.workspace_id))
    .bind(each(&terms, |(_, posting)| posting.term.as_str()))
    .bind(each(&terms, |(_, posting)| posting.ordinal))
    .execute(work)
    .await?;
    Ok(())
}

async fn move_checkpoints(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let error = |step: &Step| step.folded.poison.as_ref().map(|(_, error)| error.clone());
    let moved = sqlx::query(
        "UPDATE projection_checkpoints c
         SET position = n.next, error = n.error, updated_at = clock_timestamp(),
            status = CASE WHEN n.error IS NULL THEN c.status ELSE $6 END
         FROM UNNEST($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::text[])
            AS n(projection, version, expected, next, error)
         WHERE c.projection = n.projection AND c.version = n.version AND c.position = n.expected",
    )
    .bind(each(steps, |step| step.claim.projection))
    .bind(each(steps, |step| step.claim.version.stored()))
    .bind(each(steps, |step| stored(step.claim.expected)))
    .bind(each(steps, |step| stored(step.next)))
    .bind(each(steps, error))
    .bind(status::STOPPED)
    .execute(work)
    .await?
    .rows_affected();
    super::all_moved(moved, steps)
}

pub(super) async fn ensure(pool: &PgPool, projection: &str, version: Version) -> Result<(), sqlx::Error> {
    let mut work = pool.begin().await?;
    sqlx::query(
        "INSERT INTO projection_active (projection, version) VALUES ($1, $2) ON CONFLICT (projection) DO NOTHING",
    )
    .bind(projection)
    .bind(version.stored())
    .execute(&mut *work)
    .await?;
    // Only if it is the one that is read: another version's checkpoint is its own matter.
    sqlx::query(
        "INSERT INTO projection_checkpoints (projection, version, position, status, updated_at)
         SELECT projection, version, 0, $2, clock_timestamp() FROM projection_active WHERE projection = $1
         ON CONFLICT (projection, version) DO NOTHING",
    )
    .bind(projection)
    .bind(status::RUNNING)
    .execute(&mut *work)
    .await?;
    work.commit().await
}

pub(super) async fn insert_checkpoint(
    pool: &PgPool,
    projection: &str,
    version: Version,
    status: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO projection_checkpoints (projection, version, position, status, updated_at)
         VALUES ($1, $2, 0, $3, clock_timestamp()) ON CONFLICT (projection, version) DO NOTHING",
    )
    .bind(projection)
    .bind(version.stored())
    .bind(status)
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn resume(pool: &PgPool, projection: &str, version: Version) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projection_checkpoints SET error = NULL, updated_at = clock_timestamp(),
            status = CASE WHEN version IN (SELECT version FROM projection_active WHERE projection = $1)
                THEN $3 ELSE $4 END
         WHERE projection = $1 AND version = $2 AND status = $5",
    )
    .bind(projection)
    .bind(version.stored())
    .bind(status::RUNNING)
    .bind(status::BUILDING)
    .bind(status::STOPPED)
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn swap(pool: &PgPool, projection: &str, new: Version) -> Result<bool, sqlx::Error> {
    let mut work = pool.begin().await?;
    // Both stand still until the end of this.
    let both: Vec<(i32, i64, String)> = sqlx::query_as(
        "SELECT version, position, status FROM projection_checkpoints WHERE projection = $1
         ORDER BY projection, version FOR UPDATE",
    )
    .bind(projection)
    .fetch_all(&mut *work)
    .await?;
    let active: Option<i32> =
        sqlx::query_scalar("SELECT version FROM projection_active WHERE projection = $1 FOR UPDATE")
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
    pool: &PgPool,
    projection: &str,
    version: Version,
) -> Result<(), sqlx::Error> {
    for table in ["projection_rows", "projection_terms"] {
        // In portions, so that nothing is held for long.
        let statement = format!(
            "DELETE FROM {table} WHERE ctid IN
                (SELECT ctid FROM {table} WHERE projection = $1 AND version = $2 LIMIT 10000)"
        );
        loop {
            let query = sqlx::query(&statement).bind(projection).bind(version.stored());
            if query.execute(pool).await?.rows_affected() == 0 {
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
    .execute(pool)
    .await?;
    Ok(())
}
