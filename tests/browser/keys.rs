//! One's own API keys: made, shown once, revoked.

use reqwest::Method;
use serde_json::{Value, json};
use tollbook_aggregates::{LinkPurpose, Role};
use tollbook_testkit::browser;

use super::given::{another_owner, id, link, no_request_tells, sign_in_link, sign_in_link_of};
use crate::house::{TestHouse, answer};

/// The keys of the house's owner, as REST tells them; the first key of all aside.
async fn keys(house: &TestHouse) -> Vec<Value> {
    let page = house.get(&house.path("/api-keys"), &house.key).await.expect(200);
    let items = page["items"].as_array().unwrap().clone();
    items.into_iter().filter(|key| key["device_label"] != "first key").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_makes_a_key_is_shown_it_once_and_revokes_it() {
    let house = TestHouse::sqlite().await;
    let link = sign_in_link(&house).await;
    let args = json!({ "url": house.url, "link": link, "workspace": "Test house", "label": "Olivia's <b>laptop</b>" });
    let seen = browser::run("keys", &args).await;
    let secret = seen["key"].as_str().unwrap();
    no_request_tells(&seen, &[&link]);
    for request in seen["requests"].as_array().unwrap() {
        assert!(!request.to_string().contains(&secret[20..]), "{request}");
    }

    // It is what the form asked for, and nothing more.
    let made = keys(&house).await;
    let [made] = made.as_slice() else { panic!("one key: {made:?}") };
    assert_eq!((&made["device_label"], &made["role"]), (&json!("Olivia's <b>laptop</b>"), &json!("member")));
    assert_eq!((&made["status"], &made["user_id"]), (&json!("active"), &json!(house.user)));
    assert!(secret.starts_with(made["prefix"].as_str().unwrap()));
    assert!(made["expires_at"].as_str().is_some());
    house.get("/v1/workspaces", secret).await.expect(200);
    let server = json!({ "name": "docs", "url": "http://127.0.0.1:9/mcp" });
    let refused = house.post(&house.path("/tool-servers"), secret, server).await;
    assert_eq!(refused.problem(403), "insufficient_scope", "a member's key registers nothing");

    let link = sign_in_link(&house).await;
    let args = json!({ "url": house.url, "link": link, "label": "Olivia's <b>laptop</b>" });
    browser::run("keys_revoked", &args).await;
    assert_eq!(house.get("/v1/workspaces", secret).await.problem(401), "credential.revoked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_once_and_revoked_without_script_however_often_the_answer_is_loaded() {
    let house = TestHouse::sqlite().await;
    let link = sign_in_link(&house).await;
    let seen = browser::run("keys_without_script", &json!({ "url": house.url, "link": link })).await;
    let made = keys(&house).await;
    let [made] = made.as_slice() else { panic!("one key: {made:?}") };
    assert_eq!(made["status"], "revoked");
    let secret = seen["key"].as_str().unwrap();
    assert_eq!(house.get("/v1/workspaces", secret).await.problem(401), "credential.revoked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_makes_more_of_a_key_than_they_are_nor_touches_anothers() {
    let house = TestHouse::sqlite().await;
    another_owner(&house, "Bela Other").await;
    let purpose =
        LinkPurpose::Invitation { workspace_id: id(&house.workspace), role: Role::Member, user_id: None };
    let invitation = link(&house, purpose).await;
    let owners = house.post(&house.path("/api-keys"), &house.key, json!({ "device_label": "hers" })).await;
    let owners = owners.expect(201);
    let args = json!({
        "url": house.url, "invitation": invitation, "workspace": house.workspace, "owners": owners["id"],
        "other": sign_in_link_of(&house, "Bela Other").await,
    });
    browser::run("keys_of_a_member", &args).await;
    house.get("/v1/workspaces", owners["key"].as_str().unwrap()).await.expect(200);
    assert!(keys(&house).await.iter().all(|key| key["role"] != "owner" || key["id"] == owners["id"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_of_keys_are_for_those_who_are_signed_in() {
    let house = TestHouse::sqlite().await;
    for path in ["/keys", &format!("/workspaces/{}/keys/new", house.workspace)] {
        let request = house.request(Method::GET, path);
        let page = answer(request.header("authorization", format!("Bearer {}", house.key))).await.expect(200);
        assert!(page.as_str().unwrap().contains("<h1>Sign in</h1>"), "{path}: a key is no sign-in");
    }
}
