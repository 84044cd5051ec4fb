//! A server that crashes, and one that comes back without its last events.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollbook_journal::{Database, DatabaseUrl, INSTANCE, Journal, Position, Refused, Settings, migrate};
use tollbook_testkit::postgres::{Options, Postgres};

use crate::given::{call, fenced, positions};
use crate::home::{CLUSTER, Home};
use crate::order::read_all;

async fn opened(cluster: &Postgres) -> Journal {
    let url: DatabaseUrl = cluster.create_database("book").parse().unwrap();
    let database = Database::connect(&url).await.unwrap();
    migrate(&database, None).await.unwrap();
    Journal::open(database, Settings::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_crash_is_there_after_it() {
    let cluster = Postgres::start(&Options::default());
    let journal = opened(&cluster).await;
    let mut writers = JoinSet::new();
    for _ in 0..32 {
        let journal = journal.clone();
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            loop {
                match journal.append(call(INSTANCE)).await {
                    Ok(appended) => acknowledged.push(appended.first),
                    Err(_) => return acknowledged,
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    cluster.kill9();
    let mut acknowledged: Vec<Position> = writers.join_all().await.concat();
    let begun = Instant::now();
    let refused = journal.append(call(INSTANCE)).await;
    assert!(matches!(refused, Err(Refused::Unavailable { .. })), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    cluster.start_again();
    while journal.append(call(INSTANCE)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let events = read_all(&journal).await;
    assert_eq!(positions(&events), (0..events.len() as u64).collect::<Vec<_>>());
    acknowledged.sort_unstable();
    acknowledged.dedup();
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    assert!(acknowledged.iter().all(|position| position.0 < events.len() as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_tail_is_noticed_and_stops_what_was_decided_on_it() {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    for _ in 0..5 {
        journal.append(call(INSTANCE)).await.unwrap();
    }
    let mut lost = journal.lost_tail();
    home.tamper("DELETE FROM events WHERE position >= 3").await;
    let end = format!(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
        WHERE datname = '{}' AND application_name = 'tollbook append'",
        home.name()
    );
    CLUSTER.psql("postgres", &end);
    let refused = journal.append(fenced(call(INSTANCE), Position(3))).await;
    assert!(matches!(refused, Err(Refused::Unavailable { .. })), "{refused:?}");
    let loss = lost.wait_for(Option::is_some).await.unwrap().unwrap();
    assert_eq!((loss.known, loss.head), (Position(4), Position(3)));
    assert_eq!(*journal.wake().borrow(), Position(3));
    // What needs no fence goes on; what does waits until the state was loaded anew.
    assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(3));
    assert!(journal.append(fenced(call(INSTANCE), Position(3))).await.is_err());
    journal.accept_lost_tail(&loss);
    assert_eq!(journal.append(fenced(call(INSTANCE), Position(4))).await.unwrap().first, Position(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_replaced_is_a_lost_tail_too() {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    journal.append(call(INSTANCE)).await.unwrap();
    let mut lost = journal.lost_tail();
    home.tamper("UPDATE events SET payload = '{}' WHERE position = 0").await;
    let end = format!(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
        WHERE datname = '{}' AND application_name = 'tollbook append'",
        home.name()
    );
    CLUSTER.psql("postgres", &end);
    journal.append(call(INSTANCE)).await.unwrap();
    assert!(lost.wait_for(Option::is_some).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_is_still_there_is_not_lost() {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    for _ in 0..5 {
        journal.append(call(INSTANCE)).await.unwrap();
        let end = format!(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
            WHERE datname = '{}' AND application_name = 'tollbook append'",
            home.name()
        );
        CLUSTER.psql("postgres", &end);
    }
    assert_eq!(*journal.lost_tail().borrow(), None);
    assert_eq!(read_all(&journal).await.len(), 5);
}
