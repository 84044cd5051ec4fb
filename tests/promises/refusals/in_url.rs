//! Hardening 34: a credential in a URL is refused wherever it is sent, even where it would be right, and not repeated.

use reqwest::Method;
use serde_json::json;
use tollbook_testkit::node::Upstream;

use crate::house::{TestHouse, answer};

/// With every character in percent-encoding.
fn encoded(text: &str) -> String {
    let hex = hex::encode_upper(text);
    hex.as_bytes()
        .chunks(2)
        .map(|byte| format!("%{}", str::from_utf8(byte).unwrap()))
        .collect::<Vec<_>>()
        .concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credential_in_a_url_is_refused_on_every_route_and_not_repeated() {
    let house = TestHouse::sqlite_with(&[("limit_failures", "off")]).await;
    let key = house.key.clone();
    let session = format!("/s/{}/mcp", uuid::Uuid::nil());
    let routes =
        ["/v1/workspaces", "/v1/nothing", "/v1/operator/health", &session, "/", "/sign-ins", "/docs/"];
    let routes = routes.into_iter().chain(["/otl/abcdefghijkl", "/healthz", "/openapi.json", "/host/status"]);
    for route in routes {
        for query in [
            format!("access_token={key}"),
            format!("limit=2&key={key}"),
            key.clone(),
            format!("x={}", encoded(&key)),
            format!("x=%74{}", &key[1..]),
        ] {
            for method in [Method::GET, Method::POST] {
                let request = house.request(method.clone(), &format!("{route}?{query}"));
                let refused = answer(request.bearer_auth(&key)).await;
                let text = refused.body.to_string();
                assert!(!text.contains(&key[20..]) && !text.contains(&encoded(&key[20..])), "{text}");
                assert_eq!(refused.problem(400), "credential.in_query", "{method} {route} {query}");
            }
        }
    }
    for path in [format!("/v1/workspaces/{key}"), format!("/s/{key}/mcp"), format!("/v1/{}", encoded(&key))] {
        let refused = house.get(&path, &key).await;
        assert!(!refused.body.to_string().contains(&key[20..]), "{:#}", refused.body);
        assert_eq!(refused.problem(400), "credential.in_query", "{path}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_keeps_sending_credentials_in_urls_is_turned_away() {
    let house = TestHouse::sqlite_with(&[("limit_failures", "3/h")]).await;
    let path = format!("/healthz?{}", house.key);
    for _ in 0..3 {
        assert_eq!(house.get(&path, "").await.problem(400), "credential.in_query");
    }
    assert_eq!(house.get(&path, "").await.problem(429), "limit.exceeded");
    house.stop().await;
}

/// The page that somebody came from is their browser's to tell. It is read by nobody here, and goes no further.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credential_in_the_referer_goes_nowhere() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::sqlite().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let session = house.session(&house.loadout(&server, &["echo"]).await).await;
    let calls = house.path(&format!("/sessions/{}/tool-calls", session["id"].as_str().unwrap()));
    let call = json!({ "tool": "echo", "arguments": { "text": "x" } });
    let referer = format!("https://elsewhere.example/?access_token={}", house.key);
    let headers = [("referer", referer.as_str())];
    let said = house.ask(Method::POST, &calls, &house.key, Some(call), &headers).await;
    let text = format!("{:?}{}", said.headers, said.body);
    assert_eq!(said.expect(200)["outcome"], "completed");
    assert!(!text.contains(&house.key[20..]), "{text}");
    assert!(!upstream.calls().await.contain(&house.key[20..]), "the tool server was told");
    house.stop().await;
}
