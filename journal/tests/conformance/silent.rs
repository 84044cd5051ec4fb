//! A database that goes silent: its connections stay open, and nothing comes back on them any more.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::time::sleep;
use tollbook_journal::{
    Database, DatabaseUrl, Filter, INSTANCE, Journal, Position, ReadError, Settings, Stream,
};
use tollbook_testkit::proxy::{Proxy, Way};
use uuid::Uuid;

use crate::given::call;
use crate::home::{CLUSTER, Home};
use crate::stock::Tally;

const DEADLINE: Duration = Duration::from_millis(300);
/// What a busy machine takes longer.
const SLACK: Duration = Duration::from_secs(2);
/// Nobody waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than there are connections to lend.
const MANY: usize = 20;

type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), ReadError>> + Send + 'a>>;
type Read = for<'a> fn(&'a Journal) -> Answer<'a>;

macro_rules! reads {
    ($($deadlines:literal $name:literal: |$journal:ident| $read:expr;)*) => {
        [$(($name, $deadlines, {
            let read: Read = |$journal| Box::pin(async move { $read.await.map(drop) });
            read
        })),*]
    };
}

fn stream() -> Stream {
    Stream { aggregate_type: "session".into(), aggregate_id: "any".into() }
}

/// Every way to read the book, and how many deadlines it has.
fn every_read() -> impl IntoIterator<Item = (&'static str, u32, Read)> {
    const TYPES: &[&str] = &["session"];
    reads! {
        1 "the head": |journal| journal.head();
        5 "a page": |journal| journal.read(Position(0), 10, &Filter::default());
        5 "a page by types":
            |journal| async { journal.read(Position(0), 10, &Filter { event_types: Some(TYPES), ..Filter::default() }).await };
        5 "a stream": |journal| async { journal.read_stream(&stream(), Position(0), 10).await };
        5 "control events": |journal| journal.control(Position(0), Position(9), 10);
        5 "control events of a stream": |journal| async { journal.read_control_stream(&stream()).await };
        5 "an aggregate": |journal| journal.load::<Tally>("any");
        1 "an event": |journal| journal.event(Position(0));
        1 "bodies": |journal| async { journal.bodies(&[Uuid::nil()]).await };
        1 "a budget": |journal| journal.budget_used(Uuid::nil());
        1 "an answer that is kept": |journal| journal.idempotent("scope", "key");
        1 "keeping an answer": |journal| journal.complete_idempotent("scope", "key", Vec::new());
    }
}

const LOCK: &str = "BEGIN; LOCK TABLE events, event_bodies, idempotency, budgets";
const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// How many of the pool's places are taken. One is: notifications are heard on it.
fn lent(pool: &PgPool) -> usize {
    (pool.size() as usize).saturating_sub(pool.num_idle())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_ends_in_time_and_gives_its_connection_up() {
    let home = Home::postgres().await;
    let proxy = Proxy::to(CLUSTER.port()).await;
    let through = CLUSTER.url_as("service", home.name());
    let through = through.replace(&format!(":{}/", CLUSTER.port()), &format!(":{}/", proxy.port));
    let url: DatabaseUrl = through.parse().unwrap();
    let database = Database::connect(&url).await.unwrap();
    let Database::Postgres(pool) = &database else { panic!("it is on PostgreSQL") };
    // Nothing else asks meanwhile.
    let hour = Duration::from_secs(3600);
    let settings = Settings { deadline: DEADLINE, poll: hour, forget: hour, ..Settings::default() };
    let journal = Journal::open(database.clone(), settings).await.unwrap();
    home.journal().await.append(call(INSTANCE)).await.unwrap();

    let mut other = PgConnection::connect(&CLUSTER.url(home.name())).await.unwrap();
    for (what, deadlines, read) in every_read() {
        let all = || futures::future::join_all((0..MANY).map(|_| read(&journal)));
        let begun = Instant::now();
        while !all().await.iter().all(Result::is_ok) {
            assert!(begun.elapsed() < PATIENCE, "{what}: the database is there");
        }
        while lent(pool) > 1 {
            assert!(begun.elapsed() < PATIENCE, "{what}: no connection comes back to the pool");
            sleep(Duration::from_millis(5)).await;
        }
        // It falls silent in the middle of an answer, too: these wait there when it does.
        sqlx::raw_sql(LOCK).execute(&mut other).await.unwrap();
        let limit = DEADLINE * deadlines;
        let begun = Instant::now();
        let fall_silent = async {
            let mut waiting = 0;
            while waiting == 0 && begun.elapsed() < limit {
                waiting = sqlx::query_scalar(WAITING).fetch_one(&mut other).await.unwrap();
            }
            proxy.set(Way::Silent);
            waiting
        };
        let asking = async { (all().await, begun.elapsed()) };
        let ((answers, took), waiting): (_, i64) = tokio::join!(asking, fall_silent);
        for answer in answers {
            assert!(matches!(answer, Err(ReadError::Unavailable(_))), "{what}: {answer:?}");
        }
        assert!(waiting > 0, "{what}: the database wasn't asked");
        assert!(took >= limit, "{what}: not answered after {took:?}");
        assert!(took < limit + SLACK, "{what}: not answered before {took:?}");
        assert!(lent(pool) <= 1, "{what}: connections that fell silent hold places of the pool still");
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        proxy.set(Way::Open);
    }
}
