//! Durable decisions through HTTP beside one-row inserts: what the order, the fence and the record cost, or
//! save.

use std::time::Duration;

use tollbook_journal::Database;
use tollbook_testkit::postgres::Postgres;

use crate::appends::Appends;
use crate::report::{Figure, Goal, Report};
use crate::rounds::{Sample, in_turns};
use crate::row::Row;
use crate::service::{Service, Session};
use crate::settings::{Cores, Settings};
use crate::wrk::Request;
use crate::{pgbench, sqlite};

/// The few against the many.
const MANY: u32 = 64;
/// As many as a batch of the journal holds.
const CALLERS: usize = 512;

/// Decides, checks that each decision is in the book, and lets the read models catch up.
async fn decide(
    service: &Service,
    question: &Request,
    connections: u32,
    seconds: u64,
    lag: &mut Duration,
) -> Sample {
    let before = service.head(question).await;
    let sample = question.repeat(connections, seconds, Cores::All);
    let after = service.head(question).await;
    let written = after - before - 1;
    assert!(written >= sample.count, "{} answers, but {written} events", sample.count);
    *lag = (*lag).max(service.settle(after).await);
    sample
}

/// On `PostgreSQL`; answers with the p50 of a single append in process, in microseconds.
pub async fn on_postgres(
    server: &Postgres,
    service: &Service,
    session: &Session,
    row: &Row,
    settings: &Settings,
    report: &mut Report,
) -> f64 {
    let question = service.question(session, "record");
    let inserts = pgbench::Inserts::prepare(server, row).await;
    let url = server.create_database("appends").parse().unwrap();
    let appends = Appends::prepare(Database::connect(&url).await.unwrap(), row).await;
    let mut lag = Duration::ZERO;
    let subjects = [
        Way::Insert(1),
        Way::Decide(1),
        Way::Append(1),
        Way::Insert(MANY),
        Way::Decide(MANY),
        Way::Append(CALLERS),
    ];
    let series = in_turns(settings.rounds, &subjects, async |way| match way {
        Way::Insert(clients) => inserts.run(server, *clients, settings.seconds),
        Way::Decide(connections) => {
            decide(service, &question, *connections, settings.seconds, &mut lag).await
        }
        Way::Append(callers) => appends.run(*callers, settings.seconds).await,
    })
    .await;
    let [insert, decision, append, inserts, decisions, batched] = series.as_slice() else { unreachable!() };

    report.part(format!(
        "Durable decisions on PostgreSQL, beside pgbench's one-row inserts of {} bytes into the same table",
        row.size()
    ));
    for (what, ours, base, goal) in [
        ("decisions, 64 connections", decisions, inserts, Some(Goal::AtLeast(1.0))),
        ("decisions, 1 connection", decision, insert, None),
        ("appends in process, 512 callers; inserts, 64 clients", batched, inserts, Some(Goal::AtLeast(2.0))),
        ("appends in process, 1 caller", append, insert, None),
    ] {
        report.add(Figure::rates(what, ours, base, goal));
    }
    report.add(Figure::times(
        "p50 of a decision, 1 connection",
        decision,
        insert,
        Sample::p50,
        Some(Goal::AtMost(4.0)),
    ));
    report.add(Figure::times("p50 of a decision, 64 connections", decisions, inserts, Sample::p50, None));
    report.add(Figure::times("p99 of a decision, 64 connections", decisions, inserts, Sample::p99, None));
    note_lag(report, "PostgreSQL", lag);
    append.median(Sample::p50)
}

/// On `SQLite`, which has no pgbench: beside one-row transactions of one writer.
pub async fn on_sqlite(
    service: &Service,
    session: &Session,
    row: &Row,
    settings: &Settings,
    report: &mut Report,
) {
    let question = service.question(session, "record");
    let mut inserts = sqlite::Inserts::prepare(row).await;
    let mut lag = Duration::ZERO;
    let subjects = [Way::Insert(1), Way::Decide(1), Way::Decide(MANY)];
    let series = in_turns(settings.rounds, &subjects, async |way| match way {
        Way::Decide(connections) => {
            decide(service, &question, *connections, settings.seconds, &mut lag).await
        }
        Way::Insert(_) | Way::Append(_) => inserts.run(settings.seconds).await,
    })
    .await;
    let [insert, decision, decisions] = series.as_slice() else { unreachable!() };

    report.part("Durable decisions on SQLite, beside one-row inserts of its one writer, each synced");
    for (what, ours) in [("decisions, 64 connections", decisions), ("decisions, 1 connection", decision)] {
        report.add(Figure::rates(what, ours, insert, None));
    }
    report.add(Figure::times("p50 of a decision, 1 connection", decision, insert, Sample::p50, None));
    note_lag(report, "SQLite", lag);
}

fn note_lag(report: &mut Report, book: &str, lag: Duration) {
    report.note(format!(
        "{book}: after a run of decisions the read models had caught up within {:.2} s.",
        lag.as_secs_f64()
    ));
}

/// One way to write a row.
#[derive(Debug, Clone, Copy)]
enum Way {
    Insert(u32),
    Decide(u32),
    Append(usize),
}
