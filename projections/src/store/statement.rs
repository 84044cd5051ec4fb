//! Statements that are the same for both databases, but for a word or two.

use sqlx::{Postgres, Sqlite, Transaction};
use uuid::Uuid;

use super::{Store, Work};

/// A parameter, in the order of `$1`, `$2`, ….
#[derive(Debug, Clone)]
pub(crate) enum Arg<'a> {
    Text(&'a str),
    Id(Uuid),
    Number(i64),
    /// Of the columns that are 32 bits wide.
    Small(i32),
}

/// What a row of an answer must be readable as.
pub(crate) trait Answer:
    Send
    + Unpin
    + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>
    + for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>
{
}

impl<R> Answer for R where
    R: Send
        + Unpin
        + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>
        + for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>
{
}

/// The words that differ: the time now, in microseconds since 1970; holding the rows that are read; a
/// digest of a row's data, which on `SQLite`, where nothing travels, is the data itself; a list of numbers as JSON.
const WORDS: [(&str, &str, &str); 5] = [
    (
        "{now}",
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
        "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    ),
    ("{stamp}", "clock_timestamp()", "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"),
    ("{held}", "FOR UPDATE", ""),
    ("{offsets}", "to_json(t.offsets)::text", "t.offsets"),
    ("{digest}", "sha256(convert_to(r.data, 'UTF8'))", "CAST(r.data AS BLOB)"),
];

/// A statement in the words of one of the two.
fn said(sql: &str, on_postgres: bool) -> String {
    let word = |postgres, sqlite| if on_postgres { postgres } else { sqlite };
    WORDS
        .iter()
        .fold(sql.to_owned(), |sql, (name, postgres, sqlite)| sql.replace(name, word(postgres, sqlite)))
}

/// Binds each argument to a query of either kind.
macro_rules! bound {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match arg {
                Arg::Text(text) => query.bind(*text),
                Arg::Id(id) => query.bind(*id),
                Arg::Number(number) => query.bind(*number),
                Arg::Small(number) => query.bind(*number),
            };
        }
        query
    }};
}

impl Store {
    /// Answers with the rows that a statement gives, outside of any transaction.
    pub(crate) async fn rows<R: Answer>(&self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<R>, sqlx::Error> {
        let sql = said(sql, matches!(self, Self::Postgres(_)));
        match self {
            Self::Postgres(pool) => bound!(sqlx::query_as(&sql), args).fetch_all(pool).await,
            Self::Sqlite(views) => bound!(sqlx::query_as(&sql), args).fetch_all(views).await,
        }
    }

    /// Answers with how many rows a statement changed, a transaction of its own.
    pub(crate) async fn run(&self, sql: &str, args: &[Arg<'_>]) -> Result<u64, sqlx::Error> {
        let sql = said(sql, matches!(self, Self::Postgres(_)));
        Ok(match self {
            Self::Postgres(pool) => bound!(sqlx::query(&sql), args).execute(pool).await?.rows_affected(),
            Self::Sqlite(views) => bound!(sqlx::query(&sql), args).execute(views).await?.rows_affected(),
        })
    }

    /// A transaction in which everything is seen as it is now, whatever others write meanwhile.
    pub(crate) async fn snapshot(&self) -> Result<Work, sqlx::Error> {
        match self {
            Self::Postgres(pool) => {
                let mut work: Transaction<'static, Postgres> = pool.begin().await?;
                sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .execute(&mut *work)
                    .await?;
                Ok(Work::Postgres(work))
            }
            // It begins with the first statement that reads.
            Self::Sqlite(views) => {
                let work: Transaction<'static, Sqlite> = views.begin().await?;
                Ok(Work::Sqlite(work))
            }
        }
    }
}

impl Work {
    /// As [`Store::rows`], within the transaction.
    pub(crate) async fn rows<R: Answer>(
        &mut self,
        sql: &str,
        args: &[Arg<'_>],
    ) -> Result<Vec<R>, sqlx::Error> {
        let sql = said(sql, matches!(self, Self::Postgres(_)));
        match self {
            Self::Postgres(work) => bound!(sqlx::query_as(&sql), args).fetch_all(&mut **work).await,
            Self::Sqlite(work) => bound!(sqlx::query_as(&sql), args).fetch_all(&mut **work).await,
        }
    }

    /// As [`Store::run`], within the transaction.
    pub(crate) async fn run(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<u64, sqlx::Error> {
        let sql = said(sql, matches!(self, Self::Postgres(_)));
        Ok(match self {
            Self::Postgres(work) => {
                bound!(sqlx::query(&sql), args).execute(&mut **work).await?.rows_affected()
            }
            Self::Sqlite(work) => bound!(sqlx::query(&sql), args).execute(&mut **work).await?.rows_affected(),
        })
    }
}
