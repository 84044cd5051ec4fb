//! When the database is slow, silent or gone: an answer in time, and nothing written after a no.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollbook_journal::{Database, Failpoint, INSTANCE, Journal, Position, Refused, Settings};

use crate::given::{call, positions};
use crate::home::{CLUSTER, Home, on_both};
use crate::order::read_all;

on_both!(
    what_is_not_durable_in_time_is_refused_and_never_written,
    a_full_queue_refuses_at_once,
    closing_writes_what_waits_and_then_refuses,
    an_answer_that_is_lost_after_the_commit_is_found,
    an_append_that_is_lost_before_the_lock_is_written_once,
    a_caller_that_has_gone_away_in_the_queue_writes_nothing,
);

fn short() -> Settings {
    Settings { deadline: Duration::from_millis(800), ..Settings::default() }
}

fn unavailable(answer: &Result<impl Sized, Refused>) -> bool {
    matches!(answer, Err(Refused::Unavailable { .. }))
}

async fn what_is_not_durable_in_time_is_refused_and_never_written(home: Home) {
    let journal = home.journal_with(short()).await;
    let lock = home.hold_lock().await;
    let begun = Instant::now();
    let answers = futures::future::join_all((0..5).map(|_| journal.append(call(INSTANCE)))).await;
    assert!(answers.iter().all(unavailable), "{answers:?}");
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    lock.release().await;
    assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(0));
    journal.close().await;
    assert_eq!(home.journal().await.head().await.unwrap().next, Position(1));
}

async fn a_full_queue_refuses_at_once(home: Home) {
    let journal = home.journal_with(Settings { queue: 4, batch: 2, ..Settings::default() }).await;
    let lock = home.hold_lock().await;
    let mut appends = JoinSet::new();
    for _ in 0..20 {
        let journal = journal.clone();
        appends.spawn(async move {
            let begun = Instant::now();
            (journal.append(call(INSTANCE)).await, begun.elapsed())
        });
    }
    // Those that are refused come first; the others wait for the lock.
    let (refused, after) = appends.join_next().await.unwrap().unwrap();
    assert!(unavailable(&refused) && after < Duration::from_millis(600), "{refused:?} after {after:?}");
    lock.release().await;
    let accepted = appends.join_all().await.into_iter().filter(|(answer, _)| answer.is_ok()).count();
    assert!((4..=8).contains(&accepted), "{accepted}");
    assert_eq!(read_all(&journal).await.len(), accepted);
}

async fn closing_writes_what_waits_and_then_refuses(home: Home) {
    let journal = home.journal().await;
    let lock = home.hold_lock().await;
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.append(call(INSTANCE)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let closing = tokio::spawn({
        let journal = journal.clone();
        async move { journal.close().await }
    });
    lock.release().await;
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    closing.await.unwrap();
    assert!(unavailable(&journal.append(call(INSTANCE)).await));
    assert_eq!(read_all(&journal).await.len(), 5);
}

async fn with_failpoint(home: &Home, point: Failpoint) -> Journal {
    let settings = Settings::default();
    let failpoints = settings.failpoints.clone();
    let journal = home.journal_with(settings).await;
    journal.append(call(INSTANCE)).await.unwrap();
    failpoints.arm(point);
    journal
}

async fn an_answer_that_is_lost_after_the_commit_is_found(home: Home) {
    let journal = with_failpoint(&home, Failpoint::AfterCommit).await;
    let answers = futures::future::join_all((0..10).map(|_| journal.append(call(INSTANCE)))).await;
    let mut acknowledged: Vec<u64> = answers.into_iter().map(|answer| answer.unwrap().first.0).collect();
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, (1..=10).collect::<Vec<_>>());
    assert_eq!(read_all(&journal).await.len(), 11);
}

async fn an_append_that_is_lost_before_the_lock_is_written_once(home: Home) {
    let point = if home.is_postgres() { Failpoint::BeforeLock } else { Failpoint::AfterLock };
    let journal = with_failpoint(&home, point).await;
    assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(1));
    assert_eq!(read_all(&journal).await.len(), 2);
}

async fn a_caller_that_has_gone_away_in_the_queue_writes_nothing(home: Home) {
    let journal = home.journal_with(Settings { batch: 1, ..Settings::default() }).await;
    let lock = home.hold_lock().await;
    let first = tokio::spawn({
        let journal = journal.clone();
        async move { journal.append(call(INSTANCE)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let gone = tokio::spawn({
        let journal = journal.clone();
        async move { journal.append(call(INSTANCE)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    lock.release().await;
    first.await.unwrap().unwrap();
    assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(1));
}

/// Ends the backends that append to this database.
fn end_appenders(home: &Home) -> String {
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = '{}' AND application_name = 'tollbook append'",
        home.name()
    );
    CLUSTER.psql("postgres", &sql)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_ended_in_mid_batch_costs_nobody_an_append() {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    // Only the first insert sleeps: what a sequence gave out stays given out.
    let slow = "CREATE SEQUENCE inserts; GRANT USAGE ON inserts TO service;
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF nextval(''inserts'') = 1 THEN PERFORM pg_sleep(10); END IF; RETURN NULL; END';
        CREATE TRIGGER slow AFTER INSERT ON events EXECUTE FUNCTION slow()";
    home.sql(slow).await.unwrap();
    let append = tokio::spawn({
        let journal = journal.clone();
        async move { journal.append(call(INSTANCE)).await }
    });
    let sleeps = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
        home.name()
    );
    while CLUSTER.psql("postgres", &sleeps) != "1" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    end_appenders(&home);
    assert_eq!(append.await.unwrap().unwrap().first, Position(0));
    assert_eq!(read_all(&journal).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_hangs_is_ended_before_its_caller_is_told_no() {
    let home = Home::postgres().await;
    let journal = home.journal_with(short()).await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(10); RETURN NULL; END';
        CREATE TRIGGER slow AFTER INSERT ON events EXECUTE FUNCTION slow()";
    home.sql(slow).await.unwrap();
    let begun = Instant::now();
    let refused = journal.append(call(INSTANCE)).await;
    assert!(unavailable(&refused), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    let sleeps = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
        home.name()
    );
    assert_eq!(CLUSTER.psql("postgres", &sleeps), "0");
    assert_eq!(journal.head().await.unwrap().next, Position(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backends_ended_under_load_lose_and_double_nothing() {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    let mut writers = JoinSet::new();
    for _ in 0..16 {
        let journal = journal.clone();
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for _ in 0..60 {
                if let Ok(appended) = journal.append(call(INSTANCE)).await {
                    acknowledged.push(appended.first);
                }
            }
            acknowledged
        });
    }
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        end_appenders(&home);
    }
    let mut acknowledged = writers.join_all().await.concat();
    acknowledged.sort_unstable();
    let events = read_all(&journal).await;
    assert_eq!(positions(&events), (0..events.len() as u64).collect::<Vec<_>>());
    // Nothing was refused here, so all that stands there was acknowledged, once.
    let all: Vec<Position> = events.iter().map(|event| event.position).collect();
    assert_eq!(acknowledged, all);
    let mut ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len());
}

/// `SQLite` sometimes rolls back by itself (a full disk, an error of the disk; here a trigger that asks
/// for it), and the connection must not stay as if it hadn't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_sqlite_rolled_back_by_itself_locks_nobody_out() {
    let home = Home::sqlite().await;
    let journal = home.journal().await;
    let sql = "CREATE TRIGGER stop BEFORE INSERT ON events WHEN NEW.event_type = 'stop'
        BEGIN SELECT RAISE(ROLLBACK, 'rolled back'); END";
    home.sql(sql).await.unwrap();
    for round in 0..3 {
        let mut stopped = call(INSTANCE);
        stopped.writes[0].events[0].event_type = "stop".into();
        assert!(journal.append(stopped).await.is_err());
        assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(round));
    }
}

/// sqlx leaves a transaction behind that nobody has, if one gives up while it begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gives_up_while_beginning_on_sqlite_locks_nobody_out() {
    let home = Home::sqlite().await;
    let journal = home.journal().await;
    let Database::Sqlite(book) = home.database.clone() else { unreachable!() };
    for round in 0..300 {
        let mut begins = Box::pin(book.writer.begin_with("BEGIN IMMEDIATE"));
        // It is looked at so many times, and then dropped wherever it is.
        for _ in 0..=round % 12 {
            if futures::poll!(&mut begins).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
            std::thread::sleep(Duration::from_micros(20));
        }
        drop(begins);
        assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(round));
    }
}
