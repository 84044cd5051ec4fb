//! What an acknowledgement is worth.

use tollbook_journal::examine::postgres::{Durability, Standby};

use super::finding::Findings;
use super::said::bytes;

pub(super) fn judge(findings: &mut Findings, durability: &Durability) {
    disk(findings, durability);
    standby(findings, durability);
}

fn disk(findings: &mut Findings, durability: &Durability) {
    let on = |on: bool| if on { "on" } else { "off" };
    let Durability { fsync, full_page_writes, synchronous_commit, .. } = durability;
    let found = format!(
        "fsync {}, full_page_writes {}, synchronous_commit {synchronous_commit}",
        on(*fsync),
        on(*full_page_writes)
    );
    if !fsync || !full_page_writes {
        let remedy = "After a power cut the book may be lost or damaged: set both to on in `postgresql.conf`, and restart the server.";
        findings.failed("durability", found, remedy);
    } else if matches!(synchronous_commit.as_str(), "on" | "remote_apply") {
        findings.ok("durability", found);
    } else {
        let remedy = "Appends insist on `on`; whatever else the service writes doesn't. Set `synchronous_commit` to on for its role and database (`ALTER ROLE … SET`, `ALTER DATABASE … SET`).";
        findings.warning("durability", found, remedy);
    }
}

fn standby(findings: &mut Findings, durability: &Durability) {
    let Durability { standbys, synchronous_standby_names, .. } = durability;
    let named: Vec<_> = standbys.iter().map(named).collect();
    let waited_for =
        |one: &&Standby| one.state == "streaming" && matches!(one.sync_state.as_str(), "sync" | "quorum");
    let waited_for = standbys.iter().filter(waited_for).count();
    let hidden = standbys.iter().any(|one| one.state == "hidden");
    let list = if named.is_empty() { "no standby is connected".to_owned() } else { named.join("; ") };
    if synchronous_standby_names.is_empty() {
        let found = format!(
            "an acknowledged event would not survive the loss of this server: {list}, and commits wait for none"
        );
        let remedy = "Connect a standby and name it in `synchronous_standby_names`, so that a failover loses nothing that was acknowledged.";
        findings.warning("standby", found, remedy);
    } else if waited_for > 0 {
        findings.ok("standby", format!("an acknowledged event survives the loss of this server: {list}"));
    } else if hidden {
        let found =
            format!("commits wait for `{synchronous_standby_names}`; whether it is there is hidden from us");
        findings.warning("standby", found, "Let the service see it: `GRANT pg_monitor TO` its role.");
    } else {
        let found = format!("commits wait for `{synchronous_standby_names}`, and {list}");
        let remedy = "Nothing can be written meanwhile: bring the standby back, or take it out of `synchronous_standby_names`.";
        findings.failed("standby", found, remedy);
    }
}

fn named(standby: &Standby) -> String {
    let Standby { name, client, state, sync_state, behind } = standby;
    let behind = bytes(u64::try_from(*behind).unwrap_or(0));
    format!("`{name}` at {client}: {state}, {sync_state}, {behind} behind")
}
