//! Answers that are kept for requests that are repeated.

use sqlx::FromRow as _;

use super::{Reads, failed, unsigned};
use crate::database::Database;
use crate::event::Position;
use crate::lending::{Lent, fetch};
use crate::read::ReadError;

/// What is kept of a request that was made with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// SHA-256 of the request.
    pub request_hash: [u8; 32],
    /// Of its first event.
    pub position: Position,
    /// The sealed answer; `None` while it isn't known.
    pub answer: Option<Vec<u8>>,
}

/// So few that an append which waits for the writing connection, or for a row, waits for milliseconds.
const FORGOTTEN_AT_ONCE: i64 = 500;

type Row = (Vec<u8>, i64, Option<Vec<u8>>);

impl Reads {
    /// What is kept under `key` and hasn't expired.
    pub(crate) async fn idempotent(&self, scope: &str, key: &str) -> Result<Option<StoredAnswer>, ReadError> {
        let row = self.short(self.read_idempotent(scope, key)).await?;
        row.map(stored).transpose()
    }

    async fn read_idempotent(&self, scope: &str, key: &str) -> Result<Option<Row>, ReadError> {
        match &self.database {
            Database::Postgres(pool) => {
                let sql = "SELECT request_hash, position, answer FROM public.idempotency
                           WHERE scope = $1 AND key = $2 AND expires_at > clock_timestamp()";
                let query = sqlx::query(sql).bind(scope).bind(key);
                let found = fetch(pool, query).await.map_err(failed)?;
                found.first().map(Row::from_row).transpose().map_err(failed)
            }
            Database::Sqlite(book) => {
                let sql = "SELECT request_hash, position, answer FROM idempotency
                           WHERE scope = ?1 AND key = ?2 AND expires_at > ?3";
                let now = self.clock.now().timestamp_micros();
                let query = sqlx::query_as(sql).bind(scope).bind(key).bind(now);
                query.fetch_optional(&book.readers).await.map_err(failed)
            }
        }
    }

    /// Keeps the answer of a request that has none yet.
    pub(crate) async fn keep_answer(&self, scope: &str, key: &str, answer: &[u8]) -> Result<(), ReadError> {
        self.short(self.write_idempotent(scope, key, answer)).await
    }

    async fn write_idempotent(&self, scope: &str, key: &str, answer: &[u8]) -> Result<(), ReadError> {
        match &self.database {
            Database::Postgres(pool) => {
                let sql = "UPDATE public.idempotency SET answer = $3
                           WHERE scope = $1 AND key = $2 AND answer IS NULL";
                let query = sqlx::query(sql).bind(scope).bind(key).bind(answer);
                fetch(pool, query).await.map_err(failed)?;
            }
            Database::Sqlite(book) => {
                let sql =
                    "UPDATE idempotency SET answer = ?3 WHERE scope = ?1 AND key = ?2 AND answer IS NULL";
                let query = sqlx::query(sql).bind(scope).bind(key).bind(answer);
                query.execute(&book.writer).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Forgets at most [`FORGOTTEN_AT_ONCE`] of what has expired, and says how much that was.
    ///
    /// A key that an append takes over at the same moment is passed by: it isn't expired any more.
    pub(crate) async fn forget_some_expired(&self) -> Result<u64, ReadError> {
        self.long(self.delete_expired()).await
    }

    async fn delete_expired(&self) -> Result<u64, ReadError> {
        match &self.database {
            Database::Postgres(pool) => {
                let sql = "DELETE FROM public.idempotency i USING (
                        SELECT scope, key FROM public.idempotency WHERE expires_at <= clock_timestamp()
                        ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED) e
                    WHERE i.scope = e.scope AND i.key = e.key";
                let mut lent = Lent::from(pool).await.map_err(failed)?;
                let query = sqlx::query(sql).bind(FORGOTTEN_AT_ONCE);
                let done = query.execute(lent.connection().map_err(failed)?).await;
                lent.give_back();
                Ok(done.map_err(failed)?.rows_affected())
            }
            Database::Sqlite(book) => {
                let sql = "DELETE FROM idempotency WHERE rowid IN (
                        SELECT rowid FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
                let now = self.clock.now().timestamp_micros();
                let query = sqlx::query(sql).bind(now).bind(FORGOTTEN_AT_ONCE);
                Ok(query.execute(&book.writer).await.map_err(failed)?.rows_affected())
            }
        }
    }
}

fn stored((request_hash, position, answer): Row) -> Result<StoredAnswer, ReadError> {
    let request_hash = request_hash.try_into();
    let request_hash =
        request_hash.map_err(|_| ReadError::Unavailable("a request's hash isn't 32 bytes".into()))?;
    let position = Position(unsigned(position).map_err(ReadError::Unavailable)?);
    Ok(StoredAnswer { request_hash, position, answer })
}
