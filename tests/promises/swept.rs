//! Promise 2 for keys of a label: when it is acknowledged that they ended, none lives that was made before, also
//! of those that were being made meanwhile.

use futures::future::join_all;
use serde_json::{Value, json};
use tollbook::clock::Clock;

use super::turns::in_turn;
use crate::house::{Answer, Flags, TestHouse};

/// Every key that ended is tried once.
const UNLIMITED: Flags<'_> = &[("limit_failures", "off")];
/// How often it is tried on a machine that is too busy.
const TRIES: usize = 20;

async fn make(house: &TestHouse, by: &str, label: &str) -> Answer {
    house.post(&house.path("/api-keys"), by, json!({ "device_label": label })).await
}

async fn revoke(house: &TestHouse, by: &str, label: &str) -> Answer {
    house.post(&house.path("/api-keys/revoke"), by, json!({ "device_label": label })).await
}

fn key(made: &Value) -> String {
    made["key"].as_str().expect("it is shown once").to_owned()
}

async fn status(house: &TestHouse, key: &str) -> u16 {
    house.get(&house.path(""), key).await.status.as_u16()
}

/// A thief's key makes another of the same label, which is written after the list was read and before the
/// revocation is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_made_while_those_of_its_label_were_listed_ends_with_them() {
    let house = TestHouse::postgres().await;
    let other = house.replica(Clock::default()).await;
    for round in 0..TRIES {
        let label = format!("stolen {round}");
        let first = make(&house, &house.key, &label).await.expect(201);
        let (by, owner) = (key(&first), other.key.clone());
        let (second, ended) =
            in_turn(&house, make(&house, &by, &label), revoke(&other, &owner, &label)).await;
        if ![second.status.as_u16(), ended.status.as_u16()].contains(&503) {
            let (second, ended) = (second.expect(201), ended.expect(200));
            assert!(ended["position"].as_u64() > second["position"].as_u64(), "it was made before");
            for made in [&first, &second] {
                assert_eq!(status(&other, &key(made)).await, 401, "{:#}", made["id"]);
            }
            assert_eq!(ended["count"], 2, "{ended:#}");
            assert_eq!(ended["api_key_ids"], json!([first["id"], second["id"]]));
            other.stop().await;
            house.stop().await;
            return;
        }
    }
    panic!("the machine was too busy, {TRIES} times");
}

/// A thief's keys make each other as fast as they can.
async fn thiefs_keys_die_out(house: TestHouse) {
    let first = key(&make(&house, &house.key, "stolen").await.expect(201));
    let thief = |mut by: String| {
        let house = &house;
        async move {
            let mut made = Vec::new();
            while made.len() < 200 {
                let answer = make(house, &by, "stolen").await;
                match answer.status.as_u16() {
                    201 => made.push(key(&answer.body)),
                    // As many as there may be: it uses the youngest for as long as it is good.
                    409 | 429 | 503 if status(house, &by).await == 200 => continue,
                    _ => break,
                }
                by.clone_from(&made[made.len() - 1]);
            }
            made
        }
    };
    let owner = async {
        let (workspace, now) = (house.workspace.parse().unwrap(), house.app.clock.now());
        // It has begun.
        while house.app.authority.look(|live| live.standing_keys(workspace, None, now).count()) < 10 {
            tokio::task::yield_now().await;
        }
        revoke(&house, &house.key, "stolen").await
    };
    let (made, ended) = tokio::join!(join_all((0..4).map(|_| thief(first.clone()))), owner);
    let ended = ended.expect(200);
    let made: Vec<String> = made.into_iter().flatten().chain([first]).collect();
    assert_eq!(ended["count"], made.len(), "each of them, and none twice");
    for key in &made {
        assert_eq!(status(&house, key).await, 401);
    }
    assert_eq!(status(&house, &house.key).await, 200);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_make_keys_of_their_label_die_out_on_sqlite() {
    thiefs_keys_die_out(TestHouse::sqlite_with(UNLIMITED).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_make_keys_of_their_label_die_out_on_postgres() {
    thiefs_keys_die_out(TestHouse::postgres_with(UNLIMITED).await).await;
}
