//! The statements for `PostgreSQL`. Arrays go in, and each statement works on the whole page.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Postgres, Transaction};

use super::{Claim, Held, LoadedColumns, Step, status, stored};
use crate::model::{Folded, Posting};
use crate::version::Version;

/// What a transaction that folds begins with.
///
/// Rows and checkpoint are lost together or not at all, and both can be built again: so they needn't
/// wait for the disk, and don't compete with the appends for it. And its statements look up each thing
/// in an index however small the tables are: a plan is kept, and the tables grow. And whoever falls
/// silent in the middle of it is thrown out, so that what it holds is free for others.
const BEGIN: &str = "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL enable_seqscan = off;
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off;
    SET LOCAL idle_in_transaction_session_timeout = '2s'";

pub(super) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    pool.begin_with(BEGIN).await
}

/// One column of what goes into a statement.
fn each<'a, T, C>(rows: &'a [T], column: impl Fn(&'a T) -> C) -> Vec<C> {
    rows.iter().map(column).collect()
}

/// All of a kind that the steps have made, each with the build it belongs to.
fn all<'a, T>(steps: &'a [Step], of: impl Fn(&'a Folded) -> &'a Vec<T>) -> Vec<(i32, &'a T)> {
    steps.iter().flat_map(|step| of(&step.folded).iter().map(|one| (step.claim.build, one))).collect()
}

/// The checkpoints of `claims` that nobody else holds. Whoever finds one held has nothing to do: its
/// holder is doing it.
pub(super) async fn hold(work: &mut PgConnection, claims: &[Claim]) -> Result<Vec<Held>, sqlx::Error> {
    sqlx::query_as(
        "SELECT build, position, status, holder FROM projection_checkpoints WHERE build = ANY($1)
         ORDER BY build FOR UPDATE SKIP LOCKED",
    )
    .bind(each(claims, |claim| claim.build))
    .fetch_all(work)
    .await
}

pub(super) async fn load(
    work: &mut PgConnection,
    keys: &[(Claim, Vec<String>)],
) -> Result<Vec<LoadedColumns>, sqlx::Error> {
    let wanted: Vec<(i32, &String)> =
        keys.iter().flat_map(|(claim, keys)| keys.iter().map(|key| (claim.build, key))).collect();
    sqlx::query_as(
        "SELECT r.build, r.key, r.workspace_id, r.ordinal, r.data
         FROM UNNEST($1::integer[], $2::text[]) AS n(build, key)
         JOIN projection_rows r ON r.build = n.build AND r.key = n.key",
    )
    .bind(each(&wanted, |(build, _)| *build))
    .bind(each(&wanted, |(_, key)| key.as_str()))
    .fetch_all(work)
    .await
}

pub(super) async fn write(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    delete_rows(work, steps).await?;
    insert_rows(work, steps).await?;
    update_rows(work, steps).await?;
    let remove = "DELETE FROM projection_terms t
         USING UNNEST($1::integer[], $2::uuid[], $3::bigint[]) AS n(build, term, ordinal)
         WHERE t.build = n.build AND t.term = n.term AND t.ordinal = n.ordinal";
    write_terms(work, remove, &all(steps, |folded| &folded.removed)).await?;
    let add = "INSERT INTO projection_terms (build, term, ordinal)
         SELECT * FROM UNNEST($1::integer[], $2::uuid[], $3::bigint[])";
    write_terms(work, add, &all(steps, |folded| &folded.added)).await?;
    insert_blocks(work, steps).await?;
    move_checkpoints(work, steps).await
}

async fn delete_rows(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let rows = all(steps, |folded| &folded.deletes);
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM projection_rows r USING UNNEST($1::integer[], $2::text[]) AS n(build, key)
         WHERE r.build = n.build AND r.key = n.key",
    )
    .bind(each(&rows, |(build, _)| *build))
    .bind(each(&rows, |(_, key)| key.as_str()))
    .execute(work)
    .await?;
    Ok(())
}

async fn insert_rows(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let rows = all(steps, |folded| &folded.inserts);
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO projection_rows (build, key, workspace_id, ordinal, data)
         SELECT * FROM UNNEST($1::integer[], $2::text[], $3::uuid[], $4::bigint[], $5::text[])",
    )
    .bind(each(&rows, |(build, _)| *build))
    .bind(each(&rows, |(_, row)| row.key.as_str()))
    .bind(each(&rows, |(_, row)| row.workspace_id))
    .bind(each(&rows, |(_, row)| row.ordinal))
    .bind(each(&rows, |(_, row)| row.data.as_str()))
    .execute(work)
    .await?;
    Ok(())
}

async fn update_rows(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let rows = all(steps, |folded| &folded.updates);
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE projection_rows r SET data = n.data
         FROM UNNEST($1::integer[], $2::text[], $3::text[]) AS n(build, key, data)
         WHERE r.build = n.build AND r.key = n.key",
    )
    .bind(each(&rows, |(build, _)| *build))
    .bind(each(&rows, |(_, row)| row.key.as_str()))
    .bind(each(&rows, |(_, row)| row.data.as_str()))
    .execute(work)
    .await?;
    Ok(())
}

async fn write_terms(
    work: &mut PgConnection,
    statement: &str,
    terms: &[(i32, &Posting)],
) -> Result<(), sqlx::Error> {
    if terms.is_empty() {
        return Ok(());
    }
    sqlx::query(statement)
        .bind(each(terms, |(build, _)| *build))
        .bind(each(terms, |(_, posting)| posting.term))
        .bind(each(terms, |(_, posting)| posting.ordinal))
        .execute(work)
        .await?;
    Ok(())
}

async fn insert_blocks(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let blocks = all(steps, |folded| &folded.blocks);
    if blocks.is_empty() {
        return Ok(());
    }
    // Arrays of arrays must be rectangular, and these aren't: each goes as text.
    sqlx::query(
        "INSERT INTO projection_postings (build, term, first, offsets)
         SELECT n.build, n.term, n.first, n.offsets::smallint[]
         FROM UNNEST($1::integer[], $2::uuid[], $3::bigint[], $4::text[]) AS n(build, term, first, offsets)",
    )
    .bind(each(&blocks, |(build, _)| *build))
    .bind(each(&blocks, |(_, block)| block.term))
    .bind(each(&blocks, |(_, block)| block.first))
    .bind(each(&blocks, |(_, block)| block.offsets_between('{', '}')))
    .execute(work)
    .await?;
    Ok(())
}

async fn move_checkpoints(work: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let error = |step: &Step| step.folded.poison.as_ref().map(|(_, error)| error.clone());
    let moved = sqlx::query(
        "UPDATE projection_checkpoints c
         SET position = n.next, error = n.error, updated_at = clock_timestamp(),
            status = CASE WHEN n.error IS NOT NULL THEN $5 WHEN c.status = $5 THEN $6 ELSE c.status END
         FROM UNNEST($1::integer[], $2::bigint[], $3::bigint[], $4::text[]) AS n(build, expected, next, error)
         WHERE c.build = n.build AND c.position = n.expected",
    )
    .bind(each(steps, |step| step.claim.build))
    .bind(each(steps, |step| stored(step.claim.expected)))
    .bind(each(steps, |step| stored(step.next)))
    .bind(each(steps, error))
    .bind(status::STOPPED)
    .bind(status::RUNNING)
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

pub(super) async fn drop_version(
    pool: &PgPool,
    projection: &str,
    version: Version,
) -> Result<(), sqlx::Error> {
    let build: Option<i32> = sqlx::query_scalar(super::UNREAD_BUILD)
        .bind(projection)
        .bind(version.stored())
        .fetch_optional(pool)
        .await?;
    let Some(build) = build else { return Ok(()) };
    for table in super::TABLES {
        // In portions, so that nothing is held for long.
        let statement = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE build = $1 LIMIT 10000))"
        );
        while sqlx::query(&statement).bind(build).execute(pool).await?.rows_affected() > 0 {}
    }
    sqlx::query("DELETE FROM projection_checkpoints WHERE build = $1").bind(build).execute(pool).await?;
    Ok(())
}
