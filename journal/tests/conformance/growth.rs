//! Partitions, on `PostgreSQL`.

use tollbook_journal::{INSTANCE, Position};

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
