//! Rows from a database that may have gone silent.
//!
//! A connection on which nothing comes back any more is not given back to the pool: the pool would
//! wait for it, and a few of those would be all of the pool's. It is dropped, and its place is free.

use std::io;
use std::time::Duration;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::query::Query;
use tokio::time::timeout;

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
    let silent = || io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    timeout(limit, fetch(pool, query)).await.unwrap_or_else(|_| Err(sqlx::Error::Io(silent())))
}

/// The same for whoever sees to the time himself, and drops this when it is over.
pub(crate) async fn fetch(
    pool: &PgPool,
    query: Query<'_, Postgres, PgArguments>,
) -> Result<Vec<PgRow>, sqlx::Error> {
    // Boxed: whoever awaits this is awaited by others, and all of it would lie in theirs.
    Box::pin(async {
        let mut lent = Lent::from(pool).await?;
        let answer = query.fetch_all(lent.connection()?).await;
        lent.give_back();
        answer
    })
    .await
}

/// A connection of the pool that is closed, and not given back, unless somebody does.
pub(crate) struct Lent(Option<PoolConnection<Postgres>>);

impl Lent {
    pub(crate) async fn from(pool: &PgPool) -> Result<Self, sqlx::Error> {
        pool.acquire().await.map(Some).map(Self)
    }

    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Whatever the answer was, there was one.
    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}
