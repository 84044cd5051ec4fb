//! Promise 1: a tool call is forwarded only after the event that permits it is durable; if the book
//! cannot be written, the answer is 503 within a deadline, and nothing is forwarded.
//!
//! The database is taken away under load. Afterwards every call that reached the tool server, which is
//! a real one and counts for itself, must have its permit in the book; callers were answered in time,
//! and the service recovers without anybody's help.

use std::time::{Duration, Instant};

use serde_json::json;
use tollbook_testkit::node::{Kind, Upstream, client};
use tollbook_testkit::postgres::{Options, Postgres};

use super::book;
use super::disk::SmallDisk;
use super::figures::{count, fault, ms, percentile};
use super::load::{Answered, Door, End, Load, Place, Work};
use super::recorded::{Permits, check_acknowledged};
use crate::house::TestHouse;

/// The book answers within 2 s; what is left is for the way there and back on two busy cores.
const DEADLINE: Duration = Duration::from_secs(3);
/// How many callers there are: sixteen through us, and two who make others busy.
const CALLERS: [Work; 18] = {
    let mut works = [Work::Call; 18];
    (works[8], works[17]) = (Work::Authorize, Work::CreateSession);
    works
};

/// How the database goes and comes back.
#[derive(Clone, Copy)]
enum Disruption<'a> {
    /// `kill -9` of the whole server.
    Kill(&'a Postgres),
    /// Stopped and started as an operator would.
    Restart(&'a Postgres),
    /// No byte is left on the disk that the book lies on. A server that gives up then is started again
    /// by whoever looks after it.
    DiskFull(&'a SmallDisk, Option<&'a Postgres>),
}

impl Disruption<'_> {
    /// Answers with what shows that it happened.
    fn take_away(self) -> String {
        match self {
            Self::Kill(cluster) => {
                cluster.kill9();
                assert!(!cluster.runs(), "the server still runs");
                "killed".into()
            }
            Self::Restart(cluster) => {
                cluster.stop();
                assert!(!cluster.runs(), "the server still runs");
                "stopped".into()
            }
            Self::DiskFull(disk, _) => {
                disk.fill();
                format!("{} bytes free", disk.free())
            }
        }
    }

    fn give_back(self) {
        match self {
            Self::Kill(cluster) | Self::Restart(cluster) => cluster.start_again(),
            Self::DiskFull(disk, cluster) => {
                disk.make_room();
                if let Some(cluster) = cluster.filter(|cluster| !cluster.runs()) {
                    cluster.start_again();
                }
            }
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::Kill(_) => 2,
            Self::Restart(_) => 3,
            Self::DiskFull(..) => 7,
        }
    }
}

/// What one run showed.
struct Trial {
    answers: Vec<Answered>,
    /// From when the database was back to when every caller had been served.
    recoveries: Vec<Duration>,
    in_flight: usize,
    forwarded_before: u64,
    /// What showed the last time that it had struck.
    struck: String,
    /// From when it was taken away to the first refusal.
    until_refused: Vec<Duration>,
}

async fn trial(load: Load, disruption: Disruption<'_>, times: usize, before: u64) -> Trial {
    let (mut recoveries, mut until_refused) = (Vec::new(), Vec::new());
    let mut struck = String::new();
    let mut in_flight = 0;
    let mut forwarded_before = 0;
    for _ in 0..times {
        let so_far = load.tally().calls();
        load.until(|tally| tally.calls() >= so_far + before).await;
        if forwarded_before == 0 {
            forwarded_before = load.tally().calls();
        }
        let earlier = load.tally();
        in_flight += load.in_flight();
        struck = tokio::task::block_in_place(|| disruption.take_away());
        let gone = Instant::now();
        load.until(|tally| tally.unavailable.iter().sum::<u64>() > earlier.unavailable.iter().sum()).await;
        until_refused.push(gone.elapsed());
        let all_had_two =
            |now: &[u64], then: &[u64]| now.iter().zip(then).all(|(now, then)| *now >= then + 2);
        load.until(|tally| all_had_two(&tally.unavailable, &earlier.unavailable)).await;
        let down = load.tally();
        tokio::task::block_in_place(|| disruption.give_back());
        let back = Instant::now();
        load.until(|tally| all_had_two(&tally.done, &down.done)).await;
        recoveries.push(back.elapsed());
    }
    let answers = load.stop().await;
    Trial { answers, recoveries, in_flight, forwarded_before, struck, until_refused }
}

async fn nothing_off_the_book(
    house: TestHouse,
    name: &str,
    disruption: Disruption<'_>,
    times: usize,
    before: u64,
) {
    let upstream = Upstream::modern().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let session = house.session(&loadout).await["id"].as_str().expect("it has an id").to_owned();
    let place = Place { workspace: house.workspace.clone(), loadout, session };
    let load = Load::start(&Door::new(&house.url, &house.key), &place, "outage", &CALLERS);
    let trial = trial(load, disruption, times, before).await;

    let worst = during_outage(&trial.answers);
    // Every call has ended; what its outcome was is still being written.
    house.app.calls.settle().await;
    let events = book::whole(&house.app.journal).await;
    let permits = Permits::of(&house.workspace, &events);
    let acknowledged = check_acknowledged(&house.app, &permits, &trial.answers, &events).await;
    let calls = upstream.calls().await;
    let unrecorded = permits.unrecorded(&house.app, &calls).await;
    let called = events.iter().filter(|event| event.event_type == "session.tool_called").count();
    let outcomes = events.iter().filter(|event| book::is_outcome(event)).count();
    fault(
        disruption.number(),
        name,
        &format!("{times} times: {}, {} requests in flight", trial.struck, trial.in_flight),
        &[
            ("acknowledged", acknowledged.to_string()),
            ("calls at the tool server", calls.tool_calls().to_string()),
            ("of them without a permit in the book", unrecorded.len().to_string()),
            (
                "503",
                trial
                    .answers
                    .iter()
                    .filter(|one| matches!(one.end, End::Unavailable { .. }))
                    .count()
                    .to_string(),
            ),
            ("time to refuse, max", ms(percentile(trial.until_refused, 1.0))),
            ("longest answer", ms(worst)),
            ("recovery p50", ms(percentile(trial.recoveries.clone(), 0.5))),
            ("recovery p99", ms(percentile(trial.recoveries, 0.99))),
        ],
    );
    assert!(unrecorded.is_empty(), "forwarded off the book: {unrecorded:?}");
    assert!(calls.tool_calls() >= before, "{} calls are too few", calls.tool_calls());
    assert!(trial.forwarded_before >= before, "{} calls are too few", trial.forwarded_before);
    assert!(trial.in_flight > 0, "nothing was in flight when the database went");
    assert_eq!(called, outcomes, "every permitted call has an outcome");
    it_would_be_noticed(&house, &upstream, &permits).await;
    house.stop().await;
}

/// Everybody was answered in time, and told when to try again.
fn during_outage(answers: &[Answered]) -> Duration {
    for answered in answers {
        match &answered.end {
            End::Done(_) => {}
            End::Unavailable { retry_after, code } => {
                assert!(*retry_after, "503 says when to try again");
                let known = ["book.", "vault.", "call.too_late"];
                assert!(known.iter().any(|known| code.starts_with(known)), "`{code}`");
            }
            End::Lost => panic!("a request had no answer: {answered:?}"),
            End::Other(said) => panic!("neither done nor unavailable: {} {}", said.status, said.text),
        }
    }
    let worst = answers.iter().max_by_key(|answered| answered.took).expect("there are answers");
    assert!(worst.took < DEADLINE, "too late: {worst:?}");
    worst.took
}

/// One call behind the service's back is found.
async fn it_would_be_noticed(house: &TestHouse, upstream: &Upstream, permits: &Permits) {
    let arguments = json!({ "text": "behind its back" });
    let answer = client(Kind::V2Modern, upstream.url(), "", &["call", "echo", &arguments.to_string()]).await;
    assert_eq!(answer["ok"], true, "{answer:#}");
    assert_eq!(permits.unrecorded(&house.app, &upstream.calls().await).await, [arguments]);
}

async fn on_postgres(name: &str, disruption: fn(&Postgres) -> Disruption<'_>, times: usize, before: u64) {
    let cluster = Postgres::start(&Options::default());
    let house = TestHouse::postgres_on(&cluster, &[]).await;
    nothing_off_the_book(house, name, disruption(&cluster), times, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_forwarded_off_the_book_when_its_database_is_killed_under_load() {
    on_postgres("database killed", |cluster| Disruption::Kill(cluster), 1, 1_100).await;
}

/// Fault 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn nothing_is_forwarded_off_the_book_however_often_its_database_is_killed() {
    let times = count("TOLLBOOK_DATABASE_KILLS", 8);
    on_postgres("database killed again and again", |cluster| Disruption::Kill(cluster), times, 100).await;
}

/// Fault 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn service_recovers_alone_when_its_database_is_restarted_under_load() {
    let times = count("TOLLBOOK_DATABASE_RESTARTS", 5);
    on_postgres("database restarted", |cluster| Disruption::Restart(cluster), times, 300).await;
}

/// Fault 7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults; mounts a small disk, and so needs root"]
async fn nothing_is_served_unrecorded_when_the_disk_of_postgres_is_full() {
    let disk = SmallDisk::mount(320 << 20);
    let settings = [("max_wal_size", "64MB"), ("min_wal_size", "32MB"), ("shared_buffers", "32MB")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let cluster =
        Postgres::start(&Options { below: Some(disk.path().to_owned()), settings, ..Options::default() });
    let house = TestHouse::postgres_on(&cluster, &[]).await;
    let disruption = Disruption::DiskFull(&disk, Some(&cluster));
    nothing_off_the_book(house, "disk full, PostgreSQL", disruption, count("TOLLBOOK_DISK_FULLS", 3), 100)
        .await;
    assert!(cluster.log().contains("No space left on device"), "the server never noticed");
}

/// Fault 7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults; mounts a small disk, and so needs root"]
async fn nothing_is_served_unrecorded_when_the_disk_of_sqlite_is_full() {
    let disk = SmallDisk::mount(64 << 20);
    let data = disk.path().join("data").display().to_string();
    let house = TestHouse::sqlite_with(&[("data_dir", &data)]).await;
    let disruption = Disruption::DiskFull(&disk, None);
    nothing_off_the_book(house, "disk full, SQLite", disruption, count("TOLLBOOK_DISK_FULLS", 3), 100).await;
}
