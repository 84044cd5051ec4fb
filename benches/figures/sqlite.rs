//! `SQLite`'s own measure: one row, one transaction, one writer, synced.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tempfile::TempDir;
use tollbook_journal::{Database, migrate};
use uuid::Uuid;

use crate::appends::micros;
use crate::rounds::Sample;
use crate::row::Row;

/// A table like the book's, and one connection to it.
#[derive(Debug)]
pub struct Inserts {
    connection: SqliteConnection,
    row: Row,
    _dir: TempDir,
}

impl Inserts {
    pub async fn prepare(row: &Row) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_sqlite(dir.path()).await.unwrap();
        migrate(&database, None).await.unwrap();
        database.close().await;
        let connection = open(&dir.path().join("book.db")).await;
        Self { connection, row: row.clone(), _dir: dir }
    }

    pub async fn run(&mut self, seconds: u64) -> Sample {
        let begun = Instant::now();
        let end = begun + Duration::from_secs(seconds);
        let mut latencies = Vec::new();
        while Instant::now() < end {
            let begun = Instant::now();
            self.insert().await;
            latencies.push(micros(begun.elapsed()));
        }
        Sample::of(latencies, micros(begun.elapsed()))
    }

    async fn insert(&mut self) {
        let row = &self.row;
        let insert = sqlx::query(
            "INSERT INTO events (position, event_id, aggregate_type, aggregate_id, event_type, event_version, \
             payload, metadata, workspace_id, workspace_sequence, control, narrows, recorded_at) \
             VALUES ((SELECT coalesce(max(position) + 1, 0) FROM events), $1, $2, $3, $4, $5, $6, $7, $8, 1, 0, 0, \
             unixepoch() * 1000000)",
        );
        let insert = insert
            .bind(Uuid::now_v7())
            .bind(&row.aggregate_type)
            .bind(row.aggregate_id.to_string())
            .bind(&row.event_type)
            .bind(&row.event_version)
            .bind(&row.payload)
            .bind(&row.metadata)
            .bind(row.workspace_id);
        insert.execute(&mut self.connection).await.unwrap();
    }
}

async fn open(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
        .unwrap()
}
