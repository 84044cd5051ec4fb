//! How long a start takes with many control events behind it, and how much memory live sessions take.
//!
//! ```text
//! start DATABASE_URL EVENTS LIVE_PERCENT
//! ```
//!
//! Migrates the (empty) database, writes that many control events as the service would have written
//! them (straight into the table, by one SQL statement), folds them as at a start, and prints one line of
//! JSON. Of the sessions, so many of a hundred are live; half of the others were revoked, half expired.
//! Loopback only: it is for `benches/` and for whoever wonders.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a tool for developers")]

use std::time::{Duration, Instant};

use sqlx::postgres::PgPool;
use tokio_util::sync::CancellationToken;
use tollbook::authority::Authority;
use tollbook::clock::Clock;
use tollbook_journal::{Database, DatabaseUrl, Journal, Settings, migrate};

/// A workspace for every thousand sessions, with an owner, their key, a tool server and a loadout; the
/// rest are sessions. Ids are made of the number, so that events about the same thing meet.
const GENERATE: &str = include_str!("start.sql");
/// The id of this number, among things of this kind.
const ID: &str = "CREATE FUNCTION pg_temp.id(kind bigint, number bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
    SELECT ('019aab3c-7d2e-7' || lpad(to_hex(kind), 3, '0') || '-8000-' || lpad(to_hex(number), 12, '0'))::uuid $$";

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, events, live] = arguments.as_slice() else {
        panic!("start DATABASE_URL EVENTS LIVE_PERCENT")
    };
    let url: DatabaseUrl = url.parse().unwrap();
    let database = Database::connect(&url).await.unwrap();
    migrate(&database, None).await.unwrap();
    let Database::Postgres(pool) = &database else { unreachable!("it is a URL of PostgreSQL") };
    let sessions = generate(pool, events.parse().unwrap(), live.parse().unwrap()).await;
    let journal = Journal::open(database, Settings::default()).await.unwrap();
    let control = journal.head().await.unwrap().next.0;

    let before = resident();
    let started = Instant::now();
    let stop = CancellationToken::new();
    let authority = Authority::start(journal.clone(), Clock::default(), stop.clone()).await.unwrap();
    let took = started.elapsed();
    // What the reader held is given back a moment later.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = resident().saturating_sub(before);
    let held = authority.look(tollbook::authority::Live::sessions);
    println!(
        "{}",
        serde_json::json!({
            "control_events": control, "sessions": sessions, "held": held, "seconds": took.as_secs_f64(),
            "resident_before_bytes": before, "resident_grown_bytes": grown,
            "bytes_a_held_session": grown.checked_div(held as u64),
        })
    );
    stop.cancel();
    journal.close().await;
}

async fn generate(pool: &PgPool, events: i64, live: i64) -> i64 {
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(pool).await.unwrap();
    if there == 0 {
        // The same connection for both: the function is that connection's own.
        let mut connection = pool.acquire().await.unwrap();
        sqlx::raw_sql(ID).execute(&mut *connection).await.unwrap();
        sqlx::query(GENERATE).bind(events).bind(live).execute(&mut *connection).await.unwrap();
        drop(connection);
        sqlx::query("VACUUM ANALYZE events").execute(pool).await.unwrap();
    }
    let count = "SELECT count(*) FROM events WHERE event_type = 'session.created'";
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}

/// Bytes of this process that are in memory, by the kernel.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
