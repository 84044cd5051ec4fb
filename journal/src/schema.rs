//! The schema: made by [`migrate`], looked at by everybody else. The migrations are embedded.

use std::collections::HashMap;

use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::database::{Database, DatabaseUrl, OpenError};

static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");
static SQLITE_BOOK: Migrator = sqlx::migrate!("../migrations/sqlite/book");
static SQLITE_VIEWS: Migrator = sqlx::migrate!("../migrations/sqlite/views");

/// What the service's role may do where it isn't the owner: of events, only add and read.
const GRANTS: &str = "
    GRANT USAGE ON SCHEMA public TO {role};
    GRANT SELECT, INSERT ON public.events TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.event_bodies, public.idempotency, public.budgets,
        public.projection_checkpoints, public.projection_rows, public.projection_terms,
        public.projection_postings,
        public.projection_active, public.data_keys, public.secrets, public.replicas TO {role};
    GRANT SELECT ON public._sqlx_migrations TO {role};
    GRANT EXECUTE ON FUNCTION public.make_partitions(integer) TO {role};";

/// Brings the schema of `database` up to this version. Harmless when it is already.
///
/// On `PostgreSQL` it is done by `owner`, where one is given, and the role that `database` is
/// connected as is granted what the service needs; else by that role itself. On `SQLite` it is done
/// in place, and `owner` means nothing.
///
/// # Errors
/// When a migration fails, or the schema is a newer version's.
pub async fn migrate(database: &Database, owner: Option<&DatabaseUrl>) -> Result<(), OpenError> {
    match database {
        Database::Postgres(pool) => {
            let service = pool.connect_options();
            let options = owner.map_or_else(|| Ok(service.as_ref().clone()), DatabaseUrl::options)?;
            migrate_postgres(&options, service.get_username()).await
        }
        Database::Sqlite(book) => {
            SQLITE_BOOK.run(&book.writer).await?;
            Ok(SQLITE_VIEWS.run(&book.views).await?)
        }
    }
}

async fn migrate_postgres(owner: &PgConnectOptions, service: &str) -> Result<(), OpenError> {
    let mut connection = owner.connect().await?;
    POSTGRES.run(&mut connection).await?;
    if service != owner.get_username() {
        let role = format!("\"{}\"", service.replace('"', "\"\""));
        sqlx::raw_sql(&GRANTS.replace("{role}", &role)).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

/// Is the schema of `database` this version's?
///
/// # Errors
/// [`OpenError::MigrationsMissing`] or [`OpenError::SchemaDiffers`] if it isn't.
pub async fn check(database: &Database) -> Result<(), OpenError> {
    match database {
        Database::Postgres(pool) => {
            let mut connection = pool.acquire().await?;
            let table = "SELECT to_regclass('public._sqlx_migrations') IS NOT NULL";
            let there: bool = sqlx::query_scalar(table).fetch_one(&mut *connection).await?;
            compare(&POSTGRES, there, &mut *connection as &mut PgConnection).await
        }
        Database::Sqlite(book) => {
            let table = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = '_sqlx_migrations'";
            for (migrator, pool) in [(&SQLITE_BOOK, &book.writer), (&SQLITE_VIEWS, &book.views)] {
                let mut connection = pool.acquire().await?;
                let there: bool = sqlx::query_scalar(table).fetch_one(&mut *connection).await?;
                compare(migrator, there, &mut *connection).await?;
            }
            Ok(())
        }
    }
}

async fn compare<C: Migrate>(migrator: &Migrator, there: bool, connection: &mut C) -> Result<(), OpenError> {
    let applied = if there { connection.list_applied_migrations().await? } else { Vec::new() };
    let mut applied: HashMap<_, _> = applied.into_iter().map(|one| (one.version, one.checksum)).collect();
    let mut missing = 0;
    for migration in migrator.iter() {
        match applied.remove(&migration.version) {
            None => missing += 1,
            Some(checksum) if checksum == migration.checksum => {}
            Some(_) => return Err(OpenError::SchemaDiffers(migration.version)),
        }
    }
    match applied.into_keys().max() {
        Some(version) => Err(OpenError::SchemaDiffers(version)),
        None if missing > 0 => Err(OpenError::MigrationsMissing(missing)),
        None => Ok(()),
    }
}
