//! Whoever reads the book page by page sees all of it, or an error: never a part that looks whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tollbook_journal::{Filter, INSTANCE, Journal, Position, ReadError, Settings};

use crate::given::call;
use crate::home::{CLUSTER, Home};

/// Ends the backends of the service's pool that are at work.
fn end_readers(home: &Home) -> u32 {
    let sql = format!(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = '{}' AND application_name = 'tollbook' AND state = 'active'",
        home.name()
    );
    CLUSTER.psql("postgres", &sql).parse().unwrap()
}

async fn book_of(home: &Home, events: usize) -> Journal {
    let journal = home.journal().await;
    let mut appends = JoinSet::new();
    for _ in 0..events {
        let journal = journal.clone();
        appends.spawn(async move { journal.append(call(INSTANCE)).await.map(drop) });
    }
    appends.join_all().await.into_iter().collect::<Result<(), _>>().unwrap();
    journal
}

/// The way every follower reads: until a page says that there is no more.
async fn read_to_the_end(journal: &Journal) -> Result<u64, ReadError> {
    let mut from = Position(0);
    loop {
        let page = journal.read(from, 500, &Filter::default()).await?;
        from = page.next;
        if page.next == page.head {
            return Ok(from.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_whose_connection_is_ended_is_an_error() {
    let home = Home::postgres().await;
    let journal = book_of(&home, 10).await;
    let mut other = PgConnection::connect(&CLUSTER.url(home.name())).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE events").execute(&mut other).await.unwrap();
    let reading = tokio::spawn({
        let journal = journal.clone();
        async move { journal.read(Position(0), 100, &Filter::default()).await }
    });
    while end_readers(&home) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let cut = reading.await.unwrap();
    assert!(matches!(cut, Err(ReadError::Unavailable(_))), "{cut:?}");
    other.close().await.unwrap();
    assert_eq!(read_to_the_end(&journal).await.unwrap(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_is_whole_or_an_error_however_often_its_connections_are_ended() {
    let home = Home::postgres().await;
    let journal = book_of(&home, 3000).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (journal, stop) = (journal.clone(), stop.clone());
        readers.spawn(async move {
            let mut cut = 0;
            while !stop.load(Ordering::SeqCst) {
                match read_to_the_end(&journal).await {
                    Ok(read) => assert_eq!(read, 3000, "a short feed looked whole"),
                    Err(_) => cut += 1,
                }
            }
            cut
        });
    }
    let mut ended = 0;
    while ended < 40 {
        ended += tokio::task::block_in_place(|| end_readers(&home));
    }
    stop.store(true, Ordering::SeqCst);
    let cut: u32 = readers.join_all().await.into_iter().sum();
    assert!(cut > 0, "{ended} connections were ended, and no reader noticed");
    assert_eq!(read_to_the_end(&journal).await.unwrap(), 3000);
}

/// A database that is stuck holds readers up for as long as they were promised, and no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_a_stuck_database_ends_with_an_error_in_time() {
    let home = Home::postgres().await;
    let settings = Settings { deadline: Duration::from_millis(200), ..Settings::default() };
    let journal = home.journal_with(settings).await;
    let mut other = PgConnection::connect(&CLUSTER.url(home.name())).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE events").execute(&mut other).await.unwrap();
    let begun = std::time::Instant::now();
    assert!(matches!(journal.event(Position(0)).await, Err(ReadError::Unavailable(_))));
    assert!(matches!(journal.read(Position(0), 1, &Filter::default()).await, Err(ReadError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    other.close().await.unwrap();
}
