//! What is refused at the session URL, and how.

use serde_json::{Value, json};

use super::setting::Setting;
use super::wire::{LEGACY, MODERN, Reply, Wire, check, modern, request};

fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn listing() -> String {
    modern("tools/list", json!({}))
}

async fn post(setting: &Setting, headers: &[(&str, &str)], body: &str) -> Reply {
    setting.wire().post(&pairs(headers), body).await
}

/// headers, body → HTTP status, code of the error
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, u16, i64);

#[tokio::test]
async fn messages_that_break_the_protocol_are_refused_as_it_says() {
    let setting = Setting::modern().await;
    let version = ("mcp-protocol-version", MODERN);
    let method = ("mcp-method", "tools/list");
    let unknown = modern("tools/list", json!({})).replace(MODERN, "2030-01-01");
    let call = modern("tools/call", json!({ "name": "echo", "arguments": { "text": "x" } }));
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"a":{}{}}}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let cases: [Case<'_>; 13] = [
        (&[version, method], "{", 400, -32700),
        (&[version, method], &format!("[{}]", listing()), 400, -32600),
        (&[version, method], r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, 400, -32600),
        (&[version, method], r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, 400, -32600),
        (&[version, method], &deep, 400, -32600),
        (&[version, method], &request("tools/list", json!({})).to_string(), 400, -32602),
        (&[method], &listing(), 400, -32020),
        (&[version], &listing(), 400, -32020),
        (&[version, ("mcp-method", "tools/call")], &listing(), 400, -32020),
        (&[version, ("mcp-method", "tools/call"), ("mcp-name", "add")], &call, 400, -32020),
        (&[("mcp-protocol-version", "2030-01-01"), method], &unknown, 400, -32022),
        (&[version, ("mcp-method", "ping")], &modern("ping", json!({})), 404, -32601),
        (&[version, ("mcp-method", "resources/list")], &modern("resources/list", json!({})), 404, -32601),
    ];
    for (headers, body, status, code) in cases {
        let refused = post(&setting, headers, body).await;
        let body: String = body.chars().take(200).collect();
        assert_eq!((refused.status.as_u16(), refused.code()), (status, code), "{headers:?} {body}");
        check(MODERN, refused.last());
    }
    let legacy = post(
        &setting,
        &[("mcp-protocol-version", LEGACY)],
        &request("resources/list", json!({})).to_string(),
    )
    .await;
    assert_eq!((legacy.status.as_u16(), legacy.code()), (200, -32601));
    assert_eq!(setting.upstream.calls().await.tool_calls(), 0);
}

#[tokio::test]
async fn an_unknown_tool_looks_the_same_in_both_eras_and_is_recorded() {
    let setting = Setting::legacy().await;
    for (number, era) in (1..).zip([MODERN, LEGACY]) {
        let refused =
            setting.wire().in_era(era, "tools/call", json!({ "name": "get-env", "arguments": {} })).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (200, -32602));
        let error = &refused.last()["error"];
        assert_eq!(error["message"], "Unknown tool: get-env");
        assert_eq!(
            (&error["data"]["code"], &error["data"]["reason"]),
            (&json!("tool.not_in_loadout"), &json!("not_in_loadout"))
        );
        assert!(
            error["data"]["position"].is_u64() && error["data"]["remediation"]["action"].is_string(),
            "{error:#}"
        );
        let events = setting.tool_events(number).await;
        assert_eq!(events[number - 1]["type"], "session.tool_denied");
        assert_eq!(events[number - 1]["position"], error["data"]["position"]);
    }
    assert_eq!(setting.upstream.calls().await.tool_calls(), 0);
}

#[tokio::test]
async fn malformed_calls_are_refused_before_anything_is_decided() {
    let setting = Setting::modern().await;
    for params in [
        json!({}),
        json!({ "name": 1 }),
        json!({ "name": "" }),
        json!({ "name": "a\u{0}b" }),
        json!({ "name": "x".repeat(300) }),
        json!({ "name": "echo", "arguments": [] }),
        json!({ "name": "echo", "arguments": null }),
        json!({ "name": "echo", "arguments": {}, "requestState": "x" }),
        json!({ "name": "echo", "arguments": {}, "_meta": 1 }),
    ] {
        let refused = setting.wire().legacy("tools/call", params.clone()).await;
        assert_eq!(refused.code(), -32602, "{params}");
    }
    let cursor = setting.wire().in_era(MODERN, "tools/list", json!({ "cursor": "nonsense" })).await;
    assert_eq!(cursor.code(), -32602);
    setting.wire().modern("tools/call", json!({ "name": "echo", "arguments": { "text": "x" } })).await;
    assert_eq!(setting.tool_event_types(2).await.len(), 2, "only the good call is recorded");
}

#[tokio::test]
async fn another_site_s_page_is_refused() {
    let setting = Setting::modern().await;
    let base = Wire::modern_headers("tools/list", None);
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("host", "evil.example", 403),
        ("origin", "http://localhost:1234", 200),
    ] {
        let mut headers = base.clone();
        headers.push((name.into(), value.into()));
        let answered = setting.wire().post(&headers, &listing()).await;
        assert_eq!(answered.status.as_u16(), status, "{name}: {value} {answered:?}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_json_are_refused() {
    let setting = Setting::modern().await;
    let mut headers = Wire::modern_headers("tools/list", None);
    let large = modern("tools/list", json!({ "pad": "x".repeat(1_100_000) }));
    assert_eq!(problem(&setting.wire().post(&headers, &large).await, 413), "body.too_large");
    headers.push(("content-type".into(), "text/plain".into()));
    assert_eq!(problem(&setting.wire().post(&headers, &listing()).await, 415), "body.not_json");
    let mut headers = Wire::modern_headers("tools/list", None);
    headers.push(("accept".into(), "text/html".into()));
    assert_eq!(problem(&setting.wire().post(&headers, &listing()).await, 406), "accept.refused");
}

#[track_caller]
fn problem(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status.as_u16(), status, "{reply:?}");
    assert_eq!(reply.content_type(), "application/problem+json", "{reply:?}");
    reply.last()["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_post_is_offered() {
    let setting = Setting::modern().await;
    for method in [reqwest::Method::GET, reqwest::Method::DELETE, reqwest::Method::PUT] {
        let request =
            reqwest::Client::new().request(method.clone(), setting.url()).bearer_auth(setting.token());
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()),
            (405, "POST"),
            "{method}"
        );
    }
}

#[tokio::test]
async fn strangers_and_unknown_sessions_are_refused_alike() {
    let (setting, other) = (Setting::modern().await, Setting::modern().await);
    let without = setting.wire().with_token("");
    let refused = without.modern("tools/list", json!({})).await;
    assert_eq!(refused.status.as_u16(), 401);
    assert!(refused.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer "), "{refused:?}");
    let foreign = setting.wire().with_token(other.token());
    assert_eq!(foreign.modern("tools/list", json!({})).await.status.as_u16(), 401);

    let unknown = uuid::Uuid::from_u128(1).to_string();
    let mine = setting.session["id"].as_str().unwrap();
    for id in [unknown.as_str(), "not-a-uuid"] {
        let elsewhere = Wire::new(&setting.url().replace(mine, id), setting.token());
        for method in ["tools/list", "server/discover"] {
            assert_eq!(
                problem(&elsewhere.modern(method, json!({})).await, 404),
                "not_found",
                "{id} {method}"
            );
        }
        let call = elsewhere.modern("tools/call", json!({ "name": "echo", "arguments": {} })).await;
        assert_eq!(problem(&call, 404), "not_found");
    }
}

#[tokio::test]
async fn an_ended_session_says_so_and_the_call_is_recorded() {
    let setting = Setting::modern().await;
    setting.revoke().await;
    for method in ["tools/list", "server/discover"] {
        assert_eq!(problem(&setting.wire().modern(method, json!({})).await, 403), "session.ended");
    }
    let params = json!({ "name": "echo", "arguments": { "text": "x" } });
    for token in [setting.token(), setting.house.key.as_str()] {
        for era in [MODERN, LEGACY] {
            let call = setting.wire().with_token(token).in_era(era, "tools/call", params.clone()).await;
            assert_eq!(problem(&call, 403), "session.ended");
            assert!(
                call.last()["remediation"]["command"].is_string() && call.last()["position"].is_u64(),
                "{call:?}"
            );
        }
    }
    assert_eq!(setting.tool_event_types(4).await, ["session.tool_denied"; 4]);
    assert_eq!(setting.upstream.calls().await.tool_calls(), 0);
}

#[tokio::test]
async fn a_member_s_key_works_on_the_session_too() {
    let setting = Setting::modern().await;
    let listed = setting.wire().with_token(&setting.house.key).in_era(MODERN, "tools/list", json!({})).await;
    assert_eq!(listed.result()["tools"].as_array().map(Vec::len), Some(8));
}

#[tokio::test]
async fn a_tool_whose_definition_drifted_is_refused_until_it_is_accepted() {
    let setting = Setting::modern().await;
    setting.upstream.drift("Says back what it was told, and tells others").await;
    let server =
        setting.house.get(&setting.house.path("/tool-servers"), &setting.house.key).await.expect(200);
    let id = server["items"][0]["id"].as_str().unwrap();
    let refresh = setting.house.path(&format!("/tool-servers/{id}/refresh-tools"));
    setting.house.post(&refresh, &setting.house.key, json!({})).await.expect(200);
    let refused = setting
        .wire()
        .in_era(MODERN, "tools/call", json!({ "name": "echo", "arguments": { "text": "x" } }))
        .await;
    assert_eq!(refused.code(), 403, "{refused:?}");
    assert_eq!(refused.last()["error"]["data"]["reason"], "tool_changed");
    let listed = setting.wire().in_era(MODERN, "tools/list", json!({})).await;
    let names: Vec<&Value> =
        listed.result()["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert!(!names.contains(&&json!("echo")), "{names:?}");
    assert_eq!(setting.upstream.calls().await.tool_calls(), 0);
}
