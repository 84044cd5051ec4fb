//! Credentials that were good once.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use tollbook::clock::Clock;
use tollbook_aggregates::Role;
use tollbook_testkit::node::Upstream;

use super::super::figures::{ms, percentile, print};
use super::super::load::Door;
use super::{api_key, face, present, unknown, with_another_secret};
use crate::house::TestHouse;
use crate::http::given::member;
use tollbook::credential::Kind;

/// Recorded decisions at once; reads from memory within a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_key_is_refused_at_the_other_replica() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let mut until_reads = Vec::new();
    for _ in 0..20 {
        let (id, key) = api_key(&house, &[]).await;
        let body = json!({ "loadout_id": loadout });
        let session = replica.post(&replica.path("/sessions"), &key, body).await.expect(201);
        let ask = json!({ "session_id": session["id"], "tool": "echo" });
        let permitted = replica.post("/v1/authorize", &key, ask.clone()).await.expect(200);
        assert_eq!(permitted["decision"], "permit", "{permitted:#}");
        assert_eq!(present(&replica, &key).await.status.as_u16(), 200);

        let revoke = house.path(&format!("/api-keys/{id}/revoke"));
        house.post(&revoke, &house.key, json!({})).await.expect(200);
        let acknowledged = Instant::now();
        // By the key, and by the session that was made with it.
        let refused = replica.post("/v1/authorize", &key, ask.clone()).await;
        assert_eq!(refused.problem(401), "credential.revoked");
        let token = session["token"].as_str().expect("it has a token");
        let denied = replica.post("/v1/authorize", token, ask).await.expect(200);
        assert_eq!(
            (&denied["decision"], &denied["reason"]),
            (&json!("deny"), &json!("maker_credential_revoked"))
        );
        // A write is refused at once, too.
        let body = json!({ "loadout_id": loadout });
        assert_eq!(
            replica.post(&replica.path("/sessions"), &key, body).await.problem(401),
            "credential.revoked"
        );

        while present(&replica, &key).await.status.as_u16() == 200 {
            assert!(acknowledged.elapsed() < Duration::from_secs(2), "reads still let it in");
        }
        until_reads.push(acknowledged.elapsed());
        assert_eq!(present(&replica, &key).await.json()["code"], "credential.revoked");
    }
    let worst = percentile(until_reads.clone(), 1.0);
    print(
        "revoked key at the other replica",
        &[
            ("recorded decisions", "at once".into()),
            ("reads p50", ms(percentile(until_reads, 0.5))),
            ("reads max", ms(worst)),
        ],
    );
    assert!(worst <= Duration::from_secs(1), "reads let it in for {worst:?}");
    replica.stop().await;
    house.stop().await;
}

/// Reads alone, at a replica that nothing nudges: no write comes through it meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_key_reads_nothing_at_a_quiet_replica_after_a_second() {
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let mut worst = Duration::ZERO;
    for _ in 0..10 {
        let (id, key) = api_key(&house, &[]).await;
        assert_eq!(present(&replica, &key).await.status.as_u16(), 200);
        house.post(&house.path(&format!("/api-keys/{id}/revoke")), &house.key, json!({})).await.expect(200);
        let acknowledged = Instant::now();
        loop {
            let asked = acknowledged.elapsed();
            if present(&replica, &key).await.status.as_u16() == 401 {
                break;
            }
            worst = worst.max(asked);
            assert!(asked < Duration::from_secs(1), "let in {asked:?} after it was revoked");
        }
    }
    print("revoked key, reads only", &[("last read let in after", ms(worst))]);
    replica.stop().await;
    house.stop().await;
}

/// Who holds the right secret is told what is the matter; who doesn't is told nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_key_is_told_so_with_what_to_do_and_a_guess_is_not() {
    let house = TestHouse::sqlite().await;
    let ends = house.app.clock.now() + TimeDelta::minutes(30);
    let (_, expiring) = api_key(&house, &[("expires_at", json!(ends))]).await;
    let (id, revoked) = api_key(&house, &[]).await;
    assert_eq!(present(&house, &expiring).await.status.as_u16(), 200);
    house.post(&house.path(&format!("/api-keys/{id}/revoke")), &house.key, json!({})).await.expect(200);
    let (rotated, reset) = (api_key(&house, &[]).await, api_key(&house, &[]).await);
    let (lost, member) = (api_key(&house, &[("device_label", json!("lost"))]).await, leaver(&house).await);
    let at_once = json!({ "grace_seconds": 0 });
    // Twice: also the one before the last is told.
    for _ in 0..2 {
        let rotate = house.path(&format!("/api-keys/{}/rotate", rotated.0));
        house.post(&rotate, &house.key, at_once.clone()).await.expect(200);
    }
    house.post(&house.path(&format!("/api-keys/{}/reset", reset.0)), &house.key, json!({})).await.expect(201);
    let in_bulk = json!({ "device_label": "lost" });
    house.post(&house.path("/api-keys/revoke"), &house.key, in_bulk).await.expect(200);
    house.app.clock.set_ahead(TimeDelta::minutes(31));
    for (credential, code) in [
        (&expiring, "credential.expired"),
        (&revoked, "credential.revoked"),
        (&rotated.1, "credential.revoked"),
        (&reset.1, "credential.revoked"),
        (&lost.1, "credential.revoked"),
        (&member, "credential.revoked"),
    ] {
        let told = present(&house, credential).await;
        assert_eq!(told.status.as_u16(), 401, "{}", told.text);
        let body = told.json();
        assert_eq!(body["code"], code);
        assert!(body["remediation"]["action"].as_str().is_some_and(|action| !action.is_empty()), "{body:#}");
        assert!(body["remediation"]["command"].is_string(), "{body:#}");
        assert!(told.headers["www-authenticate"].to_str().unwrap().contains(r#"error="invalid_token""#));
        let guessed = present(&house, &with_another_secret(credential)).await;
        assert_eq!(face(&guessed), face(&present(&house, &unknown(&house, Kind::ApiKey)).await));
    }
    house.stop().await;
}

/// The key of somebody who was a member.
async fn leaver(house: &TestHouse) -> String {
    let member = member(house, Role::Member).await;
    let path = house.path(&format!("/members/{}", member.user_id));
    house.ask(Method::DELETE, &path, &house.key, None, &[]).await.expect(200);
    member.key
}

/// A session's token calls tools, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_token_opens_no_other_door() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::sqlite().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let session = house.session(&loadout).await;
    let token = session["token"].as_str().expect("it has a token");
    let id = session["id"].as_str().expect("it has an id");
    let door = Door::new(&house.url, token);
    let permitted = door.post("/v1/authorize", &json!({ "session_id": id, "tool": "echo" })).await.unwrap();
    assert_eq!(permitted.expect(200)["decision"], "permit", "what it is for");
    let reads = ["", "/tool-servers", "/loadouts", "/sessions", "/api-keys", "/audit/events"];
    for read in reads.map(|read| house.path(read)) {
        let said = door.get(&read).await.unwrap();
        assert_eq!(said.status.as_u16(), 403, "{read}: {}", said.text);
        assert_eq!(said.json()["code"], "insufficient_scope");
        assert!(said.headers["www-authenticate"].to_str().unwrap().contains("insufficient_scope"));
    }
    let writes = [
        (house.path("/sessions"), json!({ "loadout_id": loadout })),
        (house.path("/api-keys"), json!({ "device_label": "mine" })),
        (house.path(&format!("/sessions/{id}/revoke")), json!({})),
        (house.path("/tool-servers"), json!({ "name": "Mine", "url": upstream.url() })),
        ("/v1/workspaces".to_owned(), json!({ "name": "Mine" })),
    ];
    for (path, body) in writes {
        let said = door.post(&path, &body).await.unwrap();
        assert!(matches!(said.status.as_u16(), 403 | 404), "{path}: {} {}", said.status, said.text);
    }
    house.stop().await;
}

/// An ended session says so, and what was tried with its token is in the book.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_with_an_ended_sessions_token_is_a_recorded_denial() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::sqlite().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let session = house.session(&loadout).await;
    let id = session["id"].as_str().expect("it has an id");
    let token = session["token"].as_str().expect("it has a token");
    house.post(&house.path(&format!("/sessions/{id}/revoke")), &house.key, json!({})).await.expect(200);
    let calls = house.path(&format!("/sessions/{id}/tool-calls"));
    let refused = house.post(&calls, token, json!({ "tool": "echo", "arguments": { "text": "x" } })).await;
    assert_eq!(refused.body["code"], "session.ended", "{:#}", refused.body);
    assert!(refused.body["remediation"]["command"].is_string(), "it says how to make a new one");
    let position = refused.body["position"].as_u64().expect("it is recorded");
    let event = house.app.journal.event(tollbook_journal::Position(position)).await.unwrap().unwrap();
    assert_eq!(event.event_type, "session.tool_denied");
    assert_eq!(refused.status.as_u16(), 403);
    assert_eq!(upstream.calls().await.of("echo"), 0);
    let strangers = house.post(&calls, &with_another_secret(token), json!({ "tool": "echo" })).await;
    assert_eq!(strangers.problem(401), "credential.unknown");
    house.stop().await;
}
