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
    terms: Vec<Wanted>,
    /// The least ordinal.
    from: i64,
    /// The first ordinal that is too great.
    to: i64,
    limit: i64,
    direction: &'static str,
}

/// A term that is asked for.
struct Wanted {
    stored: Uuid,
    /// Does it lie among the postings? Else it is one that comes and goes with what a row says.
    fixed: bool,
}

impl Asked {
    pub(crate) fn new(
        workspace_id: Uuid,
        (terms, fixed): (&[Term], impl Fn(&Term) -> bool),
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
        let wanted = |term: &Term| Wanted { stored: term.stored(workspace_id), fixed: fixed(term) };
        let terms = terms.iter().take(Views::TERMS_MAX).map(wanted).collect();
        Self { workspace_id, terms, from, to, limit: i64::try_from(limit).unwrap_or(i64::MAX), direction }
    }

    /// The parameters: `first` is `$1`, `$2` to `$4` are the bounds, and from `$5` on, the terms.
    fn binds<'q>(&self, first: Bind<'q>) -> Vec<Bind<'q>> {
        let bounds = [self.from, self.to, self.limit].map(Bind::Number);
        let terms = self.terms.iter().map(|wanted| Bind::Id(wanted.stored));
        std::iter::once(first).chain(bounds).chain(terms).collect()
    }

    /// What has the first term, in order, as `t`; and then, that it has the others, too.
    ///
    /// The postings of a term lie in blocks that don't overlap: so the blocks in their order, and what is in
    /// each in its, is all in order, and only the one block that begins next before an ordinal can hold it.
    fn found(&self, store: &Store) -> Found {
        let direction = self.direction;
        let mut found = if self.terms.first().is_some_and(|wanted| wanted.fixed) {
            let ordinal = "(t.first + o.value)";
            Found {
                from: format!("projection_postings t CROSS JOIN {}", members(store, "t", "o")),
                ordinal,
                condition: format!(
                    "t.build = {BUILD} AND t.term = $5 AND t.first > $2 - {BLOCK_MAX} AND t.first < $3
                     AND {ordinal} >= $2 AND {ordinal} < $3"
                ),
                order: format!("t.first {direction}, o.value {direction}"),
            }
        } else {
            Found {
                from: "projection_terms t".to_owned(),
                ordinal: "t.ordinal",
                condition: format!(
                    "t.build = {BUILD} AND t.term = $5 AND t.ordinal >= $2 AND t.ordinal < $3"
                ),
                order: format!("t.ordinal {direction}"),
            }
        };
        for (number, wanted) in (5..).zip(&self.terms).skip(1) {
            let other = other(store, number, wanted.fixed, found.ordinal);
            found.condition.push_str(&other);
        }
        found
    }
}

/// The parts of a statement that asks for terms.
struct Found {
    from: String,
    ordinal: &'static str,
    condition: String,
    order: String,
}

/// That what stands at `ordinal` has the term of this number.
fn other(store: &Store, number: usize, fixed: bool, ordinal: &str) -> String {
    if fixed {
        format!(
            " AND EXISTS (
                 SELECT 1 FROM (SELECT q.first, q.offsets FROM projection_postings q
                     WHERE q.build = t.build AND q.term = ${number} AND q.first <= {ordinal}
                     ORDER BY q.first DESC LIMIT 1) b CROSS JOIN {}
                 WHERE b.first + m.value = {ordinal})",
            members(store, "b", "m")
        )
    } else {
        format!(
            " AND EXISTS (SELECT 1 FROM projection_terms q
                 WHERE q.build = t.build AND q.term = ${number} AND q.ordinal = {ordinal})"
        )
    }
}

/// What is in a block, as a table of one column `value`.
fn members(store: &Store, block: &str, name: &str) -> String {
    match store {
        Store::Postgres(_) => format!("unnest(coalesce({block}.offsets, '{{0}}')) AS {name} (value)"),
        Store::Sqlite(_) => format!("json_each(coalesce({block}.offsets, '[0]')) AS {name}"),
    }
}

/// No block reaches so far.
const BLOCK_MAX: i64 = 32_768;

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
        let Found { from, ordinal, condition, order } = asked.found(store);
        format!(
            "SELECT {VERSION}, {ROW} FROM {from} CROSS JOIN projection_rows r
             WHERE {condition} AND r.build = t.build AND r.workspace_id = ${workspace} AND r.ordinal = {ordinal}
             ORDER BY {order} LIMIT $4"
        )
    };
    let mut binds = asked.binds(Bind::Text(projection));
    binds.push(Bind::Id(asked.workspace_id));
    ask(store, &sql, binds).await
}

/// Version and position.
pub(crate) async fn search(
    store: &Store,
    projection: &str,
    asked: &Asked,
) -> Result<Vec<(i32, i64)>, sqlx::Error> {
    let Found { from, ordinal, condition, order } = asked.found(store);
    let sql = format!("SELECT {VERSION}, {ordinal} FROM {from} WHERE {condition} ORDER BY {order} LIMIT $4");
    ask(store, &sql, asked.binds(Bind::Text(projection))).await
}

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
