//! Promise 1: when every connection of the pool is stuck, what waits is bounded, everybody has an answer
//! in time, memory doesn't grow, and the service recovers by itself.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;
use tollbook_testkit::node::Upstream;
use tollbook_testkit::postgres::{Options, Postgres};

use super::book;
use super::figures::{count, fault, ms, percentile};
use super::furnished::{Furnished, furnish};
use super::load::{Answered, Door, End, Load, Work};
use super::recorded::{Permits, check_acknowledged};
use super::service::Home;

/// How many connections the service's pool has to lend: of sixteen one listens.
const POOL: i64 = 15;
/// Callers of tools, and readers of the audit log, who take the pool.
const CALLERS: usize = 400;
const READERS: usize = 64;
/// The book answers within 2 s, and a page of it within 10; what is left is for two busy cores.
const DEADLINE: Duration = Duration::from_secs(4);
const READ_DEADLINE: Duration = Duration::from_secs(13);
/// So much more memory than before may be used while everybody waits.
const GROWTH: u64 = 96 << 20;

/// How much memory the process has, in bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number") << 10
}

/// Reads the audit log until the time is over: how long each answer took, and its status.
async fn read(door: Door, path: String, until: Instant) -> Vec<(Duration, u16)> {
    let mut answers = Vec::new();
    while Instant::now() < until {
        let asked = Instant::now();
        let said = door.get(&path).await.expect("everybody has an answer");
        answers.push((asked.elapsed(), said.status.as_u16()));
    }
    answers
}

/// Connections of the pool that are at work and get nowhere.
async fn stuck(control: &mut PgConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'tollbook' AND state = 'active' AND wait_event_type = 'Lock'";
    sqlx::query_scalar(sql).fetch_one(control).await.expect("it can be asked")
}

fn late(answers: &[Answered]) -> Vec<&Answered> {
    answers.iter().filter(|one| one.took > DEADLINE).collect()
}

/// Fault 10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn everybody_is_answered_in_time_when_the_pool_is_exhausted() {
    let seconds = Duration::from_secs(count("TOLLBOOK_POOL_SECONDS", 10));
    let cluster = Postgres::start(&Options::default());
    let home = Home::postgres(&cluster);
    let upstream = Upstream::modern().await;
    let furnished = furnish(&home, &upstream, &["echo"]).await;
    let Furnished { first, place } = &furnished;
    let service = home.serve().await;
    let door = service.door(&first.key);
    let load = Load::start(&door, place, "exhausted", &[Work::Authorize; CALLERS]);
    load.until(|tally| tally.done.iter().all(|done| *done > 0)).await;
    let before = resident(service.id());

    // Somebody locks the table, and whatever reads or writes the book gets stuck with its connection.
    let (_, url) = home.database.clone().expect("it is on PostgreSQL");
    let mut control = PgConnection::connect(&url).await.expect("the server runs");
    let mut other = PgConnection::connect(&url).await.expect("the server runs");
    sqlx::raw_sql("BEGIN; LOCK TABLE events").execute(&mut other).await.expect("it is locked");
    let began = Instant::now();
    let earlier = load.tally();
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        readers.spawn(read(door.clone(), furnished.path("/audit/events"), began + seconds));
    }
    let (mut most, mut memory) = (0, before);
    while began.elapsed() < seconds {
        most = most.max(stuck(&mut control).await);
        memory = memory.max(resident(service.id()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let refused = load.tally();
    let each_refused = refused.unavailable.iter().zip(&earlier.unavailable).all(|(now, then)| now > then);
    other.close().await.expect("it lets go");
    let back = Instant::now();
    let down = load.tally();
    load.until(|tally| tally.done.iter().zip(&down.done).all(|(now, then)| *now >= then + 2)).await;
    let recovery = back.elapsed();
    let answers = load.stop().await;
    let reads = readers.join_all().await.concat();
    service.kill9().await;

    let app = home.open().await;
    let events = book::whole(&app.journal).await;
    let permits = Permits::of(&place.workspace, &events);
    let acknowledged = check_acknowledged(&app, &permits, &answers, &events).await;
    home.close(app).await;
    let unavailable = answers.iter().filter(|one| matches!(one.end, End::Unavailable { .. }));
    let waits: Vec<Duration> = unavailable.map(|one| one.took).collect();
    let read_p99 = percentile(reads.iter().map(|(took, _)| *took).collect(), 0.99);
    let mebibytes = |bytes: u64| format!("{} MB", bytes >> 20);
    fault(
        10,
        "pool exhausted",
        &format!(
            "{most} connections stuck, {POOL} to lend, for {} s under {CALLERS} callers",
            seconds.as_secs()
        ),
        &[
            ("503", waits.len().to_string()),
            ("their p50", ms(percentile(waits.clone(), 0.5))),
            ("their p99", ms(percentile(waits, 0.99))),
            ("reads' p99", ms(read_p99)),
            ("RSS before", mebibytes(before)),
            ("RSS at most", mebibytes(memory)),
            ("recovery of all", ms(recovery)),
            ("acknowledged", acknowledged.to_string()),
        ],
    );
    assert!(most >= POOL, "the pool was not exhausted");
    assert!(each_refused, "not every caller was told no");
    for one in &answers {
        assert!(matches!(one.end, End::Done(_) | End::Unavailable { retry_after: true, .. }), "{one:?}");
    }
    assert!(late(&answers).is_empty(), "too late: {:?}", late(&answers).first());
    let told = reads.iter().all(|(took, status)| *took < READ_DEADLINE && matches!(status, 200 | 503));
    assert!(told, "a reader waited too long, or was told something else: {reads:?}");
    assert!(memory < before + GROWTH, "memory grew from {before} to {memory}");
}
