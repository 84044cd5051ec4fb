//! Hardening 62: of two credentials, none is taken; and a page's credential is no program's.

use reqwest::Method;
use serde_json::json;
use tollbook_testkit::node::Upstream;

use crate::house::visitor::Visitor;
use crate::house::{TestHouse, answer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_authorization_headers_are_refused_on_a_real_session_too() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::sqlite().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let session = house.session(&house.loadout(&server, &["echo"]).await).await;
    let (id, token) = (session["id"].as_str().unwrap(), session["token"].as_str().unwrap());
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "echo", "arguments": { "text": "x" } },
    });
    let rest = json!({ "tool": "echo", "arguments": { "text": "x" } });
    let calls = house.path(&format!("/sessions/{id}/tool-calls"));
    for (path, body) in [(format!("/s/{id}/mcp"), call), (calls, rest)] {
        for two in [[token, &house.key], [&house.key, token], [token, token], [token, "nonsense"]] {
            let mut request = house.request(Method::POST, &path).json(&body);
            for credential in two {
                request = request.header("authorization", format!("Bearer {credential}"));
            }
            let accept = request.header("accept", "application/json, text/event-stream");
            assert_eq!(answer(accept).await.problem(400), "credential.twice", "{path}");
        }
        // Two in one header are one that is malformed (RFC 9110, section 5.3).
        let both = format!("Bearer {token}, Bearer {}", house.key);
        let request = house.request(Method::POST, &path).json(&body).header("authorization", both);
        assert_eq!(answer(request).await.problem(401), "credential.malformed", "{path}");
    }
    assert_eq!(upstream.calls().await.tool_calls(), 0);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_take_cookies_only_and_programs_bearer_credentials_only() {
    let house = TestHouse::sqlite().await;
    let link = tollbook::host::sign_in_link(&house.app, "Olivia Owner").await.unwrap().one_time_url;
    let mut olivia = Visitor::new(&house.url, "Firefox/140.0");
    assert_eq!(olivia.redeem(&link, &[]).await.expect(303).headers["location"], "/");
    assert_eq!(olivia.open("/").await.expect(200).heading(), "Your workspaces");
    let cookie = olivia.sign_in().unwrap().to_owned();

    // A page is shown to nobody for a bearer credential, one's own cookie among them.
    for credential in [house.key.as_str(), &house.operator, &cookie] {
        let page = answer(house.request(Method::GET, "/").bearer_auth(credential)).await.expect(200);
        assert!(page.as_str().unwrap().contains("<h1>Sign in</h1>"));
    }
    // With both, the page is the cookie's, whoever's the other is.
    let page = olivia.send(olivia.request(Method::GET, "/").bearer_auth(&house.operator)).await;
    assert_eq!(page.heading(), "Your workspaces");
    // A cookie opens nothing else: neither as itself, nor as a bearer credential.
    for path in ["/v1/workspaces".to_owned(), house.path(""), format!("/s/{}/mcp", uuid::Uuid::nil())] {
        let method = if path.ends_with("mcp") { Method::POST } else { Method::GET };
        let page = olivia.send(olivia.request(method.clone(), &path)).await.expect(401);
        assert!(page.html.contains("credential.missing"), "{path}: {}", page.html);
        let bearer = house.ask(method, &path, &cookie, None, &[]).await;
        assert_eq!(bearer.problem(401), "credential.unknown", "{path}");
    }
    house.stop().await;
}
