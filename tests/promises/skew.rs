//! Promises 1 and 2, whatever the clock of a replica's machine shows: order is by position, times are the
//! book's, nothing is permitted that has expired by them, and nothing denied that hasn't.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;
use tollbook::calls::CallRefused;
use tollbook::clock::Clock;
use tollbook_aggregates::access::{Caller, Denial, Operation};
use tollbook_aggregates::{ApiKeyId, SessionId, WorkspaceId};
use tollbook_journal::Recorded;
use tollbook_testkit::proxy::{Proxy, Way};

use super::book;
use super::figures::fault;
use super::tenant::{Replica, TOOL, Tenant, question, write};
use crate::house::{CLUSTER, TestHouse};

/// How long what expires meanwhile is in force.
const IN_FORCE: Duration = Duration::from_secs(2);
/// How wrong a clock is.
const WRONG: TimeDelta = TimeDelta::hours(1);

/// A machine whose clock is wrong.
fn wrong(by: TimeDelta) -> Clock {
    let clock = Clock::default();
    clock.set_machine_ahead(by);
    clock
}

/// A session and a key that end at the same moment.
#[derive(Debug, Clone, Copy)]
struct Ending {
    workspace: WorkspaceId,
    session: SessionId,
    key: ApiKeyId,
    ends: DateTime<Utc>,
}

impl Ending {
    async fn make(tenant: &Tenant, app: &Replica, ends: DateTime<Utc>) -> Self {
        // What has ended already is made by a replica that believes it is earlier.
        app.clock.set_ahead(-WRONG);
        let session = tenant.session(app, ends).await;
        let key = Clock::fresh_id();
        write(app, vec![tenant.make_key(app, key, tenant.owner, Some(ends))]).await;
        app.clock.set_ahead(TimeDelta::zero());
        Self { workspace: tenant.workspace, session, key, ends }
    }
}

/// What is answered from memory.
#[derive(Debug, Clone, Copy)]
enum Read {
    /// `mode: check`.
    Check,
    /// `tools/list`.
    Tools,
    /// A list, by the key.
    List,
}

/// Was it allowed? Nothing, if it can't be said now.
async fn read(app: &Replica, of: Ending, what: Read) -> Option<bool> {
    let refusal = match what {
        Read::Check => app.calls.check(Caller::Session(of.session), of.session, TOOL).await.err(),
        Read::Tools => app.calls.tools(of.session, Caller::Session(of.session).into()).await.err(),
        Read::List => {
            let listed =
                app.commands.allow(Caller::ApiKey(of.key), Some(of.workspace), Operation::ReadLoadouts).await;
            return match listed {
                Ok(_) => Some(true),
                Err(problem) if problem.code == "credential.expired" => Some(false),
                Err(problem) if problem.status == 503 => None,
                Err(other) => panic!("{other}"),
            };
        }
    };
    match refusal {
        None => Some(true),
        Some(CallRefused::Denied { denial: Denial::SessionExpired, .. }) => Some(false),
        Some(CallRefused::Unavailable { .. }) => None,
        Some(other) => panic!("{other}"),
    }
}

/// What became of the calls of one session, or of the questions that memory answers.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    permits: usize,
    /// Permitted at or after its end, by the book's clock.
    too_late: usize,
    denials: usize,
    /// Denied before its end, by the book's clock.
    too_early: usize,
}

impl Seen {
    fn in_the_book(events: &[Recorded], of: Ending) -> Self {
        let session = of.session.to_string();
        let times = |wanted: fn(&Recorded) -> bool| {
            let all = events.iter().filter(|event| event.stream.aggregate_id == session && wanted(event));
            all.map(|event| event.recorded_at).collect::<Vec<_>>()
        };
        let permits = times(book::is_permit);
        let denials = times(|event| event.event_type == "session.tool_denied");
        Self {
            too_late: permits.iter().filter(|at| **at >= of.ends).count(),
            too_early: denials.iter().filter(|at| **at < of.ends).count(),
            permits: permits.len(),
            denials: denials.len(),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            permits: self.permits + other.permits,
            too_late: self.too_late + other.too_late,
            denials: self.denials + other.denials,
            too_early: self.too_early + other.too_early,
        }
    }
}

/// Calls until it is told to stop, whatever the answer.
async fn call(app: Replica, session: SessionId, stop: Arc<AtomicBool>) -> Seen {
    while !stop.load(Ordering::SeqCst) {
        match app.calls.authorize(&question(session)).await {
            Ok(_) | Err(CallRefused::Denied { .. } | CallRefused::Unavailable { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    Seen::default()
}

/// Reads until it is told to stop, and judges each answer by what the database's clock showed before the
/// question, and what behind the answer.
async fn look(app: Replica, of: Ending, url: String, stop: Arc<AtomicBool>) -> Seen {
    let mut database = PgConnection::connect(&url).await.expect("it lets us in");
    let mut time = async || -> DateTime<Utc> {
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut database).await.expect("it answers")
    };
    let mut seen = Seen::default();
    while !stop.load(Ordering::SeqCst) {
        for what in [Read::Check, Read::Tools, Read::List] {
            let before = time().await;
            let allowed = read(&app, of, what).await;
            let behind = time().await;
            match allowed {
                Some(true) => {
                    seen.permits += 1;
                    seen.too_late += usize::from(before >= of.ends);
                }
                Some(false) => {
                    seen.denials += 1;
                    seen.too_early += usize::from(behind < of.ends);
                }
                None => {}
            }
        }
    }
    seen
}

/// Fault 9. One replica's machine is right, one an hour ahead, one an hour behind, and one jumps between
/// the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn order_and_expiry_are_by_the_book_whatever_a_replica_s_clock_says() {
    let house = TestHouse::postgres().await;
    let clocks = [WRONG, -WRONG, WRONG].map(wrong);
    let mut replicas = Vec::new();
    for clock in &clocks {
        replicas.push(house.replica(clock.clone()).await);
    }
    let apps: Vec<Replica> =
        [&house].into_iter().chain(&replicas).map(|replica| Arc::clone(&replica.app)).collect();
    let tenant = Tenant::found(&house.app).await;
    let now = house.app.clock.now();
    let ends = now + TimeDelta::from_std(IN_FORCE).expect("it is short");
    let mut endings = Vec::new();
    for ends in [ends, now - TimeDelta::minutes(5), now + TimeDelta::minutes(30)] {
        endings.push(Ending::make(&tenant, &house.app, ends).await);
    }

    let stop = Arc::new(AtomicBool::new(false));
    let (mut callers, mut readers) = (JoinSet::new(), JoinSet::new());
    let url = house.database_url().expect("it has one");
    for app in &apps {
        for of in &endings {
            callers.spawn(call(Arc::clone(app), of.session, Arc::clone(&stop)));
            readers.spawn(look(Arc::clone(app), *of, url.to_owned(), Arc::clone(&stop)));
        }
    }
    let mut jumps = 0;
    while house.app.clock.now() < ends + TimeDelta::seconds(1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        jumps += 1;
        clocks[2].set_machine_ahead(if jumps % 2 == 0 { WRONG } else { -WRONG });
    }
    let apart = (clocks[0].machine() - clocks[1].machine()).num_minutes();
    stop.store(true, Ordering::SeqCst);
    callers.join_all().await;
    let reads = readers.join_all().await.into_iter().fold(Seen::default(), Seen::and);

    // Contiguous, or it would have panicked.
    let events = book::whole(&house.app.journal).await;
    let backwards = events.windows(2).filter(|pair| pair[1].recorded_at < pair[0].recorded_at).count();
    let seen: Vec<Seen> = endings.iter().map(|of| Seen::in_the_book(&events, *of)).collect();
    let calls = seen.iter().copied().fold(Seen::default(), Seen::and);
    fault(
        9,
        "clocks an hour ahead, behind, and jumping",
        &format!("clocks {apart} min apart, {jumps} jumps of 2 h"),
        &[
            ("permits", calls.permits.to_string()),
            ("permitted after expiry", calls.too_late.to_string()),
            ("denials", calls.denials.to_string()),
            ("denied before expiry", calls.too_early.to_string()),
            ("reads from memory", (reads.permits + reads.denials).to_string()),
            ("allowed after expiry", reads.too_late.to_string()),
            ("refused before expiry", reads.too_early.to_string()),
            ("events in order of position whose times go back", backwards.to_string()),
        ],
    );
    assert!((119..=121).contains(&apart) && jumps > 50, "the clocks were right");
    assert!(seen.iter().all(|seen| seen.permits + seen.denials > 20), "hardly anything was asked");
    assert!(seen[0].permits > 0 && seen[0].denials > 0, "nothing expired meanwhile");
    assert!(reads.permits > 20 && reads.denials > 20, "hardly anything was read");
    assert_eq!((calls.too_late, calls.too_early, backwards), (0, 0, 0));
    assert_eq!((reads.too_late, reads.too_early), (0, 0));
    for replica in replicas {
        replica.stop().await;
    }
    house.stop().await;
}

/// What it answers, and what it would if its machine were right.
#[track_caller]
fn same(by: TimeDelta, what: impl Debug, answer: Option<bool>, expected: bool) {
    assert_eq!(answer, Some(expected), "{what:?}, {} min ahead", by.num_minutes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_whose_machine_is_an_hour_off_decides_as_the_book_does_and_says_that_it_is_off() {
    let house = TestHouse::postgres().await;
    let tenant = Tenant::found(&house.app).await;
    let now = house.app.clock.now();
    let lives = Ending::make(&tenant, &house.app, now + TimeDelta::minutes(30)).await;
    let ended = Ending::make(&tenant, &house.app, now - TimeDelta::minutes(5)).await;
    for by in [WRONG, -WRONG] {
        let clock = wrong(by);
        let replica = house.replica(clock.clone()).await;
        let app = &replica.app;
        for machine in [by, -by, by] {
            clock.set_machine_ahead(machine);
            for (of, expected) in [(lives, true), (ended, false)] {
                for what in [Read::Check, Read::Tools, Read::List] {
                    same(machine, what, read(app, of, what).await, expected);
                }
                let recorded = match app.calls.authorize(&question(of.session)).await {
                    Ok(_) => true,
                    Err(CallRefused::Denied { denial: Denial::SessionExpired, .. }) => false,
                    Err(other) => panic!("{other}"),
                };
                same(machine, "recorded", Some(recorded), expected);
            }
        }
        let health = replica.get("/v1/operator/health", &replica.operator).await.expect(200);
        let findings = health["findings"].as_array().expect("there are some");
        let found = findings.iter().find(|finding| finding["name"] == "clock").expect("it is looked at");
        assert_eq!(found["state"], json!("failed"), "{found:#}");
        replica.stop().await;
    }
    house.stop().await;
}

/// Suspended, that is: its monotonic clock stood still, and its own shows ten minutes more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_that_may_have_been_suspended_answers_nothing_from_memory_before_it_has_read_the_book() {
    let house = TestHouse::postgres().await;
    let tenant = Tenant::found(&house.app).await;
    let lives = Ending::make(&tenant, &house.app, house.app.clock.now() + TimeDelta::minutes(30)).await;
    let proxy = Proxy::to(CLUSTER.port()).await;
    let clock = Clock::default();
    let replica = house.replica_through(proxy.port, clock.clone()).await;
    assert_eq!(read(&replica.app, lives, Read::Check).await, Some(true));
    // The head that it has read is a moment old.
    proxy.set(Way::Silent);
    clock.set_machine_ahead(TimeDelta::minutes(10));
    assert_eq!(read(&replica.app, lives, Read::Check).await, None, "it answered by what it remembered");
    proxy.set(Way::Open);
    let begun = Instant::now();
    while read(&replica.app, lives, Read::Check).await != Some(true) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never comes to itself");
    }
    replica.stop().await;
    house.stop().await;
}
