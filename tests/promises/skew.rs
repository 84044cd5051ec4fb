//! Promises 1 and 2, whatever a replica's clock says: order is by position, times are the book's, and
//! nothing is permitted that has expired by them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;
use tollbook::calls::CallRefused;
use tollbook::clock::Clock;
use tollbook_aggregates::SessionId;
use tollbook_journal::Recorded;

use super::book;
use super::figures::fault;
use super::tenant::{Replica, Tenant, question};
use crate::house::TestHouse;

/// How long the session that expires meanwhile is in force.
const IN_FORCE: Duration = Duration::from_secs(2);
/// How wrong a clock is.
const WRONG: TimeDelta = TimeDelta::hours(1);

/// What became of the calls of one session.
struct Seen {
    permits: usize,
    /// Permitted at or after its end, by the book's clock.
    too_late: usize,
    denials: usize,
    /// Denied before its end, by the book's clock.
    too_early: usize,
}

impl Seen {
    fn of(events: &[Recorded], session: SessionId, ends: DateTime<Utc>) -> Self {
        let session = session.to_string();
        let of = |wanted: fn(&Recorded) -> bool| {
            let all = events.iter().filter(|event| event.stream.aggregate_id == session && wanted(event));
            all.map(|event| event.recorded_at).collect::<Vec<_>>()
        };
        let permits = of(book::is_permit);
        let denials = of(|event| event.event_type == "session.tool_denied");
        Self {
            too_late: permits.iter().filter(|at| **at >= ends).count(),
            too_early: denials.iter().filter(|at| **at < ends).count(),
            permits: permits.len(),
            denials: denials.len(),
        }
    }
}

/// Calls until it is told to stop, whatever the answer.
async fn call(app: Replica, session: SessionId, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        match app.calls.authorize(&question(session)).await {
            Ok(_) | Err(CallRefused::Denied { .. } | CallRefused::Unavailable { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// Fault 9. One replica is right, one an hour ahead, one an hour behind, and one jumps between the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn order_and_expiry_are_by_the_book_whatever_a_replica_s_clock_says() {
    let house = TestHouse::postgres().await;
    let clocks = [WRONG, -WRONG, WRONG].map(|wrong| {
        let clock = Clock::default();
        clock.set_ahead(wrong);
        clock
    });
    let mut replicas = Vec::new();
    for clock in &clocks {
        replicas.push(house.replica(clock.clone()).await);
    }
    let apps: Vec<Replica> =
        [&house].into_iter().chain(&replicas).map(|replica| Arc::clone(&replica.app)).collect();
    let tenant = Tenant::found(&house.app).await;
    let now = house.app.clock.now();
    let ends = now + TimeDelta::from_std(IN_FORCE).expect("it is short");
    let (long_ago, far) = (now - TimeDelta::minutes(5), now + TimeDelta::minutes(30));
    let mut sessions = Vec::new();
    for ends in [ends, long_ago, far] {
        // By the replica that is behind: to it none of them has expired.
        sessions.push((tenant.session(&apps[2], ends).await, ends));
    }

    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for app in &apps {
        for (session, _) in &sessions {
            callers.spawn(call(Arc::clone(app), *session, Arc::clone(&stop)));
        }
    }
    let mut jumps = 0;
    while house.app.clock.now() < ends + TimeDelta::seconds(1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        jumps += 1;
        clocks[2].set_ahead(if jumps % 2 == 0 { WRONG } else { -WRONG });
    }
    stop.store(true, Ordering::SeqCst);
    callers.join_all().await;

    // Contiguous, or it would have panicked.
    let events = book::whole(&house.app.journal).await;
    let backwards = events.windows(2).filter(|pair| pair[1].recorded_at < pair[0].recorded_at).count();
    let seen: Vec<Seen> = sessions.iter().map(|(id, ends)| Seen::of(&events, *id, *ends)).collect();
    let sum = |of: fn(&Seen) -> usize| seen.iter().map(of).sum::<usize>();
    let apart = (clocks[0].now() - clocks[1].now()).num_minutes();
    fault(
        9,
        "clocks an hour ahead, behind, and jumping",
        &format!("clocks {apart} min apart, {jumps} jumps of 2 h"),
        &[
            ("permits", sum(|seen| seen.permits).to_string()),
            ("permitted after expiry", sum(|seen| seen.too_late).to_string()),
            ("denials", sum(|seen| seen.denials).to_string()),
            ("denied before expiry", sum(|seen| seen.too_early).to_string()),
            ("events in order of position whose times go back", backwards.to_string()),
        ],
    );
    assert!((119..=121).contains(&apart) && jumps > 50, "the clocks were right");
    assert!(seen.iter().all(|seen| seen.permits + seen.denials > 20), "hardly anything was asked");
    assert!(seen[0].permits > 0 && seen[0].denials > 0, "nothing expired meanwhile");
    assert_eq!((sum(|seen| seen.too_late), backwards), (0, 0));
    for replica in replicas {
        replica.stop().await;
    }
    house.stop().await;
}
