//! One total order, without gaps.

use std::collections::{HashMap, HashSet};

use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tollbook_journal::{Filter, INSTANCE, Journal, Position, Recorded};
use uuid::Uuid;

use crate::given::{append, call, control, event, positions, revocation, stream};
use crate::home::{CLUSTER, Home, on_both};

on_both!(
    an_event_is_read_as_it_was_appended,
    positions_have_no_gaps_under_eight_writers,
    each_workspace_counts_its_own_events,
    an_append_of_several_writes_stands_together,
    a_page_says_where_the_next_one_starts,
    a_filter_leaves_out_and_still_says_how_far_it_came,
    a_filter_by_types_looks_at_a_span_of_positions,
    a_stream_is_read_on_its_own,
    a_burst_of_one_session_is_written_together,
);

/// The whole book, page by page.
pub(crate) async fn read_all(journal: &Journal) -> Vec<Recorded> {
    let mut events = Vec::new();
    let mut from = Position(0);
    loop {
        let page = journal.read(from, 100, &Filter::default()).await.unwrap();
        events.extend(page.events);
        from = page.next;
        if page.next == page.head {
            return events;
        }
    }
}

async fn an_event_is_read_as_it_was_appended(home: Home) {
    let journal = home.journal().await;
    let (workspace, id) = (Uuid::now_v7(), Uuid::now_v7());
    let given = control("session.created");
    let appended = journal.append(append(workspace, stream(id), given.clone())).await.unwrap();
    let recorded = journal.event(Position(0)).await.unwrap().unwrap();
    let expected = Recorded {
        position: Position(0),
        event_id: given.event_id,
        stream: stream(id),
        sequence: 1,
        event_type: "session.created".into(),
        event_version: "1.0".into(),
        payload: given.payload,
        metadata: given.metadata,
        workspace_id: workspace,
        workspace_sequence: 1,
        control: true,
        narrows: false,
        commitments: vec![],
        recorded_at: appended.recorded_at,
    };
    assert_eq!(recorded, expected);
    assert_eq!((appended.first, appended.last), (Position(0), Position(0)));
    assert_eq!(journal.head().await.unwrap().next, Position(1));
}

async fn positions_have_no_gaps_under_eight_writers(home: Home) {
    const EACH: usize = 50;
    let workspaces: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let journal = if writer % 2 == 0 { home.journal().await } else { home.replica().await };
        let workspaces = workspaces.clone();
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0..EACH {
                let appended = journal.append(call(workspaces[(writer + n) % 3])).await.unwrap();
                acknowledged.push(appended.first);
                // What is acknowledged is there for everybody, at once.
                assert!(journal.head().await.unwrap().next > appended.last);
            }
            acknowledged
        });
    }
    if home.is_postgres() {
        abort_some_transactions(home.name()).await;
    }
    let mut acknowledged: Vec<Position> = writers.join_all().await.concat();
    acknowledged.sort_unstable();
    let events = read_all(&home.journal().await).await;
    assert_eq!(positions(&events), (0..8 * EACH as u64).collect::<Vec<_>>());
    assert_eq!(acknowledged, events.iter().map(|event| event.position).collect::<Vec<_>>());
    assert_numbered(&events);
}

/// Transactions that append and are rolled back, while others append. A sequence would leave gaps.
async fn abort_some_transactions(name: &str) {
    let mut connection = PgConnection::connect(&CLUSTER.url(name)).await.unwrap();
    for _ in 0..20 {
        let mut transaction = connection.begin().await.unwrap();
        let sql = "SELECT pg_advisory_xact_lock(7070, 1);
            INSERT INTO events (position, event_id, aggregate_type, aggregate_id, event_type, event_version,
                payload, metadata, workspace_id, workspace_sequence, control, narrows, recorded_at)
            SELECT coalesce(max(position) + 1, 0), gen_random_uuid(), 'a', 'b', 'c', '1', '{}', '{}',
                gen_random_uuid(), 1, false, false, now() FROM events";
        sqlx::raw_sql(sql).execute(&mut *transaction).await.unwrap();
        transaction.rollback().await.unwrap();
    }
}

/// Every workspace's events are numbered 1, 2, 3, …
fn assert_numbered(events: &[Recorded]) {
    let mut ends: HashMap<Uuid, u64> = HashMap::new();
    for event in events {
        let end = ends.entry(event.workspace_id).or_default();
        *end += 1;
        assert_eq!(event.workspace_sequence, *end, "at position {}", event.position);
        assert_eq!(event.sequence, event.position.0 + 1);
    }
}

async fn each_workspace_counts_its_own_events(home: Home) {
    let journal = home.journal().await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    for workspace in [one, other, one, INSTANCE, one, other, INSTANCE] {
        journal.append(call(workspace)).await.unwrap();
    }
    let numbers: Vec<u64> = read_all(&journal).await.iter().map(|event| event.workspace_sequence).collect();
    assert_eq!(numbers, [1, 1, 2, 1, 3, 2, 2]);
}

async fn an_append_of_several_writes_stands_together(home: Home) {
    let journal = home.journal().await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let mut whole = call(one);
    whole.writes[0].events.push(event("session.tool_called"));
    whole.writes.extend(call(other).writes);
    whole.writes.extend(call(one).writes);
    let mut appends = JoinSet::new();
    for _ in 0..20 {
        let (journal, mut whole) = (journal.clone(), whole.clone());
        for event in whole.writes.iter_mut().flat_map(|write| &mut write.events) {
            event.event_id = Uuid::now_v7();
        }
        appends.spawn(async move {
            let ids: Vec<Uuid> =
                whole.writes.iter().flat_map(|write| &write.events).map(|e| e.event_id).collect();
            (ids, journal.append(whole).await.unwrap())
        });
    }
    let events = {
        let appended = appends.join_all().await;
        let events = read_all(&journal).await;
        for (ids, appended) in appended {
            let range = appended.first.0 as usize..=appended.last.0 as usize;
            let stored: Vec<Uuid> = events[range].iter().map(|event| event.event_id).collect();
            assert_eq!(stored, ids);
        }
        events
    };
    assert_numbered(&events);
}

async fn a_page_says_where_the_next_one_starts(home: Home) {
    let journal = home.journal().await;
    let empty = journal.read(Position(0), 10, &Filter::default()).await.unwrap();
    assert_eq!((empty.events.len(), empty.next, empty.head), (0, Position(0), Position(0)));
    for _ in 0..5 {
        journal.append(call(INSTANCE)).await.unwrap();
    }
    let page = journal.read(Position(1), 3, &Filter::default()).await.unwrap();
    assert_eq!((positions(&page.events), page.next, page.head), (vec![1, 2, 3], Position(4), Position(5)));
    let last = journal.read(page.next, 3, &Filter::default()).await.unwrap();
    assert_eq!((positions(&last.events), last.next, last.head), (vec![4], Position(5), Position(5)));
    let behind = journal.read(Position(9), 3, &Filter::default()).await.unwrap();
    assert_eq!((behind.events.len(), behind.next), (0, Position(5)));
}

async fn a_filter_leaves_out_and_still_says_how_far_it_came(home: Home) {
    let journal = home.journal().await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    for given in [call(one), revocation(other), call(other), revocation(one), call(one)] {
        journal.append(given).await.unwrap();
    }
    let all = |filter: Filter| {
        let journal = journal.clone();
        async move {
            let page = journal.read(Position(0), 10, &filter).await.unwrap();
            assert_eq!((page.next, page.head), (Position(5), Position(5)));
            positions(&page.events)
        }
    };
    assert_eq!(all(Filter { workspace_id: Some(one), ..Filter::default() }).await, [0, 3, 4]);
    assert_eq!(all(Filter { control_only: true, ..Filter::default() }).await, [1, 3]);
    assert_eq!(all(Filter { workspace_id: Some(other), control_only: true, ..Filter::default() }).await, [1]);
    let first =
        journal.read(Position(0), 1, &Filter { control_only: true, ..Filter::default() }).await.unwrap();
    assert_eq!((positions(&first.events), first.next), (vec![1], Position(2)));
}

async fn a_stream_is_read_on_its_own(home: Home) {
    let journal = home.journal().await;
    let id = Uuid::now_v7();
    for _ in 0..3 {
        journal.append(append(INSTANCE, stream(id), event("session.tool_called"))).await.unwrap();
        journal.append(call(INSTANCE)).await.unwrap();
    }
    let events = journal.read_stream(&stream(id), Position(1), 10).await.unwrap();
    assert_eq!(positions(&events), [2, 4]);
    let found = journal.events(&[Position(4), Position(0), Position(99)]).await.unwrap();
    assert_eq!(positions(&found), [0, 4]);
}

async fn a_burst_of_one_session_is_written_together(home: Home) {
    let journal = home.journal().await;
    let id = Uuid::now_v7();
    let lock = home.hold_lock().await;
    let mut calls = JoinSet::new();
    for _ in 0..500 {
        let journal = journal.clone();
        calls.spawn(async move {
            journal.append(append(INSTANCE, stream(id), event("session.tool_called"))).await
        });
    }
    // Until all of them wait: whoever came first waits for the lock, the others behind it.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    lock.release().await;
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    let events = read_all(&journal).await;
    let batches: HashSet<_> = events.iter().map(|event| event.recorded_at).collect();
    assert_eq!(events.len(), 500);
    assert!(batches.len() <= 3, "{} batches", batches.len());
}

async fn a_filter_by_types_looks_at_a_span_of_positions(home: Home) {
    let journal = home.journal().await;
    let (workspace, other) = (Uuid::now_v7(), Uuid::now_v7());
    journal.append(append(workspace, stream(workspace), control("session.created"))).await.unwrap();
    for place in [workspace, other, workspace] {
        journal.append(call(place)).await.unwrap();
    }
    journal.append(append(other, stream(other), control("session.created"))).await.unwrap();
    let made = Filter { event_types: Some(&["session.created"]), ..Filter::default() };
    let page = journal.read(Position(0), 100, &made).await.unwrap();
    assert_eq!((positions(&page.events), page.next, page.head), (vec![0, 4], Position(5), Position(5)));
    let page = journal.read(Position(0), 1, &made).await.unwrap();
    assert_eq!((positions(&page.events), page.next), (vec![0], Position(1)));
    let page = journal.read(Position(1), 1, &made).await.unwrap();
    assert_eq!((positions(&page.events), page.next), (vec![4], Position(5)));
    let of_one = Filter { workspace_id: Some(workspace), ..made };
    let page = journal.read(Position(0), 100, &of_one).await.unwrap();
    assert_eq!((positions(&page.events), page.next), (vec![0], Position(5)));
    let page = journal.read(Position(5), 100, &made).await.unwrap();
    assert_eq!((page.events.len(), page.next), (0, Position(5)));
    let of_sessions = Filter { event_types: Some(&["session"]), ..Filter::default() };
    let page = journal.read(Position(0), 100, &of_sessions).await.unwrap();
    assert_eq!(positions(&page.events), [0, 1, 2, 3, 4]);
}
