//! What an installation on `SQLite` shows.

use tollbook_journal::examine::sqlite::{BookFile, Examined, InTheBook};

use super::finding::Findings;
use super::said::bytes;
use super::{book, files, followers, postgres};

/// `FULL`, as the number that the pragma answers with.
const FULL: i64 = 2;
/// The log is folded into the file again and again; one that grew so large isn't.
const LONG_LOG: u64 = 1 << 30;

pub(super) fn judge(findings: &mut Findings, examined: &Examined) {
    if let Some((book, views)) = findings.seen("migrations", &examined.migrations) {
        postgres::schema(findings, "migrations", book);
        postgres::schema(findings, "migrations_views", views);
    }
    if let Some(seen) = findings.seen("book_file", &examined.file) {
        file(findings, seen);
        integrity(findings, seen);
    }
    log(findings, examined);
    if let Some(seen) = &examined.book {
        in_the_book(findings, seen);
    }
    let size = examined.file.as_ref().map_or(0, |file| u64::try_from(file.size).unwrap_or(0));
    files::disk(findings, "disk", &examined.dir, &format!("the book takes {}", bytes(size)));
}

fn in_the_book(findings: &mut Findings, seen: &InTheBook) {
    if let Some(broken) = findings.seen("triggers", &seen.broken_triggers) {
        if broken.is_empty() {
            findings.ok("triggers", "events are only ever added");
        } else {
            let remedy = "Find out who did it, and what was changed meanwhile; then make them again, from `migrations/sqlite/book`.";
            findings.failed(
                "triggers",
                format!("not there as they were made: {}", broken.join(", ")),
                remedy,
            );
        }
    }
    let order = findings.seen("positions", &seen.order);
    if let Some(order) = order {
        book::order(findings, order);
    }
    if let Some(seen) = findings.seen("projections", &seen.followers) {
        followers::projections(findings, seen, order.map(|order| order.head));
    }
}

fn file(findings: &mut Findings, file: &BookFile) {
    let named = if file.synchronous >= FULL { "FULL" } else { "less than FULL" };
    let found = format!("journal_mode {}, synchronous {named}", file.journal_mode);
    if file.journal_mode != "wal" || file.synchronous < FULL {
        let remedy = "An acknowledged event may be lost at a power cut, or readers wait for writers: start the service again, which sets both.";
        findings.failed("book_file", found, remedy);
    } else {
        findings.ok("book_file", found);
    }
}

fn integrity(findings: &mut Findings, file: &BookFile) {
    match file.check.as_deref() {
        Some("ok") => findings.ok("integrity", "the file is whole"),
        Some(fault) => {
            let remedy = "Stop the service, keep the file as it is, and restore the last backup; then look for what damages the disk.";
            findings.failed("integrity", fault.lines().next().unwrap_or_default(), remedy);
        }
        None => findings.ok("integrity", "not checked; `tollbook doctor --deep` does"),
    }
}

fn log(findings: &mut Findings, examined: &Examined) {
    let size = std::fs::metadata(examined.dir.join("book.db-wal")).map_or(0, |metadata| metadata.len());
    let found = format!("{} wait to be folded into the file", bytes(size));
    if size > LONG_LOG {
        let remedy = "Somebody reads without an end and keeps it from being folded: end that, or start the service again.";
        findings.warning("write_ahead_log", found, remedy);
    } else {
        findings.ok("write_ahead_log", found);
    }
}
