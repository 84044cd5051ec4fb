//! Promise 3 at the gateway: a tool server that repeats the credential it was sent doesn't show it to the
//! agent, in no part of its answer.

use serde_json::{Value, json};
use tollbook_testkit::node::{Settings, Upstream};

use super::setting::Setting;
use super::wire::{LEGACY, MODERN, Wire, modern};
use crate::house::TestHouse;

/// With characters that JSON may write otherwise.
const SECRET: &str = "s3cret/with+\"quotes\"=";

async fn setting() -> Setting {
    let require_header = Some(("x-upstream-key".to_owned(), SECRET.to_owned()));
    let upstream = Upstream::modern_with(&Settings { require_header, ..Settings::default() }).await;
    let house = TestHouse::sqlite().await;
    let auth = json!({ "kind": "header", "name": "x-upstream-key", "value": SECRET });
    let body = json!({ "name": "everything", "url": upstream.url(), "auth": auth });
    let server = house.post(&house.path("/tool-servers"), &house.key, body).await.expect(201);
    let id = server["id"].as_str().unwrap();
    let refresh = house.path(&format!("/tool-servers/{id}/refresh-tools"));
    house.post(&refresh, &house.key, json!({})).await.expect(200);
    let loadout = house.loadout(id, &["echo", "headers"]).await;
    let session = house.session(&loadout).await;
    Setting { house, upstream, session }
}

fn shows_it(text: &str) -> bool {
    let json = Value::from(SECRET).to_string();
    [SECRET, json.trim_matches('"'), "s3cret"].iter().any(|form| text.contains(form))
}

#[tokio::test]
async fn result_that_repeats_the_upstream_credential_is_held_back() {
    let setting = setting().await;
    for era in [MODERN, LEGACY] {
        let call = json!({ "name": "headers", "arguments": {} });
        let reply = setting.wire().in_era(era, "tools/call", call).await;
        assert!(!shows_it(&reply.text), "{}", reply.text);
        let failure = &reply.result()["_meta"]["tollbook/failure"]["code"];
        assert_eq!(failure, "upstream.credential_echoed", "{}", reply.text);
    }
    assert!(shows_it(&setting.upstream.calls().await.entries().last().unwrap()["headers"].to_string()));
    let events = setting.tool_events(4).await;
    assert!(events.iter().any(|event| event["type"] == "session.tool_call_failed"));
    // What doesn't repeat it comes through.
    let call = json!({ "name": "echo", "arguments": { "text": "plain" } });
    let reply = setting.wire().in_era(MODERN, "tools/call", call).await;
    assert_eq!(reply.result()["content"][0]["text"], "plain");
}

#[tokio::test]
async fn progress_that_repeats_the_upstream_credential_ends_the_stream() {
    let setting = setting().await;
    let params = json!({ "name": "headers", "arguments": { "steps": 2 }, "_meta": { "progressToken": 1 } });
    let headers = Wire::modern_headers("tools/call", Some("headers"));
    let response = setting.wire().send(&headers, &modern("tools/call", params)).await;
    let text = response.text().await.unwrap();
    assert!(!shows_it(&text), "{text}");
    assert!(text.contains("upstream.credential_echoed"), "{text}");
}

#[tokio::test]
async fn rest_answer_that_repeats_the_upstream_credential_is_held_back() {
    let setting = setting().await;
    let id = setting.session["id"].as_str().unwrap();
    let path = setting.house.path(&format!("/sessions/{id}/tool-calls"));
    let call = json!({ "tool": "headers", "arguments": {} });
    let answer = setting.house.post(&path, setting.token(), call).await.expect(200);
    assert!(!shows_it(&answer.to_string()), "{answer:#}");
    assert_eq!(answer["error"]["code"], "upstream.credential_echoed", "{answer:#}");
}
