//! Requests that would be somebody else, or too much.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollbook_journal::Position;
use tollbook_testkit::node::Upstream;

use crate::house::TestHouse;

/// Hardening 61: headers that only we write are not believed from a client, nor carried on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn internal_headers_of_a_client_change_nothing_and_go_nowhere() {
    const FORGED: [(&str, &str); 9] = [
        ("tollbook-request-id", "forged-request"),
        ("tollbook-position", "999999999"),
        ("x-tollbook-caller", "operator:forged"),
        ("x-forwarded-for", "203.0.113.250"),
        ("x-forwarded-user", "forged-user"),
        ("x-real-ip", "203.0.113.251"),
        ("forwarded", "for=203.0.113.252"),
        ("x-request-id", "forged-other"),
        ("remote-user", "forged-remote"),
    ];
    let upstream = Upstream::modern().await;
    let house = TestHouse::sqlite().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let session = house.session(&house.loadout(&server, &["echo"]).await).await;
    let calls = house.path(&format!("/sessions/{}/tool-calls", session["id"].as_str().unwrap()));
    let body = json!({ "tool": "echo", "arguments": { "text": "hello" } });
    let answer = house.ask(reqwest::Method::POST, &calls, &house.key, Some(body), &FORGED).await;
    let id = answer.headers["tollbook-request-id"].to_str().unwrap().to_owned();
    assert!(uuid::Uuid::parse_str(&id).is_ok(), "it is one of ours: {id}");
    let position = answer.headers["tollbook-position"].to_str().unwrap().parse().unwrap();
    let answered = answer.expect(200);
    assert_eq!(answered["outcome"], "completed", "{answered:#}");
    let event = house.app.journal.event(Position(position)).await.unwrap().expect("it is in the book");
    assert!(event.metadata.contains(&id) && !event.metadata.contains("forged"), "{}", event.metadata);
    let seen = upstream.calls().await;
    assert_eq!(seen.of("echo"), 1);
    for (_, value) in FORGED {
        assert!(!seen.contain(value), "`{value}` reached the tool server");
    }
    // Nor do they open a door.
    house.ask(reqwest::Method::GET, "/v1/operator/health", "", None, &FORGED).await.problem(401);
    house.stop().await;
}

/// Hardening 64, for headers (bodies and nesting: `http::malformed`, `gateway::refusals`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversize_headers_are_refused_and_others_are_served() {
    let house = TestHouse::sqlite().await;
    let address = house.url.strip_prefix("http://").unwrap().to_owned();
    let one_large = format!("x-large: {}\r\n", "x".repeat(1 << 20));
    let many = "x-small: y\r\n".repeat(1000);
    let long_path = format!("/{}", "y".repeat(1 << 20));
    for (path, headers) in [("/healthz", one_large.as_str()), ("/healthz", &many), (&long_path, "")] {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
        // It may be hung up on before all of it is sent.
        let _ = connection.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer).await;
        let status = String::from_utf8_lossy(&answer).chars().take(12).collect::<String>();
        assert!(answer.is_empty() || status.starts_with("HTTP/1.1 4"), "{status}");
        house.get("/healthz", "").await.expect(200);
    }
    house.stop().await;
}
