//! Hardening 63: where a request ends is never a matter of opinion. On bare connections, because no client sends such.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollbook_testkit::node::Upstream;

use crate::house::TestHouse;

/// What is smuggled: a second request, which whoever stands before us would have taken for a body.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// Headers that disagree about the body's length, or say it in a way that others read otherwise.
const FRAMINGS: [&[&str]; 13] = [
    &["content-length: 5", "transfer-encoding: chunked"],
    &["transfer-encoding: chunked", "content-length: 5"],
    &["content-length: 0", "transfer-encoding: chunked"],
    &["content-length: 5", "content-length: 5"],
    &["content-length: 5", "content-length: 0"],
    &["content-length: 5, 5"],
    &["content-length: +5"],
    &["content-length: 0x5"],
    &["content-length: -1"],
    &["transfer-encoding: chunked", "transfer-encoding: identity"],
    &["transfer-encoding: chunked, identity"],
    &["transfer-encoding: xchunked"],
    &["content-length : 5"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_whose_end_is_disputed_is_refused_and_nothing_behind_it_is_read() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::sqlite().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let session = house.session(&house.loadout(&server, &["echo"]).await).await;
    let mcp = format!("/s/{}/mcp", session["id"].as_str().unwrap());
    let token = session["token"].as_str().unwrap();
    let host = house.url.strip_prefix("http://").unwrap();
    for framing in FRAMINGS {
        for (path, credential) in [(house.path("/sessions"), house.key.as_str()), (mcp.clone(), token)] {
            let lines = framing.join("\r\n");
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {credential}\r\n\
                 content-type: application/json\r\n{lines}\r\n\r\n"
            );
            let answer = exchange(host, &format!("{head}0\r\n\r\n{SMUGGLED}")).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{framing:?} {path}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "the second was read, too: {answer}");
        }
    }
    assert_eq!(upstream.calls().await.tool_calls(), 0);
    // The same two requests, with an end that nobody disputes: both are read, so the test would see them.
    let honest = format!(
        "GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n{}",
        SMUGGLED.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")
    );
    assert_eq!(exchange(host, &honest).await.matches("HTTP/1.1 200 ").count(), 2);
    house.stop().await;
}

/// Sends it, and reads until the service hangs up.
async fn exchange(host: &str, request: &str) -> String {
    let mut connection = TcpStream::connect(host).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    let hung_up = tokio::time::timeout(std::time::Duration::from_secs(20), read).await;
    assert!(hung_up.is_ok(), "the connection stays open: {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}
