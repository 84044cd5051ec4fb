//! What is no request of ours is answered with a clear 4xx, never with a 500.

use reqwest::Method;
use serde_json::json;

use super::given::text;
use crate::house::{TestHouse, answer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_bodies_are_refused_and_say_where() {
    let house = TestHouse::sqlite().await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let nil = uuid::Uuid::nil();
    let deep_tool = format!(r#"{{"session_id":"{nil}","tool":"x","arguments":{{"a":{deep}}}}}"#);
    let list_of_arguments = format!(r#"{{"session_id":"{nil}","tool":"x","arguments":[],"mode":"check"}}"#);
    let servers = house.path("/tool-servers");
    let cases: Vec<(&str, &str, &str)> = vec![
        (&servers, "", "missing field `name`"),
        (&servers, "{", "It is not JSON: there is a mistake at line 1, column 1."),
        (&servers, "{\n  nope", "It is not JSON: there is a mistake at line 2, column 3."),
        (&servers, "null", "expected an object"),
        (&servers, "[]", "expected an object"),
        (&servers, r#"["x","http://127.0.0.1:9/"]"#, "expected an object"),
        (&servers, r#"{"name":"x","url":"http://127.0.0.1:9/","auth":["none",{}]}"#, "`auth`: invalid type"),
        (&servers, "\"text\"", "expected an object"),
        (&servers, r#"{"name":"x","url":"http://127.0.0.1:9/"} {}"#, "behind the JSON value"),
        (&servers, r#"{"name":"x","url":"http://127.0.0.1:9/","colour":"red"}"#, "unknown field `colour`"),
        (&servers, r#"{"name":7,"url":"http://127.0.0.1:9/"}"#, "`name`: invalid type"),
        (&servers, r#"{"name":"x","name":"y"}"#, "duplicate field"),
        (&servers, r#"{"name":"\ud800","url":"http://127.0.0.1:9/"}"#, "`name`"),
        (&servers, &deep, "expected an object"),
        ("/v1/authorize", &deep_tool, "nested deeper"),
        ("/v1/authorize", &list_of_arguments, "must be an object"),
        ("/v1/authorize", r#"{"session_id":"7","tool":"x"}"#, "`session_id`: UUID parsing failed"),
        ("/v1/authorize", r#"{"session_id":7,"tool":"x"}"#, "`session_id`: invalid type"),
        ("/v1/authorize", r#"{"session_id":"00000000-0000-0000-0000-000000000000"}"#, "missing field `tool`"),
    ];
    for (path, body, detail) in cases {
        let shown: String = body.chars().take(80).collect();
        let request = house.request(Method::POST, path).bearer_auth(&house.key);
        let refused = answer(request.header("content-type", "application/json").body(body.to_owned())).await;
        assert!(text(&refused.body["detail"]).contains(detail), "{shown}: {:#}", refused.body);
        assert_eq!(refused.problem(400), "body.malformed", "{shown}");
    }
    let bytes = house.request(Method::POST, &servers).bearer_auth(&house.key);
    let refused = answer(bytes.header("content-type", "application/json").body(vec![b'"', 0xff, b'"'])).await;
    assert_eq!(refused.problem(400), "body.malformed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_too_large_or_no_json_are_refused() {
    let house = TestHouse::sqlite_with(&[("body_limit", "1000")]).await;
    let post = |body: String| {
        let request = house.request(Method::POST, &house.path("/tool-servers")).bearer_auth(&house.key);
        request.body(body)
    };
    let json = "application/json";
    let large = answer(post(" ".repeat(1_001)).header("content-type", json)).await;
    assert_eq!(large.problem(413), "body.too_large");
    let fits = answer(post(" ".repeat(1_000)).header("content-type", json)).await;
    assert_eq!(fits.problem(400), "body.malformed");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let refused = answer(post("{}".into()).header("content-type", kind)).await;
        assert_eq!(refused.problem(415), "body.not_json", "{kind}");
    }
    let with_charset =
        answer(post("{}".into()).header("content-type", "Application/JSON; charset=utf-8")).await;
    assert_eq!(with_charset.problem(400), "body.malformed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_and_queries_that_there_are_not_are_refused() {
    let house = TestHouse::sqlite().await;
    let own = |rest: &str| house.path(rest);
    let cases = [
        (Method::GET, "/v1/nothing".to_owned(), 404, "route.unknown"),
        (Method::POST, "/v2/workspaces".to_owned(), 404, "route.unknown"),
        (Method::GET, own("/tool-servers/"), 404, "route.unknown"),
        (Method::DELETE, "/v1/workspaces".to_owned(), 405, "method.not_allowed"),
        (Method::PUT, own("/sessions"), 405, "method.not_allowed"),
        (Method::GET, "/v1/authorize".to_owned(), 405, "method.not_allowed"),
        (Method::GET, "/v1/workspaces/7".to_owned(), 400, "path.malformed"),
        (Method::GET, own("/sessions/not-a-uuid"), 400, "path.malformed"),
        (Method::GET, own("/sessions/%00"), 400, "path.malformed"),
        (Method::GET, own("/sessions?colour=red"), 400, "query.malformed"),
        (Method::GET, own("/sessions?limit=0"), 400, "query.limit"),
        (Method::GET, own("/sessions?limit=201"), 400, "query.limit"),
        (Method::GET, own("/sessions?limit=ten"), 400, "query.malformed"),
        (Method::GET, own("/sessions?cursor=x"), 400, "query.cursor"),
        (Method::GET, own("/sessions?status=asleep"), 400, "query.malformed"),
        (Method::GET, own("/sessions?loadout_id=7"), 400, "query.malformed"),
        (Method::GET, own("/audit/events?since=yesterday"), 400, "query.malformed"),
        (Method::GET, own("/audit/events?to=18446744073709551615"), 400, "query.malformed"),
        (Method::GET, own("/audit/events?tool=%00"), 200, ""),
        (Method::GET, own("?min_position=-1"), 400, "query.malformed"),
        (Method::GET, own("?min_position=1000000"), 400, "query.min_position"),
        (Method::GET, own("/loadouts?min_position=18446744073709551615"), 400, "query.min_position"),
    ];
    for (method, path, status, code) in cases {
        let answer = house.ask(method.clone(), &path, &house.key, None, &[]).await;
        if code.is_empty() {
            answer.expect(status);
        } else {
            assert_eq!(answer.headers.contains_key("allow"), status == 405, "{method} {path}");
            assert_eq!(answer.problem(status), code, "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotency_keys_that_cannot_be_kept_are_refused() {
    let house = TestHouse::sqlite().await;
    let body = json!({ "name": "x", "url": "http://127.0.0.1:9/mcp" });
    let keys = house.path("/tool-servers");
    for key in ["", "a\tb", &"x".repeat(256)] {
        let headers = [("idempotency-key", key)];
        let refused = house.ask(Method::POST, &keys, &house.key, Some(body.clone()), &headers).await;
        assert_eq!(refused.problem(400), "idempotency.key_malformed", "{key}");
    }
    let headers = [("idempotency-key", "schlüssel")];
    let refused = house.ask(Method::POST, &keys, &house.key, Some(body), &headers).await;
    assert_eq!(refused.problem(400), "idempotency.key_malformed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_names_its_request() {
    let house = TestHouse::sqlite().await;
    for path in ["/healthz", "/readyz", "/v1/nothing", "/v1/workspaces", "/openapi.json", "/docs/"] {
        let answer = house.get(path, "").await;
        let id = answer.headers["tollbook-request-id"].to_str().unwrap().to_owned();
        assert!(id.parse::<uuid::Uuid>().is_ok(), "{path}");
        if let Some(named) = answer.body["request_id"].as_str() {
            assert_eq!(named, id, "{path}");
        }
    }
}
