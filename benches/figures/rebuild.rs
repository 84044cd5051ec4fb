//! A rebuild of the session list beside `COPY` of the same events, and reads while it runs.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use tempfile::TempDir;
use tollbook_testkit::postgres::Postgres;

use crate::grown::{self, History};
use crate::report::{Figure, Goal, Report};
use crate::rounds::{Sample, Series};
use crate::service::Service;
use crate::settings::{Cores, Settings};

const DATABASE: &str = "rebuild";
const PROJECTION: &str = "/v1/operator/projections/session";
const READERS: u32 = 4;

/// Of a book in which one of `every` events makes a session.
pub async fn measure(
    server: &Postgres,
    dir: TempDir,
    upstream: &str,
    every: u64,
    settings: &Settings,
    report: &mut Report,
) {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let url = server.create_database(DATABASE);
    let service = Service::start("PostgreSQL", dir, Some(&url), workers);
    let session = service.session("sample", upstream, "echo").await;
    service.call(&session).await;
    let stopped = service.stop();
    grown::grow(server, DATABASE, History::Calls(every), settings.events);
    let (service, _) = stopped.start().await;
    service.settle(settings.events).await;

    let (mut copies, mut rebuilds) = (Series::default(), Series::default());
    for _ in 0..settings.rounds {
        copies.0.push(copy(server, settings.events));
        rebuilds.0.push(rebuild(&service, settings.events).await);
    }
    report.part(format!(
        "Rebuild of the session list from {} events, one in {every} of which makes a session (PostgreSQL)",
        settings.events
    ));
    let goal = Some(Goal::AtLeast(0.5));
    report.add(Figure::rates("rebuild, compared and swapped; COPY … TO STDOUT", &rebuilds, &copies, goal));
    let goal = Some(Goal::AtLeast(150_000.0));
    report.add(Figure::plain("events folded", rebuilds.rate(), "/s", goal));

    let listing = service.listing();
    let mut alone = Series::default();
    let mut beside = Series::default();
    for _ in 0..settings.rounds {
        alone.0.push(listing.repeat(READERS, 2, Cores::All));
        let order = begin(&service).await;
        beside.0.push(listing.repeat(READERS, 2, Cores::All));
        finish(&service, order).await;
    }
    let goal = Some(Goal::AtMost(2.0));
    let what = "reads of the list during a rebuild, p50; without one";
    report.add(Figure::times(what, &beside, &alone, Sample::p50, goal));
    let what = "the same, p99";
    report.add(Figure::times(what, &beside, &alone, Sample::p99, None));
    drop(service.stop());
    server.psql("postgres", &format!("DROP DATABASE {DATABASE} WITH (FORCE)"));
}

/// What it takes to read the same rows out of the table.
fn copy(server: &Postgres, events: u64) -> Sample {
    let begun = Instant::now();
    let status = Command::new(server.bin().join("psql"))
        .args(["-X", "-q", "-d", &server.url(DATABASE)])
        .args(["-c", "COPY (SELECT * FROM events ORDER BY position) TO STDOUT"])
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("psql starts").success());
    sample(events, begun.elapsed())
}

async fn rebuild(service: &Service, events: u64) -> Sample {
    let begun = Instant::now();
    let order = begin(service).await;
    finish(service, order).await;
    sample(events, begun.elapsed())
}

/// Orders it, and says where the order stands in the book.
async fn begin(service: &Service) -> u64 {
    let (status, answer) = service.operate(Method::POST, &format!("{PROJECTION}/rebuild")).await;
    assert_eq!(status, 202, "{answer}");
    answer["position"].as_u64().expect("an order stands in the book")
}

/// Waits until what was built by that order is what is read.
async fn finish(service: &Service, order: u64) {
    loop {
        let (status, answer) = service.operate(Method::GET, PROJECTION).await;
        assert_eq!(status, 200, "{answer}");
        let build = &answer["build"];
        let ours = build["ordered_at"].as_u64() >= Some(order);
        match build["state"].as_str() {
            Some("swapped") if ours => return,
            Some("differs" | "stopped") if ours => panic!("the rebuild failed: {answer}"),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn sample(events: u64, took: Duration) -> Sample {
    Sample::new(events, u64::try_from(took.as_micros()).unwrap(), 0, 0)
}
