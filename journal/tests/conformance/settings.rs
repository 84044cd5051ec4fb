//! Settings that somebody gave the service's role: appends are as durable and as right as without them.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;
use tollbook_journal::{Database, DatabaseUrl, INSTANCE, Journal, Position, Refused, Settings, migrate};
use tollbook_testkit::postgres::{Options, Postgres};

use crate::given::{call, positions};
use crate::home::{CLUSTER, Home};
use crate::order::read_all;
use crate::stock::Tally;

impl Home {
    /// From the next connection on.
    async fn set(&self, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            let set = format!("ALTER ROLE service IN DATABASE {} SET {name} = {value}", self.name());
            self.sql(&set).await.unwrap();
        }
    }

    /// Until so many wait for the append lock.
    async fn wait_for_waiting(&self, number: i64) {
        let mut control = PgConnection::connect(&CLUSTER.url(self.name())).await.unwrap();
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let begun = Instant::now();
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut control).await.unwrap() < number {
            assert!(begun.elapsed() < Duration::from_secs(10), "they never wait");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The process that serves the connection that appends.
    fn append_backend(&self) -> String {
        let name = self.name();
        let sql = format!(
            "SELECT pid FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'tollbook append'"
        );
        CLUSTER.psql("postgres", &sql)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_waits_for_its_turn_however_little_time_the_role_has() {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    home.set(&[
        ("statement_timeout", "'50ms'"),
        ("lock_timeout", "'50ms'"),
        ("idle_session_timeout", "'50ms'"),
        ("idle_in_transaction_session_timeout", "'50ms'"),
    ])
    .await;
    let lock = home.hold_lock().await;
    let release = async {
        home.wait_for_waiting(1).await;
        // Longer than three tries of 50 ms, and shorter than one of the journal's own.
        sleep(Duration::from_millis(350)).await;
        lock.release().await;
    };
    let (appended, ()) = tokio::join!(journal.append(call(INSTANCE)), release);
    assert_eq!(appended.unwrap().first, Position(0));
    let backend = home.append_backend();
    assert!(!backend.is_empty());
    sleep(Duration::from_millis(200)).await;
    assert_eq!(journal.append(call(INSTANCE)).await.unwrap().first, Position(1));
    assert_eq!(home.append_backend(), backend, "the connection was ended while nothing was appended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_two_replicas_see_each_other_whatever_isolation_the_role_has() {
    for isolation in ["serializable", "'repeatable read'"] {
        let home = Home::postgres().await;
        home.set(&[("default_transaction_isolation", isolation)]).await;
        let replicas = [home.replica().await, home.replica().await];
        // Both have begun before either has written.
        for round in 0..5 {
            let lock = home.hold_lock().await;
            let release = async {
                home.wait_for_waiting(2).await;
                lock.release().await;
            };
            let [one, other] = &replicas;
            let (one, other, ()) =
                tokio::join!(one.append(call(INSTANCE)), other.append(call(INSTANCE)), release);
            let mut both = [one, other].map(|appended| appended.expect(isolation).first.0);
            both.sort_unstable();
            assert_eq!(both, [2 * round, 2 * round + 1], "{isolation}");
        }
        assert_eq!(positions(&read_all(&replicas[0]).await), (0..10).collect::<Vec<_>>(), "{isolation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_looked_for_where_they_are_meant_whatever_path_the_role_has() {
    let home = Home::postgres().await;
    home.journal().await.append(call(INSTANCE)).await.unwrap();
    home.sql(
        "CREATE SCHEMA decoy; GRANT USAGE ON SCHEMA decoy TO service;
         CREATE FUNCTION decoy.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2000-01-01'::timestamptz $$;
         CREATE FUNCTION decoy.cardinality(anyarray) RETURNS integer LANGUAGE sql AS $$ SELECT 0 $$;
         CREATE TABLE decoy.events (LIKE public.events); GRANT ALL ON decoy.events TO service",
    )
    .await
    .unwrap();
    home.set(&[("search_path", "decoy, pg_catalog, public")]).await;
    let journal = home.replica().await;
    // By the one that was written before, in the right place.
    let now = read_all(&home.journal().await).await[0].recorded_at;
    let mut expired = call(INSTANCE);
    expired.not_after = Some(now - TimeDelta::minutes(1));
    let refused = journal.append(expired).await;
    assert!(matches!(refused, Err(Refused::Expired)), "{refused:?}");
    let appended = journal.append(call(INSTANCE)).await.unwrap();
    assert_eq!(appended.first, Position(1));
    assert!((appended.recorded_at - now).abs() < TimeDelta::minutes(5), "{}", appended.recorded_at);
    assert_eq!(positions(&read_all(&journal).await), [0, 1]);
    let session = read_all(&journal).await.remove(0).stream.aggregate_id;
    assert!(journal.load::<Tally>(&session).await.is_ok(), "nothing of it is a tally");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_on_disk_though_the_role_does_not_wait_for_it() {
    // Left to itself, the server writes its log much later.
    let settings = [("wal_writer_delay", "10s"), ("wal_writer_flush_after", "1GB")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let cluster = Postgres::start(&Options { settings, ..Options::default() });
    let url: DatabaseUrl = cluster.create_database("book").parse().unwrap();
    let database = Database::connect(&url).await.unwrap();
    migrate(&database, None).await.unwrap();
    cluster.psql("book", "ALTER DATABASE book SET synchronous_commit = off");
    let journal = Journal::open(database, Settings::default()).await.unwrap();
    let mut last = None;
    for _ in 0..20 {
        last = Some(journal.append(call(INSTANCE)).await.unwrap().last);
    }
    cluster.kill9();
    cluster.start_again();
    let head = loop {
        if let Ok(head) = journal.head().await {
            break head.next;
        }
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(Some(head), last.map(Position::next));
}
