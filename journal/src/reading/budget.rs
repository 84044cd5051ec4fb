//! How much of a session's budget is used.

use sqlx::Row;
use uuid::Uuid;

use super::{Reads, failed, unsigned};
use crate::database::Database;
use crate::lending::fetch;
use crate::read::ReadError;

impl Reads {
    /// Nothing, for a session that has no total or has taken no unit yet.
    pub(crate) async fn budget(&self, session_id: Uuid) -> Result<u64, ReadError> {
        let used = self.short(self.read_budget(session_id)).await?;
        unsigned(used.unwrap_or(0)).map_err(ReadError::Unavailable)
    }

    async fn read_budget(&self, session_id: Uuid) -> Result<Option<i64>, ReadError> {
        match &self.database {
            Database::Postgres(pool) => {
                let query = sqlx::query(
                    "SELECT used FROM public.budgets WHERE session_id = $1 ORDER BY used DESC LIMIT 1",
                );
                let found = fetch(pool, query.bind(session_id)).await.map_err(failed)?;
                found.first().map(|row| row.try_get("used")).transpose().map_err(failed)
            }
            Database::Sqlite(book) => {
                let query = sqlx::query_scalar("SELECT used FROM budgets WHERE session_id = ?1");
                query.bind(session_id).fetch_optional(&book.readers).await.map_err(failed)
            }
        }
    }
}
