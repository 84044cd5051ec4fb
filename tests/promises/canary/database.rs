//! Databases as places to search: their files, and their dumps; and secrets planted in the same way.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tollbook_testkit::postgres::Postgres;

use super::super::service::Home;
use super::needles::{Kind, Place};

/// Keys that lie there by design, for who may read them; this test's are in the environment.
const KEY_FILES: [&str; 3] = ["kek", "pepper", "service.json"];

/// Everything that the service has kept, wherever it keeps it.
pub(super) async fn places(home: &Home, cluster: Option<&Postgres>) -> Vec<Place> {
    let mut places = Vec::new();
    for file in files(&home.data_dir()) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&file).expect("it can be read");
        if KEY_FILES.contains(&name.as_str()) || bytes.is_empty() {
            continue;
        }
        let kind =
            if name.contains(".db") || name.contains(".sqlite") { Kind::SqliteFile } else { Kind::Text };
        if bytes.starts_with(b"SQLite format 3\0") {
            places.push(Place::of(Kind::SqliteDump, &format!("a dump of {name}"), sqlite_dump(&file).await));
        }
        places.push(Place::of(kind, &format!("the file {name}"), bytes));
    }
    if let (Some(cluster), Some((database, _))) = (cluster, &home.database) {
        places.push(Place::of(Kind::PostgresDump, "pg_dump", pg_dump(cluster, database)));
        // What was destroyed is overwritten by the next cleaning; and what only lies in memory is written.
        cluster.psql(database, "VACUUM FULL data_keys");
        cluster.psql(database, "CHECKPOINT");
        places.extend(cluster_files(cluster, database));
        places.push(Place::new("PostgreSQL's own log", [cluster.log().as_bytes(), b"\n"].concat()));
    } else {
        assert!(
            places.iter().any(|place| place.kind == Kind::SqliteDump),
            "there is a book in the directory"
        );
    }
    places
}

/// The files of the cluster as they lie on the disk: of this database, of what all databases share, and its log of
/// changes.
fn cluster_files(cluster: &Postgres, database: &str) -> Vec<Place> {
    let sql = format!("SELECT oid FROM pg_database WHERE datname = '{database}'");
    let own = format!("base/{}", cluster.psql("postgres", &sql));
    let mut places = Vec::new();
    for dir in [own.as_str(), "global", "pg_wal"] {
        let mut bytes = Vec::new();
        for file in files(&cluster.data_dir().join(dir)) {
            bytes.extend(std::fs::read(file).expect("it can be read"));
        }
        places.push(Place::of(Kind::PostgresFile, &format!("PostgreSQL's files in {dir}"), bytes));
    }
    places
}

/// The data key that what is about a person is sealed under, as it is kept, wrapped.
pub(super) async fn wrapped_key(home: &Home, user: &str) -> Vec<u8> {
    let id = user.parse::<uuid::Uuid>().expect("it is an id");
    if let Some((_, url)) = &home.database {
        let mut connection = sqlx::PgConnection::connect(url).await.expect("the database answers");
        let read = sqlx::query_scalar("SELECT wrapped FROM data_keys WHERE workspace_id = $1").bind(id);
        return read.fetch_one(&mut connection).await.expect("they have one");
    }
    let book =
        files(&home.data_dir()).into_iter().find(|file| file.ends_with("book.db")).expect("there is a book");
    let mut connection =
        SqliteConnectOptions::new().filename(book).read_only(true).connect().await.expect("the book opens");
    let read = sqlx::query_scalar("SELECT wrapped FROM data_keys WHERE workspace_id = ?").bind(id);
    read.fetch_one(&mut connection).await.expect("they have one")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the directory is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

/// As `pg_dump` writes it; bytes, which it writes as digits, are added as they are.
fn pg_dump(cluster: &Postgres, database: &str) -> Vec<u8> {
    let program = cluster.bin().join("pg_dump");
    let output =
        Command::new(program).arg("--inserts").arg(cluster.url(database)).output().expect("pg_dump starts");
    assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut dump = text.replace("''", "'").into_bytes();
    for value in text.split(r"'\x").skip(1) {
        let digits = value.split('\'').next().unwrap_or_default();
        dump.push(b'\n');
        dump.extend_from_slice(&hex::decode(digits).expect("pg_dump writes bytes as digits"));
    }
    dump
}

/// Every value of every table: text as it is, and blobs both as they are and in hexadecimal digits. A
/// file alone isn't enough: a long value lies in pieces on its pages.
async fn sqlite_dump(file: &Path) -> Vec<u8> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut connection = options.connect().await.expect("the file opens");
    let tables =
        sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table'").fetch_all(&mut connection);
    let mut dump = Vec::new();
    for table in tables.await.expect("there are tables") {
        let table: String = table.get(0);
        let columns =
            sqlx::query("SELECT name FROM pragma_table_info(?)").bind(&table).fetch_all(&mut connection);
        for column in columns.await.expect("there are columns") {
            let column: String = column.get(0);
            let sql =
                format!(r#"SELECT CAST("{column}" AS BLOB) FROM "{table}" WHERE "{column}" IS NOT NULL"#);
            for value in sqlx::query(&sql).fetch_all(&mut connection).await.expect("it can be read") {
                dump.extend_from_slice(&value.get::<Vec<u8>, _>(0));
                dump.push(b'\n');
            }
        }
    }
    connection.close().await.expect("it closes");
    dump
}

/// What a database makes of these, as a text or, where they are none, as a blob.
pub(super) fn planted(kind: Kind, patterns: &[Vec<u8>], cluster: Option<&Postgres>) -> Vec<u8> {
    match kind {
        Kind::PostgresDump | Kind::PostgresFile => {
            planted_in_postgres(kind, patterns, cluster.expect("there is a cluster"))
        }
        _ => tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(planted_in_sqlite(kind, patterns))
        }),
    }
}

async fn planted_in_sqlite(kind: Kind, patterns: &[Vec<u8>]) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("there is room");
    let file = dir.path().join("planted.db");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut connection: SqliteConnection =
        options.journal_mode(SqliteJournalMode::Delete).connect().await.expect("it opens");
    sqlx::query("CREATE TABLE planted (value)").execute(&mut connection).await.expect("it is made");
    for pattern in patterns {
        let insert = match std::str::from_utf8(pattern) {
            Ok(text) => sqlx::query("INSERT INTO planted VALUES (?)").bind(text),
            Err(_) => sqlx::query("INSERT INTO planted VALUES (?)").bind(pattern.as_slice()),
        };
        insert.execute(&mut connection).await.expect("it is planted");
    }
    connection.close().await.expect("it closes");
    match kind {
        Kind::SqliteDump => sqlite_dump(&file).await,
        _ => std::fs::read(&file).expect("it can be read"),
    }
}

fn planted_in_postgres(kind: Kind, patterns: &[Vec<u8>], cluster: &Postgres) -> Vec<u8> {
    const NAME: &str = "planted";
    cluster.psql("postgres", &format!("DROP DATABASE IF EXISTS {NAME}"));
    let _ = cluster.create_database(NAME);
    let mut sql = "CREATE TABLE texts (value text); CREATE TABLE blobs (value bytea);".to_owned();
    for pattern in patterns {
        let (table, value) = match std::str::from_utf8(pattern) {
            Ok(text) if !text.contains('\0') => ("texts", format!("'{}'", text.replace('\'', "''"))),
            // Bytes come out of a dump as hexadecimal digits, and are found as those.
            _ => ("blobs", format!("'\\x{}'", hex::encode(pattern))),
        };
        let _ = write!(sql, "INSERT INTO {table} VALUES ({value});");
    }
    cluster.psql(NAME, &sql);
    if kind == Kind::PostgresDump {
        return pg_dump(cluster, NAME);
    }
    cluster.psql(NAME, "CHECKPOINT");
    let mut planted = Vec::new();
    for table in ["texts", "blobs"] {
        let file = cluster.psql(NAME, &format!("SELECT pg_relation_filepath('{table}')"));
        planted.extend(std::fs::read(cluster.data_dir().join(file)).expect("it can be read"));
    }
    planted
}
