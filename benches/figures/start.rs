//! Starting on a book of a million control events, and what a live session costs in memory.

use tempfile::TempDir;
use tollbook_testkit::postgres::Postgres;

use crate::grown::{self, History};
use crate::report::{Figure, Goal, Report};
use crate::rounds::{Sample, Series};
use crate::service::Service;
use crate::settings::Settings;

const DATABASE: &str = "start";
const MEGABYTE: f64 = 1_000_000.0;

pub async fn measure(
    server: &Postgres,
    dir: TempDir,
    upstream: &str,
    workers: usize,
    settings: &Settings,
    report: &mut Report,
) {
    let url = server.create_database(DATABASE);
    let service = Service::start("PostgreSQL", dir, Some(&url), workers);
    service.session("sample", upstream, "echo").await;
    let (service, _) = service.stop().start().await;
    let idle = service.resident();
    let stopped = service.stop();
    grown::grow(server, DATABASE, History::Sessions, settings.events);

    // The read models are folded first: a start finds them so, as a rule, and they are measured elsewhere.
    let (service, _) = stopped.start().await;
    let folded = service.settle(settings.events).await;
    let mut stopped = service.stop();
    let (mut starts, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        let (service, took) = stopped.start().await;
        starts.push(took.as_secs_f64());
        sizes.push((service.resident() - idle) as f64 / settings.events as f64);
        stopped = service.stop();
    }
    let median = |values: &[f64]| {
        Series(values.iter().map(|value| Sample::new(1, 1, 0, 0).at_rate(*value)).collect()).rate()
    };
    let millions = settings.events as f64 / MEGABYTE;
    report.part(format!("Start on a book of {millions} million control events, and memory (PostgreSQL)"));
    let goal = |value| (settings.events == 1_000_000).then_some(Goal::AtMost(value));
    report.add(Figure::plain("from the command to ready", median(&starts), " s", goal(5.0)));
    report.add(Figure::plain("resident when idle", idle as f64 / MEGABYTE, " MB", Some(Goal::AtMost(60.0))));
    report.add(Figure::plain("a live session", median(&sizes), " bytes", goal(1024.0)));
    report.note(format!(
        "The read models folded those events at {:.0}/s, while the service ran.",
        settings.events as f64 / folded.as_secs_f64()
    ));
    drop(stopped);
    server.psql("postgres", &format!("DROP DATABASE {DATABASE} WITH (FORCE)"));
}
