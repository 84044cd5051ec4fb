//! Opening a book: only with the right schema, only once on `SQLite`.

use tollbook_journal::{Database, DatabaseUrl, Journal, OpenError, Settings, check, migrate};

use crate::given::{call, positions};
use crate::home::{CLUSTER, Home, on_both};
use crate::order::read_all;
use tollbook_journal::INSTANCE;

on_both!(
    migrating_twice_is_harmless,
    a_newer_schema_is_not_opened,
    what_was_written_is_there_when_it_is_opened_again
);

async fn migrating_twice_is_harmless(home: Home) {
    let owner: Option<DatabaseUrl> = home.is_postgres().then(|| CLUSTER.url(home.name()).parse().unwrap());
    migrate(&home.database, owner.as_ref()).await.unwrap();
    check(&home.database).await.unwrap();
}

async fn a_newer_schema_is_not_opened(home: Home) {
    let (yes, blob) = if home.is_postgres() { ("true", "''") } else { ("1", "x''") };
    let sql = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of tomorrow', {yes}, {blob}, 0)"
    );
    home.sql(&sql).await.unwrap();
    let refused = Journal::open(home.database.clone(), Settings::default()).await.err().unwrap();
    assert!(matches!(refused, OpenError::SchemaDiffers(9999)), "{refused}");
}

async fn what_was_written_is_there_when_it_is_opened_again(home: Home) {
    let journal = home.journal().await;
    for _ in 0..3 {
        journal.append(call(INSTANCE)).await.unwrap();
    }
    journal.close().await;
    let again = home.journal().await;
    assert_eq!(positions(&read_all(&again).await), [0, 1, 2]);
    assert_eq!(again.append(call(INSTANCE)).await.unwrap().first.0, 3);
}

#[tokio::test]
async fn a_database_that_was_never_migrated_is_not_opened() {
    let url: DatabaseUrl = CLUSTER.create_database("bare").parse().unwrap();
    let database = Database::connect(&url).await.unwrap();
    let refused = Journal::open(database, Settings::default()).await.err().unwrap();
    assert!(matches!(refused, OpenError::MigrationsMissing(2..)), "{refused}");
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open_sqlite(dir.path()).await.unwrap();
    let refused = Journal::open(database, Settings::default()).await.err().unwrap();
    assert!(matches!(refused, OpenError::MigrationsMissing(1..)), "{refused}");
}

#[tokio::test]
async fn a_book_on_sqlite_is_one_process_s() {
    let home = Home::sqlite().await;
    let second = Database::open_sqlite(home.dir()).await;
    assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    let dir = home.dir().to_owned();
    home.database.close().await;
    let Home { database, kind } = home;
    drop(database);
    assert!(Database::open_sqlite(&dir).await.is_ok(), "the lock is given back");
    drop(kind);
}

#[tokio::test]
async fn one_role_may_own_and_serve() {
    let url: DatabaseUrl = CLUSTER.create_database("one_role").parse().unwrap();
    let database = Database::connect(&url).await.unwrap();
    migrate(&database, None).await.unwrap();
    let journal = Journal::open(database, Settings::default()).await.unwrap();
    journal.append(call(INSTANCE)).await.unwrap();
}

#[tokio::test]
async fn the_service_s_role_may_only_add_and_read_events() {
    let home = Home::postgres().await;
    let sql = "SELECT string_agg(privilege, ',' ORDER BY privilege)
        FROM unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) privilege
        WHERE has_table_privilege('service', 'events', privilege)";
    assert_eq!(CLUSTER.psql(home.name(), sql), "INSERT,SELECT");
}

#[test]
fn a_url_is_never_printed() {
    let url: DatabaseUrl = "postgres://user:hunter2@127.0.0.1:1/db".parse().unwrap();
    assert_eq!(format!("{url:?}"), "DatabaseUrl(…)");
    for bad in ["postgres://user:hunter2@127.0.0.1:notaport/db", "mysql://user:hunter2@host/db"] {
        let error = bad.parse::<DatabaseUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

/// The permissions of the files in a book's directory.
fn modes(dir: &std::path::Path) -> Vec<(String, u32)> {
    use std::os::unix::fs::PermissionsExt;
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let mode = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
    };
    entries.map(mode).collect()
}

#[tokio::test]
async fn files_of_a_book_on_sqlite_are_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::sqlite().await;
    let journal = home.journal().await;
    journal.append(call(INSTANCE)).await.unwrap();
    let made = modes(home.dir());
    assert!(made.iter().any(|(name, _)| name == "book.db-wal"), "{made:?}");
    assert!(made.iter().all(|(_, mode)| *mode == 0o600), "{made:?}");
    // Files of an earlier version, which left it to the umask.
    journal.close().await;
    home.database.close().await;
    let dir = home.dir().to_owned();
    let Home { database, kind } = home;
    drop((database, journal));
    for (name, _) in modes(&dir) {
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let again = Database::open_sqlite(&dir).await.unwrap();
    Journal::open(again, Settings::default()).await.unwrap().append(call(INSTANCE)).await.unwrap();
    let modes = modes(&dir).into_iter().filter(|(name, _)| name != "book.lock");
    assert!(modes.clone().all(|(_, mode)| mode == 0o600), "{:?}", modes.collect::<Vec<_>>());
    drop(kind);
}

#[tokio::test]
async fn a_commit_on_sqlite_waits_for_the_disk() {
    let home = Home::sqlite().await;
    let Database::Sqlite(book) = &home.database else { unreachable!() };
    let pragma = async |name: &str| {
        let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
        sqlx::query_scalar::<_, String>(&sql).fetch_one(&book.writer).await.unwrap()
    };
    assert_eq!((pragma("synchronous").await, pragma("journal_mode").await), ("2".into(), "wal".into()));
}
