//! Partitions, on `PostgreSQL`.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tollbook_journal::{INSTANCE, Journal, Position, Refused};

use crate::given::call;
use crate::home::{CLUSTER, Home};

/// As if the book had grown to `position`.
async fn grow_to(home: &Home, position: u64) {
    let sql = format!(
        "INSERT INTO events (position, event_id, aggregate_type, aggregate_id, event_type, event_version, payload,
             metadata, workspace_id, workspace_sequence, control, narrows, recorded_at)
         VALUES ({position}, gen_random_uuid(), 'a', 'b', 'c', '1', '{{}}', '{{}}', gen_random_uuid(), 1, false, false, now())"
    );
    home.sql(&sql).await.unwrap();
}

fn partitions(home: &Home) -> String {
    CLUSTER.psql(home.name(), "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_partitions_are_made_before_they_are_needed() {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    assert_eq!(partitions(&home), "3");
    grow_to(&home, 9_999_998).await;
    for position in [9_999_999, 10_000_000, 10_000_001] {
        assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(position));
    }
    while partitions(&home) != "4" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // A workspace's numbers go on across the border.
    assert_eq!(journal.event(Position(10_000_001)).await.unwrap().unwrap().workspace_sequence, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_is_missing_is_made_and_the_append_goes_on() {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    grow_to(&home, 29_999_999).await;
    assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(30_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_partition_refuses_changes_too() {
    let home = Home::postgres().await;
    let _journal = home.journal().await;
    grow_to(&home, 29_999_999).await;
    home.journal().await;
    for sql in
        ["TRUNCATE events_p000003", "DELETE FROM events_p000003", "UPDATE events_p000003 SET control = true"]
    {
        let refused = home.sql(sql).await.unwrap_err().to_string();
        assert!(refused.contains("refused"), "{refused}");
    }
}

/// What keeps new partitions from being made.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    /// The service's role may not.
    NoRight,
    /// Somebody holds a lock on the table, as a long `ANALYZE` does. Appends don't mind it.
    Locked,
}

impl Obstacle {
    async fn begin(self, home: &Home) -> Option<PgConnection> {
        match self {
            Self::NoRight => {
                home.sql("REVOKE EXECUTE ON FUNCTION make_partitions(integer) FROM service").await.unwrap();
                None
            }
            Self::Locked => {
                let mut other = PgConnection::connect(&CLUSTER.url(home.name())).await.unwrap();
                let lock = "BEGIN; LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE";
                sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
                Some(other)
            }
        }
    }

    async fn end(self, home: &Home, other: Option<PgConnection>) {
        match other {
            Some(other) => other.close().await.unwrap(),
            None => home.sql("GRANT EXECUTE ON FUNCTION make_partitions(integer) TO service").await.unwrap(),
        }
    }
}

async fn until_in_trouble(journal: &Journal) {
    while journal.partition_trouble().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn goes_on_while_there_is_room(obstacle: Obstacle) {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    assert_eq!(journal.partition_trouble(), None);
    let other = obstacle.begin(&home).await;
    grow_to(&home, 29_999_990).await;
    // Each append of these would make partitions, and can't.
    for position in 29_999_991..=29_999_999 {
        let begun = Instant::now();
        assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(position));
        assert!(begun.elapsed() < Duration::from_secs(1), "an append waited for partitions");
    }
    until_in_trouble(&journal).await;
    let trouble = journal.partition_trouble().unwrap();
    assert_eq!(trouble.edge, Some(Position(30_000_000)), "{trouble:?}");

    // Now there is no room left: refused in time, and nothing else breaks.
    for _ in 0..3 {
        let begun = Instant::now();
        let refused = journal.append(call(INSTANCE)).await;
        assert!(matches!(refused, Err(Refused::Unavailable { .. })), "{refused:?}");
        assert!(begun.elapsed() < Duration::from_millis(2200), "{:?}", begun.elapsed());
        assert_eq!(journal.head().await.unwrap().next, Position(30_000_000));
    }
    // A service that starts now is in the same trouble, and says so.
    let started = home.replica().await;
    assert!(started.partition_trouble().is_some() && started.append(call(INSTANCE)).await.is_err());
    let still = journal.partition_trouble().unwrap();
    assert_eq!((still.since, still.edge), (trouble.since, trouble.edge), "one trouble, said once");

    obstacle.end(&home, other).await;
    while journal.append(call(INSTANCE)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(journal.head().await.unwrap().next, Position(30_000_001));
    assert_eq!(journal.partition_trouble(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_go_on_while_there_is_room_without_the_right_to_make_more() {
    goes_on_while_there_is_room(Obstacle::NoRight).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_go_on_while_there_is_room_and_somebody_holds_the_table() {
    goes_on_while_there_is_room(Obstacle::Locked).await;
}
