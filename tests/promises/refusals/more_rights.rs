//! Hardening 36: no key makes, renews or invites anything that has more rights than itself.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tollbook_testkit::node::Upstream;

use super::super::credentials::api_key;
use crate::house::TestHouse;

/// What a key that carries `own` is answered when it makes one with `asked`: `None` when it may.
async fn made(house: &TestHouse, own: &Value, asked: &Value) -> Option<String> {
    let own: Vec<(&str, Value)> =
        own.as_object().unwrap().iter().map(|(a, b)| (a.as_str(), b.clone())).collect();
    let (_, key) = api_key(house, &own).await;
    let mut body = json!({ "device_label": "child" });
    body.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
    let answer = house.post(&house.path("/api-keys"), &key, body).await;
    if answer.status == 201 { None } else { Some(answer.problem(403)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_makes_none_with_more_than_its_own_in_any_part() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::sqlite().await;
    let (one, two) =
        (house.tool_server("One", upstream.url()).await, house.tool_server("Two", upstream.url()).await);
    let (first, second) = (house.loadout(&one, &["echo"]).await, house.loadout(&two, &["echo"]).await);
    let later = |hours| json!(house.app.clock.now() + TimeDelta::hours(hours));
    let narrowed = |part: &str, to: Value| json!({ "narrowing": { part: to } });
    let create = "api_keys:create";
    let (wider, scope) = (Some("credential.narrowed"), Some("insufficient_scope"));
    for (own, asked, refused) in [
        (json!({ "role": "member" }), json!({ "role": "owner" }), scope),
        (json!({ "role": "member" }), json!({ "role": "admin" }), scope),
        // Roles are no ladder: an auditor reads what a member can't.
        (json!({ "role": "member" }), json!({ "role": "auditor" }), scope),
        (json!({ "role": "auditor" }), json!({ "role": "auditor" }), scope),
        (json!({ "role": "admin" }), json!({ "role": "member" }), None),
        (json!({ "expires_at": later(2) }), json!({ "expires_at": later(3) }), wider),
        (json!({ "expires_at": later(2) }), json!({ "expires_at": later(1) }), None),
        (
            narrowed("permissions", json!([create])),
            narrowed("permissions", json!([create, "audit:read"])),
            wider,
        ),
        (narrowed("tool_servers", json!([one])), narrowed("tool_servers", json!([one, two])), wider),
        (narrowed("loadouts", json!([first])), narrowed("loadouts", json!([second])), wider),
        (narrowed("addresses", json!(["127.0.0.0/8"])), narrowed("addresses", json!(["127.0.0.0/7"])), wider),
        (narrowed("addresses", json!(["127.0.0.0/8"])), narrowed("addresses", json!(["::/0"])), wider),
        (narrowed("addresses", json!(["127.0.0.0/8"])), narrowed("addresses", json!(["127.0.0.1/32"])), None),
    ] {
        let said = made(&house, &own, &asked).await;
        assert_eq!(said.as_deref(), refused, "{own} makes {asked}");
    }
    house.stop().await;
}

/// Who gives a key its next secret holds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_renews_none_with_more_than_its_own() {
    let house = TestHouse::sqlite().await;
    let end = json!(house.app.clock.now() + TimeDelta::hours(2));
    let (wide, _) = api_key(&house, &[]).await;
    for own in [
        vec![("role", json!("member"))],
        vec![("role", json!("admin"))],
        vec![("expires_at", end)],
        vec![("narrowing", json!({ "addresses": ["127.0.0.0/8"] }))],
        vec![("narrowing", json!({ "permissions": ["api_keys:rotate", "api_keys:reset"] }))],
    ] {
        let (id, key) = api_key(&house, &own).await;
        for how in ["rotate", "reset"] {
            let renew = house.path(&format!("/api-keys/{wide}/{how}"));
            let refused = house.post(&renew, &key, json!({})).await.problem(403);
            assert!(
                ["credential.narrowed", "insufficient_scope"].contains(&&*refused),
                "{own:?} {how}: {refused}"
            );
        }
        let itself = house.path(&format!("/api-keys/{id}/rotate"));
        house.post(&itself, &key, json!({})).await.expect(200);
    }
    let untouched = house.get(&house.path(&format!("/api-keys/{wide}")), &house.key).await.expect(200);
    assert_eq!((&untouched["status"], &untouched["rotated_at"]), (&json!("active"), &Value::Null));
    house.stop().await;
}

/// A secret that was given up, and is in somebody else's hands, makes no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn former_secret_makes_no_other() {
    let house = TestHouse::sqlite().await;
    let (id, former) = api_key(&house, &[]).await;
    let rotate = house.path(&format!("/api-keys/{id}/rotate"));
    let rotated = house.post(&rotate, &former, json!({ "grace_seconds": 3600 })).await.expect(200);
    house.get(&house.path(""), &former).await.expect(200);
    assert_eq!(house.post(&rotate, &former, json!({})).await.problem(403), "credential.former_secret");
    let made = json!({ "device_label": "kept", "expires_at": rotated["former_until"] });
    let refused = house.post(&house.path("/api-keys"), &former, made).await;
    assert_eq!(refused.problem(403), "credential.former_secret");
    house.post(&rotate, rotated["key"].as_str().unwrap(), json!({})).await.expect(200);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_made_more_than_the_key_that_makes_them() {
    let house = TestHouse::sqlite().await;
    let (_, admin) = api_key(&house, &[("role", json!("admin"))]).await;
    let invite = json!({ "role": "owner" });
    let refused = house.post(&house.path("/invitations"), &admin, invite).await;
    assert_eq!(
        refused.problem(403),
        "insufficient_scope",
        "an owner's key that carries less invites no owner"
    );
    house.post(&house.path("/invitations"), &admin, json!({ "role": "admin" })).await.expect(201);
    let (_, member) = api_key(&house, &[("role", json!("member"))]).await;
    let refused = house.post(&house.path("/invitations"), &member, json!({ "role": "auditor" })).await;
    assert_eq!(refused.problem(403), "insufficient_scope");
    let refused = house.post("/v1/workspaces", &house.key, json!({ "name": "Mine" })).await;
    assert_eq!(refused.problem(403), "insufficient_scope", "a workspace's key makes no workspace");
    house.stop().await;
}
