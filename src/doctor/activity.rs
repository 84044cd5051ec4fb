//! Who is at work: transactions that stay open, and the lock that appends take turns by.

use chrono::TimeDelta;
use tollbook_journal::examine::postgres::{Activity, Backend};

use super::finding::Findings;
use super::said::{some, span};

/// A batch has the append lock for milliseconds.
const STUCK: TimeDelta = TimeDelta::seconds(1);
/// How many transactions are named.
const NAMED: usize = 5;

pub(super) fn judge(findings: &mut Findings, activity: &Activity) {
    append_lock(findings, activity);
    transactions(findings, activity);
}

/// Who somebody is, without what they said.
fn who(backend: &Backend) -> String {
    let Backend { pid, application, role, client, .. } = backend;
    let application = if application.is_empty() { "(no name)" } else { application };
    format!("pid {pid} ({application}, role {role}, from {client})")
}

fn what(backend: &Backend) -> String {
    let waits = backend.waits_for.as_ref().map_or_else(String::new, |event| format!(", waiting for {event}"));
    format!("{}, {} for {}{waits}", backend.state, backend.statement, span(backend.age))
}

fn append_lock(findings: &mut Findings, activity: &Activity) {
    let Some(holder) = &activity.holder else {
        return findings.ok("append_lock", "nobody has it at this moment");
    };
    if holder.age < STUCK && activity.waited < STUCK {
        return findings.ok("append_lock", format!("{} has had it for {}", who(holder), span(holder.age)));
    }
    let waiting = usize::try_from(activity.waiting).unwrap_or_default();
    let mut found = format!("held by {}: {}", who(holder), what(holder));
    if waiting > 0 {
        let (waiting, waited) = (some(waiting, "append"), span(activity.waited));
        found = format!("{found}; {waiting} waiting, the first for {waited}");
    }
    for blocker in &activity.blocking_holder {
        found = format!("{found}; held up by {}: {}", who(blocker), what(blocker));
    }
    findings.failed("append_lock", found, release(activity, holder));
}

/// How appends go on.
fn release(activity: &Activity, holder: &Backend) -> String {
    if holder.pid == 0 {
        return "Nothing can be written meanwhile. A prepared transaction has it: `SELECT * FROM pg_prepared_xacts`, then COMMIT PREPARED or ROLLBACK PREPARED.".to_owned();
    }
    if let Some(blocker) = activity.blocking_holder.first() {
        return format!(
            "Nothing can be written meanwhile. End the transaction that holds it up: `SELECT pg_terminate_backend({})`.",
            blocker.pid
        );
    }
    if holder.waits_for.as_deref() == Some("IPC/SyncRep") {
        return "Nothing can be written meanwhile. The synchronous standby doesn't confirm: bring it back, or take it out of `synchronous_standby_names`.".to_owned();
    }
    format!("Nothing can be written meanwhile. End it: `SELECT pg_terminate_backend({})`.", holder.pid)
}

fn transactions(findings: &mut Findings, activity: &Activity) {
    let named: Vec<_> =
        activity.old.iter().take(NAMED).map(|one| format!("{}: {}", who(one), what(one))).collect();
    if let Some(oldest) = activity.old.first() {
        let found =
            format!("{} open for long: {}", some(activity.old.len(), "transaction"), named.join("; "));
        let remedy = format!(
            "As long as they are open, no dead row is cleared away. If nobody needs them: `SELECT pg_terminate_backend({})`.",
            oldest.pid
        );
        findings.warning("transactions", found, remedy);
    } else if activity.hidden > 0 {
        let found = format!(
            "none is open for long, as far as is to be seen; {} connections are hidden",
            activity.hidden
        );
        findings.warning("transactions", found, "Let the service see them: `GRANT pg_monitor TO` its role.");
    } else {
        findings.ok("transactions", "none is open for long");
    }
}
