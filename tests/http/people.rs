//! Members and invitations; keys that are narrowed, rotated, reset and ended in bulk; operators' credentials.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tollbook_aggregates::{Role, Workspace};

use super::bounds::fleet;
use super::given::{member, neighbour, text};
use crate::house::{Answer, TestHouse};

super::on_both_books! {
    admin_touches_no_owner_and_grants_no_more_than_they_hold
    removed_member_has_nothing_left
    last_owner_stays_and_others_may_leave
    invitation_shows_its_link_once_and_is_taken_back
    narrowed_key_makes_nothing_wider
    narrowed_key_is_refused_from_another_address
    rotated_key_is_the_same_key_with_both_secrets_for_a_while
    reset_ends_the_secret_at_once_and_answers_with_a_link
    all_keys_of_a_label_and_of_a_person_end_at_once
    more_keys_of_a_label_than_an_event_lists_end_at_once
    last_operator_credential_stays
    another_workspaces_people_are_not_found
    erased_person_is_a_pseudonym_with_nothing_in_force
}

async fn make_key(house: &TestHouse, by: &str, body: Value) -> Value {
    house.post(&house.path("/api-keys"), by, body).await.expect(201)
}

async fn patch(house: &TestHouse, path: &str, key: &str, body: Value) -> Answer {
    house.ask(Method::PATCH, path, key, Some(body), &[]).await
}

async fn delete(house: &TestHouse, path: &str, key: &str) -> Answer {
    house.ask(Method::DELETE, path, key, None, &[]).await
}

/// A list with all that was written so far.
fn newest(house: &TestHouse, list: &str) -> String {
    let last = house.app.authority.look(tollbook::authority::Live::next).0 - 1;
    house.path(&format!("{list}?min_position={last}"))
}

async fn works(house: &TestHouse, key: &str) -> bool {
    house.get(&house.path(""), key).await.status == 200
}

async fn admin_touches_no_owner_and_grants_no_more_than_they_hold(house: TestHouse) {
    let (admin, mia) = (member(&house, Role::Admin).await, member(&house, Role::Member).await);
    let listed = house.get(&newest(&house, "/members"), &mia.key).await.expect(200);
    let items = listed["items"].as_array().unwrap();
    let owner = items.iter().find(|item| item["role"] == "owner").unwrap();
    assert!(items.iter().any(|item| item["name"] == "Mia Member"), "{listed:#}");
    let path = |user: &str| house.path(&format!("/members/{user}"));
    let (owner, mia_id) = (path(&text(&owner["user_id"])), path(&mia.user_id.to_string()));
    let demoted = patch(&house, &owner, &admin.key, json!({ "role": "member" })).await;
    assert_eq!(demoted.problem(403), "insufficient_scope");
    let removed = delete(&house, &owner, &admin.key).await;
    assert_eq!(removed.problem(403), "insufficient_scope");
    let made_owner = patch(&house, &mia_id, &admin.key, json!({ "role": "owner" })).await;
    assert_eq!(made_owner.problem(403), "insufficient_scope");
    let invited = house.post(&house.path("/invitations"), &admin.key, json!({ "role": "owner" })).await;
    assert_eq!(invited.problem(403), "insufficient_scope");
    patch(&house, &mia_id, &admin.key, json!({ "role": "auditor" })).await.expect(200);
    patch(&house, &mia_id, &house.key, json!({ "role": "owner" })).await.expect(200);
    let back = patch(&house, &mia_id, &admin.key, json!({ "role": "member" })).await;
    assert_eq!(back.problem(403), "insufficient_scope", "an owner is out of an admin's reach");
}

async fn removed_member_has_nothing_left(house: TestHouse) {
    let mia = member(&house, Role::Admin).await;
    let invited = house.post(&house.path("/invitations"), &mia.key, json!({ "role": "member" })).await;
    invited.expect(201);
    delete(&house, &house.path(&format!("/members/{}", mia.user_id)), &house.key).await.expect(200);
    let refused = house.get(&house.path(""), &mia.key).await;
    assert_eq!(refused.problem(401), "credential.revoked");
    let again = delete(&house, &house.path(&format!("/members/{}", mia.user_id)), &house.key).await;
    again.problem(404);
}

async fn last_owner_stays_and_others_may_leave(house: TestHouse) {
    let ann = member(&house, Role::Auditor).await;
    delete(&house, &house.path(&format!("/members/{}", ann.user_id)), &ann.key).await.expect(200);
    assert!(!works(&house, &ann.key).await);
    let owner = &house.user;
    let leaving = delete(&house, &house.path(&format!("/members/{owner}")), &house.key).await;
    assert_eq!(leaving.problem(409), "member.last_owner");
    let down =
        patch(&house, &house.path(&format!("/members/{owner}")), &house.key, json!({ "role": "admin" }))
            .await;
    assert_eq!(down.problem(409), "member.last_owner");
}

async fn invitation_shows_its_link_once_and_is_taken_back(house: TestHouse) {
    let invitations = house.path("/invitations");
    let body = json!({ "role": "auditor", "label": "Bob of Accounts", "expires_in": 60 });
    let made = house.post(&invitations, &house.key, body).await.expect(201);
    let url = text(&made["one_time_url"]);
    let (path, secret) = url.split_once('#').unwrap();
    assert!(path.contains("/otl/") && !path.contains(secret), "{path}");
    let page = format!("{invitations}?min_position={}", made["position"]);
    let listed = house.get(&page, &house.key).await.expect(200);
    assert!(!listed.to_string().contains(secret));
    let item = &listed["items"][0];
    assert_eq!((&item["label"], &item["status"]), (&json!("Bob of Accounts"), &json!("open")));
    let revoke = house.path(&format!("/invitations/{}/revoke", text(&made["id"])));
    let revoked = house.post(&revoke, &house.key, json!({})).await.expect(200);
    house.post(&revoke, &house.key, json!({})).await.expect(200);
    let page = format!("{invitations}?min_position={}", revoked["position"]);
    assert_eq!(house.get(&page, &house.key).await.expect(200)["items"][0]["status"], "revoked");
    for body in
        [json!({ "role": "member", "expires_in": 8 * 86_400 }), json!({ "role": "member", "label": "" })]
    {
        house.post(&invitations, &house.key, body).await.problem(400);
    }
}

async fn narrowed_key_makes_nothing_wider(house: TestHouse) {
    let only = json!({ "permissions": ["api_keys:create", "api_keys:read"] });
    let narrow = make_key(&house, &house.key, json!({ "device_label": "ci", "narrowing": only })).await;
    let key = text(&narrow["key"]);
    assert_eq!(narrow["narrowing"], json!({ "permissions": ["api_keys:create", "api_keys:read"] }));
    let refused = house.get(&house.path("/members"), &key).await;
    assert_eq!(refused.problem(403), "insufficient_scope");
    let child = make_key(&house, &key, json!({ "device_label": "child" })).await;
    assert_eq!(child["narrowing"], narrow["narrowing"], "it is inherited");
    let wider = json!({ "device_label": "x", "narrowing": { "permissions": ["audit:read"] } });
    let wider = house.post(&house.path("/api-keys"), &key, wider).await;
    assert_eq!(wider.problem(403), "credential.narrowed");
    for narrowing in [json!({ "permissions": ["forge"] }), json!({ "addresses": ["everywhere"] })] {
        let body = json!({ "device_label": "x", "narrowing": narrowing });
        house.post(&house.path("/api-keys"), &house.key, body).await.problem(400);
    }
    let foreign = json!({ "device_label": "x", "narrowing": { "loadouts": [house.workspace] } });
    house.post(&house.path("/api-keys"), &house.key, foreign).await.problem(404);
}

async fn narrowed_key_is_refused_from_another_address(house: TestHouse) {
    for (range, code) in [("127.0.0.0/8", 200), ("203.0.113.0/24", 403)] {
        let body = json!({ "device_label": "here", "narrowing": { "addresses": [range] } });
        let key = text(&make_key(&house, &house.key, body).await["key"]);
        let answer = house.get(&house.path(""), &key).await;
        assert_eq!(answer.status, code, "{range}");
    }
}

async fn rotated_key_is_the_same_key_with_both_secrets_for_a_while(house: TestHouse) {
    let made = make_key(&house, &house.key, json!({ "device_label": "laptop" })).await;
    let (id, first) = (text(&made["id"]), text(&made["key"]));
    let rotate = house.path(&format!("/api-keys/{id}/rotate"));
    let rotated = house.post(&rotate, &first, json!({})).await.expect(200);
    let second = text(&rotated["key"]);
    assert!(rotated["former_until"].is_string());
    assert!(works(&house, &first).await && works(&house, &second).await);
    let read = house.path(&format!("/api-keys/{id}?min_position={}", rotated["position"]));
    let read = house.get(&read, &second).await.expect(200);
    assert!(second.starts_with(&text(&read["prefix"])) && read["status"] == "active");
    house.app.clock.set_ahead(chrono::TimeDelta::hours(25));
    told_of_a_newer_secret(house.get(&house.path(""), &first).await, "credential.expired");
    assert!(works(&house, &second).await);
    house.app.clock.set_ahead(chrono::TimeDelta::zero());
    let third = text(&house.post(&rotate, &second, json!({ "grace_seconds": 0 })).await.expect(200)["key"]);
    assert!(works(&house, &third).await);
    for ended in [&first, &second] {
        told_of_a_newer_secret(house.get(&house.path(""), ended).await, "credential.revoked");
    }
    let admin = member(&house, Role::Admin).await;
    assert_eq!(house.post(&rotate, &admin.key, json!({})).await.problem(403), "insufficient_scope");
    house.post(&rotate, &third, json!({ "grace_seconds": 8 * 86_400 })).await.problem(400);
}

/// Who comes with a right secret that was followed by another.
fn told_of_a_newer_secret(answer: Answer, code: &str) {
    assert!(text(&answer.body["remediation"]["action"]).contains("newer secret"), "{:#}", answer.body);
    assert_eq!(answer.problem(401), code);
}

async fn reset_ends_the_secret_at_once_and_answers_with_a_link(house: TestHouse) {
    let mia = member(&house, Role::Member).await;
    let reset = house.path(&format!("/api-keys/{}/reset", mia.key_id));
    let made = house.post(&reset, &house.key, json!({})).await.expect(201);
    assert!(text(&made["one_time_url"]).contains("/otl/") && made["expires_at"].is_string());
    let refused = house.get(&house.path(""), &mia.key).await;
    assert!(text(&refused.body["remediation"]["action"]).contains("Ask the admin who reset it for the link"));
    assert_eq!(refused.problem(401), "credential.revoked");
    let read = house.path(&format!("/api-keys/{}?min_position={}", mia.key_id, made["position"]));
    assert_eq!(house.get(&read, &house.key).await.expect(200)["status"], "reset");
    let admin = member(&house, Role::Admin).await;
    let owners = make_key(&house, &house.key, json!({ "device_label": "owner's" })).await;
    let owners = house.path(&format!("/api-keys/{}/reset", text(&owners["id"])));
    assert_eq!(house.post(&owners, &admin.key, json!({})).await.problem(403), "insufficient_scope");
}

async fn all_keys_of_a_label_and_of_a_person_end_at_once(house: TestHouse) {
    let many = house.path("/api-keys/revoke");
    let lost = text(&make_key(&house, &house.key, json!({ "device_label": "lost" })).await["key"]);
    let kept = text(&make_key(&house, &house.key, json!({ "device_label": "kept" })).await["key"]);
    let ended = house.post(&many, &house.key, json!({ "device_label": "lost" })).await.expect(200);
    assert_eq!(ended["api_key_ids"].as_array().unwrap().len(), 1);
    assert!(!works(&house, &lost).await && works(&house, &kept).await);
    let mia = member(&house, Role::Member).await;
    let more = text(&make_key(&house, &mia.key, json!({ "device_label": "more" })).await["key"]);
    let body = json!({ "user_id": mia.user_id.to_string(), "reason": "left her bag on the train" });
    assert_eq!(house.post(&many, &mia.key, body.clone()).await.expect(200)["count"], 2);
    let nobody = json!({ "user_id": house.workspace });
    house.post(&many, &house.key, nobody).await.problem(404);
    assert!(!works(&house, &mia.key).await && !works(&house, &more).await && works(&house, &kept).await);
    let read = house.path(&format!("/api-keys/{}", mia.key_id));
    assert_eq!(house.get(&read, &house.key).await.expect(200)["status"], "revoked");
    for body in [json!({}), json!({ "all": true, "device_label": "x" })] {
        assert_eq!(house.post(&many, &house.key, body).await.problem(400), "api_key.which");
    }
    house.post(&many, &house.key, json!({ "all": true })).await.expect(200);
    assert!(!works(&house, &house.key).await && !works(&house, &kept).await);
}

async fn more_keys_of_a_label_than_an_event_lists_end_at_once(house: TestHouse) {
    let (label, how_many) = ("fleet", Workspace::KEYS_LISTED_MAX + 2);
    let keys = fleet(&house, house.user.parse().unwrap(), label, how_many).await;
    // One is over.
    house.app.clock.set_ahead(TimeDelta::minutes(5));
    let (many, body) = (house.path("/api-keys/revoke"), json!({ "device_label": label }));
    let ended = house.post(&many, &house.key, body.clone()).await.expect(200);
    assert_eq!(ended["count"], how_many - 1, "those that were in force");
    for key in [&keys[1], &keys[how_many / 2], &keys[how_many - 1]] {
        assert!(!works(&house, key).await);
    }
    assert_eq!(house.post(&many, &house.key, body).await.expect(200)["count"], 0);
}

async fn last_operator_credential_stays(house: TestHouse) {
    let credentials = "/v1/operator/credentials";
    let made = house.post(credentials, &house.operator, json!({ "label": "night shift" })).await.expect(201);
    let (id, key) = (text(&made["id"]), text(&made["key"]));
    let listed =
        house.get(&format!("{credentials}?min_position={}", made["position"]), &key).await.expect(200);
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert!(!listed.to_string().contains(&key));
    let first = items.iter().find(|item| item["id"] != id.as_str()).unwrap();
    let rotated =
        house.post(&format!("{credentials}/{id}/rotate"), &key, json!({ "grace_seconds": 0 })).await;
    let rotated = text(&rotated.expect(200)["key"]);
    told_of_a_newer_secret(house.get(credentials, &key).await, "credential.revoked");
    let revoke = |id: &str| format!("{credentials}/{id}/revoke");
    house.post(&revoke(&text(&first["id"])), &rotated, json!({})).await.expect(200);
    assert_eq!(house.get(credentials, &house.operator).await.problem(401), "credential.revoked");
    assert_eq!(house.post(&revoke(&id), &rotated, json!({})).await.problem(409), "operator.last_one");
}

async fn another_workspaces_people_are_not_found(house: TestHouse) {
    let other = neighbour(&house).await;
    let mia = member(&house, Role::Member).await;
    for path in ["/members", "/invitations", "/api-keys"] {
        house.get(&house.path(path), &other.key).await.problem(404);
    }
    let theirs = format!("/v1/workspaces/{}/members/{}", other.workspace, mia.user_id);
    delete(&house, &theirs, &other.key).await.problem(404);
    let theirs = format!("/v1/workspaces/{}/api-keys/{}/reset", other.workspace, mia.key_id);
    house.post(&theirs, &other.key, json!({})).await.problem(404);
}

async fn erased_person_is_a_pseudonym_with_nothing_in_force(house: TestHouse) {
    let mia = member(&house, Role::Member).await;
    let label = "Mia's own laptop";
    let made = make_key(&house, &mia.key, json!({ "device_label": label })).await;
    let members = house.path("/members");
    assert!(
        house
            .get(&newest(&house, "/members"), &house.key)
            .await
            .expect(200)
            .to_string()
            .contains("Mia Member")
    );
    let erase = format!("/v1/operator/people/{}/erase", mia.user_id);
    assert_eq!(house.post(&erase, &house.key, json!({})).await.problem(403), "insufficient_scope");
    let certificate = house.post(&erase, &house.operator, json!({})).await.expect(200);
    assert_eq!(certificate["key_ids"].as_array().unwrap().len(), 1);
    assert!(certificate["fields"].as_u64().unwrap() >= 3, "a name and two labels: {certificate:#}");
    assert_eq!(certificate["workspace_ids"], json!([house.workspace]));
    assert!(!works(&house, &mia.key).await);
    let position = certificate["position"].as_u64().unwrap();
    let members = house.get(&format!("{members}?min_position={position}"), &house.key).await.expect(200);
    assert!(!members.to_string().contains(&mia.user_id.to_string()));
    let key = house.path(&format!("/api-keys/{}?min_position={position}", text(&made["id"])));
    let key = house.get(&key, &house.key).await.expect(200);
    assert_eq!((&key["device_label"], &key["status"]), (&Value::Null, &json!("revoked")));
    let audit = house.path("/audit/events?limit=200");
    let audit = house.get(&audit, &house.key).await.expect(200).to_string();
    assert!(audit.contains(&format!("user:{}", mia.user_id)), "what she did stays hers");
    assert!(!audit.contains(label) && !audit.contains("Mia Member"));
    house.post(&erase, &house.operator, json!({})).await.expect(200);
    let owner = format!("/v1/operator/people/{}/erase", house.user);
    assert_eq!(house.post(&owner, &house.operator, json!({})).await.problem(409), "member.last_owner");
    let nobody = format!("/v1/operator/people/{}/erase", house.workspace);
    house.post(&nobody, &house.operator, json!({})).await.problem(404);
}
