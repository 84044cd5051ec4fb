//! How calls end before their answer: the client goes away or takes them back, the session is
//! revoked, the service stops. The tool server learns of it, and so does the book.

use futures::StreamExt as _;
use serde_json::json;

use super::setting::Setting;
use super::support::eventually;
use super::wire::{LEGACY, Wire, first_event, modern, request, whole};

fn slow(progress: bool) -> serde_json::Value {
    let mut params = json!({ "name": "slow", "arguments": { "ms": 600_000, "steps": 6_000 } });
    if progress {
        params["_meta"] = json!({ "progressToken": 1 });
    }
    params
}

async fn cancelled_upstream(setting: &Setting) {
    eventually(async || {
        let calls = setting.upstream.calls().await;
        calls.tool_call_entries().any(|entry| entry["outcome"] == "aborted")
    })
    .await;
}

async fn is_recorded_as_cancelled(setting: &Setting) {
    assert_eq!(setting.tool_event_types(2).await, ["session.tool_called", "session.tool_call_cancelled"]);
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_answer_cancels_the_call() {
    let setting = Setting::modern().await;
    let (wire, headers) = (setting.wire(), Wire::modern_headers("tools/call", Some("slow")));
    let body = modern("tools/call", slow(false));
    tokio::select! {
        response = wire.send(&headers, &body) => panic!("an answer after ten minutes: {response:?}"),
        () = eventually(async || setting.upstream.calls().await.tool_calls() == 1) => {}
    }
    // The connection closes with its client.
    drop(wire);
    cancelled_upstream(&setting).await;
    is_recorded_as_cancelled(&setting).await;
}

#[tokio::test]
async fn a_client_that_closes_the_stream_cancels_the_call() {
    let setting = Setting::modern().await;
    let headers = Wire::modern_headers("tools/call", Some("slow"));
    let response = setting.wire().send(&headers, &modern("tools/call", slow(true))).await;
    let (_, rest) = first_event(response).await;
    drop(rest);
    cancelled_upstream(&setting).await;
    is_recorded_as_cancelled(&setting).await;
}

#[tokio::test]
async fn a_revocation_ends_open_streams_and_the_call_behind_them() {
    let setting = Setting::modern().await;
    let headers = Wire::modern_headers("tools/call", Some("slow"));
    let response = setting.wire().send(&headers, &modern("tools/call", slow(true))).await;
    let (_, mut rest) = first_event(response).await;
    setting.revoke().await;
    let mut text = String::new();
    while let Some(chunk) = rest.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    assert!(text.contains(r#""error":{"code":410"#), "{text}");
    cancelled_upstream(&setting).await;
    assert_eq!(setting.tool_event_types(2).await.last().unwrap(), "session.tool_call_cancelled");
}

#[tokio::test]
async fn a_revocation_ends_a_call_that_has_not_begun_to_answer() {
    let setting = Setting::modern().await;
    let (wire, headers) = (setting.wire(), Wire::modern_headers("tools/call", Some("slow")));
    let body = modern("tools/call", slow(false));
    let revoke = async {
        eventually(async || setting.upstream.calls().await.tool_calls() == 1).await;
        setting.revoke().await;
    };
    let (response, ()) = tokio::join!(wire.send(&headers, &body), revoke);
    let refused = whole(response).await;
    assert_eq!((refused.status.as_u16(), &refused.last()["code"]), (403, &json!("session.ended")));
    cancelled_upstream(&setting).await;
}

#[tokio::test]
async fn an_older_client_takes_its_own_call_back_and_nobody_else_s() {
    let setting = Setting::modern().await;
    let initialize = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "a", "version": "1" } });
    let handle = async || {
        let reply = setting.wire().post(&[], &request("initialize", initialize.clone()).to_string()).await;
        reply.headers["mcp-session-id"].to_str().unwrap().to_owned()
    };
    let (mine, others) = (handle().await, handle().await);
    assert_ne!(mine, others);
    let headers = |handle: &str| {
        vec![
            ("mcp-protocol-version".to_owned(), LEGACY.to_owned()),
            ("mcp-session-id".to_owned(), handle.to_owned()),
        ]
    };
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } })
            .to_string();
    let response = setting.wire().send(&headers(&mine), &request("tools/call", slow(true)).to_string()).await;
    let (_, mut rest) = first_event(response).await;
    let other = setting.wire().post(&headers(&others), &cancel).await;
    assert_eq!(other.status.as_u16(), 202);
    assert!(rest.next().await.is_some(), "it goes on");
    setting.wire().post(&headers(&mine), &cancel).await;
    while rest.next().await.is_some() {}
    cancelled_upstream(&setting).await;
    let events = setting.tool_events(2).await;
    assert!(
        events[0].to_string().contains("a/1"),
        "the name from the handshake is recorded: {:#}",
        events[0]
    );
    assert_eq!(events[1]["type"], "session.tool_call_cancelled");
}

#[tokio::test]
async fn a_tool_that_takes_too_long_is_told_as_such() {
    let upstream = tollbook_testkit::node::Upstream::modern().await;
    let house = crate::house::TestHouse::sqlite_with(&[("upstream_timeout", "1")]).await;
    let server = house.tool_server("slow", upstream.url()).await;
    let loadout = house.loadout(&server, &["slow"]).await;
    let session = house.session(&loadout).await;
    let setting = Setting { house, upstream, session };
    let reply = setting.wire().modern("tools/call", slow(false)).await;
    assert_eq!(reply.result()["_meta"]["tollbook/failure"]["code"], "upstream.timeout");
    assert_eq!(setting.tool_event_types(2).await[1], "session.tool_call_timed_out");
    cancelled_upstream(&setting).await;
}
