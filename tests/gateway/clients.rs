//! Every client of either language gets on with every tool server of either era.

use serde_json::{Value, json};
use tollbook_testkit::{node, python};

use super::setting::{LEGACY_TOOLS, MODERN_TOOLS, Setting};

#[derive(Debug, Clone, Copy)]
enum Client {
    Node(node::Kind),
    Python(python::Kind),
}

/// client → the revision that it agrees on with us
const CLIENTS: [(Client, &str); 8] = [
    (Client::Node(node::Kind::V2Modern), "2026-07-28"),
    (Client::Node(node::Kind::V2Auto), "2026-07-28"),
    (Client::Node(node::Kind::V2Legacy), "2025-11-25"),
    (Client::Node(node::Kind::V1November), "2025-11-25"),
    (Client::Node(node::Kind::V1June), "2025-06-18"),
    (Client::Python(python::Kind::Modern), "2026-07-28"),
    (Client::Python(python::Kind::Auto), "2026-07-28"),
    (Client::Python(python::Kind::Legacy), "2025-11-25"),
];

async fn run(client: Client, setting: &Setting, args: &[&str]) -> Value {
    match client {
        Client::Node(kind) => node::client(kind, setting.url(), setting.token(), args).await,
        Client::Python(kind) => python::client(kind, setting.url(), setting.token(), args).await,
    }
}

async fn every_client_lists_and_calls(setting: Setting, offered: &[&str], left_out: &str) {
    for (number, (client, revision)) in (1..).zip(CLIENTS) {
        let listed = run(client, &setting, &["list"]).await;
        assert_eq!(
            (&listed["ok"], &listed["protocol_version"]),
            (&json!(true), &json!(revision)),
            "{client:?} {listed}"
        );
        let names: Vec<&str> = listed["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, offered, "{client:?}");

        let called = run(client, &setting, &["call", "echo", r#"{"text":"hi","message":"hi"}"#]).await;
        let said = called["result"]["content"][0]["text"].as_str();
        assert!(said.is_some_and(|said| said.ends_with("hi")), "{client:?} {called}");
        assert_eq!(setting.upstream.calls().await.of("echo"), number);

        let refused = run(client, &setting, &["call", left_out, "{}"]).await;
        assert_eq!(refused["ok"], false, "{client:?} {refused}");
        assert_eq!(refused["error"]["code"], -32602, "{client:?} {refused}");
        assert_eq!(setting.upstream.calls().await.of(left_out), 0);
    }
    // One decision a call, and an outcome for each that was permitted.
    let types = setting.tool_event_types(CLIENTS.len() * 3).await;
    for (kind, count) in [("called", 8), ("call_completed", 8), ("denied", 8)] {
        let kind = format!("session.tool_{kind}");
        assert_eq!(types.iter().filter(|found| **found == kind).count(), count, "{kind} {types:?}");
    }
    let calls = setting.upstream.calls().await;
    assert!(!calls.contain(setting.token()), "the agent's credential travelled upstream");
}

#[tokio::test]
async fn every_client_gets_on_with_a_modern_tool_server() {
    every_client_lists_and_calls(Setting::modern().await, &MODERN_TOOLS, "no_such_tool").await;
}

#[tokio::test]
async fn every_client_gets_on_with_a_tool_server_of_the_older_era() {
    // It exists there, and is not in the loadout.
    every_client_lists_and_calls(Setting::legacy().await, &LEGACY_TOOLS, "get-env").await;
}

#[tokio::test]
async fn clients_see_progress_and_structured_content_across_the_eras() {
    let modern = Setting::modern().await;
    let legacy = Setting::legacy().await;
    // One of each generation and language; what differs further is covered by hand in `calls`.
    let clients = [
        Client::Node(node::Kind::V2Modern),
        Client::Node(node::Kind::V1June),
        Client::Python(python::Kind::Auto),
    ];
    for client in clients {
        let sum = run(client, &modern, &["call", "add", r#"{"a":1,"b":2}"#]).await;
        assert_eq!(sum["result"]["structuredContent"], json!({ "sum": 3 }), "{client:?} {sum}");
        let arguments = r#"{"location":"New York"}"#;
        let weather = run(client, &legacy, &["call", "get-structured-content", arguments]).await;
        assert!(weather["result"]["structuredContent"]["temperature"].is_number(), "{client:?} {weather}");
        let region = run(client, &modern, &["call", "region", r#"{"region":"eu","query":"q"}"#]).await;
        assert_eq!(region["result"]["content"][0]["text"], "eu: q", "{client:?} {region}");
    }
}
