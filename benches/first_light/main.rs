//! The figures of first light, printed with what they are compared to: `make bench`.
//!
//! It starts everything itself, on loopback and free ports: `PostgreSQL` on this machine's disk with `fsync`
//! on, the service (the release binary) on `PostgreSQL` and on `SQLite`, tool servers, and the load (`wrk`,
//! `pgbench`). Every measurement is bounded in time; what is compared is measured in turns, and medians
//! are compared, because a machine is never quite idle. Every answer has to be a right one, and every
//! recorded decision has to be in the book, or the bench fails.
//!
//! `BENCH_SECONDS` (5), `BENCH_ROUNDS` (3) and `BENCH_ONLY` (`postgres`, `sqlite`, `checks`, `gateway`, several with
//! commas) change how much is measured; `BENCH_DATE` has the figures written into
//! `docs/benchmarks/first-light.md`.
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
mod machine;
mod pgbench;
mod report;
mod roles;
mod rounds;
mod row;
mod service;
mod settings;
mod sqlite;
mod wrk;

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use tollbook_testkit::node;
use tollbook_testkit::postgres::{Options, Postgres};

use gateway::{Through, Upstream};
use report::Report;
use row::Row;
use service::Service;
use settings::Settings;

const DATABASE: &str = "book";
const DOCUMENT: &str = "docs/benchmarks/first-light.md";
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
    let database = server.create_database(DATABASE);
    let on_postgres = Service::start("PostgreSQL", on_disk(), Some(&database), workers);
    let on_sqlite = Service::start("SQLite", on_disk(), None, workers);
    let in_memory = Service::start("SQLite in memory", in_memory(), None, workers);

    let upstreams = tempfile::tempdir().unwrap();
    let sample = roles::sample_server(upstreams.path());
    let modern =
        node::Upstream::modern_with(&node::Settings { count_only: true, ..Default::default() }).await;
    let sample = Upstream {
        name: "the bundled sample server (Rust)",
        url: &sample.line,
        tool: "echo",
        arguments: json!({ "text": "hello" }),
        left: 0.35,
    };
    let modern = Upstream {
        name: "a Node.js server",
        url: modern.url(),
        tool: "echo",
        arguments: json!({ "text": "hello" }),
        left: 0.5,
    };

    let session = on_postgres.session("sample", sample.url, sample.tool).await;
    let embedded = on_sqlite.session("sample", sample.url, sample.tool).await;
    on_postgres.head(&on_postgres.question(&session, "record")).await;
    let row = Row::of_the_book(&server, DATABASE);

    let mut report = Report::default();
    let mut append = None;
    if settings.wants("postgres") {
        said("decisions on PostgreSQL");
        append =
            Some(decisions::on_postgres(&server, &on_postgres, &session, &row, settings, &mut report).await);
    }
    if settings.wants("sqlite") {
        said("decisions on SQLite");
        decisions::on_sqlite(&on_sqlite, &embedded, &row, settings, &mut report).await;
    }
    if settings.wants("checks") {
        said("checks from memory");
        let services = [(&on_postgres, &session), (&on_sqlite, &embedded)];
        checks::measure(&services, workers, settings, &mut report).await;
    }
    if settings.wants("gateway") {
        for upstream in [&sample, &modern] {
            said(&format!("tool calls to {}", upstream.name));
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
            gateway::measure(upstream, &ways, settings, &mut report).await;
        }
    }
    println!("\n{}", report.text());
    if settings.date.is_some() {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
        report.record(&document, &machine::facts(&server, settings)).expect("the document can be written");
        println!("\nWritten into {DOCUMENT}.");
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
