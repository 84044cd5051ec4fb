//! Promise 1 while a client that hangs has the append lock: nothing is forwarded, everybody is told so in time, the
//! doctor names the client, and the service goes on by itself once it is gone.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tollbook_testkit::node::Upstream;

use super::book;
use super::figures::{fault, ms, percentile};
use super::furnished::{Furnished, furnish};
use super::load::{Answered, End, Load, Work};
use super::recorded::{Permits, check_acknowledged};
use super::service::Home;
use crate::doctor::check;
use crate::house::CLUSTER;

/// The book answers within 2 s; what is left is for the way there and back on two busy cores.
const DEADLINE: Duration = Duration::from_secs(3);
/// Each caller is refused so often while the client hangs.
const REFUSALS: u64 = 5;
const CALLERS: [Work; 18] = {
    let mut works = [Work::Call; 18];
    (works[8], works[17]) = (Work::Authorize, Work::CreateSession);
    works
};

/// A client that takes the append lock, and does nothing more.
struct Stuck {
    connection: PgConnection,
    pid: i32,
}

impl Stuck {
    /// Waits for its turn like everybody else.
    async fn take(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().expect("it is a URL");
        let mut connection = options.application_name("stuck client").connect().await.expect("it connects");
        for sql in ["BEGIN", "SELECT pg_advisory_xact_lock(7070, 1)"] {
            sqlx::query(sql).execute(&mut connection).await.expect("it has its turn");
        }
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await;
        Self { connection, pid: pid.expect("it has a process") }
    }
}

/// Whoever has the append lock, as the database says, and where the book ends.
fn holder_and_end(database: &str) -> (String, String) {
    let holder =
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 7070 AND objid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    (CLUSTER.psql(database, holder), CLUSTER.psql(database, "SELECT max(position) FROM events"))
}

async fn doctor(home: &Home) -> (Option<i32>, Value, Duration) {
    let begun = Instant::now();
    let (status, printed) = home.run(&["doctor", "--json"], &[]).await;
    let json = &printed[..=printed.rfind('}').expect("it prints JSON")];
    (status.code(), serde_json::from_str(json).expect("it prints JSON"), begun.elapsed())
}

/// Fault 8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn nothing_is_forwarded_while_a_stuck_client_has_the_append_lock_and_the_doctor_names_it() {
    let home = Home::postgres(&CLUSTER);
    let (database, url) = home.database.clone().expect("it is on PostgreSQL");
    let upstream = Upstream::modern().await;
    let Furnished { first, place } = furnish(&home, &upstream, &["echo"]).await;
    let service = home.serve().await;
    let load = Load::start(&service.door(&first.key), &place, "stuck", &CALLERS);
    load.until(|tally| tally.done.iter().all(|done| *done > 2)).await;

    let in_flight = load.in_flight();
    let stuck = Stuck::take(&url).await;
    let taken = Instant::now();
    let (holder, end) = tokio::task::block_in_place(|| holder_and_end(&database));
    assert_eq!(holder, stuck.pid.to_string(), "it struck: the lock was granted to the stuck client");
    let before = load.tally();
    let refused = |times: u64| {
        let then = before.unavailable.clone();
        move |now: &[u64]| now.iter().zip(&then).all(|(now, then)| *now >= then + times)
    };
    // Whoever had a permit before has been through with it by now.
    let (once, often) = (refused(1), refused(REFUSALS));
    load.until(|tally| once(&tally.unavailable)).await;
    let forwarded = upstream.calls().await.tool_calls();
    let (code, report, took) = doctor(&home).await;
    load.until(|tally| often(&tally.unavailable)).await;
    let stalled = upstream.calls().await.tool_calls() - forwarded;
    let (holder, still) = tokio::task::block_in_place(|| holder_and_end(&database));
    assert_eq!((holder, still), (stuck.pid.to_string(), end), "nothing was written meanwhile");
    let held = taken.elapsed();

    let named = check(&report, "append_lock", "failed");
    assert!(named.contains(&format!("pid {} (stuck client", stuck.pid)), "{named}");
    assert!(named.contains(&format!("pg_terminate_backend({})", stuck.pid)), "{named}");
    assert_eq!(code, Some(1), "{report:#}");

    let down = load.tally();
    stuck.connection.close().await.expect("it ends");
    let ended = Instant::now();
    load.until(|tally| tally.done.iter().zip(&down.done).all(|(now, then)| now > then)).await;
    let recovery = ended.elapsed();
    let answers = load.stop().await;
    let (after, well, _) = doctor(&home).await;
    check(&well, "append_lock", "ok");
    assert_eq!(after, Some(0), "{well:#}");
    service.terminate();
    assert!(service.ended().await.success());

    let app = home.open().await;
    let events = book::whole(&app.journal).await;
    let permits = Permits::of(&place.workspace, &events);
    let acknowledged = check_acknowledged(&app, &permits, &answers, &events).await;
    let calls = upstream.calls().await;
    let unrecorded = permits.unrecorded(&app, &calls).await;
    home.close(app).await;
    let (refusals, times) = refusals(&answers);
    fault(
        8,
        "a stuck client holding the head",
        &format!("the lock was its for {}, {in_flight} requests in flight", ms(held)),
        &[
            ("503 p50", ms(percentile(times.clone(), 0.5))),
            ("503 max", ms(percentile(times, 1.0))),
            ("503", refusals.to_string()),
            ("forwarded meanwhile", stalled.to_string()),
            ("the doctor named it in", ms(took)),
            ("recovery", ms(recovery)),
            ("acknowledged", acknowledged.to_string()),
            ("calls at the tool server", calls.tool_calls().to_string()),
            ("of them without a permit in the book", unrecorded.len().to_string()),
        ],
    );
    assert_eq!(stalled, 0, "forwarded while nothing could be written");
    assert!(in_flight > 0, "nobody was calling when it struck");
    assert!(unrecorded.is_empty(), "forwarded off the book: {unrecorded:?}");
}

/// Everybody was answered in time, and told when to try again: how many refusals there were, and how long each took.
fn refusals(answers: &[Answered]) -> (usize, Vec<Duration>) {
    let mut took = Vec::new();
    for answered in answers {
        match &answered.end {
            End::Done(_) => {}
            End::Unavailable { retry_after, code } => {
                assert!(*retry_after, "503 says when to try again");
                assert!(
                    ["book.", "vault.", "call.too_late"].iter().any(|known| code.starts_with(known)),
                    "`{code}`"
                );
                took.push(answered.took);
            }
            End::Lost | End::Other(_) => panic!("neither done nor unavailable: {answered:?}"),
        }
    }
    let worst = took.iter().max().copied().unwrap_or_default();
    assert!(worst < DEADLINE, "too late: {worst:?}");
    (took.len(), took)
}
