//! The statements for `SQLite`: one for some hundred rows, made of as many `VALUES`.

use sqlx::query_builder::Separated;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{QueryBuilder, Sqlite, Transaction};

use super::{Claim, Held, LoadedColumns, Step, status, stored};
use crate::model::Folded;
use crate::version::Version;

/// How many rows one statement writes: a full one is prepared once.
const ROWS: usize = 200;

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

/// All of a kind that the steps have made, each with the build it belongs to.
fn all<'a, T>(steps: &'a [Step], of: impl Fn(&'a Folded) -> &'a Vec<T>) -> Vec<(i32, &'a T)> {
    steps.iter().flat_map(|step| of(&step.folded).iter().map(|one| (step.claim.build, one))).collect()
}

/// The rows of values of one statement.
type Values<'b, 'a> = Separated<'b, 'a, Sqlite, &'static str>;

/// `head VALUES (…), (…) tail`, as often as it takes.
async fn write_values<'a, T: Copy>(
    work: &mut SqliteConnection,
    head: &str,
    rows: &[T],
    tail: &str,
    bind: impl Fn(&mut Values<'_, 'a>, T),
) -> Result<(), sqlx::Error> {
    for some in rows.chunks(ROWS) {
        let mut statement = QueryBuilder::new(head);
        statement.push_values(some, |mut values, row| bind(&mut values, *row));
        statement.push(tail);
        statement.build().persistent(some.len() == ROWS).execute(&mut *work).await?;
    }
    Ok(())
}

/// The checkpoints of `claims`. The transaction has begun by taking the only right to write.
pub(super) async fn hold(work: &mut SqliteConnection, claims: &[Claim]) -> Result<Vec<Held>, sqlx::Error> {
    let builds: Vec<i32> = claims.iter().map(|claim| claim.build).collect();
    sqlx::query_as(
        "SELECT build, position, status, NULL AS holder FROM projection_checkpoints
         WHERE build IN (SELECT value FROM json_each($1))",
    )
    .bind(serde_json::json!(builds).to_string())
    .fetch_all(work)
    .await
}

pub(super) async fn load(
    work: &mut SqliteConnection,
    keys: &[(Claim, Vec<String>)],
) -> Result<Vec<LoadedColumns>, sqlx::Error> {
    let mut found = Vec::new();
    for (claim, keys) in keys.iter().filter(|(_, keys)| !keys.is_empty()) {
        // CROSS JOIN keeps the order: each wanted key is looked up.
        let rows = sqlx::query_as(
            "SELECT r.build, r.key, r.workspace_id, r.ordinal, r.data
             FROM json_each($2) AS n CROSS JOIN projection_rows AS r ON r.build = $1 AND r.key = n.value",
        )
        .bind(claim.build)
        .bind(serde_json::json!(keys).to_string())
        .fetch_all(&mut *work);
        found.extend(rows.await?);
    }
    Ok(found)
}

pub(super) async fn write(work: &mut SqliteConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    write_rows(work, steps).await?;
    let remove = "DELETE FROM projection_terms WHERE (build, term, ordinal) IN (";
    write_values(work, remove, &all(steps, |folded| &folded.removed), ")", |values, (build, posting)| {
        values.push_bind(build).push_bind(posting.term).push_bind(posting.ordinal);
    })
    .await?;
    let add = "INSERT INTO projection_terms (build, term, ordinal) ";
    write_values(work, add, &all(steps, |folded| &folded.added), "", |values, (build, posting)| {
        values.push_bind(build).push_bind(posting.term).push_bind(posting.ordinal);
    })
    .await?;
    let post = "INSERT INTO projection_postings (build, term, first, offsets) ";
    write_values(work, post, &all(steps, |folded| &folded.blocks), "", |values, (build, block)| {
        let offsets = block.offsets_between('[', ']');
        values.push_bind(build).push_bind(block.term).push_bind(block.first).push_bind(offsets);
    })
    .await?;
    move_checkpoints(work, steps).await
}

async fn write_rows(work: &mut SqliteConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let delete = "DELETE FROM projection_rows WHERE (build, key) IN (";
    write_values(work, delete, &all(steps, |folded| &folded.deletes), ")", |values, (build, key)| {
        values.push_bind(build).push_bind(key.as_str());
    })
    .await?;
    let insert = "INSERT INTO projection_rows (build, key, workspace_id, ordinal, data) ";
    write_values(work, insert, &all(steps, |folded| &folded.inserts), "", |values, (build, row)| {
        values.push_bind(build).push_bind(row.key.as_str()).push_bind(row.workspace_id);
        values.push_bind(row.ordinal).push_bind(row.data.as_str());
    })
    .await?;
    let update = "WITH n (build, key, data) AS (";
    let set =
        ") UPDATE projection_rows AS r SET data = n.data FROM n WHERE r.build = n.build AND r.key = n.key";
    write_values(work, update, &all(steps, |folded| &folded.updates), set, |values, (build, row)| {
        values.push_bind(build).push_bind(row.key.as_str()).push_bind(row.data.as_str());
    })
    .await
}

async fn move_checkpoints(work: &mut SqliteConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let mut moved = 0;
    for Step { claim, folded, next } in steps {
        let error = folded.poison.as_ref().map(|(_, error)| error);
        let one = sqlx::query(
            "UPDATE projection_checkpoints SET position = $3, error = $4,
                updated_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER),
                status = CASE WHEN $4 IS NOT NULL THEN $5 WHEN status = $5 THEN $6 ELSE status END
             WHERE build = $1 AND position = $2",
        )
        .bind(claim.build)
        .bind(stored(claim.expected))
        .bind(stored(*next))
        .bind(error)
        .bind(status::STOPPED)
        .bind(status::RUNNING);
        moved += one.execute(&mut *work).await?.rows_affected();
    }
    super::all_moved(moved, steps)
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

pub(super) async fn drop_version(
    views: &SqlitePool,
    projection: &str,
    version: Version,
) -> Result<(), sqlx::Error> {
    let build: Option<i32> = sqlx::query_scalar(super::UNREAD_BUILD)
        .bind(projection)
        .bind(version.stored())
        .fetch_optional(views)
        .await?;
    let Some(build) = build else { return Ok(()) };
    for (table, key) in
        super::TABLES.into_iter().zip(["build, key", "build, term, ordinal", "build, term, first"])
    {
        // In portions, so that nothing is held for long.
        let statement = format!(
            "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE build = $1 LIMIT 5000)"
        );
        while sqlx::query(&statement).bind(build).execute(views).await?.rows_affected() > 0 {}
    }
    sqlx::query("DELETE FROM projection_checkpoints WHERE build = $1").bind(build).execute(views).await?;
    Ok(())
}
