//! Is the book's order whole, and has it room?

use chrono::TimeDelta;
use tollbook_journal::examine::postgres::Growth;
use tollbook_journal::examine::{Book, Speed};

use super::finding::Findings;
use super::said::{count, some, span};

/// As in `make_partitions`: there should be two of these ahead.
const PARTITION: u64 = 10_000_000;
/// With less room than this, it is a matter of minutes.
const NARROW: u64 = 1_000_000;
/// With less time than this, nobody may look in time.
const SOON: TimeDelta = TimeDelta::days(1);

pub(super) fn order(findings: &mut Findings, book: &Book) {
    let Book { head, first, counted_from, hole, misnumbered } = book;
    let counted = head.saturating_sub(*counted_from);
    let reach = if counted_from > first {
        format!("the newest {} positions, up to {}", count(counted), count(*head))
    } else {
        format!("all {} positions", count(counted))
    };
    let remedy = "Events were taken out of the book, past its triggers. Stop whoever can do that, keep this database as it is for evidence, and compare it with the last export or backup.";
    match hole {
        Some(hole) => {
            findings.failed("positions", format!("position {hole} is missing; looked at {reach}"), remedy);
        }
        None => findings.ok("positions", format!("{reach}: none is missing")),
    }
    match misnumbered {
        Some(at) => {
            let found =
                format!("the workspace of the event at position {at} has a gap before it in its own numbers");
            findings.failed("workspace_numbers", found, remedy);
        }
        None if hole.is_some() => {}
        None => findings
            .ok("workspace_numbers", format!("{reach}: each workspace's own numbers follow each other")),
    }
}

pub(super) fn partitions(findings: &mut Findings, growth: &Growth) {
    let head = growth.book.head;
    let apart = growth.partitions.windows(2).find_map(|pair| match pair {
        [one, next] if one.edge != next.first => Some(one.edge),
        _ => None,
    });
    if let Some(position) = apart {
        let remedy = "Nothing can be written when the head comes there: attach the partition that is missing, as the owner.";
        return findings.failed("partitions", format!("there is none for position {position}"), remedy);
    }
    let edge = growth.partitions.last().map_or(0, |last| u64::try_from(last.edge).unwrap_or(0));
    let room = edge.saturating_sub(head);
    let left = growth.speed.and_then(|speed| time_left(room, speed));
    let lasts = left.map_or_else(String::new, |left| format!(", {} at the present rate", span(left)));
    let found = format!(
        "{}, room for {} more events{lasts}",
        some(growth.partitions.len(), "partition"),
        count(room)
    );
    let remedy = "The service makes them ahead, and says in its log why it can't: `SELECT public.make_partitions(2)` as the owner makes them now.";
    if room < NARROW || left.is_some_and(|left| left < SOON) && room < PARTITION {
        findings.failed("partitions", found, remedy);
    } else if room < PARTITION {
        findings.warning("partitions", found, remedy);
    } else {
        findings.ok("partitions", found);
    }
}

/// How long the room lasts; nothing is known while hardly anything is written.
fn time_left(room: u64, speed: Speed) -> Option<TimeDelta> {
    let events = u64::try_from(speed.events).ok().filter(|events| *events >= 100)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole seconds, never negative"
    )]
    let seconds = (speed.seconds as u64).max(1);
    let left = u128::from(room) * u128::from(seconds) / u128::from(events);
    // A hundred years are for ever.
    TimeDelta::try_seconds(i64::try_from(left).ok()?).filter(|left| *left < TimeDelta::days(36_500))
}
