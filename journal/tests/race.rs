//! Calls racing the revocation of their workspace, from two replicas on one `PostgreSQL`.
//!
//! Run with `--features fence-off` the same test must find violations: it shows that it would
//! notice if the fence were missing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use tollbook_journal::{
    Append, Appended, Database, DatabaseUrl, Expected, Filter, Journal, NewEvent, Position, Refused,
    Settings, Stream, Write, migrate,
};
use tollbook_testkit::postgres::{Options, Postgres};
use uuid::Uuid;

const ROUNDS: usize = 10_000;
const REVOKED: &str = "session.revoked";

fn append(workspace_id: Uuid, event_type: &'static str, fence: Option<Position>) -> Append {
    let narrows = event_type == REVOKED;
    let event = NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event_type.into(),
        event_version: "1.0".into(),
        payload: "{}".into(),
        metadata: "{}".into(),
        control: narrows,
        narrows,
        sealed: vec![],
    };
    let stream = Stream { aggregate_type: "session".into(), aggregate_id: workspace_id.to_string() };
    let write = Write { workspace_id, stream, expected: Expected::Any, events: vec![event] };
    Append { writes: vec![write], fence, not_after: None, idempotency: None, budget: None }
}

/// What one round showed.
struct Round {
    together: bool,
    stale: bool,
}

async fn timed(journal: &Journal, append: Append) -> (Instant, Result<Appended, Refused>, Instant) {
    let begun = Instant::now();
    let answer = journal.append(append).await;
    (begun, answer, Instant::now())
}

/// A call is decided before anything is revoked, and then sent together with the revocation.
async fn round(n: usize, replicas: Arc<[Journal; 2]>) -> Round {
    let workspace = Uuid::from_u128(1 + n as u128);
    let (caller, revoker) = (&replicas[n % 2], &replicas[(n + 1) % 2]);
    let fence = caller.head().await.unwrap().next;
    let call = timed(caller, append(workspace, "session.tool_called", Some(fence)));
    let revocation = timed(revoker, append(workspace, REVOKED, None));
    let (call, revocation) = if n.is_multiple_of(4) {
        let (revocation, call) = futures::join!(revocation, call);
        (call, revocation)
    } else {
        futures::join!(call, revocation)
    };
    revocation.1.unwrap();
    let stale = matches!(call.1, Err(Refused::Stale { .. }));
    assert!(stale || call.1.is_ok(), "{:?}", call.1);
    Round { together: call.0 < revocation.2 && revocation.0 < call.2, stale }
}

/// Calls that stand behind the revocation of their workspace.
async fn violations(journal: &Journal) -> usize {
    let mut revoked: HashMap<Uuid, Position> = HashMap::new();
    let mut violations = 0;
    let mut from = Position(0);
    loop {
        let page = journal.read(from, 1000, &Filter::default()).await.unwrap();
        for event in &page.events {
            if event.event_type == REVOKED {
                revoked.insert(event.workspace_id, event.position);
            } else if revoked.contains_key(&event.workspace_id) {
                violations += 1;
            }
        }
        if page.next == page.head {
            return violations;
        }
        from = page.next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_stands_behind_the_revocation_that_raced_it() {
    let cluster = Postgres::start(&Options::default());
    let url: DatabaseUrl = cluster.create_database("race").parse().unwrap();
    migrate(&Database::connect(&url).await.unwrap(), None).await.unwrap();
    let open =
        async || Journal::open(Database::connect(&url).await.unwrap(), Settings::default()).await.unwrap();
    let replicas = Arc::new([open().await, open().await]);
    let rounds = futures::stream::iter(0..ROUNDS).map(|n| round(n, replicas.clone()));
    let rounds: Vec<Round> = rounds.buffer_unordered(16).collect().await;
    let together = rounds.iter().filter(|round| round.together).count();
    let stale = rounds.iter().filter(|round| round.stale).count();
    let violations = violations(&replicas[0]).await;
    eprintln!(
        "{together} of {ROUNDS} rounds raced, {stale} calls were stale, {violations} stand where they must not"
    );
    assert!(together >= 1000, "only {together} of {ROUNDS} rounds raced");
    if cfg!(feature = "fence-off") {
        assert!(violations > 0, "without its fence the book let nothing through: the test shows nothing");
    } else {
        assert!(stale > 0, "no append was ever stale: the test shows nothing");
        assert_eq!(violations, 0, "of {ROUNDS} rounds, {together} of them raced, {stale} stale");
    }
}
