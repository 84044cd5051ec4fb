//! `upstream` against real tool servers of both eras, before anything stands in front of it.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tollbook::upstream::{
    Answer, Frame, Lane, Limits, Target, ToolResult, UpstreamAnswer, UpstreamCall, UpstreamError, Upstreams,
};
use tollbook_aggregates::{SessionId, ToolServerId};
use tollbook_testkit::node::{Calls, Settings, Upstream};

use super::support::{eventually, outbound};

fn upstreams() -> Upstreams {
    Upstreams::new(&outbound(), Limits::default())
}

fn target(upstream: &Upstream) -> Target {
    let tool_server_id = ToolServerId(uuid::Uuid::from_u128(7));
    Target { tool_server_id, url: upstream.url().parse().unwrap(), header: None }
}

fn lane(number: u128) -> Lane {
    Lane::Session(SessionId(uuid::Uuid::from_u128(number)))
}

#[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn call(tool: &str, arguments: Value) -> UpstreamCall {
    UpstreamCall {
        lane: lane(1),
        tool: tool.into(),
        arguments: Some(raw(&arguments)),
        meta: None,
        parameter_headers: Vec::new(),
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

async fn frames(mut answer: UpstreamAnswer) -> (Vec<Value>, Result<Answer, UpstreamError>) {
    let mut notifications = Vec::new();
    loop {
        match answer.next().await {
            Ok(Frame::Progress(text)) => notifications.push(serde_json::from_str(&text).unwrap()),
            Ok(Frame::Log { message, .. }) => notifications.push(serde_json::from_str(&message).unwrap()),
            Ok(Frame::Answer(answer)) => return (notifications, Ok(answer)),
            Err(error) => return (notifications, Err(error)),
        }
    }
}

async fn answer(upstreams: &Upstreams, target: &Target, call: UpstreamCall) -> Result<Answer, UpstreamError> {
    frames(upstreams.call_tool(target, &call).await?).await.1
}

async fn result(upstreams: &Upstreams, target: &Target, call: UpstreamCall) -> (Value, bool) {
    match answer(upstreams, target, call).await.unwrap() {
        Answer::Result(ToolResult { raw, is_error }) => (serde_json::from_str(raw.get()).unwrap(), is_error),
        Answer::Error(error) => panic!("an error: {error}"),
    }
}

fn said(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

/// One call that works on each of the two servers.
fn echo() -> UpstreamCall {
    call("echo", json!({ "text": "hi", "message": "hi" }))
}

#[tokio::test]
async fn tools_of_either_era_are_listed_byte_for_byte() {
    let (modern, legacy) = (Upstream::modern().await, Upstream::legacy().await);
    let tools = upstreams().list_tools(&target(&modern)).await.unwrap();
    let odd = tools.iter().find(|tool| tool.name == "odd").unwrap();
    assert!(
        odd.raw.get().contains(r#""x-vendor":{"price":1.1,"big":12345678901234568,"nothing":null}"#),
        "{odd:?}"
    );
    assert!(odd.raw.get().contains(r#""x-vendor-schema":{"nested":[1,2.5,null,"ü"]}"#), "{odd:?}");
    assert_eq!(tools.len(), 9);

    let tools = upstreams().list_tools(&target(&legacy)).await.unwrap();
    let echo = tools.iter().find(|tool| tool.name == "echo").unwrap();
    assert_eq!(echo.description().unwrap(), "Echoes back the input string");
    assert!(echo.raw.get().contains(r#""execution":{"taskSupport":"forbidden"}"#), "{echo:?}");
}

#[tokio::test]
async fn tools_of_either_era_are_called() {
    for upstream in [Upstream::modern().await, Upstream::legacy().await] {
        let (result, failed) = result(&upstreams(), &target(&upstream), echo()).await;
        assert!(said(&result).ends_with("hi") && !failed, "{result}");
        assert_eq!(upstream.calls().await.tool_calls(), 1);
    }
}

#[tokio::test]
async fn a_server_of_both_eras_is_talked_to_in_the_modern_one() {
    let upstream = Upstream::modern_with(&Settings { both_eras: true, ..Settings::default() }).await;
    result(&upstreams(), &target(&upstream), echo()).await;
    let calls = upstream.calls().await;
    assert_eq!((calls.of_method("server/discover"), calls.of_method("initialize")), (1, 0));
}

#[tokio::test]
async fn the_era_is_found_out_once_and_never_by_a_tool_call() {
    for (upstream, handshakes) in [(Upstream::modern().await, 0), (Upstream::legacy().await, 1)] {
        let upstreams = upstreams();
        for _ in 0..3 {
            result(&upstreams, &target(&upstream), echo()).await;
        }
        let calls = upstream.calls().await;
        assert_eq!((calls.of_method("server/discover"), calls.tool_calls()), (1, 3));
        assert_eq!(calls.of_method("initialize"), handshakes);
    }
}

#[tokio::test]
async fn calls_at_the_same_moment_share_one_handshake() {
    let upstream = Upstream::legacy().await;
    let (upstreams, target) = (upstreams(), target(&upstream));
    let many = (0..8).map(|_| result(&upstreams, &target, echo()));
    futures::future::join_all(many).await;
    let calls = upstream.calls().await;
    assert_eq!((calls.of_method("initialize"), calls.tool_calls()), (1, 8));
}

#[tokio::test]
async fn every_session_has_a_protocol_session_of_its_own() {
    let upstream = Upstream::legacy().await;
    let (upstreams, target) = (upstreams(), target(&upstream));
    for number in [1, 2, 1] {
        result(&upstreams, &target, UpstreamCall { lane: lane(number), ..echo() }).await;
    }
    upstreams.list_tools(&target).await.unwrap();
    let calls = upstream.calls().await;
    assert_eq!(calls.of_method("initialize"), 3);
    let ids: Vec<&Value> =
        calls.tool_call_entries().map(|entry| &entry["headers"]["mcp-session-id"]).collect();
    assert_eq!(ids[0], ids[2]);
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_protocol_session_ends_with_the_session_that_it_was_for() {
    let upstream = Upstream::legacy().await;
    let (upstreams, target) = (upstreams(), target(&upstream));
    result(&upstreams, &target, echo()).await;
    upstreams.end_session(SessionId(uuid::Uuid::from_u128(1)));
    // The cache tells of what was taken out when it is used next.
    let ended = async || {
        result(&upstreams, &target, UpstreamCall { lane: lane(2), ..echo() }).await;
        upstream.calls().await.of_method("DELETE") == 1
    };
    eventually(ended).await;
}

#[tokio::test]
async fn a_forgotten_protocol_session_is_opened_again_and_the_call_runs_once() {
    let upstream = Upstream::legacy().await;
    let (upstreams, target) = (upstreams(), target(&upstream));
    result(&upstreams, &target, echo()).await;
    let id = upstream.calls().await.tool_call_entries().next().unwrap()["headers"]["mcp-session-id"].clone();
    let ended = reqwest::Client::new()
        .delete(upstream.url())
        .header("mcp-session-id", id.as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert!(ended.status().is_success());

    let (answer, _) = result(&upstreams, &target, echo()).await;
    assert!(said(&answer).ends_with("hi"));
    let calls = upstream.calls().await;
    assert_eq!(calls.of_method("initialize"), 2);
    let statuses: Vec<u64> =
        calls.tool_call_entries().map(|entry| entry["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses.len(), 3);
    assert!(statuses[1] >= 400 && statuses[0] == 200 && statuses[2] == 200, "{statuses:?}");
}

#[tokio::test]
async fn progress_travels_under_the_agent_s_own_token() {
    let slow = [
        (Upstream::modern().await, call("slow", json!({ "ms": 60, "steps": 2 }))),
        (
            Upstream::legacy().await,
            call("trigger-long-running-operation", json!({ "duration": 0.1, "steps": 2 })),
        ),
    ];
    for (upstream, call) in slow {
        let call = UpstreamCall { meta: Some(raw(&json!({ "progressToken": "the agent's" }))), ..call };
        let under_way = upstreams().call_tool(&target(&upstream), &call).await.unwrap();
        let (notifications, answer) = frames(under_way).await;
        assert!(matches!(answer, Ok(Answer::Result(_))));
        let told: Vec<_> = notifications
            .iter()
            .map(|told| (&told["params"]["progressToken"], &told["params"]["progress"]))
            .collect();
        assert_eq!(told, [(&json!("the agent's"), &json!(1)), (&json!("the agent's"), &json!(2))]);
        let sent = upstream.calls().await.tool_call_entries().next().unwrap()["message"].clone();
        assert!(sent["params"]["_meta"]["progressToken"].is_u64(), "{sent}");
    }
}

#[tokio::test]
async fn mirrored_parameters_are_sent_once_the_server_has_asked_for_them() {
    let upstream = Upstream::modern().await;
    let (upstreams, target) = (upstreams(), target(&upstream));
    let call = || call("region", json!({ "region": "Zürich", "query": "q" }));
    for _ in 0..2 {
        assert_eq!(said(&result(&upstreams, &target, call()).await.0), "Zürich: q");
    }
    let calls = upstream.calls().await;
    let statuses: Vec<&Value> = calls.tool_call_entries().map(|entry| &entry["status"]).collect();
    assert_eq!(statuses, [&json!(400), &json!(200), &json!(200)]);
    assert_eq!(calls.of_method("tools/list"), 1);
}

#[tokio::test]
async fn a_tool_that_asks_its_user_fails_clearly() {
    let upstream = Upstream::modern().await;
    let error =
        answer(&upstreams(), &target(&upstream), call("confirm", json!({ "what": "x" }))).await.unwrap_err();
    assert_eq!(error, UpstreamError::InputRequired);
}

#[tokio::test]
async fn a_failed_tool_is_told_from_a_refused_call() {
    let upstream = Upstream::modern().await;
    let (result, failed) = result(&upstreams(), &target(&upstream), call("fail", json!({}))).await;
    assert!(failed, "{result}");
    let refused = answer(&upstreams(), &target(&upstream), call("no_such_tool", json!({}))).await.unwrap();
    assert!(matches!(refused, Answer::Error(error) if error.code == -32602));
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_upstream_in_the_way_of_its_era() {
    let modern = Upstream::modern().await;
    let (upstreams, modern_target) = (upstreams(), target(&modern));
    let slow = call("slow", json!({ "ms": 600_000 }));
    tokio::select! {
        _ = upstreams.call_tool(&modern_target, &slow) => panic!("an answer after ten minutes"),
        () = arrived(&modern) => {}
    }
    eventually(async || modern.calls().await.tool_call_entries().any(|entry| entry["outcome"] == "aborted"))
        .await;

    let legacy = Upstream::legacy().await;
    let legacy_target = Target { tool_server_id: ToolServerId(uuid::Uuid::from_u128(8)), ..target(&legacy) };
    let slow = call("trigger-long-running-operation", json!({ "duration": 600, "steps": 1 }));
    let under_way = upstreams.call_tool(&legacy_target, &slow).await.unwrap();
    arrived(&legacy).await;
    drop(under_way);
    eventually(async || legacy.calls().await.of_method("notifications/cancelled") == 1).await;
    let calls = legacy.calls().await;
    let id = &calls.tool_call_entries().next().unwrap()["message"]["id"];
    assert_eq!(&cancelled(&calls)["message"]["params"]["requestId"], id);
}

async fn arrived(upstream: &Upstream) {
    eventually(async || upstream.calls().await.tool_calls() == 1).await;
}

fn cancelled(calls: &Calls) -> &Value {
    calls.entries().iter().find(|entry| entry["message"]["method"] == "notifications/cancelled").unwrap()
}

#[tokio::test]
async fn a_call_that_takes_too_long_times_out_and_is_cancelled() {
    let upstream = Upstream::legacy().await;
    let upstreams = Upstreams::new(&outbound(), Duration::from_secs(2));
    // Opens the protocol session, so that its time doesn't count.
    result(&upstreams, &target(&upstream), echo()).await;
    let slow = call("trigger-long-running-operation", json!({ "duration": 600, "steps": 1 }));
    let error = answer(&upstreams, &target(&upstream), slow).await.unwrap_err();
    assert_eq!(error, UpstreamError::Timeout);
    eventually(async || upstream.calls().await.of_method("notifications/cancelled") == 1).await;
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let upstream = Upstream::modern().await;
    let upstreams = Upstreams::new(&outbound(), Limits { message: 10_000, ..Limits::default() });
    let error =
        answer(&upstreams, &target(&upstream), call("big", json!({ "bytes": 20_000 }))).await.unwrap_err();
    assert_eq!(error, UpstreamError::TooLarge);
}

#[tokio::test]
async fn the_kept_header_is_sent_with_every_request_and_a_wrong_one_is_named() {
    let settings =
        Settings { require_header: Some(("x-api-key".into(), "canary-91".into())), ..Settings::default() };
    for upstream in [Upstream::modern_with(&settings).await, Upstream::legacy_with(&settings).await] {
        let without = target(&upstream);
        let error = answer(&upstreams(), &without, echo()).await.unwrap_err();
        assert_eq!(error, UpstreamError::Unauthorized);

        let refused = upstream.calls().await.refused();
        let mut value = HeaderValue::from_static("canary-91");
        value.set_sensitive(true);
        let with = Target { header: Some((HeaderName::from_static("x-api-key"), value)), ..without };
        assert!(!format!("{with:?}").contains("canary-91"));
        result(&upstreams(), &with, echo()).await;
        upstreams().list_tools(&with).await.unwrap();
        assert_eq!(upstream.calls().await.refused(), refused);
    }
}

#[tokio::test]
async fn a_server_that_died_is_unreachable_and_its_address_is_not_told() {
    let mut upstream = Upstream::modern().await;
    let (upstreams, target) = (upstreams(), target(&upstream));
    result(&upstreams, &target, echo()).await;
    upstream.kill().await;
    let error = answer(&upstreams, &target, echo()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unreachable(_)), "{error}");
    let port = target.url.port().unwrap().to_string();
    assert!(!error.to_string().contains(&port), "{error}");
}

#[tokio::test]
async fn a_server_that_moved_to_the_other_era_is_noticed() {
    let (modern, legacy) = (Upstream::modern().await, Upstream::legacy().await);
    let upstreams = upstreams();
    // The same server as far as we know, first in one era, then in the other.
    for upstream in [&modern, &legacy, &modern] {
        result(&upstreams, &target(upstream), echo()).await;
    }
    assert_eq!((modern.calls().await.tool_calls(), legacy.calls().await.tool_calls()), (2, 1));
}
