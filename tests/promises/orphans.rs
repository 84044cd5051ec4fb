//! Promise 1, after a death: every call that a dead process left open has one outcome in the book, that
//! it is unknown; no call of a living one has. Who was only paused can't add a second.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection as _, PgConnection, Row as _};
use tollbook_journal::{Database, Journal, Recorded, Settings};
use tollbook_testkit::node::Upstream;
use tollbook_testkit::postgres::{Options, Postgres};
use uuid::Uuid;

use super::book;
use super::figures::{ms, print};
use super::furnished::{Furnished, furnish};
use super::load::Door;
use super::service::{Home, Service};
use super::tenant::{Tenant, question};
use crate::house::{CLUSTER, TestHouse};

/// How long anything may take. Generous: both cores may be busy.
const PATIENCE: Duration = Duration::from_secs(90);
const UNKNOWN: &str = "session.tool_call_outcome_unknown";

/// Calls the tool that takes `ms` milliseconds, and doesn't wait for it.
fn call_slow(furnished: &Furnished, service: &Service, ms: u64) {
    let door = Door::new(&service.url, &furnished.first.key);
    let path = furnished.path(&format!("/sessions/{}/tool-calls", furnished.place.session));
    tokio::spawn(
        async move { door.post(&path, &json!({ "tool": "slow", "arguments": { "ms": ms } })).await },
    );
}

/// Waits until the tool server has been asked this often.
async fn asked(upstream: &Upstream, times: u64) {
    let end = Instant::now() + PATIENCE;
    while upstream.calls().await.of("slow") < times {
        assert!(Instant::now() < end, "the calls never arrived");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Each permitted call: which incarnation made it, and its outcomes, by type and by who wrote them.
type Calls = BTreeMap<String, (String, Vec<(String, String)>)>;

fn calls(events: &[Recorded]) -> Calls {
    let replica = |event: &Recorded| {
        let metadata: serde_json::Value = serde_json::from_str(&event.metadata).expect("it is JSON");
        metadata["replica"].as_str().expect("it is signed").to_owned()
    };
    let mut calls = Calls::new();
    for event in events {
        let payload = book::payload(event);
        let id = |of: &serde_json::Value| of["call_id"].as_str().expect("it is an id").to_owned();
        if event.event_type == "session.tool_called" {
            calls.insert(id(&payload["tool_called"]), (replica(event), Vec::new()));
        } else if book::is_outcome(event) {
            let of =
                payload.as_object().and_then(|payload| payload.values().next()).expect("it says of what");
            let call = calls.get_mut(&id(of)).expect("an outcome has a permit before it");
            call.1.push((event.event_type.clone(), replica(event)));
        }
    }
    calls
}

/// Reads the book until it is as it should be.
async fn until(journal: &Journal, what: &str, holds: impl Fn(&Calls) -> bool) -> Calls {
    let end = Instant::now() + PATIENCE;
    loop {
        let calls = calls(&book::whole(journal).await);
        if holds(&calls) {
            return calls;
        }
        assert!(Instant::now() < end, "{what}: {calls:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn with(calls: &Calls, outcome: &str) -> usize {
    calls.values().filter(|(_, outcomes)| outcomes.iter().any(|(kind, _)| kind == outcome)).count()
}

fn check_one_each(calls: &Calls) {
    for (call, (_, outcomes)) in calls {
        assert!(outcomes.len() <= 1, "{call} has more than one outcome: {outcomes:?}");
    }
}

/// A book of its own on `PostgreSQL`, read by nobody's replica.
async fn reader(home: &Home) -> Journal {
    let (_, url) = home.database.as_ref().expect("it is on PostgreSQL");
    let database = Database::connect(&url.parse().expect("it is a URL")).await.expect("it is there");
    Journal::open(database, Settings::default()).await.expect("the book opens")
}

async fn incarnations(home: &Home) -> BTreeSet<String> {
    let (_, url) = home.database.as_ref().expect("it is on PostgreSQL");
    let mut connection = PgConnection::connect(url).await.expect("it is there");
    let rows = sqlx::query("SELECT incarnation FROM replicas WHERE stopped_at IS NULL");
    let rows = rows.fetch_all(&mut connection).await.expect("the register can be read");
    rows.iter().map(|row| row.get::<Uuid, _>(0).to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_killed_replica_have_an_unknown_outcome_and_those_of_the_living_their_own() {
    let home = Home::postgres(&CLUSTER);
    let upstream = Upstream::modern().await;
    let furnished = furnish(&home, &upstream, &["echo", "slow"]).await;
    let (doomed, other) = (home.serve().await, home.serve().await);
    (0..3).for_each(|_| call_slow(&furnished, &doomed, 100_000));
    // Open while the dead one's are closed.
    (0..2).for_each(|_| call_slow(&furnished, &other, 25_000));
    asked(&upstream, 5).await;
    doomed.kill9().await;
    let killed = Instant::now();

    let journal = reader(&home).await;
    let found = until(&journal, "the dead one's calls are closed", |calls| with(calls, UNKNOWN) == 3).await;
    let took = killed.elapsed();
    check_one_each(&found);
    let open: Vec<_> = found.values().filter(|(_, outcomes)| outcomes.is_empty()).collect();
    assert_eq!(open.len(), 2, "those of the living are open still: {found:#?}");
    let (dead, living): (BTreeSet<_>, BTreeSet<_>) = (
        found.values().filter(|(_, outcomes)| !outcomes.is_empty()).map(|(replica, _)| replica).collect(),
        open.iter().map(|(replica, _)| replica).collect(),
    );
    assert!(dead.len() == 1 && living.len() == 1 && dead.is_disjoint(&living), "{found:#?}");
    let heirs = found.values().flat_map(|(_, outcomes)| outcomes).map(|(_, heir)| heir);
    assert!(heirs.clone().all(|heir| living.contains(heir)), "the living one wrote them: {found:#?}");

    let ended = "session.tool_call_completed";
    let all = until(&journal, "the living one's calls end", |calls| with(calls, ended) == 2).await;
    check_one_each(&all);
    assert_eq!(with(&all, UNKNOWN), 3);
    let end = Instant::now() + PATIENCE;
    while incarnations(&home).await != living.iter().map(|replica| (*replica).clone()).collect() {
        assert!(Instant::now() < end, "the dead are never cleared away");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    other.terminate();
    other.ended().await;
    assert!(incarnations(&home).await.is_empty(), "who stopped well has marked it");
    print(
        "replica killed with open calls",
        &[
            ("calls left open", 3.to_string()),
            ("outcomes unknown", with(&all, UNKNOWN).to_string()),
            ("of living replicas' calls", 0.to_string()),
            ("after", ms(took)),
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_replica_that_comes_back_cannot_add_a_second_outcome() {
    let home = Home::postgres(&CLUSTER);
    let upstream = Upstream::modern().await;
    let furnished = furnish(&home, &upstream, &["echo", "slow"]).await;
    let (paused, _other) = (home.serve().await, home.serve().await);
    // They end while it is paused, and their answers wait for it.
    (0..2).for_each(|_| call_slow(&furnished, &paused, 4_000));
    asked(&upstream, 2).await;
    paused.pause();
    let journal = reader(&home).await;
    until(&journal, "its calls are closed", |calls| with(calls, UNKNOWN) == 2).await;
    paused.resume();

    let end = Instant::now() + PATIENCE;
    while home.log_text().matches("came too late").count() < 2 {
        assert!(Instant::now() < end, "it never tried to write its outcomes: {}", home.log_text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It goes on, as another.
    let door = paused.door(&furnished.first.key);
    let path = furnished.path(&format!("/sessions/{}/tool-calls", furnished.place.session));
    let call = json!({ "tool": "echo", "arguments": { "text": "here again" } });
    door.post(&path, &call).await.expect("it answers").expect(200);
    let all = until(&journal, "every call ends", |calls| calls.values().all(|call| call.1.len() == 1)).await;
    assert_eq!((all.len(), with(&all, UNKNOWN)), (3, 2), "{all:#?}");
    let replicas: BTreeSet<_> = all.values().map(|(replica, _)| replica).collect();
    assert_eq!(replicas.len(), 2, "it is another incarnation than it was: {all:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_start_on_sqlite_closes_the_calls_that_were_open() {
    let home = Home::sqlite();
    let upstream = Upstream::modern().await;
    let furnished = furnish(&home, &upstream, &["echo", "slow"]).await;
    let service = home.serve().await;
    (0..3).for_each(|_| call_slow(&furnished, &service, 100_000));
    asked(&upstream, 3).await;
    service.kill9().await;
    for start in ["the next start", "the one after it"] {
        let app = home.open().await;
        let calls = until(&app.journal, start, |calls| with(calls, UNKNOWN) == 3).await;
        check_one_each(&calls);
        home.close(app).await;
    }
}

/// The permit is held back under the append lock until whoever asked has gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permit_that_nobody_waits_for_any_more_is_closed_as_not_forwarded() {
    let cluster = Postgres::start(&Options::default());
    let house = TestHouse::postgres_on(&cluster, &[]).await;
    let tenant = Tenant::found(&house.app).await;
    let session = tenant.session(&house.app, house.app.clock.now() + chrono::TimeDelta::hours(1)).await;
    let url = house.database_url().expect("it is on PostgreSQL");
    let mut holder = PgConnection::connect(url).await.expect("it is there");
    sqlx::query("SELECT pg_advisory_lock(7070, 1)").execute(&mut holder).await.expect("it has the lock");
    let app = Arc::clone(&house.app);
    let asking = tokio::spawn(async move { app.calls.decide(&question(session)).await.map(drop) });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    let end = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut holder).await.expect("it answers") == 0 {
        assert!(Instant::now() < end, "the permit was never asked for");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    asking.abort();
    sqlx::query("SELECT pg_advisory_unlock(7070, 1)").execute(&mut holder).await.expect("it gives it back");
    let closed = |calls: &Calls| with(calls, "session.tool_call_not_forwarded") == 1;
    let calls = until(&house.app.journal, "the call is closed", closed).await;
    check_one_each(&calls);
    assert_eq!(calls.len(), 1, "its permit was written");
    house.stop().await;
}
