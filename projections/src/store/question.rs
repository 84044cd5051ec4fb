//! The statements that read, the same for both databases: each is one look at one version.

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use tollbook_journal::{Database, Position};
use uuid::Uuid;

use super::{Store, stored};
use crate::term::Term;
use crate::views::{Order, Views};

/// Version, key, workspace, ordinal, data.
pub(crate) type RowColumns = (i32, String, Uuid, i64, String);

/// What is asked for, in terms of the tables.
pub(crate) struct Asked {
    workspace_id: Uuid,
    terms: Vec<Uuid>,
    /// The least ordinal.
    from: i64,
    /// The first ordinal that is too great.
    to: i64,
    limit: i64,
    direction: &'static str,
}

impl Asked {
    pub(crate) fn new(
        workspace_id: Uuid,
        terms: &[Term],
        (from, to): (Option<Position>, Option<Position>),
        after: Option<Position>,
        limit: usize,
        order: Order,
    ) -> Self {
        let (mut from, mut to) = (from.map_or(0, stored), to.map_or(i64::MAX, stored));
        let direction = match order {
            Order::OldestFirst => {
                from = from.max(after.map_or(0, |after| stored(after).saturating_add(1)));
                "ASC"
            }
            Order::NewestFirst => {
                to = to.min(after.map_or(i64::MAX, stored));
                "DESC"
            }
        };
        let terms = terms.iter().take(Views::TERMS_MAX).map(|term| term.stored(workspace_id)).collect();
        Self { workspace_id, terms, from, to, limit: i64::try_from(limit).unwrap_or(i64::MAX), direction }
    }

    /// The parameters: `first` is `$1`, `$2` to `$4` are the bounds, and from `$5` on, the terms.
    fn binds<'q>(&self, first: Bind<'q>) -> Vec<Bind<'q>> {
        let bounds = [self.from, self.to, self.limit].map(Bind::Number);
        std::iter::once(first).chain(bounds).chain(self.terms.iter().copied().map(Bind::Id)).collect()
    }

    /// Whatever has the first term must have the others, too.
    fn others(&self, other: impl Fn(usize) -> String) -> String {
        let numbers = 6..self.terms.len() + 5;
        numbers.flat_map(|number| [" AND EXISTS (".to_owned(), other(number), ")".to_owned()]).collect()
    }
}

/// A parameter of a statement.
enum Bind<'q> {
    Text(&'q str),
    Id(Uuid),
    Number(i64),
}

/// The build that is read, and its version, of projection `$1`: looked up once, before the rows.
const BUILD: &str = "(SELECT c.build FROM projection_active a JOIN projection_checkpoints c
    ON c.projection = a.projection AND c.version = a.version WHERE a.projection = $1)";
const VERSION: &str = "(SELECT version FROM projection_active WHERE projection = $1)";

const ROW: &str = "r.key, r.workspace_id, r.ordinal, r.data";

pub(crate) async fn active(store: &Store, projection: &str) -> Result<Option<i32>, sqlx::Error> {
    let sql = "SELECT version FROM projection_active WHERE projection = $1";
    Ok(ask::<(i32,)>(store, sql, vec![Bind::Text(projection)]).await?.pop().map(|(version,)| version))
}

pub(crate) async fn by_keys(
    store: &Store,
    projection: &str,
    workspace_id: Uuid,
    keys: &[String],
) -> Result<Vec<RowColumns>, sqlx::Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<_> = (3..keys.len() + 3).map(|number| format!("${number}")).collect();
    let sql = format!(
        "SELECT {VERSION}, {ROW} FROM projection_rows r
         WHERE r.build = {BUILD} AND r.workspace_id = $2 AND r.key IN ({}) ORDER BY r.ordinal",
        numbers.join(", ")
    );
    let mut binds = vec![Bind::Text(projection), Bind::Id(workspace_id)];
    binds.extend(keys.iter().map(|key| Bind::Text(key)));
    ask(store, &sql, binds).await
}

pub(crate) async fn list(
    store: &Store,
    projection: &str,
    asked: &Asked,
) -> Result<Vec<RowColumns>, sqlx::Error> {
    let (direction, workspace) = (asked.direction, asked.terms.len() + 5);
    let sql = if asked.terms.is_empty() {
        format!(
            "SELECT {VERSION}, {ROW} FROM projection_rows r
             WHERE r.build = {BUILD} AND r.workspace_id = ${workspace} AND r.ordinal >= $2 AND r.ordinal < $3
             ORDER BY r.ordinal {direction} LIMIT $4"
        )
    } else {
        let other = |number: usize| {
            format!(
                "SELECT 1 FROM projection_terms o
                 WHERE o.build = t.build AND o.term = ${number} AND o.ordinal = t.ordinal"
            )
        };
        format!(
            "SELECT {VERSION}, {ROW} FROM projection_terms t JOIN projection_rows r
                ON r.build = t.build AND r.workspace_id = ${workspace} AND r.ordinal = t.ordinal
             WHERE t.build = {BUILD} AND t.term = $5 AND t.ordinal >= $2 AND t.ordinal < $3 {}
             ORDER BY t.ordinal {direction} LIMIT $4",
            asked.others(other)
        )
    };
    let mut binds = asked.binds(Bind::Text(projection));
    binds.push(Bind::Id(asked.workspace_id));
    ask(store, &sql, binds).await
}

/// Version and position.
///
/// The events of a term lie in blocks that don't overlap: so the blocks in their order, and the events of
/// each in theirs, are all in order, and only the one block that begins next before an event can hold it.
pub(crate) async fn search(
    store: &Store,
    projection: &str,
    asked: &Asked,
) -> Result<Vec<(i32, i64)>, sqlx::Error> {
    let members = |block: &str, name: &str| match store {
        Store::Postgres(_) => format!("unnest(coalesce({block}.offsets, '{{0}}')) AS {name} (value)"),
        Store::Sqlite(_) => format!("json_each(coalesce({block}.offsets, '[0]')) AS {name}"),
    };
    let other = |number: usize| {
        format!(
            "SELECT 1 FROM (SELECT q.first, q.offsets FROM projection_postings q
                 WHERE q.build = t.build AND q.term = ${number} AND q.first <= t.first + o.value
                 ORDER BY q.first DESC LIMIT 1) b CROSS JOIN {}
             WHERE b.first + m.value = t.first + o.value",
            members("b", "m")
        )
    };
    let direction = asked.direction;
    let sql = format!(
        "SELECT {VERSION}, t.first + o.value FROM projection_postings t CROSS JOIN {}
         WHERE t.build = {BUILD} AND t.term = $5 AND t.first > $2 - {BLOCK_MAX} AND t.first < $3
            AND t.first + o.value >= $2 AND t.first + o.value < $3 {}
         ORDER BY t.first {direction}, o.value {direction} LIMIT $4",
        members("t", "o"),
        asked.others(other)
    );
    ask(store, &sql, asked.binds(Bind::Text(projection))).await
}

/// No block reaches so far.
const BLOCK_MAX: i64 = 32_768;

/// All positions of a workspace, from the book: its own index has them in this order already.
pub(crate) async fn of_workspace(book: &Database, asked: &Asked) -> Result<Vec<i64>, sqlx::Error> {
    let sql = format!(
        "SELECT position FROM events WHERE workspace_id = $1 AND position >= $2 AND position < $3
         ORDER BY position {} LIMIT $4",
        asked.direction
    );
    let book = match book {
        Database::Postgres(pool) => Store::Postgres(pool.clone()),
        Database::Sqlite(book) => Store::Sqlite(book.readers.clone()),
    };
    let found: Vec<(i64,)> = ask(&book, &sql, asked.binds(Bind::Id(asked.workspace_id))).await?;
    Ok(found.into_iter().map(|(position,)| position).collect())
}

async fn ask<R>(store: &Store, sql: &str, binds: Vec<Bind<'_>>) -> Result<Vec<R>, sqlx::Error>
where
    R: Send + Unpin,
    R: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
{
    match store {
        Store::Postgres(pool) => ask_postgres(pool, sql, binds).await,
        Store::Sqlite(pool) => ask_sqlite(pool, sql, binds).await,
    }
}

async fn ask_postgres<R>(pool: &PgPool, sql: &str, binds: Vec<Bind<'_>>) -> Result<Vec<R>, sqlx::Error>
where
    R: Send + Unpin + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    let mut query = sqlx::query_as(sql);
    for bind in binds {
        query = match bind {
            Bind::Text(text) => query.bind(text),
            Bind::Id(id) => query.bind(id),
            Bind::Number(number) => query.bind(number),
        };
    }
    query.fetch_all(pool).await
}

async fn ask_sqlite<R>(pool: &SqlitePool, sql: &str, binds: Vec<Bind<'_>>) -> Result<Vec<R>, sqlx::Error>
where
    R: Send + Unpin + for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
{
    let mut query = sqlx::query_as(sql);
    for bind in binds {
        query = match bind {
            Bind::Text(text) => query.bind(text),
            Bind::Id(id) => query.bind(id),
            Bind::Number(number) => query.bind(number),
        };
    }
    query.fetch_all(pool).await
}
