//! Room on the disk, connections, and cleaning up.

use std::path::Path;

use tollbook_journal::examine::postgres::Upkeep;

use super::files;
use super::finding::Findings;
use super::said::{bytes, count};

/// What one more replica takes: a pool of sixteen, one that appends, one that listens.
const A_REPLICA: i64 = 18;
/// Dead rows are worth a word when there are this many …
const DEAD: i64 = 100_000;
/// … and this many times as many as living ones.
const BLOATED: i64 = 5;
/// At two thousand million the server stops taking writes; it freezes at a tenth of it.
const UNFROZEN: i64 = 1_000_000_000;

pub(super) fn judge(findings: &mut Findings, upkeep: &Upkeep, local: bool) {
    connections(findings, upkeep);
    idle(findings, upkeep);
    vacuum(findings, upkeep);
    let size = u64::try_from(upkeep.size).unwrap_or(0);
    match upkeep.data_directory.as_deref().filter(|_| local) {
        Some(dir) => {
            files::disk(findings, "disk", Path::new(dir), &format!("the database takes {}", bytes(size)));
        }
        None => findings
            .ok("disk", format!("the database takes {}; its disk is not to be seen from here", bytes(size))),
    }
}

fn connections(findings: &mut Findings, upkeep: &Upkeep) {
    let Upkeep { connections, max_connections, ours, .. } = upkeep;
    let found = format!("{connections} of {max_connections} are in use, {ours} of them Tollbook's");
    if i64::from(*max_connections) - connections < A_REPLICA {
        let remedy = format!(
            "There is no room for another replica, which takes {A_REPLICA}: raise `max_connections`."
        );
        findings.warning("connections", found, remedy);
    } else {
        findings.ok("connections", found);
    }
}

fn idle(findings: &mut Findings, upkeep: &Upkeep) {
    if upkeep.idle_in_transaction_timeout == 0 {
        let found = "a transaction that does nothing may stay open for ever";
        let remedy = "Set `idle_in_transaction_session_timeout` (to 60s, say) at the server: then a client that hangs with a lock is ended by itself.";
        findings.warning("idle_transactions", found, remedy);
    } else {
        let seconds = upkeep.idle_in_transaction_timeout / 1000;
        findings.ok("idle_transactions", format!("ended after {seconds} s"));
    }
}

fn vacuum(findings: &mut Findings, upkeep: &Upkeep) {
    let bloated = |table: &&tollbook_journal::examine::postgres::HotTable| {
        table.dead > DEAD && table.dead / BLOATED > table.live
    };
    if !upkeep.autovacuum {
        let remedy = "Set `autovacuum` to on at the server: without it tables only grow, and the server stops some day.";
        findings.failed("vacuum", "autovacuum is off", remedy);
    } else if upkeep.oldest_transaction > UNFROZEN {
        let age = count(upkeep.oldest_transaction.unsigned_abs());
        let remedy = "The server stops at two thousand million: run `VACUUM FREEZE`, and find out what keeps autovacuum from it.";
        findings.failed("vacuum", format!("the oldest row was frozen {age} transactions ago"), remedy);
    } else if let Some(table) = upkeep.hot.iter().find(bloated) {
        let (dead, live) = (count(table.dead.unsigned_abs()), count(table.live.unsigned_abs()));
        let remedy = format!("End old transactions, then `VACUUM public.{}`.", table.name);
        findings.warning(
            "vacuum",
            format!("`{}` has {dead} dead rows beside {live} living ones", table.name),
            remedy,
        );
    } else {
        findings.ok("vacuum", "autovacuum is on, and no table is bloated");
    }
}
