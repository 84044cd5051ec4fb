use reqwest::Method;
use serde_json::{Value, json};
use tollbook_aggregates::access::World as _;
use tollbook_aggregates::{Authorization, ToolServerId};
use tollbook_testkit::node::{Settings, Upstream};

use super::given::{ids, text, upstream};
use crate::house::TestHouse;

super::on_both_books! {
    registered_server_is_read_as_it_was_registered
    header_reaches_its_server_and_is_never_shown
    refreshed_tools_are_those_that_the_server_lists
    tool_that_is_defined_differently_now_is_named
    server_that_fails_is_a_502_and_never_a_401
    removed_server_is_remembered_and_its_header_is_destroyed
    what_cannot_be_registered_is_refused_by_name
}

async fn registered_server_is_read_as_it_was_registered(house: TestHouse) {
    let body = json!({ "name": "Wiki", "url": "http://127.0.0.1:9/mcp" });
    let answer = house.post(&house.path("/tool-servers"), &house.key, body).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let mut made = answer.expect(201);
    assert_eq!(made["status"], "live");
    assert_eq!(made["auth"], json!({ "kind": "none" }));
    let position = made.as_object_mut().unwrap().remove("position").unwrap();
    let path = house.path(&format!("/tool-servers/{}", text(&made["id"])));
    let read = house.get(&format!("{path}?min_position={position}"), &house.key).await.expect(200);
    assert_eq!(read, made);

    let renamed = house.ask(Method::PATCH, &path, &house.key, Some(json!({ "name": "Docs" })), &[]).await;
    let position = renamed.expect(200)["position"].clone();
    let list = house.get(&house.path(&format!("/tool-servers?min_position={position}")), &house.key).await;
    let list = list.expect(200);
    assert_eq!(list["items"][0]["name"], "Docs");
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

async fn header_reaches_its_server_and_is_never_shown(house: TestHouse) {
    let secret = "Bearer canary-4711-header";
    let settings =
        Settings { require_header: Some(("authorization".into(), secret.into())), ..Settings::default() };
    let upstream = Upstream::modern_with(&settings).await;
    let auth = json!({ "kind": "header", "name": "Authorization", "value": secret });
    let body = json!({ "name": "Wiki", "url": upstream.url(), "auth": auth });
    let made = house.post(&house.path("/tool-servers"), &house.key, body).await.expect(201);
    assert_eq!(made["auth"], json!({ "kind": "header", "name": "authorization" }));
    let path = house.path(&format!("/tool-servers/{}", text(&made["id"])));
    let refreshed = house.post(&format!("{path}/refresh-tools"), &house.key, json!({})).await.expect(200);
    assert!(!refreshed["tools"].as_array().unwrap().is_empty());
    assert!(upstream.calls().await.contain(secret), "the server is shown it");

    let shown = [
        made.to_string(),
        house.get(&path, &house.key).await.expect(200).to_string(),
        house.get(&house.path("/audit/events"), &house.key).await.expect(200).to_string(),
    ];
    assert!(shown.iter().all(|text| !text.contains("canary")), "and nobody else");
}

async fn refreshed_tools_are_those_that_the_server_lists(house: TestHouse) {
    let body = json!({ "name": "Wiki", "url": upstream().await.url() });
    let made = house.post(&house.path("/tool-servers"), &house.key, body).await.expect(201);
    let path = house.path(&format!("/tool-servers/{}", text(&made["id"])));
    let first = house.post(&format!("{path}/refresh-tools"), &house.key, json!({})).await.expect(200);
    let echo = first["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "echo").unwrap();
    assert_eq!(echo["description"], "Says back what it was told");
    assert_eq!(echo["input_schema"]["properties"]["text"]["type"], "string");
    assert!(text(&echo["digest"]).starts_with("sha256:"));
    assert_eq!(first["changed"], json!([]));

    // A body may be left out where nothing in it is required.
    let again = house.ask(Method::POST, &format!("{path}/refresh-tools"), &house.key, None, &[]).await;
    assert_eq!(again.expect(200)["tools"], first["tools"], "nothing changed, and nothing was written");
    let listed = format!("{path}/tools?min_position={}", first["position"]);
    assert_eq!(house.get(&listed, &house.key).await.expect(200)["items"], first["tools"]);
    let server =
        house.get(&format!("{path}?min_position={}", first["position"]), &house.key).await.expect(200);
    assert_eq!(server["tool_count"], first["tools"].as_array().unwrap().len());
}

async fn tool_that_is_defined_differently_now_is_named(house: TestHouse) {
    let upstream = Upstream::modern().await;
    let id = house.tool_server("Wiki", upstream.url()).await;
    upstream.drift("Says something else").await;
    let refresh = house.path(&format!("/tool-servers/{id}/refresh-tools"));
    let refreshed = house.post(&refresh, &house.key, json!({})).await.expect(200);
    assert_eq!(refreshed["changed"], json!(["echo"]));
}

async fn server_that_fails_is_a_502_and_never_a_401(house: TestHouse) {
    let settings = Settings { require_header: Some(("x-key".into(), "k".into())), ..Settings::default() };
    let locked = Upstream::modern_with(&settings).await;
    let mut gone = Upstream::modern().await;
    gone.kill().await;
    for (url, code) in [(locked.url(), "upstream.unauthorized"), (gone.url(), "upstream.unreachable")] {
        let body = json!({ "name": "Wiki", "url": url });
        let made = house.post(&house.path("/tool-servers"), &house.key, body).await.expect(201);
        let refresh = house.path(&format!("/tool-servers/{}/refresh-tools", text(&made["id"])));
        let refused = house.post(&refresh, &house.key, json!({})).await;
        assert!(!refused.body.to_string().contains(url), "no address in a problem");
        assert_eq!(refused.problem(502), code);
    }
}

async fn removed_server_is_remembered_and_its_header_is_destroyed(house: TestHouse) {
    let auth = json!({ "kind": "header", "name": "x-api-key", "value": "4711" });
    let body = json!({ "name": "Wiki", "url": "http://127.0.0.1:9/mcp", "auth": auth });
    let made = house.post(&house.path("/tool-servers"), &house.key, body).await.expect(201);
    let id: ToolServerId = text(&made["id"]).parse().unwrap();
    let kept = house.app.authority.look(|live| live.tool_server(id).registration().cloned()).unwrap();
    let Authorization::Header { secret, .. } = kept.authorization else { panic!("it has a header") };
    assert!(house.app.keys.secret(secret).await.unwrap().is_some());

    let path = house.path(&format!("/tool-servers/{id}"));
    let removed = house.ask(Method::DELETE, &path, &house.key, None, &[]).await.expect(200);
    assert_eq!((&removed["id"], &removed["status"]), (&made["id"], &json!("removed")));
    assert!(house.app.keys.secret(secret).await.unwrap().is_none());
    house.ask(Method::DELETE, &path, &house.key, None, &[]).await.expect(200);

    let read =
        house.get(&format!("{path}?min_position={}", removed["position"]), &house.key).await.expect(200);
    assert_eq!((&read["name"], &read["status"]), (&json!("Wiki"), &json!("removed")));
    let live = house.get(&house.path("/tool-servers"), &house.key).await.expect(200);
    assert_eq!(ids(&live), Vec::<String>::new());
    let gone = house.get(&house.path("/tool-servers?status=removed"), &house.key).await.expect(200);
    assert_eq!(ids(&gone), [id.to_string()]);
    let refresh = house.post(&format!("{path}/refresh-tools"), &house.key, json!({})).await;
    assert_eq!(refresh.problem(409), "tool_server.removed");
    let rename = house.ask(Method::PATCH, &path, &house.key, Some(json!({ "name": "x" })), &[]).await;
    assert_eq!(rename.problem(409), "tool_server.removed");
}

async fn what_cannot_be_registered_is_refused_by_name(house: TestHouse) {
    let url = "http://127.0.0.1:9/mcp";
    let header = |name: &str, value: &str| json!({ "kind": "header", "name": name, "value": value });
    let cases: Vec<(Value, &str)> = vec![
        (json!({ "name": "x", "provider": "github" }), "tool_server.not_supported"),
        (json!({ "name": "x", "command": "npx thing" }), "tool_server.not_supported"),
        (
            json!({ "name": "x", "url": url, "auth": { "kind": "oauth", "scopes": [] } }),
            "tool_server.not_supported",
        ),
        (json!({ "name": "x", "url": url, "auth": { "kind": "basic" } }), "body.malformed"),
        (json!({ "name": "x", "url": url, "auth": { "kind": "none", "name": "x" } }), "body.malformed"),
        (json!({ "name": "x", "url": url, "auth": header("host", "x") }), "tool_server.header_name"),
        (
            json!({ "name": "x", "url": url, "auth": header("Mcp-Session-Id", "x") }),
            "tool_server.header_name",
        ),
        (
            json!({ "name": "x", "url": url, "auth": header("x-key", "a\r\nb: c") }),
            "tool_server.header_value",
        ),
        (json!({ "name": "x" }), "body.malformed"),
        (json!({ "name": "x", "url": "not a url" }), "tool_server.url"),
        (json!({ "name": "x", "url": "ftp://tools.example/" }), "tool_server.url"),
        (json!({ "name": "x", "url": "file:///etc/passwd" }), "tool_server.url"),
        (json!({ "name": "x", "url": "http://user:pw@127.0.0.1:9/" }), "tool_server.url"),
        (json!({ "name": "x", "url": "http://169.254.169.254/" }), "tool_server.url"),
        (json!({ "name": "x", "url": format!("{}/s/x/mcp", house.url) }), "tool_server.url"),
        (json!({ "name": "x", "url": format!("{url}?{}", "x".repeat(3000)) }), "tool_server.url"),
        (json!({ "name": "", "url": url }), "tool_server.name"),
        (json!({ "name": "x".repeat(101), "url": url }), "tool_server.name"),
        (json!({ "name": "a\u{0}b", "url": url }), "tool_server.name"),
    ];
    for (body, code) in cases {
        let refused = house.post(&house.path("/tool-servers"), &house.key, body.clone()).await;
        assert_eq!(refused.problem(400), code, "{body}");
    }
    let list = house.get(&house.path("/tool-servers"), &house.key).await.expect(200);
    assert_eq!(ids(&list), Vec::<String>::new());
}
