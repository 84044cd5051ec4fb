//! Whether each request of a batch may be written. Each check asks the book once for the whole
//! batch, by way of `json_each`; `None` is what passes.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::super::Verdict;
use super::super::columns::{fence, number};
use crate::append::{Append, Expected};
use crate::event::{INSTANCE, Position};
use crate::queue::Item;

type Refusals = Vec<Option<Verdict>>;

pub(super) async fn run(
    book: &mut SqliteConnection,
    batch: &[Item],
    head: Position,
    now: DateTime<Utc>,
) -> Result<Refusals, sqlx::Error> {
    let mut refusals = vec![None; batch.len()];
    check_duplicates(book, batch, now, &mut refusals).await?;
    check_fences(book, batch, head, &mut refusals).await?;
    for (item, refusal) in batch.iter().zip(&mut refusals) {
        if refusal.is_none() && item.append.not_after.is_some_and(|not_after| not_after <= now) {
            *refusal = Some(Verdict::Expired);
        }
    }
    check_expectations(book, batch, &mut refusals).await?;
    check_budgets(book, batch, &mut refusals).await?;
    Ok(refusals)
}

/// Keeps the first reason.
fn refuse(refusals: &mut Refusals, request: i64, verdict: Verdict) {
    let refusal = usize::try_from(request).ok().and_then(|request| refusals.get_mut(request));
    if let Some(refusal @ None) = refusal {
        *refusal = Some(verdict);
    }
}

async fn check_duplicates(
    book: &mut SqliteConnection,
    batch: &[Item],
    now: DateTime<Utc>,
    refusals: &mut Refusals,
) -> Result<(), sqlx::Error> {
    let keyed = batch.iter().enumerate().filter_map(|(request, item)| {
        let idempotency = item.append.idempotency.as_ref()?;
        Some((request, &idempotency.scope, &idempotency.key, hex::encode(idempotency.request_hash)))
    });
    let keyed: Vec<_> = keyed.collect();
    if keyed.is_empty() {
        return Ok(());
    }
    let sql = "SELECT j.value ->> 0, i.position, i.request_hash = unhex(j.value ->> 3), i.answer
               FROM json_each(?1) j CROSS JOIN idempotency i ON i.scope = j.value ->> 1 AND i.key = j.value ->> 2
               WHERE i.expires_at > ?2";
    let query = sqlx::query_as::<_, (i64, i64, bool, Option<Vec<u8>>)>(sql);
    for (request, position, same_request, answer) in
        query.bind(Json(keyed)).bind(now.timestamp_micros()).fetch_all(book).await?
    {
        let position = Position(u64::try_from(position).unwrap_or_default());
        refuse(refusals, request, Verdict::Duplicate { position, same_request, answer });
    }
    Ok(())
}

async fn check_fences(
    book: &mut SqliteConnection,
    batch: &[Item],
    head: Position,
    refusals: &mut Refusals,
) -> Result<(), sqlx::Error> {
    let fenced = |item: &&Item| fence(item.append.fence).is_some();
    let mut workspaces: HashSet<Uuid> =
        batch.iter().filter(fenced).flat_map(|item| workspaces(&item.append)).collect();
    if workspaces.is_empty() {
        return Ok(());
    }
    workspaces.insert(INSTANCE);
    let newest = newest_narrowing(book, &workspaces).await?;
    for (item, refusal) in batch.iter().zip(refusals) {
        let Some(fence) = fence(item.append.fence) else { continue };
        let narrowed = workspaces_and_instance(&item.append).filter_map(|id| newest.get(&id)).max();
        if refusal.is_some() {
            continue;
        }
        if fence > head {
            *refusal = Some(Verdict::Ahead);
        } else if let Some(narrowed) = narrowed.filter(|narrowed| **narrowed >= fence) {
            *refusal = Some(Verdict::Stale(*narrowed));
        }
    }
    Ok(())
}

fn workspaces(append: &Append) -> impl Iterator<Item = Uuid> {
    append.writes.iter().map(|write| write.workspace_id)
}

fn workspaces_and_instance(append: &Append) -> impl Iterator<Item = Uuid> {
    workspaces(append).chain([INSTANCE])
}

/// Where the newest narrowing event of each workspace stands, where there is one.
async fn newest_narrowing(
    book: &mut SqliteConnection,
    workspaces: &HashSet<Uuid>,
) -> Result<HashMap<Uuid, Position>, sqlx::Error> {
    let ids: Vec<_> = workspaces.iter().map(|id| id.simple().to_string()).collect();
    let sql = "SELECT unhex(j.value), (SELECT n.position FROM events n WHERE n.narrows AND n.workspace_id = unhex(j.value)
                                       ORDER BY n.position DESC LIMIT 1)
               FROM json_each(?1) j";
    let rows = sqlx::query_as::<_, (Uuid, Option<i64>)>(sql).bind(Json(ids)).fetch_all(book).await?;
    let known = |(id, position): (Uuid, Option<i64>)| Some((id, Position(u64::try_from(position?).ok()?)));
    Ok(rows.into_iter().filter_map(known).collect())
}

async fn check_expectations(
    book: &mut SqliteConnection,
    batch: &[Item],
    refusals: &mut Refusals,
) -> Result<(), sqlx::Error> {
    let mut expected = Vec::new();
    for (request, item) in batch.iter().enumerate() {
        for write in &item.append.writes {
            let at = match write.expected {
                Expected::Any => continue,
                Expected::NoStream => -1,
                Expected::At(position) => number(position.0),
            };
            expected.push((request, &write.stream.aggregate_type, &write.stream.aggregate_id, at));
        }
    }
    if expected.is_empty() {
        return Ok(());
    }
    let sql = "SELECT x.request, x.type || '/' || x.id
        FROM (SELECT value ->> 0 AS request, value ->> 1 AS type, value ->> 2 AS id, value ->> 3 AS at FROM json_each(?1)) x
        WHERE CASE WHEN x.at < 0
            THEN EXISTS (SELECT 1 FROM events s WHERE s.aggregate_type = x.type AND s.aggregate_id = x.id)
            ELSE x.at IS NOT (SELECT s.position FROM events s
                              WHERE s.control AND s.aggregate_type = x.type AND s.aggregate_id = x.id
                              ORDER BY s.position DESC LIMIT 1) END";
    for (request, stream) in
        sqlx::query_as::<_, (i64, String)>(sql).bind(Json(expected)).fetch_all(book).await?
    {
        refuse(refusals, request, Verdict::Conflict(stream));
    }
    Ok(())
}

/// Units are taken in the order of the requests that are otherwise accepted.
async fn check_budgets(
    book: &mut SqliteConnection,
    batch: &[Item],
    refusals: &mut Refusals,
) -> Result<(), sqlx::Error> {
    let sessions: HashSet<_> =
        batch.iter().filter_map(|item| Some(item.append.budget?.session_id.simple().to_string())).collect();
    if sessions.is_empty() {
        return Ok(());
    }
    let sql =
        "SELECT session_id, used FROM budgets WHERE session_id IN (SELECT unhex(value) FROM json_each(?1))";
    let rows = sqlx::query_as::<_, (Uuid, i64)>(sql).bind(Json(sessions)).fetch_all(book).await?;
    let mut used: HashMap<Uuid, i64> = rows.into_iter().collect();
    for (item, refusal) in batch.iter().zip(refusals) {
        let (Some(budget), None) = (item.append.budget, refusal.as_ref()) else { continue };
        let used = used.entry(budget.session_id).or_default();
        if *used < number(budget.total) {
            *used += 1;
        } else {
            *refusal = Some(Verdict::Exhausted);
        }
    }
    Ok(())
}
