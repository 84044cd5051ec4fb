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
use super::figures::{count, ms, percentile, print};
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
#[derive(Debug, Clone, Copy)]
enum Disruption {
    /// `kill -9` of the whole server.
    Kill,
    /// Stopped and started as an operator would.
    Restart,
}

impl Disruption {
    fn take_away(self, cluster: &Postgres) {
        match self {
            Self::Kill => cluster.kill9(),
            Self::Restart => cluster.stop(),
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
}

async fn trial(cluster: &Postgres, load: Load, disruption: Disruption, times: usize, before: u64) -> Trial {
    let mut recoveries = Vec::new();
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
        tokio::task::block_in_place(|| disruption.take_away(cluster));
        let refused = |now: &[u64], then: &[u64]| now.iter().zip(then).all(|(now, then)| *now >= then + 2);
        load.until(|tally| refused(&tally.unavailable, &earlier.unavailable)).await;
        let down = load.tally();
        tokio::task::block_in_place(|| cluster.start_again());
        let back = Instant::now();
        load.until(|tally| refused(&tally.done, &down.done)).await;
        recoveries.push(back.elapsed());
    }
    Trial { answers: load.stop().await, recoveries, in_flight, forwarded_before }
}

async fn nothing_off_the_book(name: &str, disruption: Disruption, times: usize, before: u64) {
    let cluster = Postgres::start(&Options::default());
    let house = TestHouse::postgres_on(&cluster, &[]).await;
    let upstream = Upstream::modern().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let session = house.session(&loadout).await["id"].as_str().expect("it has an id").to_owned();
    let place = Place { workspace: house.workspace.clone(), loadout, session };
    let load = Load::start(&Door::new(&house.url, &house.key), &place, "outage", &CALLERS);
    let trial = trial(&cluster, load, disruption, times, before).await;

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
    print(
        name,
        &[
            ("times", times.to_string()),
            ("callers", CALLERS.len().to_string()),
            ("calls before", trial.forwarded_before.to_string()),
            ("in flight when it went", trial.in_flight.to_string()),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_forwarded_off_the_book_when_its_database_is_killed_under_load() {
    nothing_off_the_book("database killed", Disruption::Kill, 1, 1_100).await;
}

/// Fault 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn nothing_is_forwarded_off_the_book_however_often_its_database_is_killed() {
    let times = count("TOLLBOOK_DATABASE_KILLS", 15);
    nothing_off_the_book("database killed again and again", Disruption::Kill, times, 100).await;
}

/// Fault 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn service_recovers_alone_when_its_database_is_restarted_under_load() {
    let times = count("TOLLBOOK_DATABASE_RESTARTS", 5);
    nothing_off_the_book("database restarted", Disruption::Restart, times, 300).await;
}
