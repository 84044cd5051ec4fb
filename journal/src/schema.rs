//! The schema: made by [`migrate`], looked at by everybody else. The migrations are embedded.

use std::collections::HashMap;

use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::database::{Database, DatabaseUrl, OpenError, mean_what_we_say};
use crate::examine::Migrations;
use crate::sqlite_book::SqliteBook;

pub(crate) static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");
pub(crate) static SQLITE_BOOK: Migrator = sqlx::migrate!("../migrations/sqlite/book");
static SQLITE_VIEWS: Migrator = sqlx::migrate!("../migrations/sqlite/views");

/// What the service's role may do where it isn't the owner: of events, only add and read.
const GRANTS: &str = "
    GRANT USAGE ON SCHEMA public TO {role};
    GRANT SELECT, INSERT ON public.events TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.event_bodies, public.idempotency, public.budgets,
        public.projection_checkpoints, public.projection_rows, public.projection_terms,
        public.projection_postings,
        public.projection_active, public.projection_builds, public.data_keys, public.secrets,
        public.replicas, public.last_used TO {role};
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
    mean_what_we_say(&mut connection).await?;
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
        Database::Postgres(pool) => judge(&standing_of_postgres(&mut *pool.acquire().await?).await?),
        Database::Sqlite(book) => {
            let (book, views) = standing_of_sqlite(book).await?;
            judge(&book)?;
            judge(&views)
        }
    }
}

fn judge(standing: &Migrations) -> Result<(), OpenError> {
    match standing.changed.iter().chain(&standing.unknown).max() {
        Some(version) => Err(OpenError::SchemaDiffers(*version)),
        None if !standing.missing.is_empty() => Err(OpenError::MigrationsMissing(standing.missing.len())),
        None => Ok(()),
    }
}

/// How the migrations stand.
pub(crate) async fn standing_of_postgres(connection: &mut PgConnection) -> Result<Migrations, OpenError> {
    let table = "SELECT to_regclass('public._sqlx_migrations') IS NOT NULL";
    let there: bool = sqlx::query_scalar(table).fetch_one(&mut *connection).await?;
    compare(&POSTGRES, there, connection).await
}

/// The same of `book.db` and of `views.db`.
pub(crate) async fn standing_of_sqlite(book: &SqliteBook) -> Result<(Migrations, Migrations), OpenError> {
    let table = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let mut both = Vec::new();
    for (migrator, pool) in [(&SQLITE_BOOK, &book.writer), (&SQLITE_VIEWS, &book.views)] {
        let mut connection = pool.acquire().await?;
        let there: bool = sqlx::query_scalar(table).fetch_one(&mut *connection).await?;
        both.push(compare(migrator, there, &mut *connection).await?);
    }
    let views = both.pop().unwrap_or_default();
    Ok((both.pop().unwrap_or_default(), views))
}

async fn compare<C: Migrate>(
    migrator: &Migrator,
    there: bool,
    connection: &mut C,
) -> Result<Migrations, OpenError> {
    let applied = if there { connection.list_applied_migrations().await? } else { Vec::new() };
    let mut applied: HashMap<_, _> = applied.into_iter().map(|one| (one.version, one.checksum)).collect();
    let mut standing = Migrations::default();
    for migration in migrator.iter() {
        match applied.remove(&migration.version) {
            None => standing.missing.push(migration.version),
            Some(checksum) if checksum == migration.checksum => standing.applied += 1,
            Some(_) => standing.changed.push(migration.version),
        }
    }
    standing.unknown = applied.into_keys().collect();
    standing.unknown.sort_unstable();
    Ok(standing)
}

/// Each object that the service's role is granted something on, with the privilege: what [`GRANTS`] says.
pub(crate) fn granted() -> Vec<(String, String)> {
    let mut granted = Vec::new();
    for statement in GRANTS.split(';') {
        let Some((privileges, objects)) =
            statement.trim().strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON "))
        else {
            continue;
        };
        let objects = objects.split(" TO ").next().unwrap_or_default().trim();
        if objects.starts_with("SCHEMA ") {
            // Without it, nothing could be looked at.
            continue;
        }
        // A function's arguments have commas in them: it is granted by itself.
        let objects: Vec<&str> = match objects.strip_prefix("FUNCTION ") {
            Some(function) => vec![function],
            None => objects.split(',').map(str::trim).collect(),
        };
        for privilege in privileges.split(',') {
            granted.extend(objects.iter().map(|object| ((*object).to_owned(), privilege.trim().to_owned())));
        }
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grant_is_known_by_object_and_privilege() {
        let granted = granted();
        let knows = |object: &str, privilege: &str| {
            granted.iter().any(|(known, may)| known == object && may == privilege)
        };
        assert!(knows("public.events", "SELECT") && knows("public.events", "INSERT"));
        assert!(!knows("public.events", "DELETE"));
        assert!(knows("public.replicas", "DELETE"));
        assert!(knows("public.make_partitions(integer)", "EXECUTE"));
        assert!(granted.iter().all(|(object, _)| object.starts_with("public.")), "{granted:?}");
    }
}
