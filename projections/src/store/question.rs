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
pub(crate) struct Asked<'a> {
    terms: Vec<&'a str>,
    /// The least ordinal.
    from: i64,
    /// The first ordinal that is too great.
    to: i64,
    limit: i64,
    direction: &'static str,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(
        terms: &'a [Term],
        from: Option<Position>,
        to: Option<Position>,
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
        let terms = terms.iter().take(Views::TERMS_MAX).map(Term::as_str).collect();
        Self { terms, from, to, limit: i64::try_from(limit).unwrap_or(i64::MAX), direction }
    }

    /// The last four or more parameters: `$3` to `$5` are the bounds, and from `$6` on, the terms.
    fn bind<'q>(&'q self, mut binds: Vec<Bind<'q>>) -> Vec<Bind<'q>> {
        binds.extend([Bind::Number(self.from), Bind::Number(self.to), Bind::Number(self.limit)]);
        binds.extend(self.terms.iter().map(|term| Bind::Text(term)));
        binds
    }

    /// Whatever has the first term, bound to `t`, must have the others too.
    fn other_terms(&self) -> String {
        let other = |number: usize| {
            format!(
                " AND EXISTS (SELECT 1 FROM projection_terms o WHERE o.projection = t.projection
                    AND o.version = t.version AND o.workspace_id = t.workspace_id AND o.term = ${number}
                    AND o.ordinal = t.ordinal)"
            )
        };
        (1..self.terms.len()).map(|number| other(number + 6)).collect()
    }
}

/// A parameter of a statement.
enum Bind<'q> {
    Text(&'q str),
    Id(Uuid),
    Number(i64),
}

/// The version that is read, of projection `$1`: looked up once, before the rows.
const ACTIVE: &str = "(SELECT version FROM projection_active WHERE projection = $1)";

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
        "SELECT r.version, r.key, r.workspace_id, r.ordinal, CAST(r.data AS text) FROM projection_rows r
         WHERE r.projection = $1 AND r.version = {ACTIVE} AND r.workspace_id = $2 AND r.key IN ({})
         ORDER BY r.ordinal",
        numbers.join(", ")
    );
    let mut binds = vec![Bind::Text(projection), Bind::Id(workspace_id)];
    binds.extend(keys.iter().map(|key| Bind::Text(key)));
    ask(store, &sql, binds).await
}

pub(crate) async fn list(
    store: &Store,
    projection: &str,
    workspace_id: Uuid,
    asked: &Asked<'_>,
) -> Result<Vec<RowColumns>, sqlx::Error> {
    let columns = "r.version, r.key, r.workspace_id, r.ordinal, CAST(r.data AS text)";
    let direction = asked.direction;
    let sql = if asked.terms.is_empty() {
        format!(
            "SELECT {columns} FROM projection_rows r
             WHERE r.projection = $1 AND r.version = {ACTIVE} AND r.workspace_id = $2
                AND r.ordinal >= $3 AND r.ordinal < $4
             ORDER BY r.ordinal {direction} LIMIT $5"
        )
    } else {
        format!(
            "SELECT {columns} FROM projection_terms t JOIN projection_rows r
                ON r.projection = t.projection AND r.version = t.version
                AND r.workspace_id = t.workspace_id AND r.ordinal = t.ordinal
             WHERE t.projection = $1 AND t.version = {ACTIVE} AND t.workspace_id = $2
                AND t.ordinal >= $3 AND t.ordinal < $4 AND t.term = $6 {}
             ORDER BY t.ordinal {direction} LIMIT $5",
            asked.other_terms()
        )
    };
    ask(store, &sql, asked.bind(vec![Bind::Text(projection), Bind::Id(workspace_id)])).await
}

/// Version and position.
pub(crate) async fn search(
    store: &Store,
    projection: &str,
    workspace_id: Uuid,
    asked: &Asked<'_>,
) -> Result<Vec<(i32, i64)>, sqlx::Error> {
    let sql = format!(
        "SELECT t.version, t.ordinal FROM projection_terms t
         WHERE t.projection = $1 AND t.version = {ACTIVE} AND t.workspace_id = $2
            AND t.ordinal >= $3 AND t.ordinal < $4 AND t.term = $6 {}
         ORDER BY t.ordinal {} LIMIT $5",
        asked.other_terms(),
        asked.direction
    );
    ask(store, &sql, asked.bind(vec![Bind::Text(projection), Bind::Id(workspace_id)])).await
}

/// All positions of a workspace, from the book: its own index has them in this order already.
pub(crate) async fn of_workspace(
    book: &Database,
    workspace_id: Uuid,
    asked: &Asked<'_>,
) -> Result<Vec<i64>, sqlx::Error> {
    let sql = format!(
        "SELECT position FROM events WHERE workspace_id = $1 AND position >= $2 AND position < $3
         ORDER BY position {} LIMIT $4",
        asked.direction
    );
    let book = match book {
        Database::Postgres(pool) => Store::Postgres(pool.clone()),
        Database::Sqlite(book) => Store::Sqlite(book.readers.clone()),
    };
    let found: Vec<(i64,)> = ask(&book, &sql, asked.bind(vec![Bind::Id(workspace_id)])).await?;
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
