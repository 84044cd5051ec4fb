//! Rows from a database that may have gone silent.
//!
//! A connection on which nothing comes back any more is not given back to the pool: the pool would
//! wait for it, and a few of those would be all of the pool's. It is dropped, and its place is free.

use std::io;
use std::time::Duration;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use tokio::time::{Instant, timeout_at};

/// The rows of one statement, within `limit`, waiting for a connection included. Dropped before it
/// answers, or too late, the connection is closed.
///
/// # Errors
/// The database's; or that it took too long, which for a statement that writes doesn't mean that
/// nothing was written.
pub async fn rows(
    pool: &PgPool,
    limit: Duration,
    query: Query<'_, Postgres, PgArguments>,
) -> Result<Vec<PgRow>, sqlx::Error> {
    // Boxed: whoever awaits this is awaited by others, and all of it would lie in theirs.
    Box::pin(lend(pool, limit, query)).await
}

async fn lend(
    pool: &PgPool,
    limit: Duration,
    query: Query<'_, Postgres, PgArguments>,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let end = Instant::now() + limit;
    let silent = |_| sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
    let mut lent = Lent(Some(timeout_at(end, pool.acquire()).await.map_err(silent)??));
    let Some(connection) = lent.0.as_mut() else { return Err(sqlx::Error::PoolClosed) };
    let answer = timeout_at(end, query.fetch_all(&mut **connection)).await.map_err(silent)?;
    // Whatever the answer was, there was one.
    drop(lent.0.take());
    answer
}

/// A connection that is closed, and not given back, unless it is taken out.
struct Lent(Option<PoolConnection<Postgres>>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}
