//! How fast the projector folds a flood of tool calls, and what that costs the database.
//!
//! `cargo run --release -p tollbook-projections --example fold -- postgres 10000 60000 300000`: the book
//! is written first, in stages, and folded from where it stood up to each stage; so a rate that falls
//! from stage to stage says that folding slows down as the tables grow. Processor time is what the
//! kernel charged the server's backends and this process.
//!
//! `… --example fold -- flood postgres 10`: 64 callers append for so many seconds, one event each, first
//! without and then with a projector beside them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::cast_precision_loss)]

use std::fs;
use std::time::{Duration, Instant};

use cqrs_es::{Aggregate as _, DomainEvent as _};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tollbook_aggregates::access::Denial;
use tollbook_aggregates::{
    CallId, Completion, EnforcedBy, Fact as _, Route, Session, SessionEvent, ToolCall, ToolServerId,
};
use tollbook_journal::{
    Append, Database, DatabaseUrl, Expected, Journal, NewEvent, Position, Settings, Stream, Write, migrate,
};
use tollbook_projections::{Pace, Projector, Views, standard};
use tollbook_testkit::postgres::{Options, Postgres};
use uuid::Uuid;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1).peekable();
    let flood = args.next_if_eq("flood").is_some();
    let backend = args.next().unwrap_or_else(|| "postgres".into());
    let numbers: Vec<u64> = args.map(|arg| arg.parse().expect("a number")).collect();
    let dir = tempfile::tempdir().unwrap();
    let server =
        (backend == "postgres").then(|| Postgres::start(&Options { on_disk: true, ..Options::default() }));
    let database = match &server {
        Some(server) => {
            let url: DatabaseUrl = server.create_database("fold").parse().unwrap();
            Database::connect(&url).await.unwrap()
        }
        None => Database::open_sqlite(dir.path()).await.unwrap(),
    };
    migrate(&database, None).await.unwrap();
    let journal = Journal::open(database.clone(), Settings::default()).await.unwrap();
    let views = Views::new(journal.clone());
    if flood {
        for projecting in [false, true, false, true] {
            let seconds = numbers.first().copied().unwrap_or(10);
            under_a_flood(&database, &journal, &views, projecting, Duration::from_secs(seconds)).await;
        }
    } else {
        let stages = if numbers.is_empty() { vec![10_000, 60_000, 300_000] } else { numbers };
        in_stages(&database, &journal, &views, &stages, dir.path()).await;
    }
    database.close().await;
}

fn start(views: &Views) -> (CancellationToken, JoinHandle<()>) {
    let stop = CancellationToken::new();
    let projector = Projector::new(views, standard(), Pace::default(), Uuid::now_v7());
    (stop.clone(), tokio::spawn(projector.run(stop)))
}

async fn wait_for_all(views: &Views, last: u64) {
    for model in standard() {
        let reached = views.wait_for(model.name(), Position(last), Duration::from_secs(600)).await;
        reached.unwrap().unwrap();
    }
}

async fn under_a_flood(
    database: &Database,
    journal: &Journal,
    views: &Views,
    projecting: bool,
    lasts: Duration,
) {
    // Whatever an earlier round left is folded first, and what this one adds isn't known to it.
    let (stop, running) = start(views);
    if let Some(last) = journal.head().await.unwrap().next.0.checked_sub(1) {
        wait_for_all(views, last).await;
    }
    stop.cancel();
    running.await.unwrap();
    let projector = projecting.then(|| start(views));
    let before = journal.head().await.unwrap().next.0;
    let (theirs, ours, began) = (backends(database).await, processor("self"), Instant::now());
    let callers = (0..64).map(|caller| {
        let journal = journal.clone();
        tokio::spawn(async move {
            let mut flood = Flood { told: caller * 1_000_003, open: None };
            while began.elapsed() < lasts {
                journal.append(flood.next(1)).await.unwrap();
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut behind = 0;
    while began.elapsed() < lasts {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let head = journal.head().await.unwrap().next.0;
        let status = views.status().await.unwrap();
        behind = behind.max(head - status.iter().map(|one| one.position.0).min().unwrap_or(0));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    let took = began.elapsed();
    let appended = journal.head().await.unwrap().next.0 - before;
    let each = |micros: u64| micros as f64 / appended as f64;
    print!(
        "{} projector: {:.0} appends/s, database {:.1} µs and we {:.1} µs an event",
        if projecting { "with" } else { "without" },
        appended as f64 / took.as_secs_f64(),
        each(backends(database).await - theirs),
        each(processor("self") - ours),
    );
    match projector {
        None => println!(),
        Some((stop, running)) => {
            wait_for_all(views, before + appended - 1).await;
            println!(
                ", never more than {behind} behind, caught up after {:.1?}",
                began.elapsed().saturating_sub(took)
            );
            stop.cancel();
            running.await.unwrap();
        }
    }
}

async fn in_stages(
    database: &Database,
    journal: &Journal,
    views: &Views,
    stages: &[u64],
    dir: &std::path::Path,
) {
    println!("| events | folded | events/s | database µs an event | our µs an event | bytes an event |");
    println!("|---|---|---|---|---|---|");
    let (mut flood, mut written) = (Flood::default(), 0);
    for &stage in stages {
        let before = written;
        while written < stage {
            let some = usize::try_from((stage - written).min(500)).unwrap();
            journal.append(flood.next(some)).await.unwrap();
            written += u64::try_from(some).unwrap();
        }
        let (theirs, ours, began) = (backends(database).await, processor("self"), Instant::now());
        let (stop, running) = start(views);
        wait_for_all(views, stage - 1).await;
        let took = began.elapsed();
        let (theirs, ours) = (backends(database).await - theirs, processor("self") - ours);
        stop.cancel();
        running.await.unwrap();
        let folded = stage - before;
        let each = |micros: u64| micros as f64 / folded as f64;
        println!(
            "| {stage} | {folded} | {:.0} | {:.1} | {:.1} | {} |",
            folded as f64 / took.as_secs_f64(),
            each(theirs),
            each(ours),
            size(database, dir).await / stage,
        );
    }
}

/// Processor time of a process, in microseconds.
fn processor(pid: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    // utime and stime, in hundredths of a second.
    [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum::<u64>() * 10_000
}

async fn backends(database: &Database) -> u64 {
    let Database::Postgres(pool) = database else { return 0 };
    let pids: Vec<(i32,)> = sqlx::query_as("SELECT pid FROM pg_stat_activity").fetch_all(pool).await.unwrap();
    pids.iter().map(|(pid,)| processor(&pid.to_string())).sum()
}

/// Bytes of tables and indexes of the read models.
async fn size(database: &Database, dir: &std::path::Path) -> u64 {
    match database {
        Database::Postgres(pool) => {
            let sql = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
                       WHERE relkind = 'r' AND relname LIKE 'projection%'";
            let (size,): (i64,) = sqlx::query_as(sql).fetch_one(pool).await.unwrap();
            size.try_into().unwrap()
        }
        Database::Sqlite(_) => fs::metadata(dir.join("views.db")).unwrap().len(),
    }
}

/// Agents of a team at work: 200 sessions, 12 tools of 3 servers; of a hundred decisions 80 calls with
/// their outcome, 10 authorizations and 10 denials.
#[derive(Default)]
struct Flood {
    told: u64,
    open: Option<(Uuid, CallId, String)>,
}

impl Flood {
    fn next(&mut self, events: usize) -> Append {
        let workspace_id = Uuid::from_u128(7);
        let writes = (0..events)
            .map(|_| {
                let (session, event, request) = self.event();
                let stream =
                    Stream { aggregate_type: Session::TYPE.into(), aggregate_id: session.to_string() };
                let new = NewEvent {
                    event_id: Uuid::now_v7(),
                    event_type: event.event_type().into(),
                    event_version: event.event_version().into(),
                    payload: serde_json::to_string(&event).unwrap(),
                    metadata: format!(
                        r#"{{"actor":"user:{}","credential":"session:{session}","role":"member","request_id":"{request}"}}"#,
                        Uuid::from_u128(session.as_u128() % 40)
                    ),
                    control: event.control(),
                    narrows: event.narrows(),
                    sealed: Vec::new(),
                };
                Write { workspace_id, stream, expected: Expected::Any, events: vec![new] }
            })
            .collect();
        Append { writes, fence: None, not_after: None, idempotency: None, budget: None }
    }

    fn event(&mut self) -> (Uuid, SessionEvent, String) {
        if let Some((session, call_id, request)) = self.open.take() {
            let completion = Completion { call_id, duration_ms: 120, response_bytes: 3456 };
            return (session, SessionEvent::ToolCallCompleted { completion, tool_error: false }, request);
        }
        self.told += 1;
        let session =
            Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + u128::from(self.told * 7 % 200));
        let call_id: CallId = Uuid::now_v7().into();
        let tool = self.told * 5 % 12;
        let call = ToolCall {
            call_id,
            tool: format!("server{}_tool{tool}", tool % 3),
            jsonrpc_id: Some(self.told.to_string()),
            argument_bytes: 200,
            argument_digest: None,
            self_declared_client: None,
        };
        let route = Route {
            tool_server_id: ToolServerId(Uuid::from_u128(u128::from(tool % 3))),
            upstream_tool: format!("tool{tool}"),
            loadout_version: 1,
        };
        let request = Uuid::now_v7().to_string();
        let event = match self.told % 10 {
            0 => SessionEvent::ToolDenied { call, reason: Denial::NotInLoadout },
            5 => SessionEvent::ToolAuthorized { call, route, enforced_by: EnforcedBy::External },
            _ => {
                self.open = Some((session, call_id, request.clone()));
                SessionEvent::ToolCalled { call, route }
            }
        };
        (session, event, request)
    }
}
