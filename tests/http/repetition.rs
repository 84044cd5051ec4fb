use reqwest::Method;
use serde_json::{Value, json};
use tollbook_aggregates::Role;

use super::given::{member, text, upstream};
use crate::house::{Answer, TestHouse};

super::on_both_books! {
    repeated_request_is_given_the_first_answer
    key_is_its_callers_and_its_routes
    key_that_was_revoked_is_not_shown_what_it_did
}

async fn post(house: &TestHouse, path: &str, who: &str, key: &str, body: &Value) -> Answer {
    house.ask(Method::POST, path, who, Some(body.clone()), &[("idempotency-key", key)]).await
}

async fn repeated_request_is_given_the_first_answer(house: TestHouse) {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let tools = json!([{ "tool_server_id": server, "tool": "echo" }]);
    let loadout = house.loadout(&server, &["echo"]).await;
    let auth = json!({ "kind": "header", "name": "x-key", "value": "4711" });
    let requests = [
        ("/v1/workspaces".to_owned(), json!({ "name": "x", "owner": { "name": "y" } }), Some("api_key")),
        (
            house.path("/tool-servers"),
            json!({ "name": "x", "url": "http://127.0.0.1:9/", "auth": auth }),
            None,
        ),
        (house.path(&format!("/tool-servers/{server}/refresh-tools")), json!({}), None),
        (house.path("/loadouts"), json!({ "name": "x", "tools": tools }), None),
        (house.path(&format!("/loadouts/{loadout}/versions")), json!({ "tools": tools }), None),
        (house.path("/sessions"), json!({ "loadout_id": loadout, "label": "x" }), Some("token")),
        (house.path("/api-keys"), json!({ "device_label": "x" }), Some("key")),
    ];
    for (path, body, secret) in requests {
        let who = if path == "/v1/workspaces" { &house.operator } else { &house.key };
        let first = post(&house, &path, who, "one", &body).await;
        assert!(first.status.is_success(), "{path}: {:#}", first.body);
        let before = house.app.journal.head().await.unwrap().next;
        let again = post(&house, &path, who, "one", &body).await;
        assert_eq!(house.app.journal.head().await.unwrap().next, before, "{path}: nothing is written");
        assert_eq!(again.status, first.status, "{path}");
        assert_eq!(again.headers["tollbook-position"], first.headers["tollbook-position"], "{path}");
        let (mut first, again) = (first.body, again.body);
        if let Some(secret) = secret {
            assert!(first.as_object_mut().unwrap().remove(secret).is_some(), "{path}");
            first["secret_already_shown"] = json!(true);
        }
        assert_eq!(again, first, "{path}");
        let mut other = body.clone();
        other["reason"] = json!("another body");
        let other = post(&house, &path, who, "one", &other).await;
        assert!(other.status.is_client_error(), "{path}");
    }
    let other =
        post(&house, &house.path("/api-keys"), &house.key, "one", &json!({ "device_label": "y" })).await;
    assert_eq!(other.problem(409), "idempotency.key_reused");
}

async fn key_is_its_callers_and_its_routes(house: TestHouse) {
    let mia = member(&house, Role::Member).await;
    let body = json!({ "device_label": "x" });
    let keys = house.path("/api-keys");
    let owners = post(&house, &keys, &house.key, "same", &body).await.expect(201);
    let mias = post(&house, &keys, &mia.key, "same", &body).await.expect(201);
    assert_ne!(owners["id"], mias["id"]);
    for id in [&owners["id"], &mias["id"]] {
        let end = house.path(&format!("/api-keys/{}/revoke", text(id)));
        let ended = post(&house, &end, &house.key, "same", &json!({})).await.expect(200);
        assert_eq!(ended["id"], *id);
    }
}

async fn key_that_was_revoked_is_not_shown_what_it_did(house: TestHouse) {
    let mia = member(&house, Role::Member).await;
    let body = json!({ "device_label": "x" });
    post(&house, &house.path("/api-keys"), &mia.key, "one", &body).await.expect(201);
    house
        .post(&house.path(&format!("/api-keys/{}/revoke", mia.key_id)), &house.key, json!({}))
        .await
        .expect(200);
    let again = post(&house, &house.path("/api-keys"), &mia.key, "one", &body).await;
    assert_eq!(again.problem(401), "credential.revoked");
}
