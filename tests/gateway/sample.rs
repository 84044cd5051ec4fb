//! The bundled server, as a tool server and on its own.

use serde_json::json;
use tollbook_testkit::node;

use super::wire::{LEGACY, MODERN, Wire};
use crate::house::TestHouse;

#[tokio::test]
async fn the_bundled_server_speaks_to_real_clients() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sample = tollbook::sample::start(listener).unwrap();
    for kind in [node::Kind::V2Modern, node::Kind::V1November] {
        let listed = node::client(kind, sample.url.as_str(), "", &["list"]).await;
        assert_eq!(listed["result"]["tools"].as_array().map(Vec::len), Some(4), "{kind:?} {listed}");
        let sum = node::client(kind, sample.url.as_str(), "", &["call", "add", r#"{"a":1,"b":2}"#]).await;
        assert_eq!(sum["result"]["structuredContent"]["sum"].as_f64(), Some(3.0), "{kind:?} {sum}");
    }
    assert_eq!(sample.calls(), 2);
}

#[tokio::test]
async fn the_bundled_server_s_tools_are_called_through_a_session() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sample = tollbook::sample::start(listener).unwrap();
    let house = TestHouse::sqlite().await;
    let server = house.tool_server("sample", sample.url.as_str()).await;
    let loadout = house.loadout(&server, &["add", "echo", "word_count"]).await;
    let session = house.session(&loadout).await;
    let wire = Wire::new(session["url"].as_str().unwrap(), session["token"].as_str().unwrap());
    for era in [MODERN, LEGACY] {
        let counted = wire
            .in_era(era, "tools/call", json!({ "name": "word_count", "arguments": { "text": "one two" } }))
            .await;
        assert_eq!(counted.result()["structuredContent"], json!({ "words": 2 }));
        let refused = wire
            .in_era(era, "tools/call", json!({ "name": tollbook::sample::LEFT_OUT, "arguments": {} }))
            .await;
        assert_eq!(refused.code(), -32602);
    }
    assert_eq!(sample.calls(), 2);
}
