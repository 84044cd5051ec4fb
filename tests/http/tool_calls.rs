use reqwest::Method;
use serde_json::{Value, json};
use tollbook_aggregates::Role;
use tollbook_testkit::node::Upstream;

use super::given::{member, text, upstream};
use crate::house::{Answer, TestHouse};

super::on_both_books! {
    permitted_call_is_answered_and_recorded_with_its_outcome
    result_comes_as_its_server_wrote_it
    refused_call_says_why_and_where_it_is_recorded
    session_that_ended_refuses_its_own_token_with_403
    session_permits_as_many_calls_as_it_was_made_for
    server_that_fails_is_an_outcome
    repeated_call_reaches_the_tool_once
    what_is_no_call_is_refused
    what_is_listed_is_what_the_caller_and_the_sessions_maker_reach
}

/// A session on a real server, and where it is called.
struct Given {
    session: Value,
    calls: String,
    token: String,
}

async fn session_on(house: &TestHouse, url: &str, tools: &[&str]) -> Given {
    let server = house.tool_server("Wiki", url).await;
    let session = house.session(&house.loadout(&server, tools).await).await;
    let calls = house.path(&format!("/sessions/{}/tool-calls", text(&session["id"])));
    let token = text(&session["token"]);
    Given { session, calls, token }
}

fn say(what: &str) -> Value {
    json!({ "tool": "echo", "arguments": { "text": what } })
}

/// The list of calls, once it has as many as there must be.
async fn listed(house: &TestHouse, given: &Given, position: &Value) -> Value {
    house.get(&format!("{}?min_position={position}", given.calls), &house.key).await.expect(200)
}

async fn permitted_call_is_answered_and_recorded_with_its_outcome(house: TestHouse) {
    let given = session_on(&house, upstream().await.url(), &["echo"]).await;
    // The agent with the session's token, and its maker with their key.
    for key in [&given.token, &house.key] {
        let answer = house.post(&given.calls, key, say("hello")).await;
        let position = answer.headers["tollbook-position"].to_str().unwrap().to_owned();
        let answer = answer.expect(200);
        assert_eq!((&answer["outcome"], answer["position"].to_string()), (&json!("completed"), position));
        assert_eq!(answer["result"]["content"][0]["text"], "hello");
    }
    house.app.calls.settle().await;
    let head = house.app.journal.head().await.unwrap().next.0 - 1;
    let list = listed(&house, &given, &json!(head)).await;
    let calls = list["items"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!((&call["decision"], &call["outcome"]), (&json!("permit"), &json!("completed")));
        assert_eq!((&call["tool"], &call["upstream_tool"]), (&json!("echo"), &json!("echo")));
        assert_eq!(call["session_id"], given.session["id"]);
    }
    let with: Vec<String> = calls.iter().map(|call| text(&call["credential"])).collect();
    assert!(with[0].starts_with("api_key:") && with[1].starts_with("session:"), "newest first: {with:?}");
}

async fn result_comes_as_its_server_wrote_it(house: TestHouse) {
    let given = session_on(&house, upstream().await.url(), &["odd"]).await;
    let request = house.request(Method::POST, &given.calls).bearer_auth(&given.token);
    let raw = request.json(&json!({ "tool": "odd" })).send().await.unwrap().text().await.unwrap();
    assert!(raw.contains(r#""order":["z","a"],"z":1,"a":2"#), "members keep their order: {raw}");
    assert!(raw.contains(r#""x-vendor":"kept""#) && raw.contains(r#""example.org/none":null"#), "{raw}");
}

async fn refused_call_says_why_and_where_it_is_recorded(house: TestHouse) {
    let given = session_on(&house, upstream().await.url(), &["echo"]).await;
    let before = upstream().await.calls().await.of("fail");
    let refused = house.post(&given.calls, &given.token, json!({ "tool": "fail" })).await;
    let position = refused.body["position"].clone();
    assert_eq!(refused.problem(403), "tool.not_in_loadout");
    assert_eq!(upstream().await.calls().await.of("fail"), before, "nothing was forwarded");
    let list = listed(&house, &given, &position).await;
    assert_eq!(list["items"][0]["decision"], "deny");
    assert_eq!(list["items"][0]["reason"], "not_in_loadout");
    assert_eq!(list["items"][0]["position"], position);

    // Another member's key is a stranger to the session; a stranger's call isn't recorded.
    let mia = member(&house, Role::Admin).await;
    assert_eq!(house.post(&given.calls, &mia.key, say("x")).await.problem(404), "not_found");
    assert_eq!(house.post(&given.calls, &house.operator, say("x")).await.problem(404), "not_found");
    let head = house.app.journal.head().await.unwrap().next.0 - 1;
    assert_eq!(listed(&house, &given, &json!(head)).await["items"].as_array().unwrap().len(), 1);
}

async fn session_that_ended_refuses_its_own_token_with_403(house: TestHouse) {
    let given = session_on(&house, upstream().await.url(), &["echo"]).await;
    let end = house.path(&format!("/sessions/{}/revoke", text(&given.session["id"])));
    house.post(&end, &house.key, json!({})).await.expect(200);
    let refused = house.post(&given.calls, &given.token, say("x")).await;
    let position = refused.body["position"].clone();
    assert!(refused.body["remediation"]["command"].as_str().unwrap().contains("session create"));
    assert_eq!(refused.problem(403), "session.ended");
    assert_eq!(listed(&house, &given, &position).await["items"][0]["reason"], "session_revoked");
}

async fn session_permits_as_many_calls_as_it_was_made_for(house: TestHouse) {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let body = json!({ "loadout_id": loadout, "max_calls": 2 });
    let session = house.post(&house.path("/sessions"), &house.key, body).await.expect(201);
    let calls = house.path(&format!("/sessions/{}/tool-calls", text(&session["id"])));
    let token = text(&session["token"]);
    let all = futures::future::join_all((0..6).map(|_| house.post(&calls, &token, say("x")))).await;
    let (permitted, refused): (Vec<Answer>, Vec<Answer>) =
        all.into_iter().partition(|answer| answer.status.as_u16() == 200);
    assert_eq!(permitted.len(), 2);
    for answer in refused {
        assert_eq!(answer.problem(403), "session.ended");
    }
}

async fn server_that_fails_is_an_outcome(house: TestHouse) {
    let mut own = Upstream::modern().await;
    let given = session_on(&house, own.url(), &["echo", "fail", "confirm"]).await;
    let failed = house.post(&given.calls, &given.token, json!({ "tool": "fail" })).await.expect(200);
    assert_eq!((&failed["outcome"], &failed["result"]["isError"]), (&json!("completed"), &json!(true)));
    own.kill().await;
    let gone = house.post(&given.calls, &given.token, say("x")).await.expect(200);
    assert_eq!(
        (&gone["outcome"], &gone["error"]["code"]),
        (&json!("failed"), &json!("upstream.unreachable"))
    );
    assert!(gone["result"].is_null());
    house.app.calls.settle().await;
    let head = house.app.journal.head().await.unwrap().next.0 - 1;
    let path = format!("{}?outcome=failed&min_position={head}", given.calls);
    let list = house.get(&path, &house.key).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["code"], "upstream.unreachable");
}

async fn repeated_call_reaches_the_tool_once(house: TestHouse) {
    let own = Upstream::modern().await;
    let given = session_on(&house, own.url(), &["echo"]).await;
    let ask = async |key: &str, body: Value| {
        house.ask(Method::POST, &given.calls, &given.token, Some(body), &[("idempotency-key", key)]).await
    };
    let first = ask("one", say("hello")).await.expect(200);
    let again = ask("one", say("hello")).await.expect(200);
    assert_eq!(first, again);
    assert_eq!(own.calls().await.of("echo"), 1);
    assert_eq!(ask("one", say("other")).await.problem(409), "idempotency.key_reused");

    let refused = ask("two", json!({ "tool": "fail" })).await;
    let position = refused.body["position"].clone();
    assert_eq!(refused.problem(403), "tool.not_in_loadout");
    let again = ask("two", json!({ "tool": "fail" })).await;
    assert_eq!(again.body["position"], position, "one refusal, recorded once");
    assert_eq!(again.problem(403), "tool.not_in_loadout");

    let all = futures::future::join_all((0..8).map(|_| ask("three", say("at once")))).await;
    assert_eq!(own.calls().await.of("echo"), 2);
    for answer in all {
        // Who comes while the first is under way is told that its outcome isn't known yet.
        match answer.status.as_u16() {
            200 => assert_eq!(answer.body["result"]["content"][0]["text"], "at once"),
            _ => assert_eq!(answer.problem(409), "idempotency.outcome_unknown"),
        }
    }
}

async fn what_is_no_call_is_refused(house: TestHouse) {
    let given = session_on(&house, upstream().await.url(), &["echo"]).await;
    let cases = [
        (json!({ "tool": "" }), "tool.name"),
        (json!({ "tool": "x".repeat(257) }), "tool.name"),
        (json!({ "tool": "a\u{0}b" }), "tool.name"),
        (json!({ "tool": "echo", "arguments": [] }), "body.malformed"),
        (json!({ "tool": "echo", "arguments": "text" }), "body.malformed"),
        (json!({ "tool": 7 }), "body.malformed"),
        (json!({ "tool": "echo", "args": {} }), "body.malformed"),
    ];
    for (body, code) in cases {
        assert_eq!(house.post(&given.calls, &given.token, body.clone()).await.problem(400), code, "{body}");
    }
}

/// Over MCP: the names that are listed for whoever comes with this credential.
async fn listed_for(house: &TestHouse, session: &Value, credential: &str) -> Vec<String> {
    let path = format!("/s/{}/mcp", text(&session["id"]));
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let headers = [("accept", "application/json, text/event-stream"), ("mcp-protocol-version", "2025-11-25")];
    let list = house.ask(Method::POST, &path, credential, Some(message), &headers).await.expect(200);
    list["result"]["tools"].as_array().unwrap().iter().map(|tool| text(&tool["name"])).collect()
}

async fn what_is_listed_is_what_the_caller_and_the_sessions_maker_reach(house: TestHouse) {
    let url = upstream().await.url();
    let (wiki, forge) = (house.tool_server("Wiki", url).await, house.tool_server("Forge", url).await);
    let tools = json!([
        { "tool_server_id": wiki, "tool": "echo", "as": "wiki_echo" },
        { "tool_server_id": forge, "tool": "echo", "as": "forge_echo" },
    ]);
    let body = json!({ "name": "both", "tools": tools });
    let loadout = house.post(&house.path("/loadouts"), &house.key, body).await.expect(201);
    let narrowing = json!({ "tool_servers": [wiki] });
    let body = json!({ "device_label": "wiki only", "narrowing": narrowing });
    let narrow = text(&house.post(&house.path("/api-keys"), &house.key, body).await.expect(201)["key"]);
    let make = async |key: &str| {
        let body = json!({ "loadout_id": loadout["id"] });
        house.post(&house.path("/sessions"), key, body).await.expect(201)
    };
    let (wide_session, narrow_session) = (make(&house.key).await, make(&narrow).await);
    let own = |session: &Value| text(&session["token"]);
    for (session, credential, names) in [
        (&wide_session, own(&wide_session), &["forge_echo", "wiki_echo"][..]),
        (&wide_session, house.key.clone(), &["forge_echo", "wiki_echo"]),
        (&wide_session, narrow.clone(), &["wiki_echo"]),
        (&narrow_session, own(&narrow_session), &["wiki_echo"]),
        (&narrow_session, house.key.clone(), &["wiki_echo"]),
    ] {
        let listed = listed_for(&house, session, &credential).await;
        assert_eq!(listed, names);
        let calls = house.path(&format!("/sessions/{}/tool-calls", text(&session["id"])));
        for name in ["forge_echo", "wiki_echo"] {
            let body = json!({ "tool": name, "arguments": { "text": "x" } });
            let answer = house.post(&calls, &credential, body).await;
            if names.contains(&name) {
                assert_eq!(answer.expect(200)["outcome"], "completed", "{name}");
            } else {
                assert_eq!(answer.problem(403), "credential.narrowed", "{name}");
            }
        }
    }
}
