//! Appends a second, in process, on both homes of the book, beside pgbench's one-row inserts into
//! the same table. All on this machine's disk, with every commit synced.
//!
//! `cargo run --release -p tollbook-journal --example throughput [SECONDS]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing
)]
#![allow(clippy::cast_precision_loss, reason = "rates")]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollbook_journal::{
    Append, Database, DatabaseUrl, Expected, Journal, NewEvent, Position, Settings, Stream, Write, migrate,
};
use tollbook_testkit::postgres::{Options, Postgres};
use uuid::Uuid;

const WORKSPACES: u128 = 100;

#[tokio::main]
async fn main() {
    let seconds = std::env::args().nth(1).map_or(5, |text| text.parse().expect("SECONDS is a number"));
    let cluster = Postgres::start(&Options { on_disk: true, ..Options::default() });
    let alone = pgbench(&cluster, 1, seconds);
    let crowd = pgbench(&cluster, 64, seconds);
    println!("pgbench     1 client    {alone:>8.0} inserts/s");
    println!("pgbench    64 clients   {crowd:>8.0} inserts/s");
    for callers in [1, 64, 512] {
        let url: DatabaseUrl = cluster.create_database(&format!("book{callers}")).parse().unwrap();
        let rate = measure(Database::connect(&url).await.unwrap(), callers, seconds).await;
        let base = if callers == 1 { alone } else { crowd };
        let Rate { appends, batch } = rate;
        println!(
            "PostgreSQL {callers:>3} callers   {appends:>8.0} appends/s   {:.2} × pgbench   {batch:.0} a batch",
            appends / base
        );
    }
    for callers in [1, 64, 512] {
        let dir = tempfile::tempdir().unwrap();
        let rate = measure(Database::open_sqlite(dir.path()).await.unwrap(), callers, seconds).await;
        let Rate { appends, batch } = rate;
        println!("SQLite     {callers:>3} callers   {appends:>8.0} appends/s   {batch:.0} a batch");
    }
}

/// What was measured: appends a second, and how many were written together on average.
#[derive(Debug)]
struct Rate {
    appends: f64,
    batch: f64,
}

/// How many appends a second `callers` have acknowledged, each waiting for its last before the next.
async fn measure(database: Database, callers: usize, seconds: u64) -> Rate {
    migrate(&database, None).await.unwrap();
    let journal = Journal::open(database, Settings::default()).await.unwrap();
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let journal = journal.clone();
        let stream = Stream { aggregate_type: "session".into(), aggregate_id: Uuid::now_v7().to_string() };
        let workspace = Uuid::from_u128(1 + caller as u128 % WORKSPACES);
        tasks.spawn(async move {
            let mut count = 0_u64;
            while Instant::now() < end {
                journal.append(call(workspace, stream.clone())).await.unwrap();
                count += 1;
            }
            count
        });
    }
    let count: u64 = tasks.join_all().await.into_iter().sum();
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    journal.close().await;
    // One reading of the clock a batch.
    let batches = "SELECT count(DISTINCT recorded_at) FROM events";
    let batches: i64 = match journal.database() {
        Database::Postgres(pool) => sqlx::query_scalar(batches).fetch_one(pool).await.unwrap(),
        Database::Sqlite(book) => sqlx::query_scalar(batches).fetch_one(&book.readers).await.unwrap(),
    };
    Rate { appends: rate, batch: count as f64 / batches as f64 }
}

/// A tool call as the gateway records it.
fn call(workspace_id: Uuid, stream: Stream) -> Append {
    let event = NewEvent {
        event_id: Uuid::now_v7(),
        event_type: "session.tool_called".into(),
        event_version: "1.0".into(),
        payload: payload(),
        metadata: r#"{"actor":"019ab5c2-7e00-7000-8000-00000000000a","request_id":"019ab5c2-7e00-7000-8000-00000000000b"}"#.into(),
        control: false,
        narrows: false,
        sealed: Vec::new(),
    };
    let write = Write { workspace_id, stream, expected: Expected::Any, events: vec![event] };
    Append { writes: vec![write], fence: Some(Position(0)), not_after: None, idempotency: None, budget: None }
}

fn payload() -> String {
    format!(
        r#"{{"ToolCalled":{{"call_id":"019ab5c2-7e00-7000-8000-00000000000c","tool":"search","arguments":"{}"}}}}"#,
        "x".repeat(300)
    )
}

/// Inserts a second into `events`, one row a transaction.
fn pgbench(cluster: &Postgres, clients: u32, seconds: u64) -> f64 {
    let database = format!("bench{clients}");
    let url = cluster.create_database(&database);
    let runtime = tokio::runtime::Handle::current();
    let migrated = async {
        let database = Database::connect(&url.parse().unwrap()).await.unwrap();
        migrate(&database, None).await.unwrap();
    };
    tokio::task::block_in_place(|| runtime.block_on(migrated));
    cluster.psql(&database, "CREATE SEQUENCE bench MINVALUE 0 CACHE 1");
    let script = format!(
        "\\set workspace random(1, {WORKSPACES})\n\
         INSERT INTO events (position, event_id, aggregate_type, aggregate_id, event_type, event_version, payload, \
         metadata, workspace_id, workspace_sequence, control, narrows, recorded_at) \
         VALUES (nextval('bench'), gen_random_uuid(), 'session', '019ab5c2-7e00-7000-8000-' || lpad(:client_id::text, 12, '0'), \
         'session.tool_called', '1.0', '{}', '{}', lpad(:workspace::text, 32, '0')::uuid, 1, false, false, clock_timestamp());\n",
        payload(),
        r#"{"actor":"019ab5c2-7e00-7000-8000-00000000000a","request_id":"019ab5c2-7e00-7000-8000-00000000000b"}"#,
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), script).unwrap();
    let output = Command::new(cluster.bin().join("pgbench"))
        .args([
            "-n",
            "-M",
            "prepared",
            "-j",
            "2",
            "-c",
            &clients.to_string(),
            "-T",
            &seconds.to_string(),
            "-f",
        ])
        .arg(file.path())
        .arg(&url)
        .output()
        .expect("pgbench starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    rate.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}
