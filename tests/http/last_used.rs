//! When credentials were last used: a use shows at once where it was made, a refused try never, and none is an event.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tollbook::clock::rfc3339;
use tollbook::credential::{Credential, Kind};
use tollbook_aggregates::Role;

use super::given::{member, text};
use crate::house::TestHouse;

super::on_both_books! {
    use_of_a_key_shows_at_once_and_writes_no_event
    key_that_is_tried_and_refused_does_not_look_used
    key_that_is_not_allowed_something_was_used_all_the_same
    every_secret_of_a_key_counts_for_the_key
    use_of_an_operator_credential_shows
    uses_within_a_second_are_one_and_what_was_kept_stays
    last_uses_of_an_erased_person_are_forgotten
}

/// A key of the owner's, and what is read of it there.
struct Key<'a> {
    house: &'a TestHouse,
    id: String,
    secret: String,
}

impl<'a> Key<'a> {
    async fn new(house: &'a TestHouse, body: Value) -> Self {
        let made = house.post(&house.path("/api-keys"), &house.key, body).await.expect(201);
        assert_eq!(made["last_used_at"], Value::Null);
        let (id, secret) = (text(&made["id"]), text(&made["key"]));
        let read = house.path(&format!("/api-keys/{id}?min_position={}", made["position"]));
        assert_eq!(house.get(&read, &house.key).await.expect(200)["last_used_at"], Value::Null);
        Self { house, id, secret }
    }

    /// Comes with it; answers with the status.
    async fn knock(&self) -> u16 {
        self.house.get(&self.house.path(""), &self.secret).await.status.as_u16()
    }

    async fn last_used(&self) -> Value {
        let path = self.house.path(&format!("/api-keys/{}", self.id));
        self.house.get(&path, &self.house.key).await.expect(200)["last_used_at"].clone()
    }
}

fn now(house: &TestHouse) -> String {
    rfc3339(house.app.clock.now())
}

async fn use_of_a_key_shows_at_once_and_writes_no_event(house: TestHouse) {
    let (used, unused) = (
        Key::new(&house, json!({ "device_label": "a" })).await,
        Key::new(&house, json!({ "device_label": "b" })).await,
    );
    let head = house.app.journal.head().await.unwrap().next;
    let before = now(&house);
    assert_eq!(used.knock().await, 200);
    let after = now(&house);
    let at = text(&used.last_used().await);
    assert!(before <= at && at <= after, "{before} {at} {after}");
    assert_eq!(unused.last_used().await, Value::Null);

    let listed = house.get(&house.path("/api-keys"), &house.key).await.expect(200);
    let of = |id: &str| {
        let item = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == id);
        item.unwrap_or_else(|| panic!("{id} is listed: {listed:#}"))["last_used_at"].clone()
    };
    assert_eq!((of(&used.id), of(&unused.id)), (json!(at), Value::Null));
    house.app.last_used.keep().await;
    assert_eq!(text(&used.last_used().await), at, "the table says what memory said");
    assert_eq!(house.app.journal.head().await.unwrap().next, head, "nothing was written in the book");
}

async fn key_that_is_tried_and_refused_does_not_look_used(house: TestHouse) {
    let key = Key::new(&house, json!({ "device_label": "lost" })).await;
    let end = rfc3339(house.app.clock.now() + TimeDelta::minutes(90));
    let short = Key::new(&house, json!({ "device_label": "short", "expires_at": end })).await;
    let body = json!({ "device_label": "elsewhere", "narrowing": { "addresses": ["203.0.113.0/24"] } });
    let elsewhere = Key::new(&house, body).await;
    let reset = Key::new(&house, json!({ "device_label": "reset" })).await;
    for used in [&key, &short, &reset] {
        assert_eq!(used.knock().await, 200);
    }
    let times = (key.last_used().await, short.last_used().await, reset.last_used().await);
    let of_key = |rest: &str, key: &Key<'_>| house.path(&format!("/api-keys/{}/{rest}", key.id));
    house.post(&of_key("revoke", &key), &house.key, json!({})).await.expect(200);
    house.post(&of_key("reset", &reset), &house.key, json!({})).await.expect(201);

    house.app.clock.set_ahead(TimeDelta::hours(2));
    let id = &short.secret["tbk_key_".len()..][..12];
    let forged = Credential::from_parts(Kind::ApiKey, id, &[7; 32]).unwrap();
    assert_eq!(house.get(&house.path(""), forged.expose()).await.problem(401), "credential.unknown");
    assert_eq!((key.knock().await, short.knock().await, reset.knock().await), (401, 401, 401));
    assert_eq!(elsewhere.knock().await, 403);
    let in_query = house.path(&format!("?key={}", reset.secret));
    assert_eq!(house.get(&in_query, &house.key).await.problem(400), "credential.in_query");
    house.app.last_used.keep().await;
    assert_eq!((key.last_used().await, short.last_used().await, reset.last_used().await), times);
    assert_eq!(elsewhere.last_used().await, Value::Null);
}

async fn key_that_is_not_allowed_something_was_used_all_the_same(house: TestHouse) {
    let key = Key::new(&house, json!({ "device_label": "reader", "role": "auditor" })).await;
    let refused = house.post(&house.path("/api-keys"), &key.secret, json!({ "device_label": "x" })).await;
    assert_eq!(refused.problem(403), "insufficient_scope");
    assert!(key.last_used().await.is_string(), "whoever has it came with it");
}

async fn every_secret_of_a_key_counts_for_the_key(house: TestHouse) {
    let key = Key::new(&house, json!({ "device_label": "laptop" })).await;
    let rotate = house.path(&format!("/api-keys/{}/rotate", key.id));
    let second = text(&house.post(&rotate, &house.key, json!({})).await.expect(200)["key"]);
    assert_eq!(key.last_used().await, Value::Null, "whoever rotates it for its holder doesn't use it");
    assert_eq!(key.knock().await, 200);
    let first_used = text(&key.last_used().await);
    house.app.clock.set_ahead(TimeDelta::minutes(1));
    house.get(&house.path(""), &second).await.expect(200);
    let second_used = text(&key.last_used().await);
    assert!(second_used > first_used);
    // The grace period of the first is over.
    house.app.clock.set_ahead(TimeDelta::hours(25));
    assert_eq!(key.knock().await, 401);
    assert_eq!(text(&key.last_used().await), second_used);
}

async fn use_of_an_operator_credential_shows(house: TestHouse) {
    let credentials = "/v1/operator/credentials";
    let made = house.post(credentials, &house.operator, json!({ "label": "backup" })).await.expect(201);
    assert_eq!(made["last_used_at"], Value::Null);
    let (id, key) = (text(&made["id"]), text(&made["key"]));
    let used = async || {
        let path = format!("{credentials}?min_position={}", made["position"]);
        let listed = house.get(&path, &house.operator).await.expect(200);
        let item = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == id);
        item.unwrap_or_else(|| panic!("{listed:#}"))["last_used_at"].clone()
    };
    assert_eq!(used().await, Value::Null);
    let before = now(&house);
    house.get(credentials, &key).await.expect(200);
    let at = text(&used().await);
    assert!(before <= at && at <= now(&house));
    house.post(&format!("{credentials}/{id}/revoke"), &house.operator, json!({})).await.expect(200);
    house.app.clock.set_ahead(TimeDelta::minutes(1));
    assert_eq!(house.get(credentials, &key).await.problem(401), "credential.revoked");
    assert_eq!(text(&used().await), at);
}

async fn uses_within_a_second_are_one_and_what_was_kept_stays(house: TestHouse) {
    let key = Key::new(&house, json!({ "device_label": "busy" })).await;
    let mut seen = Vec::new();
    for minutes in [1, 2, 3] {
        house.app.clock.set_ahead(TimeDelta::minutes(minutes));
        assert_eq!(key.knock().await, 200);
        seen.push(text(&key.last_used().await));
        house.app.last_used.keep().await;
    }
    assert!(seen.is_sorted() && seen[0] < seen[1] && seen[1] < seen[2], "{seen:?}");
    // A clock that was set back: the last use stays the latest.
    house.app.clock.set_ahead(TimeDelta::zero());
    assert_eq!(key.knock().await, 200);
    house.app.last_used.keep().await;
    assert_eq!(text(&key.last_used().await), seen[2]);
}

async fn last_uses_of_an_erased_person_are_forgotten(house: TestHouse) {
    let (mia, ann) = (member(&house, Role::Member).await, member(&house, Role::Member).await);
    let path = |member: &super::given::Member| house.path(&format!("/api-keys/{}", member.key_id));
    let head = house.app.journal.head().await.unwrap().next.0 - 1;
    house.get(&format!("{}?min_position={head}", path(&mia)), &mia.key).await.expect(200);
    house.app.last_used.keep().await;
    // Of Mia, there is something in memory and in the table.
    house.app.clock.set_ahead(TimeDelta::minutes(1));
    for member in [&mia, &ann] {
        let read = house.get(&path(member), &member.key).await.expect(200);
        assert!(read["last_used_at"].is_string(), "{read:#}");
    }
    let erase = format!("/v1/operator/people/{}/erase", mia.user_id);
    house.post(&erase, &house.operator, json!({})).await.expect(200);
    house.app.last_used.keep().await;
    let last_used =
        async |path: String| house.get(&path, &house.key).await.expect(200)["last_used_at"].clone();
    assert_eq!(last_used(path(&mia)).await, Value::Null);
    assert!(last_used(path(&ann)).await.is_string(), "nobody else's");
}
