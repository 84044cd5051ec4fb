//! Who may change what is only ever added to, and what keeps everybody else from it.

use tollbook_journal::examine::postgres::{Function, Guards, Roles, Trigger};

use super::finding::Findings;
use super::said::some;

pub(super) fn roles(findings: &mut Findings, roles: &Roles) {
    let Roles { service, owner, .. } = roles;
    if !roles.lacking.is_empty() {
        let found = format!("`{service}` lacks {}", roles.lacking.join(", "));
        let remedy = "Run `tollbook migrate` with `migrate_database_url` set to the owner's URL: it grants what is needed.";
        return findings.failed("roles", found, remedy);
    }
    let apart = "Make a role of its own for the service, set `database_url` to it and `migrate_database_url` to the owner, and run `tollbook migrate`.";
    if roles.superuser {
        findings.warning(
            "roles",
            format!("the service is `{service}`, a superuser, who may change the past"),
            apart,
        );
    } else if roles.acts_as_owner {
        let found =
            format!("the service is `{service}`, who owns the tables (`{owner}`) and may change the past");
        findings.warning("roles", found, apart);
    } else if !roles.excess.is_empty() {
        let found = format!("`{service}` may do more than add and read: {}", roles.excess.join(", "));
        let remedy = format!("As `{owner}`: REVOKE these from `{service}`.");
        findings.failed("roles", found, remedy);
    } else {
        findings.ok("roles", format!("`{service}` adds and reads events of `{owner}`, and nothing else"));
    }
}

pub(super) fn triggers(findings: &mut Findings, guards: &Guards) {
    let faults: Vec<_> = guards.triggers.iter().filter_map(gap).collect();
    let Some((table, _)) = faults.first() else {
        let found = format!("events are only ever added, in {}", some(guards.triggers.len(), "table"));
        return findings.ok("triggers", found);
    };
    let named: Vec<_> = faults.iter().map(|(table, why)| format!("`{table}`: {why}")).collect();
    let found = format!("the trigger `refuse_change`: {}", named.join("; "));
    let remedy = format!(
        "Find out who did it, and what was changed meanwhile. Then, as the owner: `ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER refuse_change`; where there is none, first `SELECT public.refuse_changes_of('public.{table}')`."
    );
    findings.failed("triggers", found, remedy);
}

/// Which table isn't guarded, and why.
fn gap(trigger: &Trigger) -> Option<(&str, &'static str)> {
    let why = match trigger.enabled.as_deref() {
        None => "there is none",
        Some("D") => "disabled",
        Some("A") if trigger.whole => return None,
        Some("A") => "it refuses less than it should",
        Some(_) => "not ENABLE ALWAYS",
    };
    Some((&trigger.table, why))
}

pub(super) fn functions(findings: &mut Findings, guards: &Guards) {
    let missing = guards.missing_functions.iter().map(|name| format!("`{name}` isn't there"));
    let faults: Vec<_> = missing.chain(guards.functions.iter().filter_map(fault)).collect();
    if faults.is_empty() {
        let found = format!("all {} are as the migrations made them", guards.functions.len());
        findings.ok("functions", found);
    } else {
        let remedy =
            "Find out who changed them; then restore each from its migration, as the owner of `events`.";
        findings.failed("functions", faults.join("; "), remedy);
    }
}

fn fault(function: &Function) -> Option<String> {
    let Function { name, owner, .. } = function;
    if !function.as_made {
        Some(format!("`{name}` is not as a migration made it"))
    } else if !function.owned_with_events {
        Some(format!("`{name}` belongs to `{owner}`, and `events` doesn't"))
    } else if function.definer && !function.fixed_search_path {
        Some(format!("`{name}` runs with its owner's rights and the caller's search_path"))
    } else if function.definer && function.everybodys {
        Some(format!("`{name}` runs with its owner's rights, for everybody"))
    } else {
        None
    }
}
