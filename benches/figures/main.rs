//! The figures, printed with what they are compared to: `make bench`.
//!
//! It starts everything itself, on loopback and free ports: `PostgreSQL` on this machine's disk with `fsync`
//! on, the service (the release binary) on `PostgreSQL` and on `SQLite`, tool servers, and the load (`wrk`,
//! `pgbench`). Every measurement is bounded in time; what is compared is measured in turns, and medians
//! are compared, because a machine is never quite idle. Every answer has to be a right one, and every
//! recorded decision has to be in the book, or the bench fails.
//!
//! `BENCH_SECONDS` (5), `BENCH_ROUNDS` (3), `BENCH_EVENTS` (1,000,000), `BENCH_GROWTH` (20,000,000) and `BENCH_ONLY`
//! (names of parts, with commas) change how much is measured; `BENCH_DATE` has the figures written into
//! `docs/benchmarks/figures.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates and shares"
)]
#![allow(clippy::format_collect, reason = "a few lines of a report")]

mod appends;
mod checks;
mod child;
mod decisions;
mod gateway;
mod grown;
mod growth;
mod machine;
mod pgbench;
mod picture;
mod rebuild;
mod record;
mod report;
mod roles;
mod rounds;
mod row;
mod service;
mod settings;
mod sqlite;
mod start;
mod wrk;

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use tollbook_testkit::node;
use tollbook_testkit::postgres::{Options, Postgres};

use gateway::{Through, Upstream};
use record::Record;
use report::Report;
use row::Row;
use service::Service;
use settings::Settings;

const DATABASE: &str = "book";
/// A book with an event of each kind that is copied to grow others.
const SEED: &str = "seed";
const RECORD: &str = "docs/benchmarks";
/// A durable append may be added to a tool call so many times.
const APPENDS_ADDED: f64 = 1.5;

fn main() {
    if roles::play() {
        return;
    }
    rustls::crypto::ring::default_provider().install_default().expect("nobody else has chosen one");
    let settings = Settings::from_environment();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(&settings));
}

async fn measure(settings: &Settings) {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let server = Postgres::start(&Options { on_disk: true, ..Options::default() });
    let upstreams = tempfile::tempdir().unwrap();
    let sample = roles::sample_server(upstreams.path());
    let mut report = Report::default();

    if settings.wants(&["postgres", "sqlite", "checks", "gateway"]) {
        served(&server, &sample.line, workers, settings, &mut report).await;
    }
    if settings.wants(&["snapshot", "growth"]) {
        said("appends beside a snapshot, and on a grown book");
        let service = Service::start("PostgreSQL", on_disk(), Some(&server.create_database(SEED)), workers);
        let session = service.session("sample", &sample.line, "echo").await;
        service.call(&session).await;
        service.head(&service.question(&session, "record")).await;
        drop(service.stop());
        let row = Row::of_the_book(&server, SEED);
        if settings.wants(&["snapshot"]) {
            growth::beside_a_snapshot(&server, SEED, &row, settings, &mut report).await;
            noted(&mut report, settings);
        }
        if settings.wants(&["growth"]) {
            growth::measure(&server, SEED, &row, settings, &mut report).await;
            noted(&mut report, settings);
        }
    }
    if settings.wants(&["start"]) {
        said("start and memory");
        start::measure(&server, on_disk(), &sample.line, workers, settings, &mut report).await;
        noted(&mut report, settings);
    }
    if settings.wants(&["rebuild"]) {
        // As agents work, and where sessions are many and short.
        for every in [50, 10] {
            said("a rebuild");
            rebuild::measure(&server, on_disk(), &sample.line, every, settings, &mut report).await;
            noted(&mut report, settings);
        }
    }
    println!("\n{}", record::text(&report.parts));
    if settings.date.is_some() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORD);
        Record::take(&dir, &report, machine::facts(&server)).expect("the record can be written");
        println!("\nWritten into {RECORD}.");
    }
}

/// What is measured through the service as its clients meet it.
async fn served(server: &Postgres, sample: &str, workers: usize, settings: &Settings, report: &mut Report) {
    let database = server.create_database(DATABASE);
    let on_postgres = Service::start("PostgreSQL", on_disk(), Some(&database), workers);
    let on_sqlite = Service::start("SQLite", on_disk(), None, workers);
    let in_memory = Service::start("SQLite in memory", in_memory(), None, workers);
    let session = on_postgres.session("sample", sample, "echo").await;
    let embedded = on_sqlite.session("sample", sample, "echo").await;
    on_postgres.head(&on_postgres.question(&session, "record")).await;
    let row = Row::of_the_book(server, DATABASE);

    let mut append = None;
    if settings.wants(&["postgres"]) {
        said("decisions on PostgreSQL");
        append = Some(decisions::on_postgres(server, &on_postgres, &session, &row, settings, report).await);
        noted(report, settings);
    }
    if settings.wants(&["sqlite"]) {
        said("decisions on SQLite");
        decisions::on_sqlite(&on_sqlite, &embedded, &row, settings, report).await;
        noted(report, settings);
    }
    if settings.wants(&["checks"]) {
        said("checks from memory");
        let services = [(&on_postgres, &session), (&on_sqlite, &embedded)];
        checks::measure(&services, workers, settings, report).await;
        noted(report, settings);
    }
    if settings.wants(&["gateway"]) {
        let modern =
            node::Upstream::modern_with(&node::Settings { count_only: true, ..Default::default() }).await;
        for (name, url, left) in
            [("the bundled sample server (Rust)", sample, 0.35), ("a Node.js server", modern.url(), 0.5)]
        {
            said(&format!("tool calls to {name}"));
            let arguments = json!({ "text": "hello" });
            let upstream = Upstream { name, url, tool: "echo", arguments, left };
            let mut sessions = Vec::new();
            for service in [&in_memory, &on_sqlite, &on_postgres] {
                sessions.push((service, service.session("upstream", upstream.url, upstream.tool).await));
            }
            // The gateway's own cost, and what a durable record may cost on top.
            let may_add = [Some(0.15), None, append.map(|p50| APPENDS_ADDED * p50 / 1000.0)];
            let ways: Vec<_> = sessions
                .iter()
                .zip(may_add)
                .map(|((service, session), may_add)| Through { service, session, may_add })
                .collect();
            gateway::measure(&upstream, &ways, settings, report).await;
            noted(report, settings);
        }
    }
}

/// When the part that was just measured was measured.
fn noted(report: &mut Report, settings: &Settings) {
    if let Some(part) = report.parts.last_mut() {
        part.measured = machine::occasion(settings);
    }
}

fn said(part: &str) {
    eprintln!("measuring {part} …");
}

fn on_disk() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

/// Where files are memory, if this machine has such a place: what is written there is never synced.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| on_disk())
}
