//! Promise 2: after a revocation is acknowledged, no replica permits another call, not even one that
//! raced it.
//!
//! Two replicas share one book. In each round a fresh session is called on both, and while the calls
//! are in flight one of the replicas takes something away: the session itself, the key that it was
//! made with, its loadout, its maker's membership. Afterwards the book is read: no permit may stand
//! behind what should have stopped it. The run counts how often the two really met, because a race
//! that never happened proves nothing; and the same test, built without the fence, must find
//! violations.

mod course;
mod finish;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tollbook::clock::Clock;
use tollbook_journal::Answers;

use super::figures::{count, fault};
use super::tenant::{Replica, Tenant};
use crate::house::TestHouse;
use course::{Round, run};
use finish::Finish;

/// Workspaces that race at the same time. A narrowing is a fence for its own workspace only, so
/// every `Stale` belongs to a round of its own.
const LANES: usize = 24;

/// Is this the build that shows what happens without the fence?
const FENCE_OFF: bool = cfg!(feature = "fence-off");

async fn race(house: &TestHouse, others: &[&TestHouse], rounds: usize) -> Finish {
    let replicas: Arc<Vec<Replica>> =
        Arc::new([house].iter().chain(others).map(|house| Arc::clone(&house.app)).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..LANES {
        let (replicas, next) = (Arc::clone(&replicas), Arc::clone(&next));
        lanes.spawn(async move {
            let tenant = Tenant::found(&replicas[0]).await;
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= rounds {
                    return done;
                }
                done.push(run(number, &tenant, &replicas).await);
            }
        });
    }
    let started = Instant::now();
    let done: Vec<Round> = lanes.join_all().await.into_iter().flatten().collect();
    let stale = replicas.iter().map(|app| app.journal.answers()).map(|Answers { stale, .. }| stale).sum();
    let finish = Finish::read(&house.app.journal, &done, stale, started.elapsed()).await;
    finish.print(replicas.len());
    finish
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocation_leaves_no_permit_behind_it_whatever_raced_it() {
    let rounds = if FENCE_OFF { 1_000 } else { 10_000 };
    let house = TestHouse::postgres().await;
    let other = house.replica(Clock::default()).await;
    let finish = race(&house, &[&other], rounds).await;
    assert_eq!(finish.narrowed, rounds, "every round ended as it was meant to");
    assert!(finish.together >= 1_000, "call and revocation met in {} rounds only", finish.together);
    if FENCE_OFF {
        assert!(finish.behind > 0, "without the fence this test finds nothing: it would notice nothing");
    } else {
        assert!(finish.stale > 0, "no append was ever refused by the fence: nothing raced");
        assert_eq!(finish.behind, 0, "permits behind their revocation");
        assert_eq!(finish.after_acknowledgement, 0, "calls permitted that were asked after it");
        assert_eq!(finish.forwarded_behind, 0, "calls that would have been forwarded");
    }
    other.stop().await;
    house.stop().await;
}

/// Fault 5: three replicas, and as many calls as the environment says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn three_replicas_permit_nothing_behind_a_revocation() {
    let rounds = count("TOLLBOOK_RACE_ROUNDS", 10_000);
    let house = TestHouse::postgres().await;
    let (second, third) = (house.replica(Clock::default()).await, house.replica(Clock::default()).await);
    let finish = race(&house, &[&second, &third], rounds).await;
    let struck =
        format!("{} of {rounds} revocations met calls in flight, {} stale", finish.together, finish.stale);
    let violations = [("calls", finish.calls.to_string()), ("permits behind it", finish.behind.to_string())];
    fault(5, "three replicas, revocations racing calls", &struck, &violations);
    assert_eq!((finish.narrowed, finish.behind, finish.after_acknowledgement), (rounds, 0, 0));
    assert!(finish.stale > 0 && finish.together > rounds / 10, "nothing raced");
    for house in [second, third, house] {
        house.stop().await;
    }
}
