//! The same appends with millions of events behind them, in turns with a young book.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _, PgConnection};
use tollbook_journal::Database;
use tollbook_testkit::postgres::Postgres;

use crate::appends::Appends;
use crate::grown::{self, History};
use crate::report::{Figure, Goal, Report};
use crate::rounds::{Series, in_turns};
use crate::row::Row;
use crate::settings::Settings;

/// As many callers as a batch holds, and as many as a service has connections.
const CALLERS: [usize; 2] = [512, 64];
/// How long a snapshot stays open elsewhere.
const SNAPSHOT: Duration = Duration::from_secs(60);

/// A database of its own in which a service has been, for its templates: `book` as it stands.
pub async fn measure(server: &Postgres, book: &str, row: &Row, settings: &Settings, report: &mut Report) {
    let grown = copy(server, book, "grown");
    let young = copy(server, book, "young");
    grown::grow(server, "grown", History::Calls(50), settings.growth);
    let size = server.psql("grown", "SELECT pg_size_pretty(pg_database_size('grown'))");
    let grown = Appends::prepare(Database::connect(&grown.parse().unwrap()).await.unwrap(), row).await;
    let young = Appends::prepare(Database::connect(&young.parse().unwrap()).await.unwrap(), row).await;

    report
        .part(format!("Appends in process with {} million events behind them", settings.growth / 1_000_000));
    for callers in CALLERS {
        let subjects = [&young, &grown];
        let series =
            in_turns(settings.rounds, &subjects, async |book| book.run(callers, settings.seconds).await)
                .await;
        let [young, grown] = series.as_slice() else { unreachable!() };
        let what = format!("appends, {callers} callers");
        report.add(Figure::rates(&what, grown, young, Some(Goal::AtLeast(0.8))));
    }
    report.note(format!("The grown database holds {size}, indexes included."));
    drop((grown, young));
    for database in ["grown", "young"] {
        server.psql("postgres", &format!("DROP DATABASE \"{database}\" WITH (FORCE)"));
    }
}

/// Appends while another client keeps a snapshot open: the head must not be a row whose dead versions pile up.
pub async fn beside_a_snapshot(
    server: &Postgres,
    book: &str,
    row: &Row,
    settings: &Settings,
    report: &mut Report,
) {
    let url = copy(server, book, "held");
    let appends = Appends::prepare(Database::connect(&url.parse().unwrap()).await.unwrap(), row).await;
    let callers = CALLERS[1];
    let mut alone = Series::default();
    for _ in 0..settings.rounds {
        alone.0.push(appends.run(callers, settings.seconds).await);
    }
    let mut reader = PgConnection::connect(&url).await.unwrap();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM events").await.unwrap();
    let opened = Instant::now();
    let mut beside = Vec::new();
    while opened.elapsed() < SNAPSHOT || beside.len() < settings.rounds {
        beside.push(appends.run(callers, settings.seconds).await);
    }
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut reader).await.unwrap();
    reader.execute("ROLLBACK").await.unwrap();
    let now: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut reader).await.unwrap();
    assert!(now > seen, "the snapshot was open to the end");
    for _ in 0..settings.rounds {
        alone.0.push(appends.run(callers, settings.seconds).await);
    }
    let last = Series(beside.split_off(beside.len() - settings.rounds));

    report.part("Appends in process while another client keeps a snapshot open for a minute (PostgreSQL)");
    let what = format!("appends, {callers} callers, at the minute's end; before and after it");
    let ratio = last.rate() / alone.rate();
    report.add(Figure { result: ratio, ..Figure::rates(&what, &last, &alone, Some(Goal::AtLeast(0.8))) });
    drop(appends);
    server.psql("postgres", "DROP DATABASE held WITH (FORCE)");
}

/// A database like `book`, which nobody may be connected to meanwhile.
fn copy(server: &Postgres, book: &str, name: &str) -> String {
    server.psql("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE \"{book}\""));
    server.url(name)
}
