//! What the tables hold, compared with what the book makes of them.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::FromRow;
use tollbook_journal::{Database, Filter, Journal, Position};
use tollbook_projections::{
    ApiKeys, AuditSearch, Happening, Index, Loadouts, Members, Projection, Sessions, ToolCalls, ToolServers,
    Users, Version, Workspaces,
};
use uuid::Uuid;

/// By projection and key: workspace, ordinal, data.
pub(crate) type Rows = BTreeMap<(String, String), (Uuid, i64, serde_json::Value)>;
/// Projection, term, ordinal.
pub(crate) type Terms = BTreeSet<(String, Uuid, i64)>;

/// All that is read.
pub(crate) async fn stored(database: &Database) -> (Rows, Terms) {
    let rows: Vec<(String, String, Uuid, i64, String)> = all(
        database,
        "SELECT c.projection, r.key, r.workspace_id, r.ordinal, r.data FROM projection_rows r
         JOIN projection_checkpoints c ON c.build = r.build
         JOIN projection_active a ON a.projection = c.projection AND a.version = c.version",
    )
    .await;
    let row = |(projection, key, workspace, ordinal, data): (_, _, _, _, String)| {
        ((projection, key), (workspace, ordinal, serde_json::from_str(&data).unwrap()))
    };
    let members = match database {
        Database::Postgres(_) => "unnest(coalesce(p.offsets, '{0}')) AS o (value)",
        Database::Sqlite(_) => "json_each(coalesce(p.offsets, '[0]')) AS o",
    };
    let terms: Vec<(String, Uuid, i64)> = all(
        database,
        &format!(
            "SELECT c.projection, t.term, t.ordinal FROM (
                 SELECT build, term, ordinal FROM projection_terms
                 UNION ALL SELECT p.build, p.term, p.first + o.value FROM projection_postings p CROSS JOIN {members}
             ) t
             JOIN projection_checkpoints c ON c.build = t.build
             JOIN projection_active a ON a.projection = c.projection AND a.version = c.version"
        ),
    )
    .await;
    let count = terms.len();
    let terms: Terms = terms.into_iter().collect();
    assert_eq!(terms.len(), count, "none is there twice");
    (rows.into_iter().map(row).collect(), terms)
}

/// How many rows and terms belong to a version that isn't read.
pub(crate) async fn left_over(database: &Database) -> i64 {
    let mut left = 0;
    for table in ["projection_rows", "projection_terms", "projection_postings"] {
        let counted: Vec<(i64,)> = all(
            database,
            &format!(
                "SELECT count(*) FROM {table} WHERE build NOT IN (
                     SELECT c.build FROM projection_checkpoints c
                     JOIN projection_active a ON a.projection = c.projection AND a.version = c.version)"
            ),
        )
        .await;
        left += counted[0].0;
    }
    left
}

/// What selects the build that is read, of a projection.
pub(crate) fn build_of(projection: &str) -> String {
    format!("(SELECT max(build) FROM projection_checkpoints WHERE projection = '{projection}')")
}

/// A term as it stands in a statement.
pub(crate) fn literal(database: &Database, id: Uuid) -> String {
    match database {
        Database::Postgres(_) => format!("'{id}'"),
        Database::Sqlite(_) => format!("x'{}'", id.simple()),
    }
}

pub(crate) async fn all<R>(database: &Database, sql: &str) -> Vec<R>
where
    R: Send + Unpin,
    R: for<'r> FromRow<'r, sqlx::postgres::PgRow> + for<'r> FromRow<'r, sqlx::sqlite::SqliteRow>,
{
    match database {
        Database::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await.unwrap(),
        Database::Sqlite(book) => sqlx::query_as(sql).fetch_all(&book.views).await.unwrap(),
    }
}

pub(crate) async fn run(database: &Database, sql: &str) {
    match database {
        Database::Postgres(pool) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
        Database::Sqlite(book) => drop(sqlx::query(sql).execute(&book.views).await.unwrap()),
    }
}

/// What is read is what the whole book, read once and folded by hand, makes.
pub(crate) async fn assert_equal_a_fresh_fold(database: &Database, journal: &Journal) {
    let (rows, terms) = stored(database).await;
    let book = book(journal).await;
    let (mut fresh_rows, mut fresh_terms) = (Rows::new(), Terms::new());
    fold::<Workspaces>(&book, &mut fresh_rows, &mut fresh_terms);
    fold::<Members>(&book, &mut fresh_rows, &mut fresh_terms);
    fold::<Users>(&book, &mut fresh_rows, &mut fresh_terms);
    fold::<ToolServers>(&book, &mut fresh_rows, &mut fresh_terms);
    fold::<Loadouts>(&book, &mut fresh_rows, &mut fresh_terms);
    fold::<Sessions>(&book, &mut fresh_rows, &mut fresh_terms);
    fold::<ApiKeys>(&book, &mut fresh_rows, &mut fresh_terms);
    fold::<ToolCalls>(&book, &mut fresh_rows, &mut fresh_terms);
    for happening in &book {
        for term in AuditSearch::terms(happening) {
            let (workspace, ordinal) = (happening.recorded.workspace_id, ordinal(happening.position()));
            fresh_terms.insert((AuditSearch::NAME.into(), term.stored(workspace), ordinal));
        }
    }
    assert!(rows == fresh_rows, "{} rows differ from {} of a fresh fold", rows.len(), fresh_rows.len());
    assert!(terms == fresh_terms, "{} terms differ from {} of a fresh fold", terms.len(), fresh_terms.len());
    assert!(!fresh_rows.is_empty() && !fresh_terms.is_empty());
}

async fn book(journal: &Journal) -> Vec<Happening> {
    let (mut all, mut from) = (Vec::new(), Position(0));
    loop {
        let page = journal.read(from, 5000, &Filter::default()).await.unwrap();
        all.extend(page.events.into_iter().map(|recorded| Happening::decode(recorded).unwrap()));
        from = page.next;
        if page.next >= page.head {
            return all;
        }
    }
}

fn fold<P: Projection>(book: &[Happening], rows: &mut Rows, terms: &mut Terms) {
    let mut folded: BTreeMap<String, (Uuid, i64, P::Row)> = BTreeMap::new();
    for happening in book {
        let Some(key) = P::key(happening) else { continue };
        let (place, row) = match folded.remove(&key) {
            Some((workspace, ordinal, row)) => ((workspace, ordinal), Some(row)),
            None => ((P::workspace(happening), ordinal(happening.position())), None),
        };
        if let Some(row) = P::fold(row, happening).unwrap() {
            folded.insert(key, (place.0, place.1, row));
        }
    }
    for (key, (workspace, ordinal, row)) in folded {
        for term in P::terms(&row) {
            terms.insert((P::NAME.into(), term.stored(workspace), ordinal));
        }
        rows.insert((P::NAME.into(), key), (workspace, ordinal, serde_json::to_value(row).unwrap()));
    }
}

fn ordinal(position: Position) -> i64 {
    i64::try_from(position.0).unwrap()
}

/// A version by its numbers.
pub(crate) const fn version(code: u32, generation: u32) -> Version {
    Version { code, generation }
}
