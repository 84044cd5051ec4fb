//! How fast the session list is built again from a book of tool calls, beside `COPY … TO STDOUT` of the
//! same events, and what that does to somebody who reads meanwhile.
//!
//! `cargo run --release -p tollbook-projections --example rebuild -- 1000000`. Of a hundred events two make
//! sessions, one revokes one; the others are permits of calls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::cast_precision_loss, reason = "rates")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cqrs_es::{Aggregate as _, DomainEvent as _};
use futures::StreamExt as _;
use sqlx::postgres::PgPoolCopyExt as _;
use tollbook_aggregates::{
    Epoch, Fact as _, Grant, MadeWith, ProjectionOrder, Route, Session, SessionEvent, ToolCall, ToolServerId,
    Verifier, WorkspaceId,
};
use tollbook_journal::{
    Append, Database, DatabaseUrl, Expected, Journal, NewEvent, Position, Settings, Stream, Write, migrate,
};
use tollbook_projections::{Model, Pace, Projector, Query, Rows, Sessions, Views};
use tollbook_testkit::postgres::{Options, Postgres};
use uuid::Uuid;

const WORKSPACE: Uuid = Uuid::from_u128(7);

fn models() -> Vec<Box<dyn Model>> {
    vec![Box::new(Rows::<Sessions>::new())]
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let events: u64 = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number"));
    let server = Postgres::start(&Options { on_disk: true, ..Options::default() });
    let url: DatabaseUrl = server.create_database("rebuild").parse().unwrap();
    let database = Database::connect(&url).await.unwrap();
    migrate(&database, None).await.unwrap();
    let journal = Journal::open(database.clone(), Settings::default()).await.unwrap();
    let views = Views::new(journal.clone());
    let mut number = 0;
    while number < events {
        journal.append(append(&mut number, 500)).await.unwrap();
    }
    let projector = Projector::new(&views, models(), Pace::default(), Uuid::now_v7());
    let rebuilder = projector.rebuilder();
    let running = tokio::spawn(projector.run(tokio_util::sync::CancellationToken::new()));
    let reached = views.wait_for("session", Position(number - 1), Duration::from_secs(3600)).await;
    reached.unwrap().unwrap();
    running.abort();

    let quiet = reads(&views, Duration::from_secs(3)).await;
    let stop = Arc::new(AtomicBool::new(false));
    for with_reader in [false, true, false] {
        stop.store(false, Ordering::Release);
        let reader = with_reader.then(|| tokio::spawn(reads_until(views.clone(), Arc::clone(&stop))));
        number += 1;
        let at = Position(number);
        rebuilder.carry_out("session", ProjectionOrder::Rebuild, at).await.unwrap();
        let began = Instant::now();
        rebuilder.round(Duration::from_secs(3600)).await.unwrap();
        let took = began.elapsed();
        stop.store(true, Ordering::Release);
        let build = rebuilder.overview("session").await.unwrap().build.unwrap();
        println!(
            "rebuild of {} events: {:.2} s whole, folding {} events/s, {:?}, {:?} differences",
            build.position,
            took.as_secs_f64(),
            build.events_per_second,
            build.state,
            build.differences
        );
        if let Some(reader) = reader {
            let busy = reader.await.unwrap();
            println!("reads: p50 {quiet:?} before, {busy:?} during the rebuild");
        }
    }
    let Database::Postgres(pool) = &database else { return };
    for _ in 0..3 {
        let (began, mut bytes) = (Instant::now(), 0);
        let mut copied = pool.copy_out_raw("COPY (SELECT * FROM events) TO STDOUT").await.unwrap();
        while let Some(chunk) = copied.next().await {
            bytes += chunk.unwrap().len();
        }
        let rate = events as f64 / began.elapsed().as_secs_f64();
        println!("COPY TO STDOUT: {rate:.0} events/s, {} MB", bytes / 1_000_000);
    }
}

/// The median of reading a page of sessions.
async fn reads(views: &Views, lasts: Duration) -> Duration {
    let stop = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn(reads_until(views.clone(), Arc::clone(&stop)));
    tokio::time::sleep(lasts).await;
    stop.store(true, Ordering::Release);
    reading.await.unwrap()
}

async fn reads_until(views: Views, stop: Arc<AtomicBool>) -> Duration {
    let mut took = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let began = Instant::now();
        let page = views.list::<Sessions>(WORKSPACE, &Query { limit: 50, ..Query::default() }).await.unwrap();
        assert_eq!(page.len(), 50);
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

fn append(number: &mut u64, events: usize) -> Append {
    let writes = (0..events).map(|_| write(number)).collect();
    Append { writes, fence: None, not_after: None, idempotency: None, budget: None }
}

fn write(number: &mut u64) -> Write {
    let id = |number: u64| Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + u128::from(number));
    let (session, event) = match *number % 100 {
        0 | 50 => (id(*number), created()),
        75 => (id(*number - 75), SessionEvent::Revoked { reason: None }),
        _ => (id(*number - *number % 50), called(*number)),
    };
    *number += 1;
    let new = NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event.event_type().into(),
        event_version: event.event_version().into(),
        payload: serde_json::to_string(&event).unwrap(),
        metadata: format!(
            r#"{{"actor":"user:{0}","credential":"session:{session}","role":"member","request_id":"{0}"}}"#,
            Uuid::nil()
        ),
        control: event.control(),
        narrows: event.narrows(),
        sealed: Vec::new(),
    };
    let stream = Stream { aggregate_type: Session::TYPE.into(), aggregate_id: session.to_string() };
    Write { workspace_id: WORKSPACE, stream, expected: Expected::Any, events: vec![new] }
}

fn created() -> SessionEvent {
    let grant = Grant {
        workspace_id: WorkspaceId(WORKSPACE),
        user_id: Uuid::now_v7().into(),
        made_with: MadeWith::ApiKey(Uuid::now_v7().into()),
        loadout_id: Uuid::from_u128(9).into(),
        loadout_version: 1,
        verifier: Verifier::default(),
        expires_at: "2027-01-01T00:00:00Z".parse().unwrap(),
        max_calls: None,
        epoch: Epoch::FIRST,
    };
    SessionEvent::Created { grant, label: None }
}

fn called(number: u64) -> SessionEvent {
    let call = ToolCall {
        call_id: Uuid::now_v7().into(),
        tool: format!("tool{}", number % 12),
        jsonrpc_id: Some(number.to_string()),
        argument_bytes: 200,
        argument_digest: None,
        self_declared_client: None,
    };
    let tool_server_id = ToolServerId(Uuid::from_u128(3));
    let route = Route { tool_server_id, upstream_tool: "search".into(), loadout_version: 1 };
    SessionEvent::ToolCalled { call, route }
}
