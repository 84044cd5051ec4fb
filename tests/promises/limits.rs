//! What one address or one caller may ask, over HTTP; and what the book hears of strangers.

use std::time::Instant;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tollbook::credential::Kind;
use tollbook_journal::{Filter, Position};

use super::credentials::{api_key, unknown, with_another_secret};
use super::figures::print;
use crate::house::{Answer, TestHouse};

async fn present(house: &TestHouse, key: &str, forwarded: &str) -> Answer {
    house.ask(Method::GET, &house.path(""), key, None, &[("x-forwarded-for", forwarded)]).await
}

fn told(answer: &Answer, name: &str) -> String {
    answer.headers[name].to_str().expect("it is text").to_owned()
}

/// Hardening 41: turned away is the connection's address, whatever is written into the header.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn address_that_keeps_failing_is_turned_away_and_x_forwarded_for_does_not_help() {
    let house = TestHouse::sqlite_with(&[("limit_failures", "5/h")]).await;
    let wrong = with_another_secret(&house.key);
    for number in 0..5 {
        let refused = present(&house, &wrong, &format!("198.51.100.{number}")).await;
        assert_eq!(refused.problem(401), "credential.unknown");
    }
    let unknown = unknown(&house, Kind::ApiKey);
    for (key, number) in [(&wrong, 7), (&unknown, 8), (&"x".repeat(69), 9)] {
        let away = present(&house, key, &format!("198.51.100.{number}")).await;
        let seconds: u64 = told(&away, "retry-after").parse().unwrap();
        assert!((700..=720).contains(&seconds), "an hour has five tries: {seconds}");
        assert_eq!(told(&away, "ratelimit-policy"), r#""failures";q=5;w=3600"#);
        assert_eq!(told(&away, "ratelimit"), format!(r#""failures";r=0;t={seconds}"#));
        assert_eq!(away.problem(429), "limit.exceeded");
    }
    // Whoever shares the address and has a key that is known goes on with their work.
    for _ in 0..20 {
        present(&house, &house.key, "198.51.100.8").await.expect(200);
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_each_client_has_its_own_allowance() {
    let flags = [("limit_failures", "3/h"), ("trusted_proxies", "127.0.0.1")];
    let house = TestHouse::sqlite_with(&flags).await;
    let wrong = unknown(&house, Kind::ApiKey);
    for _ in 0..3 {
        // What stands before the proxy's own entry, the client has written.
        let refused = present(&house, &wrong, "203.0.113.9, 198.51.100.1").await;
        assert_eq!(refused.problem(401), "credential.unknown");
    }
    assert_eq!(present(&house, &wrong, "198.51.100.1").await.problem(429), "limit.exceeded");
    assert_eq!(present(&house, &wrong, "203.0.113.9").await.problem(401), "credential.unknown");
    present(&house, &house.key, "198.51.100.1").await.expect(200);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_person_address_and_session_are_limited_on_rest_and_mcp() {
    for limit in ["key", "user", "address"] {
        let name = format!("limit_{limit}");
        let house = TestHouse::sqlite_with(&[(&name, "3/h")]).await;
        for _ in 0..3 {
            house.get(&house.path(""), &house.key).await.expect(200);
        }
        let refused = house.get(&house.path(""), &house.key).await;
        assert_eq!(told(&refused, "ratelimit-policy"), format!(r#""{limit}";q=3;w=3600"#));
        let seconds: u64 = told(&refused, "retry-after").parse().unwrap();
        assert!((1180..=1200).contains(&seconds), "{seconds}");
        assert_eq!(refused.problem(429), "limit.exceeded");
        house.stop().await;
    }
    let upstream = tollbook_testkit::node::Upstream::modern().await;
    let house = TestHouse::sqlite_with(&[("limit_session", "2/h")]).await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let session = house.session(&house.loadout(&server, &["echo"]).await).await;
    let path = format!("/s/{}/mcp", session["id"].as_str().unwrap());
    let token = session["token"].as_str().unwrap();
    for _ in 0..2 {
        let answer = house.post(&path, token, json!({})).await;
        assert_ne!(answer.status.as_u16(), 429, "{:#}", answer.body);
    }
    let refused = house.post(&path, token, json!({})).await;
    assert_eq!(told(&refused, "ratelimit-policy"), r#""session";q=2;w=3600"#);
    assert_eq!(refused.problem(429), "limit.exceeded");
    // Its maker's key isn't it.
    house.get(&house.path(""), &house.key).await.expect(200);
    house.stop().await;
}

/// 10,000 refusals of one address: a handful of events, and every one of them in a count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_cannot_fill_the_book_and_every_refusal_is_counted() {
    const EACH: usize = 625;
    let house = TestHouse::sqlite_with(&[("limit_failures", "off")]).await;
    let before = house.app.journal.head().await.unwrap().next;
    let begun = Instant::now();
    let (wrong, path) = (unknown(&house, Kind::ApiKey), house.path(""));
    let flood = (0..16).map(|number| {
        let (house, wrong, path) = (&house, wrong.as_str(), path.as_str());
        async move {
            for _ in 0..EACH {
                let key = [wrong, "", "nonsense", wrong][number % 4];
                assert_eq!(house.get(path, key).await.status.as_u16(), 401);
            }
        }
    });
    futures::future::join_all(flood).await;
    let took = begun.elapsed();
    house.app.strangers.finish(&house.app.commands).await;
    assert_eq!(house.app.strangers.waiting(), 0);

    let samples = samples(&house, before).await;
    let count = |sample: &Value| sample["authentication_refused"]["count"].as_u64().unwrap();
    let of = |kind: &str| -> u64 {
        let of_kind = samples.iter().filter(|sample| sample["authentication_refused"]["kind"] == kind);
        of_kind.map(count).sum()
    };
    let most = 10 * (1 + took.as_secs() / 60) + 3;
    print(
        "strangers",
        &[
            ("refusals", (16 * EACH).to_string()),
            ("events", samples.len().to_string()),
            ("refusals/s", format!("{:.0}", 10_000.0 / took.as_secs_f64())),
        ],
    );
    assert!(samples.len() as u64 <= most, "{} events in {took:?}", samples.len());
    assert_eq!((of("unknown"), of("missing"), of("malformed")), (5000, 2500, 2500));
    house.stop().await;
}

/// Each request once, over REST and MCP; what the book has as a denial isn't told a second time. And the office
/// whose old script goes on with it is not locked out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_secret_of_what_has_ended_is_counted_and_locks_nobody_out() {
    let upstream = tollbook_testkit::node::Upstream::modern().await;
    let house = TestHouse::sqlite_with(&[("limit_failures", "5/h")]).await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let session = house.session(&house.loadout(&server, &["echo"]).await).await;
    let (id, token) = (session["id"].as_str().unwrap(), session["token"].as_str().unwrap());
    let ends = house.app.clock.now() + TimeDelta::minutes(30);
    let (_, expiring) = api_key(&house, &[("expires_at", json!(ends))]).await;
    let elsewhere = json!({ "addresses": ["203.0.113.0/24"] });
    let (_, elsewhere) = api_key(&house, &[("narrowing", elsewhere)]).await;
    let (revoked_id, revoked) = api_key(&house, &[]).await;
    let (rotated_id, rotated) = api_key(&house, &[]).await;
    house
        .post(&house.path(&format!("/api-keys/{revoked_id}/revoke")), &house.key, json!({}))
        .await
        .expect(200);
    let rotate = house.path(&format!("/api-keys/{rotated_id}/rotate"));
    house.post(&rotate, &house.key, json!({ "grace_seconds": 0 })).await.expect(200);
    house.post(&house.path(&format!("/sessions/{id}/revoke")), &house.key, json!({})).await.expect(200);
    house.app.clock.set_ahead(TimeDelta::minutes(31));
    let before = house.app.journal.head().await.unwrap().next;

    let mcp = format!("/s/{id}/mcp");
    let message =
        |method: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "name": "echo" } });
    let legacy = [("accept", "application/json, text/event-stream"), ("mcp-protocol-version", "2025-11-25")];
    let say =
        async |key: &str, method| house.ask(Method::POST, &mcp, key, Some(message(method)), &legacy).await;
    let once = json!({ "name": "x", "url": "http://127.0.0.1:9/" });
    for key in [&expiring, &revoked, &rotated] {
        house.get(&house.path(""), key).await.problem(401);
        house.post(&house.path("/tool-servers"), key, once.clone()).await.problem(401);
        house.get("/v1/workspaces", key).await.problem(401);
        say(key, "tools/list").await.problem(401);
    }
    for _ in 0..3 {
        assert_eq!(house.get(&house.path(""), &elsewhere).await.problem(403), "credential.address");
    }
    for method in ["tools/list", "ping"] {
        let ended = say(token, method).await;
        assert_eq!(ended.body.get("position"), None, "it stands nowhere: {:#}", ended.body);
        assert_eq!(ended.problem(403), "session.ended");
    }
    // These stand in the book, each by itself.
    let denied = say(token, "tools/call").await;
    assert!(denied.body["position"].is_u64(), "{:#}", denied.body);
    let calls = house.path(&format!("/sessions/{id}/tool-calls"));
    house.post(&calls, token, json!({ "tool": "echo" })).await.problem(403);
    house.get(&house.path(""), &house.key).await.expect(200);

    house.app.strangers.finish(&house.app.commands).await;
    let samples = samples(&house, before).await;
    let of = |kind: &str| -> u64 {
        let of_kind = samples.iter().map(|sample| &sample["authentication_refused"]);
        of_kind.filter(|of| of["kind"] == kind).map(|of| of["count"].as_u64().unwrap()).sum()
    };
    assert_eq!((of("expired"), of("revoked"), of("address")), (4, 8 + 2, 3), "{samples:#?}");
    let all: u64 =
        samples.iter().map(|sample| sample["authentication_refused"]["count"].as_u64().unwrap()).sum();
    assert_eq!(all, 17, "and nothing else");
    house.stop().await;
}

/// The samples that stand behind `from`.
async fn samples(house: &TestHouse, from: Position) -> Vec<Value> {
    let page = house.app.journal.read(from, 1000, &Filter::default()).await.unwrap();
    let samples = page.events.iter().filter(|event| event.event_type == "instance.authentication_refused");
    samples.map(|event| serde_json::from_str(&event.payload).unwrap()).collect()
}
