//! Promises 1 and 4: `kill -9` of the service while it appends, again and again. Every acknowledged
//! event is there with the same content, positions are contiguous, every call that reached the tool
//! server has an earlier permit, and the service starts again each time.

use std::time::{Duration, Instant};

use tollbook_journal::Recorded;
use tollbook_testkit::node::Upstream;

use super::book;
use super::figures::{count, fault, ms, percentile};
use super::furnished::{Furnished, furnish};
use super::load::{Answered, Door, End, Load, Place, Work};
use super::recorded::{Permits, check_acknowledged};
use super::service::Home;
use crate::house::CLUSTER;

const CALLERS: [Work; 8] = [
    Work::Call,
    Work::Call,
    Work::Call,
    Work::Call,
    Work::Authorize,
    Work::Authorize,
    Work::CreateSession,
    Work::CreateSession,
];

/// What was acknowledged in all lives, and the book as it was last read.
#[derive(Default)]
struct Chronicle {
    answers: Vec<Answered>,
    events: Vec<Recorded>,
    in_flight: usize,
    starts: Vec<Duration>,
}

/// One life: starts, serves, is killed while requests are open.
async fn live(home: &Home, door_key: &str, place: &Place, life: usize, chronicle: &mut Chronicle) {
    let started = Instant::now();
    let service = home.serve().await;
    chronicle.starts.push(started.elapsed());
    let door: Door = service.door(door_key);
    let load = Load::start(&door, place, &format!("life{life}"), &CALLERS);
    // Not at the same moment of each life.
    let enough = 40 + 7 * (life as u64 % 9);
    load.until(|tally| tally.all_done() >= enough).await;
    chronicle.in_flight += load.in_flight();
    service.kill9().await;
    chronicle.answers.extend(load.stop().await);
}

/// The book is whole, and what stood there before stands there unchanged.
async fn check_book(home: &Home, place: &Place, upstream: &Upstream, chronicle: &mut Chronicle) {
    let app = home.open().await;
    let events = book::whole(&app.journal).await;
    let before = chronicle.events.len();
    assert!(events.len() >= before, "the book lost its tail");
    assert!(events[..before] == chronicle.events, "what stood in the book has changed");
    let permits = Permits::of(&place.workspace, &events);
    check_acknowledged(&app, &permits, &chronicle.answers, &events).await;
    let unrecorded = permits.unrecorded(&app, &upstream.calls().await).await;
    assert!(unrecorded.is_empty(), "forwarded off the book: {unrecorded:?}");
    home.close(app).await;
    chronicle.events = events;
}

async fn killed_again_and_again(name: &str, home: Home, times: usize) {
    let upstream = Upstream::modern().await;
    let Furnished { first, place } = furnish(&home, &upstream, &["echo"]).await;
    let mut chronicle = Chronicle::default();
    for life in 0..times {
        live(&home, &first.key, &place, life, &mut chronicle).await;
        check_book(&home, &place, &upstream, &mut chronicle).await;
    }
    // It still starts, and still serves.
    let service = home.serve().await;
    let load = Load::start(&service.door(&first.key), &place, "last", &CALLERS);
    load.until(|tally| tally.done.iter().all(|done| *done > 0)).await;
    load.stop().await;
    service.kill9().await;

    let Chronicle { answers, events, in_flight, starts } = chronicle;
    let acknowledged = answers.iter().filter(|answered| answered.position().is_some()).count();
    let lost = answers.iter().filter(|answered| matches!(answered.end, End::Lost)).count();
    let called = events.iter().filter(|event| event.event_type == "session.tool_called").count();
    let outcomes = events.iter().filter(|event| book::is_outcome(event)).count();
    fault(
        1,
        name,
        &format!("{times} kills, {in_flight} requests in flight"),
        &[
            ("events", events.len().to_string()),
            ("acknowledged", acknowledged.to_string()),
            ("requests without an answer", lost.to_string()),
            ("lost events", 0.to_string()),
            ("calls at the tool server", upstream.calls().await.tool_calls().to_string()),
            ("of them unrecorded", 0.to_string()),
            ("permits without an outcome", (called - outcomes).to_string()),
            ("start p50", ms(percentile(starts.clone(), 0.5))),
            ("start max", ms(percentile(starts, 1.0))),
        ],
    );
    assert!(lost > 0 && in_flight >= times, "no append was under way when the service was killed");
    for answered in &answers {
        let expected = matches!(answered.end, End::Done(_) | End::Lost);
        assert!(expected, "{answered:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_events_survive_kill_9_on_postgres() {
    killed_again_and_again("service killed, PostgreSQL", Home::postgres(&CLUSTER), 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_events_survive_kill_9_on_sqlite() {
    killed_again_and_again("service killed, SQLite", Home::sqlite(), 20).await;
}

/// Fault 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn acknowledged_events_survive_kill_9_however_often() {
    let times = count("TOLLBOOK_SERVICE_KILLS", 30);
    killed_again_and_again("service killed again and again, PostgreSQL", Home::postgres(&CLUSTER), times)
        .await;
    killed_again_and_again("service killed again and again, SQLite", Home::sqlite(), times).await;
}
