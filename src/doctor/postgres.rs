//! What a `PostgreSQL` installation shows: the server, its clock, the schema; the rest lies beside.

use chrono::TimeDelta;
use tollbook_journal::examine::Migrations;
use tollbook_journal::examine::postgres::{Examined, InTheBook, Server, SkewedClock};

use super::finding::Findings;
use super::said::{some, span};
use super::{activity, book, durability, followers, rights, upkeep};

/// The oldest server that has all that is used (`pg_locks.waitstart`, `pg_terminate_backend` with a timeout).
const OLDEST: i32 = 14;
/// A round trip that is slower than this makes every call slow.
const FAR: u128 = 5;
/// From here on people notice, and from there on expiry means something else.
const SKEWED: TimeDelta = TimeDelta::seconds(1);
const WRONG: TimeDelta = TimeDelta::seconds(60);

pub(super) fn judge(findings: &mut Findings, examined: &Examined) {
    let server = findings.seen("connection", &examined.server);
    if let Some(server) = server {
        connection(findings, server);
        version(findings, server);
    }
    if let Some(migrations) = findings.seen("migrations", &examined.migrations) {
        schema(findings, "migrations", migrations);
    }
    if let Some(seen) = findings.seen("activity", &examined.activity) {
        activity::judge(findings, seen);
    }
    if let Some(book) = &examined.book {
        in_the_book(findings, book);
    }
    if let Some(seen) = findings.seen("durability", &examined.durability) {
        durability::judge(findings, seen);
    }
    if let Some(skewed) = findings.seen("clock", &examined.clock) {
        clock(findings, *skewed);
    }
    if let Some(seen) = findings.seen("upkeep", &examined.upkeep) {
        upkeep::judge(findings, seen, server.is_some_and(|server| server.local));
    }
}

fn in_the_book(findings: &mut Findings, examined: &InTheBook) {
    if let Some(roles) = findings.seen("roles", &examined.roles) {
        rights::roles(findings, roles);
    }
    if let Some(guards) = findings.seen("guards", &examined.guards) {
        rights::triggers(findings, guards);
        rights::functions(findings, guards);
    }
    let growth = findings.seen("positions", &examined.growth);
    if let Some(growth) = growth {
        book::order(findings, &growth.book);
        book::partitions(findings, growth);
    }
    if let Some(seen) = findings.seen("projections", &examined.followers) {
        followers::projections(findings, seen, growth.map(|growth| growth.book.head));
    }
    if let Some(seen) = findings.seen("replicas", &examined.replicas) {
        followers::replicas(findings, seen);
    }
}

fn connection(findings: &mut Findings, server: &Server) {
    let Server { place, database, .. } = server;
    let trip =
        format!("{}.{:02} ms", server.round_trip.as_millis(), server.round_trip.as_micros() % 1000 / 10);
    let how = match (&server.protocol, server.encrypted) {
        (Some(protocol), true) => protocol.clone(),
        _ => "no TLS".to_owned(),
    };
    let found = format!("`{database}` on {place}, {how}, a round trip takes {trip}");
    if server.is_standby {
        let remedy = "Point `database_url` at the primary: a standby takes no writes.";
        findings.failed("connection", format!("{found}; it is a standby"), remedy);
    } else if !server.encrypted && !server.local {
        let remedy = "Switch `ssl` on at the server, and add `?sslmode=verify-full` to `database_url`.";
        findings.warning("connection", found, remedy);
    } else if server.round_trip.as_millis() >= FAR {
        let remedy = "Every call waits for at least one round trip: bring the service nearer to its database, or find out what keeps it busy.";
        findings.warning("connection", found, remedy);
    } else {
        findings.ok("connection", found);
    }
}

fn version(findings: &mut Findings, server: &Server) {
    let found = format!("PostgreSQL {}; {OLDEST} or newer is needed", server.version);
    if server.version_number / 10_000 < OLDEST {
        findings.failed("version", found, format!("Upgrade the server to PostgreSQL {OLDEST} or newer."));
    } else {
        findings.ok("version", found);
    }
}

/// How the migrations of a database stand.
pub(super) fn schema(findings: &mut Findings, name: &'static str, migrations: &Migrations) {
    let Migrations { applied, missing, unknown, changed } = migrations;
    if !unknown.is_empty() {
        let found = format!("migrations that this version doesn't know are applied: {unknown:?}");
        findings.failed(name, found, "A newer version made this schema: use that version.");
    } else if !changed.is_empty() {
        let found = format!("applied with another text than this version's: {changed:?}");
        findings.failed(name, found, "Somebody edited a migration: use the program that made this schema.");
    } else if !missing.is_empty() {
        let found = format!("{} missing: {missing:?}", some(missing.len(), "migration"));
        findings.failed(name, found, "Run `tollbook migrate`.");
    } else {
        findings.ok(name, format!("all {applied} are applied, as this version has them"));
    }
}

fn clock(findings: &mut Findings, SkewedClock { ahead, give_or_take }: SkewedClock) {
    let which = if ahead < TimeDelta::zero() { "behind" } else { "ahead of" };
    let found =
        format!("the database's clock is {} {which} this machine's, ± {}", span(ahead), span(give_or_take));
    let off = ahead.abs() - give_or_take;
    let remedy = "Synchronize both machines with the same time servers (chrony, systemd-timesyncd).";
    if off >= WRONG {
        findings.failed("clock", found, remedy);
    } else if off >= SKEWED {
        findings.warning("clock", found, remedy);
    } else {
        findings.ok("clock", found);
    }
}
