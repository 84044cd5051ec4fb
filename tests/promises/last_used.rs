//! When a credential was last used is noted beside the book, and gets in nobody's way: what replicas note comes
//! together, outlives an orderly stop, waits while the database is away, and is never a try that was refused.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tollbook::clock::Clock;
use tollbook_aggregates::Role;
use tollbook_testkit::proxy::{Proxy, Way};

use super::service::Home;
use crate::house::{CLUSTER, TestHouse};
use crate::http::given::member;

/// Both cores may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is a text")).to_owned()
}

/// Another key of the owner's: its id and its secret.
async fn another_key(house: &TestHouse) -> (String, String) {
    let body = json!({ "device_label": "another" });
    let made = house.post(&house.path("/api-keys"), &house.key, body).await.expect(201);
    let read = house.path(&format!("/api-keys/{}?min_position={}", text(&made["id"]), made["position"]));
    assert_eq!(house.get(&read, &house.key).await.expect(200)["last_used_at"], Value::Null);
    (text(&made["id"]), text(&made["key"]))
}

async fn last_used(house: &TestHouse, id: &str) -> Value {
    let path = house.path(&format!("/api-keys/{id}"));
    house.get(&path, &house.key).await.expect(200)["last_used_at"].clone()
}

async fn comes_with(house: &TestHouse, secret: &str) -> u16 {
    house.get(&house.path(""), secret).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_replica_shows_the_latest_use_at_any_of_them() {
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let (id, secret) = another_key(&house).await;

    replica.app.clock.set_ahead(TimeDelta::minutes(10));
    assert_eq!(comes_with(&replica, &secret).await, 200);
    let latest = text(&last_used(&replica, &id).await);
    assert_eq!(comes_with(&house, &secret).await, 200);
    assert!(last_used(&house, &id).await.is_string(), "its own, at once");
    assert_eq!(text(&last_used(&replica, &id).await), latest);

    replica.app.last_used.keep().await;
    assert_eq!(text(&last_used(&house, &id).await), latest, "the other's, as soon as it is kept");
    // What is earlier comes later into the table, and changes nothing there.
    house.app.last_used.keep().await;
    let third = house.replica(Clock::default()).await;
    assert_eq!(text(&last_used(&third, &id).await), latest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_waits_for_the_table_and_what_waited_arrives_afterwards() {
    let house = TestHouse::postgres().await;
    let (id, secret) = another_key(&house).await;
    let mut other = PgConnection::connect(house.database_url().unwrap()).await.unwrap();
    let mut locked = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE last_used IN ACCESS EXCLUSIVE MODE").execute(&mut *locked).await.unwrap();

    let keeping = async {
        let begun = Instant::now();
        assert_eq!(comes_with(&house, &secret).await, 200);
        house.app.last_used.keep().await;
        begun.elapsed()
    };
    let requests = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let begun = Instant::now();
            assert_eq!(comes_with(&house, &secret).await, 200);
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let (kept_after, slowest) = tokio::join!(keeping, requests);
    assert!(kept_after >= Duration::from_secs(2), "the table was locked: {kept_after:?}");
    assert!(slowest < Duration::from_secs(2), "none waited for it: {slowest:?}");
    // Only who asks when it was used must wait, and is told in time.
    let refused = house.get(&house.path(&format!("/api-keys/{id}")), &house.key).await;
    assert_eq!(refused.problem(503), "book.unavailable");
    locked.rollback().await.unwrap();

    let here = text(&last_used(&house, &id).await);
    house.app.last_used.keep().await;
    let replica = house.replica(Clock::default()).await;
    assert_eq!(text(&last_used(&replica, &id).await), here);
}

/// A replica that is cut off: uses before are kept afterwards; tries meanwhile count by what the book says then.
async fn cut_off(way: Way) {
    let house = TestHouse::postgres().await;
    let proxy = Proxy::to(CLUSTER.port()).await;
    let replica = house.replica_through(proxy.port, Clock::default()).await;
    let (noted, revoked, tried) =
        (another_key(&house).await, another_key(&house).await, another_key(&house).await);
    for (_, secret) in [&noted, &revoked] {
        assert_eq!(comes_with(&replica, secret).await, 200);
    }
    let known = text(&last_used(&replica, &revoked.0).await);

    proxy.set(way);
    let end = Instant::now() + PATIENCE;
    while replica.app.authority.following().caught_up() {
        assert!(Instant::now() < end, "it never notices");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let path = house.path(&format!("/api-keys/{}/revoke", revoked.0));
    house.post(&path, &house.key, json!({})).await.expect(200);
    replica.app.clock.set_ahead(TimeDelta::minutes(1));
    let cut = replica.app.clock.now();
    for (_, secret) in [&revoked, &tried] {
        assert_eq!(comes_with(&replica, secret).await, 503);
    }
    replica.app.last_used.keep().await;
    assert_eq!(last_used(&house, &tried.0).await, Value::Null, "nothing got through");

    proxy.set(Way::Open);
    while !replica.app.authority.following().caught_up() {
        assert!(Instant::now() < end, "it never recovers");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while last_used(&house, &tried.0).await.is_null() {
        assert!(Instant::now() < end, "it never arrives");
        replica.app.last_used.keep().await;
    }
    assert!(text(&last_used(&house, &tried.0).await) >= tollbook::clock::rfc3339(cut));
    assert!(last_used(&house, &noted.0).await.is_string());
    assert_eq!(text(&last_used(&house, &revoked.0).await), known, "a revoked key that is tried isn't used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_at_a_replica_that_the_database_refuses_arrive_afterwards() {
    cut_off(Way::Refusing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_at_a_replica_whose_database_is_silent_arrive_afterwards() {
    cut_off(Way::Silent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_uses_of_an_erased_person_leave_every_replica() {
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let mia = member(&house, Role::Member).await;
    assert_eq!(comes_with(&replica, &mia.key).await, 200);
    let id = mia.key_id.to_string();
    let head = house.app.journal.head().await.unwrap().next.0 - 1;
    let read = house.path(&format!("/api-keys/{id}?min_position={head}"));
    assert!(replica.get(&read, &house.key).await.expect(200)["last_used_at"].is_string());
    let erase = format!("/v1/operator/people/{}/erase", mia.user_id);
    house.post(&erase, &house.operator, json!({})).await.expect(200);
    let end = Instant::now() + PATIENCE;
    while !last_used(&replica, &id).await.is_null() {
        assert!(Instant::now() < end, "the other replica never forgets it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    replica.app.last_used.keep().await;
    assert_eq!(last_used(&house, &id).await, Value::Null, "nothing of it comes back");
}

async fn outlives_an_orderly_stop(home: Home) {
    let first = home.bootstrap().await;
    let service = home.serve().await;
    let keys = format!("/v1/workspaces/{}/api-keys", first.workspace);
    let owner = service.door(&first.key);
    let made = owner.post(&keys, &json!({ "device_label": "build" })).await.unwrap().expect(201);
    let key = format!("{keys}/{}", text(&made["id"]));
    service.door(&text(&made["key"])).get(&keys).await.unwrap().expect(200);
    let used = owner.get(&key).await.unwrap().expect(200)["last_used_at"].clone();
    assert!(used.is_string());
    service.terminate();
    assert!(service.ended().await.success());

    let service = home.serve().await;
    assert_eq!(service.door(&first.key).get(&key).await.unwrap().expect(200)["last_used_at"], used);
    let environment = [("TOLLBOOK_API_KEY", first.key.as_str()), ("TOLLBOOK_URL", service.url.as_str())];
    let (status, printed) = home.run(&["key", "list", "--json"], &environment).await;
    assert!(status.success(), "{printed}");
    let listed: Value = serde_json::from_str(&printed).unwrap();
    let build = listed["items"].as_array().unwrap().iter().find(|item| item["device_label"] == "build");
    assert_eq!(build.unwrap()["last_used_at"], used);
    let (_, table) = home.run(&["key", "list"], &environment).await;
    let seconds = &text(&used)[.."2026-01-01T00:00:00".len()];
    assert!(table.contains("LAST USED") && table.contains(seconds), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_uses_outlive_an_orderly_stop_on_sqlite() {
    outlives_an_orderly_stop(Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_uses_outlive_an_orderly_stop_on_postgres() {
    outlives_an_orderly_stop(Home::postgres(&CLUSTER)).await;
}
