//! Who follows the book: projections and replicas.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use tollbook_journal::examine::Follower;
use tollbook_journal::examine::postgres::Replica;

use super::finding::Findings;
use super::said::{count, some, span};

/// How many events a projection may be behind before it is worth a word.
const BEHIND: u64 = 10_000;
/// Who hasn't been heard of for this long has died without saying so.
const SILENT: TimeDelta = TimeDelta::seconds(30);
/// After this long its calls have been closed by others, and nobody waits for it any more.
const FORGOTTEN: TimeDelta = TimeDelta::minutes(10);

pub(super) fn projections(findings: &mut Findings, followers: &[Follower], head: Option<u64>) {
    let read: Vec<_> = followers.iter().filter(|follower| follower.active).collect();
    let mut farthest = 0;
    let mut well = 0;
    for follower in &read {
        let lag = head.map_or(0, |head| head.saturating_sub(u64::try_from(follower.position).unwrap_or(0)));
        farthest = farthest.max(lag);
        well += usize::from(judge(findings, follower, lag));
    }
    if read.is_empty() {
        findings.ok("projections", "there is none yet: the service makes them");
    } else if well == read.len() {
        let reached = if farthest == 0 {
            "at the head".to_owned()
        } else {
            format!("at most {} behind", count(farthest))
        };
        let holders: BTreeSet<_> = read.iter().filter_map(|follower| follower.holder).collect();
        let by: Vec<_> = holders.iter().map(|holder| format!(", folded by {holder}")).collect();
        findings
            .ok("projections", format!("{} run, {reached}{}", some(read.len(), "projection"), by.concat()));
    }
    for follower in followers.iter().filter(|follower| !follower.active && follower.status == "building") {
        let Follower { projection, position, .. } = follower;
        findings.ok("rebuild", format!("`{projection}` is being built anew, at position {position}"));
    }
}

/// Is it well?
fn judge(findings: &mut Findings, follower: &Follower, lag: u64) -> bool {
    let Follower { projection, position, status, error, .. } = follower;
    let by = follower.holder.map_or_else(String::new, |holder| format!(", folded by {holder}"));
    let at = format!("`{projection}` at position {position}, {} behind{by}", count(lag));
    if status == "stopped" {
        let why = error.as_deref().unwrap_or("it doesn't say why");
        let remedy = format!(
            "What is read from it grows old. Once the cause is gone: `tollbook projection rebuild {projection}`, or start the service again, which lets it try."
        );
        findings.failed("projections", format!("{at}, has stopped: {why}"), remedy);
    } else if status != "running" {
        findings.warning("projections", format!("{at}: {status}"), "Wait until it has been built.");
    } else if lag > BEHIND {
        let remedy =
            "Does a service run, and has it time for it? It catches up at full speed when appends let it.";
        findings.warning("projections", at, remedy);
    } else {
        return true;
    }
    false
}

pub(super) fn replicas(findings: &mut Findings, replicas: &[Replica]) {
    let (silent, living): (Vec<_>, Vec<_>) =
        replicas.iter().partition(|replica| replica.silent_for >= SILENT);
    let lost: Vec<_> = silent
        .into_iter()
        .filter(|replica| replica.silent_for < FORGOTTEN)
        .map(|replica| format!("{} for {}", replica.incarnation, span(replica.silent_for)))
        .collect();
    let running = format!("{} at work", some(living.len(), "replica"));
    if replicas.is_empty() {
        findings.ok("replicas", "none has reported itself");
    } else if lost.is_empty() {
        findings.ok("replicas", running);
    } else {
        let remedy = "They ended without saying so, or are cut off from the database: look at their machines. Calls of theirs without an outcome are closed by others.";
        findings.warning("replicas", format!("{running}; silent: {}", lost.join(", ")), remedy);
    }
}
