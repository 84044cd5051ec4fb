//! Many at once: what widens never stands in its own way, and a flood starves nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollbook_journal::{Append, Expected, INSTANCE, Journal, Position, Refused};
use uuid::Uuid;

use crate::given::{append, call, control, event, expecting, fenced, narrowing, stream};
use crate::home::{Home, on_both};
use crate::order::read_all;

on_both!(
    a_thousand_grants_of_one_workspace_at_once_all_succeed,
    a_session_in_a_flood_of_calls_is_revoked_at_the_first_try,
    callers_that_give_up_at_any_moment_leave_nothing_locked,
);

async fn a_thousand_grants_of_one_workspace_at_once_all_succeed(home: Home) {
    let replicas = [home.journal().await, home.replica().await];
    let workspace = Uuid::now_v7();
    let fence = replicas[0].head().await.unwrap().next;
    let mut grants = JoinSet::new();
    for n in 0..1000 {
        let journal = replicas[n % 2].clone();
        // Of streams of their own, and of one and the same.
        let given = if n % 2 == 0 {
            expecting(
                append(workspace, stream(Uuid::now_v7()), control("session.created")),
                Expected::NoStream,
            )
        } else {
            append(workspace, stream(workspace), control("workspace.member_added"))
        };
        grants.spawn(async move { journal.append(fenced(given, fence)).await });
    }
    let refused: Vec<_> = grants.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(refused.is_empty(), "{} refused, the first: {:?}", refused.len(), refused.first());
    let events = read_all(&replicas[1]).await;
    assert_eq!(
        events.last().map(|event| (event.position, event.workspace_sequence)),
        Some((Position(999), 1000))
    );
}

/// Callers of one session that go on until they are refused.
struct Flood {
    calls: JoinSet<Refused>,
    done: Arc<AtomicUsize>,
    in_flight: Arc<AtomicUsize>,
}

impl Flood {
    fn start(journals: &[Journal], session: Uuid, fence: Position) -> Self {
        let (done, in_flight) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut calls = JoinSet::new();
        for n in 0..512 {
            let journal = journals[n % journals.len()].clone();
            let (done, in_flight) = (done.clone(), in_flight.clone());
            calls.spawn(async move {
                loop {
                    let call = append(session, stream(session), event("session.tool_called"));
                    in_flight.fetch_add(1, Ordering::SeqCst);
                    let answer = journal.append(fenced(call, fence)).await;
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    if let Err(refused) = answer {
                        return refused;
                    }
                }
            });
        }
        Self { calls, done, in_flight }
    }
}

/// The workspace's id is the session's, so that one name is enough.
async fn a_session_in_a_flood_of_calls_is_revoked_at_the_first_try(home: Home) {
    let journals = [home.journal().await, home.replica().await];
    let session = Uuid::now_v7();
    let created = append(session, stream(session), control("session.created"));
    let created = journals[0].append(created).await.unwrap().first;
    let flood = Flood::start(&journals, session, created.next());
    let begun = Instant::now();
    while flood.done.load(Ordering::SeqCst) < 5_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = flood.done.load(Ordering::SeqCst) as f64 / begun.elapsed().as_secs_f64();

    let revocation = append(session, stream(session), narrowing("session.revoked"));
    let revocation = expecting(fenced(revocation, created.next()), Expected::At(created));
    let asked = Instant::now();
    let in_flight = flood.in_flight.load(Ordering::SeqCst);
    let revoked = journals[1].append(revocation).await.expect("it is revoked at the first try").first;
    let took = asked.elapsed();

    let stale = Refused::Stale { position: revoked };
    assert!(flood.calls.join_all().await.into_iter().all(|refused| refused == stale));
    let events = read_all(&journals[0]).await;
    assert_eq!(events.last().map(|event| event.position), Some(revoked), "no call stands behind it");
    println!("figures · revoked under {rate:.0} calls/s · in flight {in_flight} · tries 1 · took {took:?}");
    assert!(in_flight > 256, "only {in_flight} calls were in flight");
    assert!(rate > 1_000.0, "only {rate:.0} calls/s: no flood");
}

/// A transaction that was begun for somebody who has gone would hold the book for good.
async fn callers_that_give_up_at_any_moment_leave_nothing_locked(home: Home) {
    let journal = home.journal().await;
    let gone = AtomicBool::new(false);
    for round in 0..400_u32 {
        let append: Append = call(INSTANCE);
        let patience = Duration::from_micros(u64::from(round) * 10);
        tokio::select! {
            biased;
            answer = journal.append(append) => drop(answer.unwrap()),
            () = tokio::time::sleep(patience) => gone.store(true, Ordering::Relaxed),
        }
    }
    assert!(gone.into_inner(), "nobody gave up");
    let last = journal.append(call(INSTANCE)).await.unwrap().last;
    assert_eq!(read_all(&journal).await.len() as u64, last.0 + 1);
}
