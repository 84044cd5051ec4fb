//! Promise 2, on a replica that is cut off from the database: it refuses what is to be recorded within the
//! deadline, and reads from memory within a second; it ends what is open after five; it says so; and it is
//! whole again by itself when the database is back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use tollbook::clock::Clock;
use tollbook_testkit::node::Upstream;
use tollbook_testkit::proxy::{Proxy, Way};

use super::book;
use super::figures::{fault, ms};
use crate::house::{CLUSTER, TestHouse};

/// What is to be recorded is refused by then; a second more, because both cores may be busy.
const DEADLINE: Duration = Duration::from_secs(3);
/// A read from memory waits a second for the database at most, and is no older than one before.
const READS_END: Duration = Duration::from_secs(3);
const STREAMS_END: Duration = Duration::from_secs(7);
/// Nobody waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks for a permit, or only whether there would be one: the status and what was decided.
async fn ask(house: &TestHouse, session: &str, mode: &str) -> (u16, Value) {
    let body = json!({ "session_id": session, "tool": "slow", "arguments": { "ms": 1 }, "mode": mode });
    let answer = house.post("/v1/authorize", &house.key, body).await;
    (answer.status.as_u16(), answer.body["decision"].clone())
}

/// A replica that is cut off while a call is open on it and a session is revoked elsewhere.
async fn cut_off(name: &str, way: Way) {
    let upstream = Upstream::modern().await;
    let house = TestHouse::postgres().await;
    let proxy = Proxy::to(CLUSTER.port()).await;
    let replica = house.replica_through(proxy.port, Clock::default()).await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo", "slow"]).await;
    let (kept, revoked) = (house.session(&loadout).await, house.session(&loadout).await);
    let id = |session: &Value| session["id"].as_str().expect("it has an id").to_owned();
    let (kept, revoked) = (id(&kept), id(&revoked));
    for session in [&kept, &revoked] {
        for mode in ["record", "check"] {
            assert_eq!(ask(&replica, session, mode).await, (200, json!("permit")), "{mode}");
        }
    }
    let path = replica.path(&format!("/sessions/{kept}/tool-calls"));
    let open = replica.request(reqwest::Method::POST, &path).bearer_auth(&replica.key);
    let open = open.json(&json!({ "tool": "slow", "arguments": { "ms": 60_000 } }));
    let open = tokio::spawn(async move {
        let answer = crate::house::answer(open).await;
        (Instant::now(), answer)
    });
    while upstream.calls().await.of("slow") < 1 {
        sleep(Duration::from_millis(10)).await;
    }

    proxy.set(way);
    let cut = Instant::now();
    let revoke = house.path(&format!("/sessions/{revoked}/revoke"));
    let revocation = house.post(&revoke, &house.key, json!({})).await.expect(200);
    let acknowledged = Instant::now();

    // Recorded decisions bind at once.
    let recorded = async {
        let (recorded, _) = ask(&replica, &revoked, "record").await;
        assert_eq!(recorded, 503, "nothing is permitted that can't be written");
        acknowledged.elapsed()
    };
    // Reads from memory: until it refuses, and ever after.
    let reads = async {
        loop {
            match ask(&replica, &revoked, "check").await {
                (503, _) => break cut.elapsed(),
                (200, _) => assert!(cut.elapsed() < READS_END, "it still answers from memory"),
                other => panic!("{other:?}"),
            }
        }
    };
    let (recorded_after, reads_end) = tokio::join!(recorded, reads);
    assert!(recorded_after < DEADLINE, "it took {recorded_after:?} to refuse");
    assert!(reads_end < READS_END, "the last read from memory ended after {reads_end:?}");
    let unready = replica.get("/readyz", "").await;
    assert_eq!(unready.body["caught_up"], false, "{:#}", unready.body);
    assert!(unready.body["position"].is_u64() && unready.body["head_age_ms"].as_u64() >= Some(1_000));
    assert!(unready.headers.contains_key("retry-after"));
    unready.problem(503);

    let (ended, answer) = open.await.expect("nobody panics");
    let streams_end = ended - cut;
    assert!(streams_end < STREAMS_END, "the open call went on for {streams_end:?}");
    assert_ne!(answer.body["outcome"], "completed", "{:#}", answer.body);
    for _ in 0..3 {
        assert_eq!(ask(&replica, &revoked, "check").await.0, 503);
        assert_eq!(ask(&replica, &kept, "record").await.0, 503);
    }
    let held_back = proxy.held_back();
    assert!(held_back > 0, "the cut struck nobody");

    proxy.set(Way::Open);
    let back = Instant::now();
    while ask(&replica, &kept, "record").await != (200, json!("permit")) {
        assert!(back.elapsed() < PATIENCE, "it never came back");
        sleep(Duration::from_millis(20)).await;
    }
    let healed = back.elapsed();
    assert_eq!(ask(&replica, &revoked, "check").await, (200, json!("deny")));
    assert_eq!(ask(&replica, &revoked, "record").await, (200, json!("deny")));
    assert_eq!(replica.get("/readyz", "").await.expect(200)["caught_up"], true);

    let at = revocation["position"].as_u64().expect("it says where");
    let events = book::whole(&house.app.journal).await;
    let of_it = events.iter().filter(|event| event.stream.aggregate_id == revoked && event.position.0 > at);
    let stale = of_it.filter(|event| book::is_permit(event)).count();
    let kind = if way == Way::Silent { "bytes" } else { "connections" };
    fault(
        6,
        &format!("replica cut off from the database, {name}"),
        &format!("{held_back} {kind} held back"),
        &[
            ("recorded decision refused after", ms(recorded_after)),
            ("reads from memory ended after", ms(reads_end)),
            ("open call ended after", ms(streams_end)),
            ("stale permits", stale.to_string()),
            ("healed after", ms(healed)),
        ],
    );
    assert_eq!(stale, 0, "permits behind the revocation");
    replica.stop().await;
    house.stop().await;
}

/// Connections stay open, and nothing moves on them any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_whose_database_went_silent_refuses_ends_its_streams_and_heals() {
    cut_off("silent", Way::Silent).await;
}

/// Connections break, and no new ones come about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_whose_database_refuses_does_the_same() {
    cut_off("refused", Way::Refusing).await;
}

/// Fault 6. The network is a proxy of ours, which says how much it held back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn replica_cut_off_from_its_database_permits_nothing_stale() {
    cut_off("silent", Way::Silent).await;
    cut_off("refused", Way::Refusing).await;
}
