//! What goes over the wire when all is well, and when a tool fails: valid by the schemas, and every
//! byte of a tool server's kept that the agent's era doesn't need changed.

use serde_json::{Value, json};
use tollbook_testkit::node::{Settings, Upstream};

use super::setting::Setting;
use super::wire::{LEGACY, MODERN, Wire, first_event, is_valid, modern, request, whole};

#[tokio::test]
async fn lists_are_valid_in_either_era_and_say_who_may_keep_them() {
    for setting in [Setting::modern().await, Setting::legacy().await] {
        let wire = setting.wire();
        for era in [MODERN, LEGACY] {
            let reply = wire.in_era(era, "tools/list", json!({})).await;
            is_valid(era, "ListToolsResult", reply.result());
            assert_eq!(reply.headers["cache-control"], "no-store");
            let again = wire.in_era(era, "tools/list", json!({})).await;
            assert_eq!(reply.text, again.text, "the order is the same");
        }
        let modern = wire.modern("tools/list", json!({})).await;
        assert_eq!(
            (&modern.result()["cacheScope"], &modern.result()["resultType"]),
            (&json!("private"), &json!("complete"))
        );
        assert!(modern.result()["ttlMs"].as_u64().unwrap() <= 60_000);
        let legacy = wire.legacy("tools/list", json!({})).await;
        for member in ["cacheScope", "resultType", "ttlMs", "_meta"] {
            assert!(legacy.result().get(member).is_none(), "{member}");
        }
    }
}

#[tokio::test]
async fn definitions_are_listed_byte_for_byte_as_they_were_pinned() {
    let setting = Setting::modern().await;
    let direct = direct_list(&setting).await;
    for era in [MODERN, LEGACY] {
        let listed = setting.wire().in_era(era, "tools/list", json!({})).await.text;
        for name in ["odd", "region", "echo", "add"] {
            let definition = definition(&direct, name);
            assert!(listed.contains(definition), "{era} {name}: {definition}\n{listed}");
        }
    }
}

/// The list as the tool server itself writes it.
async fn direct_list(setting: &Setting) -> String {
    let wire = Wire::new(setting.upstream.url(), "");
    wire.modern("tools/list", json!({})).await.text
}

/// The bytes of one definition of a list: from its name to before the next one's.
fn definition<'a>(list: &'a str, name: &str) -> &'a str {
    let start = list.find(&format!(r#"{{"name":"{name}""#)).unwrap();
    let rest = &list[start..];
    let end = rest[1..].find(r#",{"name":"#).map_or_else(|| rest.find("],\"").unwrap(), |end| end + 1);
    &rest[..end]
}

#[tokio::test]
async fn results_are_valid_in_either_era_and_keep_what_no_schema_names() {
    let setting = Setting::modern().await;
    let wire = setting.wire();
    for era in [MODERN, LEGACY] {
        let reply = wire.in_era(era, "tools/call", json!({ "name": "odd", "arguments": {} })).await;
        is_valid(era, "CallToolResult", reply.result());
        let kept = r#"{"_meta":{"example.org/trace":"abc","example.org/none":null,"io.modelcontextprotocol/serverInfo":{"name":"modern-upstream","version":"1.0.0"}},"content":[{"type":"text","text":"odd","_meta":{"example.org/part":1}}],"structuredContent":{"order":["z","a"],"z":1,"a":2},"x-vendor":"kept""#;
        assert!(reply.text.contains(kept), "{}", reply.text);
        assert_eq!(reply.result().get("resultType").is_some(), era == MODERN);
        let failed = wire.in_era(era, "tools/call", json!({ "name": "fail", "arguments": {} })).await;
        is_valid(era, "CallToolResult", failed.result());
        assert_eq!(failed.result()["isError"], true);
    }

    let setting = Setting::legacy().await;
    for era in [MODERN, LEGACY] {
        let arguments = json!({ "name": "get-structured-content", "arguments": { "location": "Chicago" } });
        let reply = setting.wire().in_era(era, "tools/call", arguments).await;
        is_valid(era, "CallToolResult", reply.result());
        assert_eq!(reply.result().get("resultType").is_some(), era == MODERN);
    }
}

#[tokio::test]
async fn the_arguments_reach_the_tool_server_byte_for_byte() {
    let setting = Setting::modern().await;
    let body = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"echo","arguments":{ "text" : "\u00fc", "n":1.10, "big":12345678901234567890 }}}"#;
    let headers = [("mcp-protocol-version".to_owned(), LEGACY.to_owned())];
    let reply = setting.wire().post(&headers, body).await;
    assert_eq!((&reply.last()["id"], &reply.result()["content"][0]["text"]), (&json!("a"), &json!("ü")));
    let sent = setting.upstream.calls().await.tool_call_entries().next().unwrap()["body"].clone();
    let arguments = r#""arguments":{ "text" : "\u00fc", "n":1.10, "big":12345678901234567890 }"#;
    assert!(sent.as_str().unwrap().contains(arguments), "{sent}");
}

#[tokio::test]
async fn the_handshake_of_the_older_era_agrees_on_a_revision() {
    let setting = Setting::modern().await;
    let wire = setting.wire();
    for (offered, agreed) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-11-25"),
        ("2030-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let params = json!({ "protocolVersion": offered, "capabilities": {}, "clientInfo": { "name": "by hand", "version": "1" } });
        let reply = wire.post(&[], &request("initialize", params).to_string()).await;
        is_valid(LEGACY, "InitializeResult", reply.result());
        assert_eq!(reply.result()["protocolVersion"], agreed, "{offered}");
        assert_eq!(reply.result()["capabilities"], json!({ "tools": {} }));
    }
    let ping = wire.in_era(LEGACY, "ping", json!({})).await;
    assert_eq!(ping.result(), &json!({}));
    let headers = [("mcp-protocol-version".to_owned(), LEGACY.to_owned())];
    let initialized = wire.post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!((initialized.status.as_u16(), initialized.text.as_str()), (202, ""));
}

#[tokio::test]
async fn discovery_says_what_is_spoken_here() {
    let setting = Setting::modern().await;
    let reply = setting.wire().in_era(MODERN, "server/discover", json!({})).await;
    is_valid(MODERN, "DiscoverResult", reply.result());
    assert_eq!(reply.result()["supportedVersions"], json!(["2026-07-28", "2025-11-25", "2025-06-18"]));
}

#[tokio::test]
async fn progress_is_streamed_event_by_event_under_the_agent_s_token() {
    let slow = [
        (Setting::modern().await, "slow", json!({ "ms": 120_000, "steps": 1_200 })),
        (
            Setting::legacy().await,
            "trigger-long-running-operation",
            json!({ "duration": 120, "steps": 1_200 }),
        ),
    ];
    for (setting, tool, arguments) in slow {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "mine" } });
        let headers = Wire::modern_headers("tools/call", Some(tool));
        let response = setting.wire().send(&headers, &modern("tools/call", params)).await;
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        // The call has two minutes to go: what is here has been passed on as it came.
        let (event, rest) = first_event(response).await;
        is_valid(MODERN, "ProgressNotification", &event);
        assert_eq!(event["params"]["progressToken"], "mine");
        drop(rest);
    }
}

#[tokio::test]
async fn a_client_that_takes_no_events_gets_one_document() {
    let setting = Setting::modern().await;
    let params =
        json!({ "name": "slow", "arguments": { "ms": 60, "steps": 2 }, "_meta": { "progressToken": 1 } });
    let mut headers = Wire::modern_headers("tools/call", Some("slow"));
    let streamed = whole(setting.wire().send(&headers, &modern("tools/call", params.clone())).await).await;
    assert_eq!((streamed.content_type(), streamed.messages.len()), ("text/event-stream", 3));
    headers.push(("accept".into(), "application/json".into()));
    let single = whole(setting.wire().send(&headers, &modern("tools/call", params)).await).await;
    assert_eq!((single.content_type(), single.messages.len()), ("application/json", 1));
    assert_eq!(single.result(), streamed.result());
}

#[tokio::test]
async fn mirrored_parameters_are_checked_against_the_body() {
    let setting = Setting::modern().await;
    let params = json!({ "name": "region", "arguments": { "region": "eu", "query": "q" } });
    let with = |value: Option<&str>| {
        let mut headers = Wire::modern_headers("tools/call", Some("region"));
        headers.extend(value.map(|value| ("mcp-param-region".to_owned(), value.to_owned())));
        headers
    };
    let body = modern("tools/call", params.clone());
    for wrong in [None, Some("us"), Some("=?base64?*?=")] {
        let refused = setting.wire().post(&with(wrong), &body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, -32020), "{wrong:?}");
    }
    assert_eq!(setting.upstream.calls().await.of("region"), 0);
    let called = setting.wire().post(&with(Some("eu")), &body).await;
    assert_eq!(called.result()["content"][0]["text"], "eu: q");
    // An older client knows no such header; it is added on the way.
    let legacy = setting.wire().in_era(LEGACY, "tools/call", params).await;
    assert_eq!(legacy.result()["content"][0]["text"], "eu: q");
}

#[tokio::test]
async fn a_tool_server_that_is_down_takes_its_tools_with_it_and_nothing_else() {
    let mut setting = Setting::modern().await;
    setting.upstream.kill().await;
    for era in [MODERN, LEGACY] {
        let listed = setting.wire().in_era(era, "tools/list", json!({})).await;
        assert_eq!(listed.result()["tools"].as_array().map(Vec::len), Some(8));
        let called = setting
            .wire()
            .in_era(era, "tools/call", json!({ "name": "echo", "arguments": { "text": "x" } }))
            .await;
        is_valid(era, "CallToolResult", called.result());
        assert_eq!(called.result()["isError"], true);
        assert_eq!(called.result()["_meta"]["tollbook/failure"]["code"], "upstream.unreachable");
        let port = setting.upstream.url().rsplit(':').next().unwrap().trim_end_matches("/mcp").to_owned();
        assert!(!called.text.contains(&port), "the address is not told: {}", called.text);
    }
    assert_eq!(
        setting.tool_event_types(4).await.iter().filter(|kind| *kind == "session.tool_call_failed").count(),
        2
    );
}

#[tokio::test]
async fn a_tool_that_asks_its_user_fails_clearly() {
    let setting = Setting::modern().await;
    let reply = setting
        .wire()
        .in_era(MODERN, "tools/call", json!({ "name": "confirm", "arguments": { "what": "x" } }))
        .await;
    assert_eq!(reply.result()["isError"], true);
    assert_eq!(reply.result()["_meta"]["tollbook/failure"]["code"], "upstream.input_required");
}

#[tokio::test]
async fn nothing_of_a_tool_server_s_headers_travels_down() {
    let cookie = Settings {
        answer_header: Some(("set-cookie".into(), "canary=cookie-7f".into())),
        ..Settings::default()
    };
    for upstream in [Upstream::modern_with(&cookie).await, Upstream::legacy_with(&cookie).await] {
        let direct = Wire::new(upstream.url(), "").modern("tools/list", json!({})).await;
        assert_eq!(direct.headers["set-cookie"], "canary=cookie-7f", "it is there to be found");
        let setting = Setting::of(upstream, &["echo"]).await;
        for era in [MODERN, LEGACY] {
            let arguments = json!({ "name": "echo", "arguments": { "message": "x", "text": "x" } });
            let reply = setting.wire().in_era(era, "tools/call", arguments).await;
            assert!(reply.result()["isError"] != true, "{reply:?}");
            for name in [
                "set-cookie",
                "x-powered-by",
                "access-control-allow-origin",
                "mcp-session-id",
                "www-authenticate",
            ] {
                assert!(reply.headers.get(name).is_none(), "{name}: {:?}", reply.headers);
            }
        }
        assert!(!setting.upstream.calls().await.contain("cookie-7f"), "and nothing of them goes back up");
    }
}

#[tokio::test]
async fn a_call_is_recorded_with_who_says_to_have_made_it() {
    let setting = Setting::modern().await;
    setting.wire().modern("tools/call", json!({ "name": "echo", "arguments": { "text": "x" } })).await;
    let events = setting.tool_events(2).await;
    let called: &Value = &events[0];
    assert_eq!(called["type"], "session.tool_called");
    let text = called.to_string();
    assert!(text.contains("by hand/1") && text.contains("echo"), "{called:#}");
    assert!(!text.contains(setting.token()));
}
