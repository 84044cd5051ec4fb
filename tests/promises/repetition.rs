//! `Idempotency-Key`: the same answer for the same request, once only, across two replicas at the same
//! moment and after `kill -9` between the append and the answer.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tollbook::clock::Clock;
use tollbook_testkit::node::Upstream;

use super::book;
use super::figures::print;
use super::furnished::{Furnished, furnish};
use super::load::{Door, Said, said};
use super::service::Home;
use crate::house::{CLUSTER, TestHouse};

async fn post(door: &Door, path: &str, key: &str, body: &Value) -> reqwest::Result<Said> {
    said(door.request(Method::POST, path).header("idempotency-key", key).json(body)).await
}

/// The same request at both replicas, twice each, all at the same moment.
async fn at_once(doors: &[Door; 2], path: &str, key: &str, body: &Value) -> Vec<Said> {
    let requests = [0, 1, 0, 1].map(|replica| post(&doors[replica], path, key, body));
    join_all(requests).await.into_iter().map(|said| said.expect("it answers")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_repeated_at_two_replicas_at_once_is_done_once() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let doors = [Door::new(&house.url, &house.key), Door::new(&replica.url, &house.key)];
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let session = house.session(&loadout).await["id"].as_str().expect("it has an id").to_owned();
    let (loadouts, sessions) = (house.path("/loadouts"), house.path("/sessions"));
    let calls = house.path(&format!("/sessions/{session}/tool-calls"));
    let (mut made, mut called) = (BTreeMap::new(), 0);
    let mut unknown = 0;
    for round in 0..25 {
        let key = format!("round {round}");
        let tools = [json!({ "tool_server_id": server, "tool": "echo" })];
        let body = json!({ "name": format!("tools {round}"), "tools": tools });
        let answers = at_once(&doors, &loadouts, &key, &body).await;
        let answers: Vec<_> = answers.into_iter().map(|said| said.expect(201)).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "the same answer: {answers:#?}");
        made.insert(id(&answers[0]), "loadout.created");

        let body = json!({ "loadout_id": loadout, "label": format!("round {round}") });
        let answers = at_once(&doors, &sessions, &key, &body).await;
        made.insert(shown_once(answers, "token"), "session.created");

        let body = json!({ "tool": "echo", "arguments": { "text": key } });
        let answers = at_once(&doors, &calls, &key, &body).await;
        unknown += answered_once(&answers);
        called += 1;
        // When it is over, its answer is known to whoever asks again, at whichever replica.
        for door in &doors {
            let again = post(door, &calls, &key, &body).await.expect("it answers").expect(200);
            assert_eq!(again["result"]["content"][0]["text"], key, "{again:#}");
        }
        let other = json!({ "tool": "echo", "arguments": { "text": "something else" } });
        let reused = post(&doors[round % 2], &calls, &key, &other).await.expect("it answers").expect(409);
        assert_eq!(reused["code"], "idempotency.key_reused");
    }
    let events = book::whole(&house.app.journal).await;
    for (id, kind) in &made {
        let count =
            events.iter().filter(|event| event.event_type == *kind && event.stream.aggregate_id == *id);
        assert_eq!(count.count(), 1, "{kind} {id}");
    }
    let created = |kind| events.iter().filter(|event| event.event_type == kind).count();
    let furnishing = 1;
    assert_eq!(created("loadout.created"), 25 + furnishing);
    assert_eq!(created("session.created"), 25 + furnishing);
    assert_eq!(created("session.tool_called"), called);
    assert_eq!(upstream.calls().await.of("echo"), called as u64, "each call was forwarded once");
    print(
        "repeated at two replicas",
        &[
            ("keys", (3 * 25).to_string()),
            ("requests", (3 * 25 * 4).to_string()),
            ("told to wait", unknown.to_string()),
        ],
    );
    replica.stop().await;
    house.stop().await;
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().expect("it has an id").to_owned()
}

/// The secret is in one of the answers, and the others say so; else they are the same.
fn shown_once(answers: Vec<Said>, secret: &str) -> String {
    let mut answers: Vec<_> = answers.into_iter().map(|said| said.expect(201)).collect();
    let shown = answers.iter().filter(|answer| answer[secret].is_string()).count();
    let told = answers.iter().filter(|answer| answer["secret_already_shown"] == true).count();
    assert_eq!((shown, told), (1, 3), "{answers:#?}");
    for answer in &mut answers {
        let members = answer.as_object_mut().expect("it is an object");
        members.remove(secret);
        members.remove("secret_already_shown");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "the same answer: {answers:#?}");
    id(&answers[0])
}

/// One call was made; the others have its answer, or were told that it isn't known yet.
fn answered_once(answers: &[Said]) -> usize {
    let mut results = BTreeSet::new();
    let mut unknown = 0;
    for said in answers {
        if said.status.as_u16() == 200 {
            results.insert(said.text.clone());
        } else {
            assert_eq!(said.json()["code"], "idempotency.outcome_unknown", "{}", said.text);
            unknown += 1;
        }
    }
    assert_eq!(results.len(), 1, "one answer: {answers:#?}");
    unknown
}

/// A burst of requests, and the process is killed with the first answer: others stand in the same
/// batch, durable, and were never answered.
async fn survives_kill_9(name: &str, home: Home) {
    const BURST: usize = 24;
    const BURSTS: usize = 12;
    let upstream = Upstream::modern().await;
    let Furnished { first, place } = furnish(&home, &upstream, &["echo"]).await;
    let path = format!("/v1/workspaces/{}/sessions", place.workspace);
    let body = |key: &str| json!({ "loadout_id": place.loadout, "label": key });
    let (mut written_unanswered, mut asked) = (0, 0);
    let mut ids = BTreeSet::new();
    for burst in 0..BURSTS {
        let service = home.serve().await;
        let door = service.door(&first.key);
        let mut requests = tokio::task::JoinSet::new();
        for number in 0..BURST {
            let (door, path) = (door.clone(), path.clone());
            let key = format!("burst {burst}, {number}");
            let body = body(&key);
            requests.spawn(async move { (post(&door, &path, &key, &body).await, key) });
        }
        let mut answered = BTreeMap::new();
        let mut service = Some(service);
        while let Some(end) = requests.join_next().await {
            let (said, key) = end.expect("no caller panics");
            let Ok(said) = said else { continue };
            answered.insert(key, id(&said.expect(201)));
            if let Some(service) = service.take() {
                service.kill9().await;
            }
        }
        asked += BURST;
        let app = home.open().await;
        let events = book::whole(&app.journal).await;
        home.close(app).await;
        let created = || events.iter().filter(|event| event.event_type == "session.created");
        let known: BTreeSet<_> = created().map(|event| event.stream.aggregate_id.clone()).collect();

        let service = home.serve().await;
        let door = service.door(&first.key);
        for number in 0..BURST {
            let key = format!("burst {burst}, {number}");
            let again = post(&door, &path, &key, &body(&key)).await.expect("it answers").expect(201);
            let id = id(&again);
            // What was done before isn't done again; what was answered before is answered the same.
            let done_before = known.contains(&id);
            assert_eq!(again["secret_already_shown"] == true, done_before, "{again:#}");
            let answered_before = answered.get(&key);
            assert!(answered_before.is_none_or(|before| *before == id), "another answer for `{key}`");
            written_unanswered += usize::from(done_before && answered_before.is_none());
            assert!(ids.insert(id), "each key has a session of its own");
        }
        service.kill9().await;
        if written_unanswered > 0 && burst >= 2 {
            break;
        }
    }
    let app = home.open().await;
    let events = book::whole(&app.journal).await;
    home.close(app).await;
    let created = events.iter().filter(|event| event.event_type == "session.created").count();
    assert_eq!(created, asked + 1, "each request was done once, and one session was there before");
    assert!(written_unanswered > 0, "no request was killed between its append and its answer");
    print(
        name,
        &[("keys", asked.to_string()), ("killed between append and answer", written_unanswered.to_string())],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_killed_before_its_answer_is_not_done_again_on_postgres() {
    survives_kill_9("repeated after kill -9, PostgreSQL", Home::postgres(&CLUSTER)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_killed_before_its_answer_is_not_done_again_on_sqlite() {
    survives_kill_9("repeated after kill -9, SQLite", Home::sqlite()).await;
}
