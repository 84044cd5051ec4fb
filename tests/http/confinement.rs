//! No credential mints what it doesn't cover: what comes of it is tried with every secret that is shown.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tollbook_aggregates::Role;

use super::given::{member, text, upstream};
use crate::house::TestHouse;

super::on_both_books! {
    narrow_key_gives_no_wider_one_a_secret
    secret_in_its_grace_takes_nothing_over_and_leaves_nothing_behind
    operators_credential_makes_none_that_outlasts_it
    confined_key_touches_people_only_where_it_is_listed_by_name
    key_that_carries_less_than_its_holder_does_not_leave_for_them
}

struct Key {
    id: String,
    secret: String,
}

impl Key {
    fn path(&self, house: &TestHouse, what: &str) -> String {
        house.path(&format!("/api-keys/{}/{what}", self.id))
    }
}

/// A key of the owner's, with this besides its label.
async fn key(house: &TestHouse, with: Value) -> Key {
    let mut body = json!({ "device_label": "x" });
    body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    let made = house.post(&house.path("/api-keys"), &house.key, body).await.expect(201);
    Key { id: text(&made["id"]), secret: text(&made["key"]) }
}

async fn works(house: &TestHouse, secret: &str) -> bool {
    house.get(&house.path(""), secret).await.status == 200
}

async fn narrow_key_gives_no_wider_one_a_secret(house: TestHouse) {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let listed = ["api_keys:rotate", "api_keys:reset"];
    let end = json!(house.app.clock.now() + TimeDelta::hours(1));
    let wide = key(&house, json!({})).await;
    for narrow in [
        json!({ "role": "admin" }),
        json!({ "role": "member" }),
        json!({ "expires_at": end }),
        json!({ "narrowing": { "permissions": ["audit:read"] } }),
        json!({ "narrowing": { "permissions": listed } }),
        json!({ "narrowing": { "permissions": listed, "addresses": ["127.0.0.0/8"] } }),
        json!({ "narrowing": { "addresses": ["127.0.0.0/8"] } }),
        json!({ "narrowing": { "loadouts": [loadout] } }),
        json!({ "narrowing": { "tool_servers": [server] } }),
    ] {
        let asking = key(&house, narrow.clone()).await;
        for how in ["rotate", "reset"] {
            let body = if how == "rotate" { json!({ "grace_seconds": 0 }) } else { json!({}) };
            let refused = house.post(&wide.path(&house, how), &asking.secret, body).await;
            assert_eq!(refused.status, 403, "{how} with {narrow}: {:#}", refused.body);
        }
        assert!(works(&house, &wide.secret).await, "{narrow}");
    }
    let end = json!({ "expires_at": end });
    let (asking, covered) = (key(&house, end.clone()).await, key(&house, end).await);
    house.post(&covered.path(&house, "rotate"), &asking.secret, json!({})).await.expect(200);
    let itself = house.post(&wide.path(&house, "reset"), &wide.secret, json!({})).await;
    assert_eq!(itself.problem(409), "api_key.asks_itself");
    assert!(works(&house, &wide.secret).await);
}

async fn secret_in_its_grace_takes_nothing_over_and_leaves_nothing_behind(house: TestHouse) {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let (stolen, sibling) = (key(&house, json!({})).await, key(&house, json!({})).await);
    let mia = member(&house, Role::Member).await;
    let hour = json!({ "grace_seconds": 3600 });
    let rotated = house.post(&stolen.path(&house, "rotate"), &stolen.secret, hour).await.expect(200);
    let newest = text(&rotated["key"]);
    for path in [
        stolen.path(&house, "rotate"),
        sibling.path(&house, "rotate"),
        sibling.path(&house, "reset"),
        house.path(&format!("/api-keys/{}/reset", mia.key_id)),
    ] {
        let refused = house.post(&path, &stolen.secret, json!({})).await;
        assert!(text(&refused.body["remediation"]["action"]).contains("use the newer one"));
        assert_eq!(refused.problem(403), "credential.former_secret", "{path}");
    }
    for (path, body) in
        [("/invitations", json!({ "role": "owner" })), ("/api-keys", json!({ "device_label": "x" }))]
    {
        let refused = house.post(&house.path(path), &stolen.secret, body).await;
        assert_eq!(refused.problem(403), "credential.former_secret", "{path}");
    }

    let session = json!({ "loadout_id": loadout });
    let session = house.post(&house.path("/sessions"), &stolen.secret, session).await.expect(201);
    assert_eq!(session["expires_at"], rotated["former_until"]);
    house.app.clock.set_ahead(TimeDelta::hours(2));
    assert!(!works(&house, &stolen.secret).await);
    let authorize = json!({ "session_id": session["id"], "tool": "echo", "mode": "check" });
    let late = house.post("/v1/authorize", &newest, authorize).await.expect(200);
    assert_eq!((&late["decision"], &late["reason"]), (&json!("deny"), &json!("session_expired")));
    for good in [&newest, &sibling.secret, &mia.key] {
        assert!(works(&house, good).await, "nothing else ended");
    }
}

async fn operators_credential_makes_none_that_outlasts_it(house: TestHouse) {
    let credentials = "/v1/operator/credentials";
    let end = json!(house.app.clock.now() + TimeDelta::hours(9));
    let body = json!({ "label": "night shift", "expires_at": end });
    let night = house.post(credentials, &house.operator, body).await.expect(201);
    let (night_id, night_key) = (text(&night["id"]), text(&night["key"]));
    let longer = json!({ "label": "x", "expires_at": house.app.clock.now() + TimeDelta::hours(10) });
    assert_eq!(house.post(credentials, &night_key, longer).await.problem(403), "credential.narrowed");
    let same = house.post(credentials, &night_key, json!({ "label": "x" })).await.expect(201);
    assert_eq!(same["expires_at"], night["expires_at"]);

    let listed = house.get(&format!("{credentials}?min_position={}", same["position"]), &night_key).await;
    let listed = listed.expect(200);
    let first = text(&listed["items"][0]["id"]);
    let rotate = |id: &str| format!("{credentials}/{id}/rotate");
    for (asking, whose) in [(&night_key, &first), (&house.operator, &night_id)] {
        let refused = house.post(&rotate(whose), asking, json!({})).await;
        assert_eq!(refused.problem(403), "operator.anothers");
    }
    let rotated = house.post(&rotate(&night_id), &night_key, json!({ "grace_seconds": 60 })).await;
    let newest = text(&rotated.expect(200)["key"]);
    let again = house.post(&rotate(&night_id), &night_key, json!({ "grace_seconds": 0 })).await;
    assert_eq!(again.problem(403), "credential.former_secret");

    let revoke = |id: &str| format!("{credentials}/{id}/revoke");
    let last = house.post(&revoke(&first), &newest, json!({})).await;
    assert_eq!(last.problem(409), "operator.last_one", "only expiring ones would be left");
    house.post(&revoke(&night_id), &house.operator, json!({})).await.expect(200);
}

async fn confined_key_touches_people_only_where_it_is_listed_by_name(house: TestHouse) {
    let mia = member(&house, Role::Member).await;
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let (this, theirs) =
        (house.path(&format!("/members/{}", mia.user_id)), format!("/api-keys/{}", mia.key_id));
    let tries = [
        (Method::POST, house.path("/invitations"), json!({ "role": "owner" }), "invitations:create"),
        (Method::PATCH, this.clone(), json!({ "role": "owner" }), "members:write"),
        (Method::DELETE, this, json!({}), "members:write"),
        (Method::POST, house.path(&format!("{theirs}/reset")), json!({}), "api_keys:reset"),
        (Method::POST, house.path(&format!("{theirs}/revoke")), json!({}), "api_keys:revoke"),
        (Method::POST, house.path("/api-keys/revoke"), json!({ "all": true }), "api_keys:revoke"),
        (Method::POST, house.path("/api-keys/revoke"), json!({ "user_id": house.user }), "api_keys:revoke"),
        (Method::POST, house.path("/api-keys/revoke"), json!({ "device_label": "x" }), "api_keys:revoke"),
        (Method::DELETE, house.path(&format!("/members/{}", house.user)), json!({}), "members:leave"),
    ];
    for confined in [
        json!({ "tool_servers": [server] }),
        json!({ "loadouts": [loadout] }),
        json!({ "addresses": ["127.0.0.0/8"] }),
    ] {
        let asking = key(&house, json!({ "narrowing": confined })).await;
        for (method, path, body, scope) in &tries {
            let body = (*method != Method::DELETE).then(|| body.clone());
            let refused = house.ask(method.clone(), path, &asking.secret, body, &[]).await;
            let challenge = refused.headers["www-authenticate"].to_str().unwrap().to_owned();
            assert_eq!(refused.problem(403), "insufficient_scope", "{method} {path} by {confined}");
            assert!(challenge.contains(scope), "{challenge} for {method} {path}");
        }
        let mut by_name = confined.clone();
        by_name["permissions"] = json!(["invitations:create"]);
        let asking = key(&house, json!({ "narrowing": by_name })).await;
        house.post(&house.path("/invitations"), &asking.secret, json!({ "role": "owner" })).await.expect(201);
        let itself = house.post(&asking.path(&house, "revoke"), &asking.secret, json!({})).await;
        assert_eq!(itself.problem(403), "insufficient_scope", "it is listed nothing else");
    }
    assert!(works(&house, &mia.key).await);
}

async fn key_that_carries_less_than_its_holder_does_not_leave_for_them(house: TestHouse) {
    let mia = member(&house, Role::Owner).await;
    let less = json!({ "device_label": "ci", "role": "member" });
    let less = text(&house.post(&house.path("/api-keys"), &mia.key, less).await.expect(201)["key"]);
    let herself = house.path(&format!("/members/{}", mia.user_id));
    let refused = house.ask(Method::DELETE, &herself, &less, None, &[]).await;
    assert!(refused.headers["www-authenticate"].to_str().unwrap().contains("members:leave"));
    assert_eq!(refused.problem(403), "insufficient_scope");
    assert!(works(&house, &mia.key).await && works(&house, &less).await);
    house.ask(Method::DELETE, &herself, &mia.key, None, &[]).await.expect(200);
    assert!(!works(&house, &mia.key).await && !works(&house, &less).await);
}
