use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::*;

const MODERN: [(&str, &str); 2] = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let request = pairs.iter().fold(TestRequest::default(), |request, pair| request.append_header(*pair));
    request.to_http_request().headers().clone()
}

fn meta_of(version: &str) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": { "name": "agent", "version": "1.2" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

fn modern(method: &str) -> String {
    request(method, &json!({ "_meta": meta_of("2026-07-28") }))
}

fn call(name: &str) -> String {
    request("tools/call", &json!({ "name": name, "_meta": meta_of("2026-07-28") }))
}

#[track_caller]
fn refused(pairs: &[(&str, &str)], body: &str) -> (u16, i64) {
    let rejection = read(&headers(pairs), body).unwrap_err();
    (rejection.status.as_u16(), rejection.error.code)
}

fn calling(name: &'static str) -> [(&'static str, &'static str); 3] {
    [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", name)]
}

#[test]
fn a_modern_request_is_one_whose_headers_say_what_its_body_says() {
    let incoming = read(&headers(&MODERN), &modern("tools/list")).unwrap();
    assert_eq!((incoming.era, incoming.method.as_str()), (Era::Modern, "tools/list"));
    assert_eq!(incoming.client.as_deref(), Some("agent/1.2"));
    assert!(read(&headers(&calling("echo")), &call("echo")).is_ok());
    assert!(read(&headers(&calling("=?base64?w6Q=?=")), &call("ä")).is_ok());
}

#[test]
fn headers_that_disagree_with_the_body_are_refused() {
    let version = ("mcp-protocol-version", "2026-07-28");
    let cases: [(&[(&str, &str)], String); 9] = [
        (&[version], modern("tools/list")),
        (&[version, ("mcp-method", "tools/call")], modern("tools/list")),
        (&[version, ("mcp-method", "tools/list"), ("mcp-method", "tools/list")], modern("tools/list")),
        (&[version, ("mcp-method", "tools/call")], call("echo")),
        (&calling("add"), call("echo")),
        (&calling("=?base64?*?="), call("echo")),
        (&[("mcp-method", "tools/list")], modern("tools/list")),
        (&[("mcp-protocol-version", "2025-11-25"), ("mcp-method", "tools/list")], modern("tools/list")),
        (&MODERN, request("tools/list", &json!({ "_meta": meta_of("2025-11-25") }))),
    ];
    for (pairs, body) in cases {
        assert_eq!(refused(pairs, &body), (400, code::HEADER_MISMATCH), "{pairs:?} {body}");
    }
}

#[test]
fn a_modern_request_without_its_meta_is_refused() {
    for meta in [
        json!(null),
        json!({ "_meta": {} }),
        json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } }),
        json!({ "_meta": { "io.modelcontextprotocol/clientCapabilities": {} } }),
        json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": 1 } }),
        json!({ "_meta": 1 }),
    ] {
        let params = if meta.is_null() { json!({}) } else { meta };
        assert_eq!(
            refused(&MODERN, &request("tools/list", &params)),
            (400, code::INVALID_PARAMS),
            "{params}"
        );
    }
}

#[test]
fn a_revision_that_is_not_spoken_here_is_refused_with_those_that_are() {
    let pairs = [("mcp-protocol-version", "2030-01-01"), ("mcp-method", "tools/list")];
    for body in
        [request("tools/list", &json!({ "_meta": meta_of("2030-01-01") })), request("tools/list", &json!({}))]
    {
        let rejection = read(&headers(&pairs), &body).unwrap_err();
        assert_eq!((rejection.status.as_u16(), rejection.error.code), (400, code::UNSUPPORTED_VERSION));
        let data: Value = serde_json::from_str(rejection.error.data.unwrap().get()).unwrap();
        assert_eq!(
            data,
            json!({ "supported": ["2026-07-28", "2025-11-25", "2025-06-18"], "requested": "2030-01-01" })
        );
    }
    assert_eq!(
        refused(&[("mcp-protocol-version", "2025-03-26")], &request("ping", &json!({}))).1,
        code::UNSUPPORTED_VERSION
    );
}

#[test]
fn the_older_era_opens_with_a_handshake_and_names_its_revision_from_then_on() {
    let initialize = request("initialize", &json!({ "protocolVersion": "2025-11-25" }));
    assert_eq!(read(&headers(&[]), &initialize).unwrap().era, Era::Legacy);
    for revision in ["2025-11-25", "2025-06-18"] {
        let incoming =
            read(&headers(&[("mcp-protocol-version", revision)]), &request("tools/list", &json!({})));
        assert_eq!(incoming.unwrap().era, Era::Legacy);
    }
    assert_eq!(refused(&[], &request("tools/list", &json!({}))), (400, code::HEADER_MISMATCH));
}

#[test]
fn what_is_not_one_message_is_refused() {
    assert_eq!(refused(&MODERN, "{"), (400, code::PARSE_ERROR));
    assert_eq!(refused(&MODERN, &format!("[{}]", modern("tools/list"))), (400, code::INVALID_REQUEST));
    assert_eq!(refused(&MODERN, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), (400, code::INVALID_REQUEST));
}

#[test]
fn what_stands_twice_is_refused_wherever_it_is_read() {
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#;
    assert_eq!(refused(&[("mcp-protocol-version", "2025-11-25")], twice), (400, code::INVALID_PARAMS));
    let twice = modern("tools/list").replace("\"_meta\":{", "\"_meta\":{\"a\":1,\"a\":2,");
    assert_eq!(refused(&MODERN, &twice), (400, code::INVALID_PARAMS));
}

#[test]
fn a_notification_has_no_id_and_needs_no_mirror() {
    let body = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    let incoming = read(&headers(&[("mcp-protocol-version", "2026-07-28")]), &body.to_string()).unwrap();
    assert_eq!((incoming.id, incoming.era), (None, Era::Modern));
}

#[test]
fn a_client_s_name_is_made_fit_to_be_recorded() {
    let name = json!({ "name": "a\u{0}b\n".to_owned() + &"x".repeat(500), "version": "1" }).to_string();
    let recorded = client_name(&RawValue::from_string(name).unwrap()).unwrap();
    assert!(recorded.starts_with("abx") && recorded.chars().count() == 200, "{recorded}");
}

#[test]
fn log_levels_rise() {
    assert!(LogLevel::named("debug") < LogLevel::named("emergency"));
    assert_eq!(LogLevel::named("loud"), None);
    let mut meta = meta_of("2026-07-28");
    meta["io.modelcontextprotocol/logLevel"] = json!("loud");
    assert_eq!(
        refused(&MODERN, &request("tools/list", &json!({ "_meta": meta }))),
        (400, code::INVALID_PARAMS)
    );
}
