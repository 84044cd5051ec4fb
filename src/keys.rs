//! Where the vault's data keys and secrets lie: in the book's own database, wrapped and sealed.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use tollbook_aggregates::{SecretRef, WorkspaceId};
use tollbook_journal::{Database, rows};
use tollbook_vault::{Class, KeyId, KeyStore, Sealed, StoreError, StoredKey, WrappedKey};
use uuid::Uuid;

use crate::clock::Clock;

/// The tables `data_keys` and `secrets`. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    database: Database,
    clock: Clock,
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError(Box::new(error))
}

/// No look-up waits longer: whoever wants a key has a deadline of two seconds himself.
const LIMIT: Duration = Duration::from_secs(2);

const SELECT: &str = "SELECT key_id, workspace_id, class, kek_id, wrapped FROM data_keys";

/// A destroyed key keeps its place: what was erased must not quietly begin again.
const LIVE_FIRST: &str = "ORDER BY destroyed_at IS NOT NULL LIMIT 1";

/// The columns of a data key, as both databases give them.
type Columns = (Uuid, Uuid, String, String, Option<Vec<u8>>);

fn pg_columns(row: &PgRow) -> Result<Columns, sqlx::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?))
}

fn sqlite_columns(row: &SqliteRow) -> Result<Columns, sqlx::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?))
}

fn stored((id, workspace, class, kek_id, wrapped): Columns) -> Result<StoredKey, StoreError> {
    let id = KeyId::from(id);
    let Some(wrapped) = wrapped else { return Ok(StoredKey::Destroyed(id)) };
    let class: Class = class.parse().map_err(unavailable)?;
    Ok(StoredKey::Live(WrappedKey { id, workspace, class, kek_id, wrapped }))
}

impl Keys {
    /// In this database.
    pub const fn new(database: Database, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Keeps a sealed secret. It is written before the event that names it: a secret that no event
    /// names is harmless, an event whose secret is missing isn't.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn keep(
        &self,
        workspace: WorkspaceId,
        secret: SecretRef,
        sealed: &Sealed,
    ) -> Result<(), StoreError> {
        let version = i64::from(secret.version);
        let now = self.clock.now();
        match &self.database {
            Database::Postgres(pool) => {
                let sql = "INSERT INTO secrets (secret_id, version, workspace_id, key_id, ciphertext, created_at) \
                           VALUES ($1, $2::bigint, $3, $4, $5, $6)";
                let insert = sqlx::query(sql).bind(secret.secret_id.0).bind(version).bind(workspace.0);
                let insert = insert.bind(sealed.key_id().as_uuid()).bind(sealed.as_bytes()).bind(now);
                insert.execute(pool).await.map_err(unavailable)?;
            }
            Database::Sqlite(book) => {
                let sql = "INSERT INTO secrets (secret_id, version, workspace_id, key_id, ciphertext, created_at) \
                           VALUES (?, ?, ?, ?, ?, ?)";
                let insert = sqlx::query(sql).bind(secret.secret_id.0).bind(version).bind(workspace.0);
                let insert = insert.bind(sealed.key_id().as_uuid()).bind(sealed.as_bytes());
                insert.bind(now.timestamp_micros()).execute(&book.writer).await.map_err(unavailable)?;
            }
        }
        Ok(())
    }

    /// A sealed secret, if it is (still) there.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn secret(&self, secret: SecretRef) -> Result<Option<Vec<u8>>, StoreError> {
        let version = i64::from(secret.version);
        match &self.database {
            Database::Postgres(pool) => {
                let sql = "SELECT ciphertext FROM secrets WHERE secret_id = $1 AND version = $2";
                let select = sqlx::query(sql).bind(secret.secret_id.0).bind(version);
                let found = rows(pool, LIMIT, select).await.map_err(unavailable)?;
                found.first().map(|row| row.try_get(0)).transpose().map_err(unavailable)
            }
            Database::Sqlite(book) => {
                let sql = "SELECT ciphertext FROM secrets WHERE secret_id = ? AND version = ?";
                let select = sqlx::query_scalar(sql).bind(secret.secret_id.0).bind(version);
                select.fetch_optional(&book.readers).await.map_err(unavailable)
            }
        }
    }

    /// Destroys all versions of a secret.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn destroy_secret(&self, secret: SecretRef) -> Result<(), StoreError> {
        match &self.database {
            Database::Postgres(pool) => {
                let delete = sqlx::query("DELETE FROM secrets WHERE secret_id = $1").bind(secret.secret_id.0);
                delete.execute(pool).await.map_err(unavailable)?;
            }
            Database::Sqlite(book) => {
                let delete = sqlx::query("DELETE FROM secrets WHERE secret_id = ?").bind(secret.secret_id.0);
                delete.execute(&book.writer).await.map_err(unavailable)?;
            }
        }
        Ok(())
    }
}

impl Keys {
    /// How many fields of events are sealed under a data key. Looks through all of them: for certificates.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn fields_under(&self, key: KeyId) -> Result<u64, StoreError> {
        let count: i64 = match &self.database {
            Database::Postgres(pool) => {
                let sql = "SELECT count(*) FROM event_bodies WHERE key_id = $1";
                sqlx::query_scalar(sql).bind(key.as_uuid()).fetch_one(pool).await.map_err(unavailable)?
            }
            Database::Sqlite(book) => {
                let sql = "SELECT count(*) FROM event_bodies WHERE key_id = ?";
                let count = sqlx::query_scalar(sql).bind(key.as_uuid());
                count.fetch_one(&book.readers).await.map_err(unavailable)?
            }
        };
        u64::try_from(count).map_err(unavailable)
    }
}

#[async_trait]
impl KeyStore for Keys {
    async fn find(&self, workspace: Uuid, class: Class) -> Result<Option<StoredKey>, StoreError> {
        let columns = match &self.database {
            Database::Postgres(pool) => {
                let sql = format!("{SELECT} WHERE workspace_id = $1 AND class = $2 {LIVE_FIRST}");
                let query = sqlx::query(&sql).bind(workspace).bind(class.name());
                rows(pool, LIMIT, query).await.map_err(unavailable)?.first().map(pg_columns)
            }
            Database::Sqlite(book) => {
                let sql = format!("{SELECT} WHERE workspace_id = ? AND class = ? {LIVE_FIRST}");
                let row =
                    sqlx::query(&sql).bind(workspace).bind(class.name()).fetch_optional(&book.readers).await;
                row.map_err(unavailable)?.as_ref().map(sqlite_columns)
            }
        };
        columns.transpose().map_err(unavailable)?.map(stored).transpose()
    }

    async fn get(&self, key: KeyId) -> Result<Option<StoredKey>, StoreError> {
        let columns = match &self.database {
            Database::Postgres(pool) => {
                let sql = format!("{SELECT} WHERE key_id = $1");
                let query = sqlx::query(&sql).bind(key.as_uuid());
                rows(pool, LIMIT, query).await.map_err(unavailable)?.first().map(pg_columns)
            }
            Database::Sqlite(book) => {
                let sql = format!("{SELECT} WHERE key_id = ?");
                let row = sqlx::query(&sql).bind(key.as_uuid()).fetch_optional(&book.readers).await;
                row.map_err(unavailable)?.as_ref().map(sqlite_columns)
            }
        };
        columns.transpose().map_err(unavailable)?.map(stored).transpose()
    }

    async fn insert_if_absent(&self, key: WrappedKey) -> Result<StoredKey, StoreError> {
        let now = self.clock.now();
        match &self.database {
            Database::Postgres(pool) => {
                let sql = "INSERT INTO data_keys (key_id, workspace_id, class, kek_id, wrapped, created_at) \
                           SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS \
                           (SELECT 1 FROM data_keys WHERE workspace_id = $2 AND class = $3) \
                           ON CONFLICT DO NOTHING";
                let insert =
                    sqlx::query(sql).bind(key.id.as_uuid()).bind(key.workspace).bind(key.class.name());
                let insert = insert.bind(&key.kek_id).bind(&key.wrapped).bind(now);
                insert.execute(pool).await.map_err(unavailable)?;
            }
            Database::Sqlite(book) => {
                let sql = "INSERT INTO data_keys (key_id, workspace_id, class, kek_id, wrapped, created_at) \
                           SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS \
                           (SELECT 1 FROM data_keys WHERE workspace_id = ?2 AND class = ?3) \
                           ON CONFLICT DO NOTHING";
                let insert =
                    sqlx::query(sql).bind(key.id.as_uuid()).bind(key.workspace).bind(key.class.name());
                let insert = insert.bind(&key.kek_id).bind(&key.wrapped).bind(now.timestamp_micros());
                insert.execute(&book.writer).await.map_err(unavailable)?;
            }
        }
        let winner = self.find(key.workspace, key.class).await?;
        winner.ok_or_else(|| unavailable(std::io::Error::other("the data key that was just written is gone")))
    }

    async fn destroy(&self, key: KeyId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let destroyed = match &self.database {
            Database::Postgres(pool) => {
                let sql = "UPDATE data_keys SET wrapped = NULL, destroyed_at = $2 \
                           WHERE key_id = $1 AND destroyed_at IS NULL";
                let update = sqlx::query(sql).bind(key.as_uuid()).bind(now);
                update.execute(pool).await.map_err(unavailable)?.rows_affected()
            }
            Database::Sqlite(book) => {
                let sql = "UPDATE data_keys SET wrapped = NULL, destroyed_at = ?2 \
                           WHERE key_id = ?1 AND destroyed_at IS NULL";
                let update = sqlx::query(sql).bind(key.as_uuid()).bind(now.timestamp_micros());
                update.execute(&book.writer).await.map_err(unavailable)?.rows_affected()
            }
        };
        Ok(destroyed > 0)
    }
}
