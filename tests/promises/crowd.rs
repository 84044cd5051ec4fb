//! Many at once, over replicas: what widens never stands in its own way, a session in a flood of calls is
//! revoked at the first try, and a budget is exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tollbook::calls::CallRefused;
use tollbook::clock::Clock;
use tollbook_aggregates::SessionId;
use tollbook_aggregates::access::Denial;
use tollbook_testkit::node::Upstream;

use super::book;
use super::figures::{ms, print};
use super::load::{Door, said};
use super::tenant::{Replica, Tenant, question};
use crate::house::TestHouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_widening_commands_of_one_workspace_at_once_all_succeed() {
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let upstream = Upstream::modern().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let doors = [Door::new(&house.url, &house.key), Door::new(&replica.url, &house.key)];
    let narrowed = house.app.journal.answers().stale + replica.app.journal.answers().stale;
    let began = Instant::now();
    let mut commands = JoinSet::new();
    for number in 0..1000_usize {
        let (path, body) = match number % 4 {
            // One person has at most a hundred.
            0 if number % 16 == 0 => ("/api-keys", json!({ "device_label": format!("device {number}") })),
            1 => (
                "/loadouts",
                json!({ "name": format!("tools {number}"), "tools": [{ "tool_server_id": server, "tool": "echo" }] }),
            ),
            _ => ("/sessions", json!({ "loadout_id": loadout, "label": format!("session {number}") })),
        };
        let request = doors[number / 4 % 2].request(Method::POST, &house.path(path)).json(&body);
        commands.spawn(said(request));
    }
    let answers = commands.join_all().await;
    let refused: Vec<_> = answers
        .into_iter()
        .map(|said| said.expect("it answers"))
        .filter(|said| said.status.as_u16() != 201)
        .collect();
    print(
        "a thousand widening commands at once",
        &[("succeeded", (1000 - refused.len()).to_string()), ("took", ms(began.elapsed()))],
    );
    assert!(refused.is_empty(), "{} refused, the first: {:?}", refused.len(), refused.first());
    let stale = house.app.journal.answers().stale + replica.app.journal.answers().stale;
    assert_eq!(stale, narrowed, "what widens moves no fence");
    replica.stop().await;
    house.stop().await;
}

/// Calls without end until it is denied; answers with how many were permitted.
async fn call(app: Replica, session: SessionId, under_way: Arc<Semaphore>, done: Arc<AtomicUsize>) -> Denial {
    loop {
        let call = under_way.acquire().await.expect("it is never closed");
        let answer = app.calls.authorize(&question(session)).await;
        drop(call);
        done.fetch_add(1, Ordering::SeqCst);
        match answer {
            Ok(_) | Err(CallRefused::Unavailable { .. }) => {}
            Err(CallRefused::Denied { denial, .. }) => return denial,
            Err(other) => panic!("{other}"),
        }
    }
}

/// The revocation goes through a replica that does nothing else, so that its answers are counted apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_in_a_flood_of_calls_is_revoked_at_the_first_try() {
    const CALLERS: usize = 256;
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let tenant = Tenant::found(&house.app).await;
    let session = tenant.session(&house.app, house.app.clock.now() + chrono::TimeDelta::hours(1)).await;
    let (under_way, done) = (Arc::new(Semaphore::new(CALLERS)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(call(Arc::clone(&house.app), session, Arc::clone(&under_way), Arc::clone(&done)));
    }
    let began = Instant::now();
    while done.load(Ordering::SeqCst) < 3_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = replica.app.journal.answers();
    let in_flight = CALLERS - under_way.available_permits();
    let rate = done.load(Ordering::SeqCst) as u128 * 1000 / began.elapsed().as_millis().max(1);
    let asked = Instant::now();
    let revoked = tenant.revoke_session(&replica.app, session).await.expect("it is revoked");
    let took = asked.elapsed();
    let after = replica.app.journal.answers();
    let denials = callers.join_all().await;

    let tries =
        [after.committed - before.committed, after.stale - before.stale, after.conflict - before.conflict];
    print(
        "revoked in a flood of calls",
        &[
            ("calls/s", rate.to_string()),
            ("in flight", in_flight.to_string()),
            ("tries", tries.iter().sum::<u64>().to_string()),
            ("took", ms(took)),
        ],
    );
    assert!(in_flight > CALLERS / 2, "only {in_flight} calls were in flight");
    assert_eq!(tries, [1, 0, 0], "written at the first try: committed, stale, conflict");
    assert!(denials.iter().all(|denial| *denial == Denial::SessionRevoked), "{denials:?}");
    let events = book::whole(&house.app.journal).await;
    let behind = events.iter().filter(|event| event.position > revoked && book::is_permit(event)).count();
    assert_eq!(behind, 0, "permits behind the revocation");
    replica.stop().await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_a_hundred_over_two_replicas_is_exactly_a_hundred_permits() {
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let upstream = Upstream::modern().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let body = json!({ "loadout_id": loadout, "max_calls": 100 });
    let session = house.post(&house.path("/sessions"), &house.key, body).await.expect(201);
    let id = session["id"].as_str().expect("it has an id").to_owned();
    let doors = [Door::new(&house.url, &house.key), Door::new(&replica.url, &house.key)];
    let mut calls = JoinSet::new();
    for number in 0..300_usize {
        // Half are ones that we forward, half are somebody else's.
        let request = if number % 4 < 2 {
            let body = json!({ "session_id": id, "tool": "echo", "arguments": { "text": "go" } });
            doors[number % 2].request(Method::POST, "/v1/authorize").json(&body)
        } else {
            let body = json!({ "tool": "echo", "arguments": { "text": "go" } });
            let path = house.path(&format!("/sessions/{id}/tool-calls"));
            doors[number % 2].request(Method::POST, &path).json(&body)
        };
        calls.spawn(said(request));
    }
    let mut permitted = 0;
    for said in calls.join_all().await {
        let said = said.expect("it answers");
        match said.status.as_u16() {
            200 if said.json()["decision"] == "deny" => assert_eq!(said.json()["reason"], "calls_used_up"),
            200 => permitted += 1,
            403 => assert_eq!(said.json()["code"], "session.ended", "{}", said.text),
            _ => panic!("{said:?}"),
        }
    }
    house.app.calls.settle().await;
    replica.app.calls.settle().await;
    let events = book::whole(&house.app.journal).await;
    let recorded = events.iter().filter(|event| book::is_permit(event)).count();
    let forwarded = upstream.calls().await.tool_calls();
    print(
        "a budget of 100 over two replicas",
        &[("permits", recorded.to_string()), ("at the tool server", forwarded.to_string())],
    );
    assert_eq!((permitted, recorded), (100, 100));
    replica.stop().await;
    house.stop().await;
}
