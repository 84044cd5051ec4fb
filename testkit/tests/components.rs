//! The components work with each other directly, before anything of ours stands between them.
//!
//! What fails here is no fault of the gateway, and what works here has to work through it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use serde_json::{Value, json};
use tollbook_testkit::node::{self, Kind, Settings, Upstream};
use tollbook_testkit::{mcp, python};

/// A client of either language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Node(Kind),
    Python(python::Kind),
}

/// How a client and a server get on: the revision they agree on, or nothing.
type Agreement = Option<&'static str>;
const MODERN: Agreement = Some("2026-07-28");
const NOVEMBER: Agreement = Some("2025-11-25");
const JUNE: Agreement = Some("2025-06-18");

/// client, with the modern server, with the legacy server, with the server that serves both eras
const AGREEMENTS: [(Client, Agreement, Agreement, Agreement); 8] = [
    (Client::Node(Kind::V2Modern), MODERN, None, MODERN),
    (Client::Node(Kind::V2Auto), MODERN, NOVEMBER, MODERN),
    (Client::Node(Kind::V2Legacy), None, NOVEMBER, NOVEMBER),
    (Client::Node(Kind::V1November), None, NOVEMBER, NOVEMBER),
    (Client::Node(Kind::V1June), None, JUNE, JUNE),
    (Client::Python(python::Kind::Modern), MODERN, None, MODERN),
    (Client::Python(python::Kind::Auto), MODERN, NOVEMBER, MODERN),
    (Client::Python(python::Kind::Legacy), None, NOVEMBER, NOVEMBER),
];

async fn run(client: Client, url: &str, args: &[&str]) -> Value {
    match client {
        Client::Node(kind) => node::client(kind, url, "a-token", args).await,
        Client::Python(kind) => python::client(kind, url, "a-token", args).await,
    }
}

/// Lists and calls, and holds the outcome against what the table says.
async fn check(client: Client, url: &str, agreement: Agreement) {
    let listed = run(client, url, &["list"]).await;
    // Each server's echo has its own name for the argument; both ignore the other's.
    let called = run(client, url, &["call", "echo", r#"{"text":"hi","message":"hi"}"#]).await;
    let Some(revision) = agreement else {
        assert_eq!(listed["ok"], false, "{client:?} list: {listed}");
        assert_eq!(called["ok"], false, "{client:?} call: {called}");
        return;
    };
    assert_eq!(listed["protocol_version"], revision, "{client:?} list: {listed}");
    let names = listed["result"]["tools"].as_array().expect("tools").iter().map(|tool| &tool["name"]);
    assert!(names.into_iter().any(|name| name == "echo"), "{client:?} list: {listed}");
    assert!(
        called["result"]["content"][0]["text"].as_str().is_some_and(|text| text.ends_with("hi")),
        "{client:?} call: {called}"
    );
}

#[tokio::test]
async fn every_client_gets_on_with_the_modern_server_as_the_table_says() {
    let upstream = Upstream::modern().await;
    for (client, agreement, _, _) in AGREEMENTS {
        check(client, upstream.url(), agreement).await;
    }
}

#[tokio::test]
async fn every_client_gets_on_with_the_legacy_server_as_the_table_says() {
    let upstream = Upstream::legacy().await;
    for (client, _, agreement, _) in AGREEMENTS {
        check(client, upstream.url(), agreement).await;
    }
}

#[tokio::test]
async fn every_client_gets_on_with_a_server_of_both_eras() {
    let upstream = Upstream::modern_with(&Settings { both_eras: true, ..Settings::default() }).await;
    for (client, _, _, agreement) in AGREEMENTS {
        check(client, upstream.url(), agreement).await;
    }
}

#[tokio::test]
async fn an_upstream_counts_what_reached_it_and_keeps_it_as_it_came() {
    let upstream = Upstream::modern().await;
    let before = upstream.calls().await;
    assert_eq!((before.requests(), before.tool_calls()), (0, 0));

    let answer =
        node::client(Kind::V2Modern, upstream.url(), "canary-5f1c", &["call", "add", r#"{"a":1,"b":2}"#])
            .await;
    assert_eq!(answer["result"]["structuredContent"], json!({ "sum": 3 }));

    let calls = upstream.calls().await;
    assert_eq!((calls.tool_calls(), calls.of("add"), calls.of("echo")), (1, 1, 0));
    let call = calls.tool_call_entries().next().expect("one call");
    assert_eq!(call["headers"]["authorization"], "Bearer canary-5f1c");
    assert_eq!(call["headers"]["mcp-name"], "add");
    assert_eq!(call["message"]["params"]["arguments"], json!({ "a": 1, "b": 2 }));
    assert_eq!((&call["status"], &call["outcome"]), (&json!(200), &json!("answered")));
    assert!(calls.contain("canary-5f1c"));
    assert!(!calls.contain("another canary"));
}

#[tokio::test]
async fn an_upstream_refuses_and_counts_whoever_lacks_the_required_header() {
    let settings = Settings {
        require_header: Some(("Authorization".into(), "Bearer right".into())),
        ..Settings::default()
    };
    for upstream in [Upstream::modern_with(&settings).await, Upstream::legacy_with(&settings).await] {
        let refused = node::client(Kind::V2Auto, upstream.url(), "wrong", &["list"]).await;
        assert_eq!(refused["ok"], false);
        let calls = upstream.calls().await;
        assert!(calls.refused() > 0 && calls.refused() == calls.requests());

        let answered = node::client(Kind::V2Auto, upstream.url(), "right", &["list"]).await;
        assert_eq!(answered["ok"], true, "{answered}");
    }
}

#[tokio::test]
async fn an_upstream_can_drift_and_die() {
    let mut upstream = Upstream::modern().await;
    upstream.drift("Says back what it was told, and tells others").await;
    let listed = node::client(Kind::V2Modern, upstream.url(), "", &["list"]).await;
    assert_eq!(listed["result"]["tools"][0]["description"], "Says back what it was told, and tells others");

    upstream.kill().await;
    let failed = node::client(Kind::V2Modern, upstream.url(), "", &["list"]).await;
    assert_eq!(failed["ok"], false);
}

#[tokio::test]
async fn an_upstream_knows_that_its_caller_went_away() {
    let upstream = Upstream::modern().await;
    let call = node::client(Kind::V2Modern, upstream.url(), "", &["call", "slow", r#"{"ms":600000}"#]);
    // The program, and its call with it, ends when the future is dropped: after the call has arrived.
    tokio::select! {
        answer = call => panic!("an answer after ten minutes: {answer}"),
        () = outcome_of_slow(&upstream, "open") => {}
    }
    outcome_of_slow(&upstream, "aborted").await;
}

async fn outcome_of_slow(upstream: &Upstream, outcome: &str) {
    let seen = async {
        loop {
            let calls = upstream.calls().await;
            if calls.tool_call_entries().any(|entry| entry["outcome"] == outcome) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.expect("the upstream sees it within a minute");
}

#[tokio::test]
async fn what_the_modern_server_says_is_valid_by_the_schema() {
    let upstream = Upstream::modern().await;
    // Python's client hands on the whole result, `resultType` included.
    let called =
        python::client(python::Kind::Modern, upstream.url(), "", &["call", "add", r#"{"a":1,"b":2}"#]).await;
    mcp::validate("2026-07-28", "CallToolResult", &called["result"]).unwrap();
    let discovered = python::client(python::Kind::Modern, upstream.url(), "", &["discover"]).await;
    mcp::validate("2026-07-28", "DiscoverResult", &discovered["result"]).unwrap();
    let listed = node::client(Kind::V2Modern, upstream.url(), "", &["list"]).await;
    for tool in listed["result"]["tools"].as_array().unwrap() {
        mcp::validate("2026-07-28", "Tool", tool).unwrap();
    }
    for entry in upstream.calls().await.entries() {
        mcp::validate_request("2026-07-28", &entry["message"]).unwrap();
    }
}

#[tokio::test]
async fn what_the_legacy_server_says_is_valid_by_the_schema() {
    let upstream = Upstream::legacy().await;
    let called =
        node::client(Kind::V1November, upstream.url(), "", &["call", "echo", r#"{"message":"hi"}"#]).await;
    mcp::validate("2025-11-25", "CallToolResult", &called["result"]).unwrap();
    let listed = node::client(Kind::V1November, upstream.url(), "", &["list"]).await;
    mcp::validate("2025-11-25", "ListToolsResult", &listed["result"]).unwrap();
    // GET and DELETE carry no message.
    for entry in upstream.calls().await.entries().iter().filter(|entry| !entry["message"].is_null()) {
        mcp::validate_request("2025-11-25", &entry["message"]).unwrap();
    }
}
