//! Hardening 69, for answers of 500 and 503: what is wrong inside is not told outside. (Panics: `panics`; a crash:
//! `core_files`; logs at their most talkative: `canary`.)

use serde_json::json;
use tollbook_testkit::postgres::{Options, Postgres};

use crate::house::TestHouse;

const CANARY: &str = "canary-in-a-broken-book-4e11";

/// An event that can't be read, and a table that is gone: the database's words, and what stands there, stay inside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_of_500_says_nothing_of_what_is_broken() {
    let cluster = Postgres::start(&Options::default());
    let house = TestHouse::postgres_on(&cluster, &[]).await;
    let database = house.database_url().unwrap().rsplit('/').next().unwrap().to_owned();
    let body = json!({ "name": "x", "url": "http://127.0.0.1:9/mcp" });
    let made = house.post(&house.path("/tool-servers"), &house.key, body).await.expect(201);
    let position = made["position"].as_u64().unwrap();
    let search = house.path(&format!("/audit/events?min_position={position}"));
    house.get(&search, &house.key).await.expect(200);
    let sql = format!(
        "SET session_replication_role = replica; DO $$ DECLARE part regclass; BEGIN \
         FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'events'::regclass LOOP \
         EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', part); END LOOP; END $$; \
         ALTER TABLE events DISABLE TRIGGER ALL; \
         ALTER TABLE events DROP CONSTRAINT events_workspace_sequence_check; \
         UPDATE events SET payload = '{{\"{CANARY}\": 1}}', workspace_sequence = -7 WHERE position = {position}"
    );
    tokio::task::block_in_place(|| cluster.psql(&database, &sql));
    let broken = house.get(&search, &house.key).await;
    let told = format!("{:?} {}", broken.headers, broken.body);
    assert_eq!(broken.problem(500), "internal");
    tokio::task::block_in_place(|| cluster.psql(&database, "DROP TABLE idempotency CASCADE"));
    let headers = [("idempotency-key", CANARY)];
    let create = Some(json!({ "device_label": "x" }));
    let failed =
        house.ask(reqwest::Method::POST, &house.path("/api-keys"), &house.key, create, &headers).await;
    assert!(failed.status.is_server_error(), "{:#}", failed.body);
    let told = format!("{told} {:?} {}", failed.headers, failed.body);
    for inside in [CANARY, "idempotency", "relation", "SELECT", "postgres", "payload", "serde", ".rs:"] {
        assert!(!told.contains(inside), "`{inside}` is told: {told}");
    }
}
