use chrono::TimeDelta;
use serde_json::json;
use tollbook::clock::rfc3339;
use tollbook_aggregates::Role;

use super::given::{ids, member, text};
use crate::house::TestHouse;

super::on_both_books! {
    key_is_shown_once_and_works
    no_key_makes_one_with_more_rights
    ended_key_is_told_so_and_what_to_do
    member_sees_and_ends_only_their_own_keys
    what_no_key_can_be_is_refused
}

async fn key_is_shown_once_and_works(house: TestHouse) {
    let ends = rfc3339(house.app.clock.now() + TimeDelta::days(30));
    let body = json!({ "device_label": "laptop", "expires_at": ends, "role": "admin" });
    let mut made = house.post(&house.path("/api-keys"), &house.key, body).await.expect(201);
    let members = made.as_object_mut().unwrap();
    let (key, position) = (text(&members.remove("key").unwrap()), members.remove("position").unwrap());
    assert!(key.starts_with(&text(&made["prefix"])) && text(&made["prefix"]).len() == "tbk_key_".len() + 12);
    assert_eq!((&made["expires_at"], &made["role"]), (&json!(ends), &json!("admin")));
    let path = house.path(&format!("/api-keys/{}?min_position={position}", text(&made["id"])));
    let mut read = house.get(&path, &key).await.expect(200);
    assert!(read["last_used_at"].take().is_string(), "this very moment");
    assert_eq!(read, made);
    assert!(!read.to_string().contains(&key));
    let default =
        house.post(&house.path("/api-keys"), &key, json!({ "device_label": "x" })).await.expect(201);
    assert_eq!(default["role"], "admin", "as much as the key that made it");
}

async fn no_key_makes_one_with_more_rights(house: TestHouse) {
    let keys = house.path("/api-keys");
    let body = json!({ "device_label": "build", "role": "member" });
    let narrow = text(&house.post(&keys, &house.key, body).await.expect(201)["key"]);
    for role in ["owner", "admin", "auditor"] {
        let refused = house.post(&keys, &narrow, json!({ "device_label": "x", "role": role })).await;
        assert!(refused.headers["www-authenticate"].to_str().unwrap().contains(&format!("role:{role}")));
        assert_eq!(refused.problem(403), "insufficient_scope", "{role}");
    }
    house.post(&keys, &narrow, json!({ "device_label": "x" })).await.expect(201);
    // The narrow key of an owner isn't an owner's key.
    let body = json!({ "name": "x", "url": "http://127.0.0.1:9/" });
    let refused = house.post(&house.path("/tool-servers"), &narrow, body).await;
    assert_eq!(refused.problem(403), "insufficient_scope");
    let auditor = member(&house, Role::Auditor).await;
    let refused = house.post(&keys, &auditor.key, json!({ "device_label": "x" })).await;
    assert_eq!(refused.problem(403), "insufficient_scope");
}

async fn ended_key_is_told_so_and_what_to_do(house: TestHouse) {
    let keys = house.path("/api-keys");
    let made = house.post(&keys, &house.key, json!({ "device_label": "lost laptop" })).await.expect(201);
    let (id, key) = (text(&made["id"]), text(&made["key"]));
    let end = house.path(&format!("/api-keys/{id}/revoke"));
    // A key may revoke itself.
    let ended = house.post(&end, &key, json!({ "reason": "lost" })).await.expect(200);
    assert_eq!(ended["status"], "revoked");
    let refused = house.get(&house.path(""), &key).await;
    assert!(refused.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    assert!(refused.body["remediation"]["action"].is_string());
    assert_eq!(refused.problem(401), "credential.revoked");
    house.post(&end, &house.key, json!({})).await.expect(200);
    let read =
        house.get(&format!("{keys}/{id}?min_position={}", ended["position"]), &house.key).await.expect(200);
    assert_eq!((&read["status"], &read["reason"]), (&json!("revoked"), &json!("lost")));

    let ends = rfc3339(house.app.clock.now() + TimeDelta::hours(1));
    let body = json!({ "device_label": "short", "expires_at": ends });
    let short = house.post(&keys, &house.key, body).await.expect(201);
    house.app.clock.set_ahead(TimeDelta::hours(2));
    assert_eq!(house.get(&house.path(""), &text(&short["key"])).await.problem(401), "credential.expired");
    let read = house.get(&format!("{keys}/{}", text(&short["id"])), &house.key).await.expect(200);
    assert_eq!(read["status"], "expired");
}

async fn member_sees_and_ends_only_their_own_keys(house: TestHouse) {
    let (mia, ann) = (member(&house, Role::Member).await, member(&house, Role::Auditor).await);
    let keys = house.path("/api-keys");
    let head = house.app.journal.head().await.unwrap().next.0 - 1;
    let all = ids(&house.get(&format!("{keys}?min_position={head}"), &house.key).await.expect(200));
    assert_eq!(all.len(), 3);
    assert_eq!(ids(&house.get(&keys, &mia.key).await.expect(200)), [mia.key_id.to_string()]);
    assert_eq!(ids(&house.get(&keys, &ann.key).await.expect(200)), all);
    assert_eq!(ids(&house.get(&format!("{keys}?mine=true"), &house.key).await.expect(200)), [all[0].clone()]);
    let owners = format!("{keys}/{}", all[0]);
    assert_eq!(house.get(&owners, &mia.key).await.problem(403), "insufficient_scope");
    for key in [&mia.key, &ann.key] {
        let refused = house.post(&format!("{owners}/revoke"), key, json!({})).await;
        assert_eq!(refused.problem(403), "insufficient_scope");
    }
    house.post(&format!("{keys}/{}/revoke", mia.key_id), &mia.key, json!({})).await.expect(200);
}

async fn what_no_key_can_be_is_refused(house: TestHouse) {
    let cases = [
        (json!({ "device_label": "" }), "api_key.device_label"),
        (json!({ "device_label": "x".repeat(65) }), "api_key.device_label"),
        (json!({ "device_label": "a\nb" }), "api_key.device_label"),
        (json!({}), "body.malformed"),
        (json!({ "device_label": "x", "role": "emperor" }), "body.malformed"),
        (json!({ "device_label": "x", "expires_at": "2020-01-01T00:00:00Z" }), "api_key.expires_in_the_past"),
        (json!({ "device_label": "x", "expires_at": "tomorrow" }), "body.malformed"),
    ];
    for (body, code) in cases {
        let refused = house.post(&house.path("/api-keys"), &house.key, body.clone()).await;
        assert_eq!(refused.problem(400), code, "{body}");
    }
}
