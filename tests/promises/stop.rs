//! Promise 1, on the way out: a graceful stop loses no acknowledged work, lets open calls end within a
//! deadline, and leaves an outcome for each of them in the book.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollbook_testkit::node::Upstream;

use super::book;
use super::figures::{ms, print};
use super::furnished::{Furnished, furnish};
use super::load::{End, Load, Said, Work};
use super::recorded::{Permits, check_acknowledged};
use super::service::Home;
use crate::house::CLUSTER;

/// How long open calls have.
const DEADLINE: Duration = Duration::from_secs(3);
/// Calls that end in time, and calls that don't, in milliseconds.
const SHORT: u64 = 1_200;
const LONG: u64 = 45_000;
const EACH: usize = 3;

async fn slow_call(furnished: &Furnished, url: &str, ms: u64) -> reqwest::Result<Said> {
    let door = super::load::Door::new(url, &furnished.first.key);
    let path = furnished.path(&format!("/sessions/{}/tool-calls", furnished.place.session));
    door.post(&path, &json!({ "tool": "slow", "arguments": { "ms": ms } })).await
}

/// Waits until the tool server has been asked this often.
async fn asked(upstream: &Upstream, times: u64) {
    let end = Instant::now() + Duration::from_secs(60);
    while upstream.calls().await.of("slow") < times {
        assert!(Instant::now() < end, "the calls never arrived");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The outcome of each call of `slow`, by its arguments' size: one digit less for the short ones.
fn outcomes(events: &[tollbook_journal::Recorded]) -> Vec<(String, String)> {
    let called = events.iter().filter(|event| event.event_type == "session.tool_called");
    let called = called.map(book::payload).filter(|payload| payload["tool_called"]["tool"] == "slow");
    let outcome = |call: &Value| {
        let of_call = |event: &&tollbook_journal::Recorded| {
            book::is_outcome(event) && event.payload.contains(call.as_str().expect("it is an id"))
        };
        let found: Vec<_> = events.iter().filter(of_call).collect();
        assert_eq!(found.len(), 1, "a call has one outcome: {call}");
        found[0].event_type.clone()
    };
    let size = |payload: &Value| payload["tool_called"]["argument_bytes"].to_string();
    called.map(|payload| (size(&payload), outcome(&payload["tool_called"]["call_id"]))).collect()
}

async fn stops_gracefully(name: &str, home: Home) {
    let home = home.with("TOLLBOOK_STOP_DEADLINE", DEADLINE.as_secs().to_string());
    let upstream = Upstream::modern().await;
    let furnished = furnish(&home, &upstream, &["echo", "slow"]).await;
    let service = home.serve().await;
    let url = service.url.clone();
    let call = |ms: u64| {
        let (furnished, url) = (furnished.clone(), url.clone());
        tokio::spawn(async move { slow_call(&furnished, &url, ms).await })
    };
    let long: Vec<_> = (0..EACH).map(|_| call(LONG)).collect();
    let load = Load::start(
        &service.door(&furnished.first.key),
        &furnished.place,
        "stop",
        &[Work::Call, Work::Authorize, Work::CreateSession],
    );
    load.until(|tally| tally.done.iter().all(|done| *done > 10)).await;
    let short: Vec<_> = (0..EACH).map(|_| call(SHORT)).collect();
    asked(&upstream, 2 * EACH as u64).await;

    let told = Instant::now();
    service.terminate();
    let status = service.ended().await;
    let took = told.elapsed();
    assert_eq!(status.code(), Some(0), "{}", home.log_text());
    assert!(took < DEADLINE + Duration::from_secs(5), "it took {took:?} to stop");
    let answers = load.stop().await;

    for call in short {
        let said = call.await.expect("no caller panics").expect("an open call is answered").expect(200);
        assert_eq!(said["outcome"], "completed", "{said:#}");
    }
    let mut interrupted = 0;
    for call in long {
        // Told that it was interrupted, or cut off when the deadline came.
        if let Ok(said) = call.await.expect("no caller panics") {
            assert_eq!(said.json()["outcome"], "cancelled", "{}", said.text);
        }
        interrupted += 1;
    }
    let app = home.open().await;
    let events = book::whole(&app.journal).await;
    let permits = Permits::of(&furnished.place.workspace, &events);
    let acknowledged = check_acknowledged(&app, &permits, &answers, &events).await;
    let refused = answers.iter().filter(|answered| matches!(answered.end, End::Other(_))).count();
    let mut outcomes = outcomes(&events);
    outcomes.sort();
    let completed = |size: usize| (size.to_string(), "session.tool_call_completed".to_owned());
    let cancelled = |size: usize| (size.to_string(), "session.tool_call_cancelled".to_owned());
    let (short, long) = (json!({ "ms": SHORT }).to_string().len(), json!({ "ms": LONG }).to_string().len());
    let expected = [vec![completed(short); EACH], vec![cancelled(long); EACH]].concat();
    assert_eq!(outcomes, expected, "every open call has its outcome");
    let called = events.iter().filter(|event| event.event_type == "session.tool_called").count();
    let ended = events.iter().filter(|event| book::is_outcome(event)).count();
    assert_eq!(called, ended, "so has every call before");
    assert_eq!(refused, 0, "nobody was told nonsense");
    home.close(app).await;
    print(
        name,
        &[
            ("deadline", ms(DEADLINE)),
            ("took", ms(took)),
            ("acknowledged", acknowledged.to_string()),
            ("open calls that ended", EACH.to_string()),
            ("open calls cut off, with an outcome", interrupted.to_string()),
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graceful_stop_loses_nothing_and_ends_open_calls_on_postgres() {
    stops_gracefully("graceful stop, PostgreSQL", Home::postgres(&CLUSTER)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graceful_stop_loses_nothing_and_ends_open_calls_on_sqlite() {
    stops_gracefully("graceful stop, SQLite", Home::sqlite()).await;
}
