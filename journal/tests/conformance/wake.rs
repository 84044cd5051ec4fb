//! Whoever follows the book hears that it grew.

use std::time::Duration;

use tokio::time::timeout;
use tollbook_journal::{INSTANCE, Position, Settings};

use crate::given::call;
use crate::home::{Home, on_both};

on_both!(
    an_append_of_ones_own_wakes,
    the_poll_wakes_without_any_notification,
    heads_are_never_older_than_the_question
);

fn never_polling() -> Settings {
    Settings { poll: Duration::from_secs(3600), ..Settings::default() }
}

async fn an_append_of_ones_own_wakes(home: Home) {
    let journal = home.journal_with(never_polling()).await;
    let mut wake = journal.wake();
    assert_eq!(*wake.borrow_and_update(), Position(0));
    journal.append(call(INSTANCE)).await.unwrap();
    timeout(Duration::from_secs(5), wake.wait_for(|head| *head == Position(1))).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_of_another_replica_wakes() {
    let home = Home::postgres().await;
    let journal = home.journal_with(never_polling()).await;
    let other = home.replica().await;
    let mut wake = journal.wake();
    // The listener may not listen yet; one of these appends is heard.
    let appends = async {
        loop {
            other.append(call(INSTANCE)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let heard = timeout(Duration::from_secs(10), wake.wait_for(|head| *head > Position(0)));
    tokio::select! {
        () = appends => {}
        heard = heard => drop(heard.unwrap().unwrap()),
    }
}

async fn the_poll_wakes_without_any_notification(home: Home) {
    let settings = Settings { poll: Duration::from_millis(20), ..Settings::default() };
    let journal = home.journal_with(settings).await;
    let sql = if home.is_postgres() {
        "now(), '{}', '{}', gen_random_uuid()"
    } else {
        "0, '{}', '{}', randomblob(16)"
    };
    let sql = format!(
        "INSERT INTO events (position, event_id, aggregate_type, aggregate_id, event_type, event_version,
             workspace_sequence, control, narrows, recorded_at, payload, metadata, workspace_id)
         SELECT 0, {}, 'a', 'b', 'c', '1', 1, {f}, {f}, {sql}",
        if home.is_postgres() { "gen_random_uuid()" } else { "randomblob(16)" },
        f = if home.is_postgres() { "false" } else { "0" },
    );
    let mut wake = journal.wake();
    home.sql(&sql).await.unwrap();
    timeout(Duration::from_secs(5), wake.wait_for(|head| *head == Position(1))).await.unwrap().unwrap();
}

async fn heads_are_never_older_than_the_question(home: Home) {
    let journal = home.journal().await;
    let askers = (0..8).map(|_| {
        let journal = journal.clone();
        tokio::spawn(async move {
            for _ in 0..25 {
                let asked = std::time::Instant::now();
                let appended = journal.append(call(INSTANCE)).await.unwrap();
                let head = journal.head().await.unwrap();
                assert!(head.next > appended.last && head.read_at >= asked);
            }
        })
    });
    for asker in askers.collect::<Vec<_>>() {
        asker.await.unwrap();
    }
}
