//! The fence of the journal rests on this: what was permitted stays permitted until something that
//! says `narrows`, and what isn't `control` changes no answer at all.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::histories::{Happening, Random, beginning, next, noon};
use crate::world::Everything;

const HISTORIES: u64 = 160;
const COMMANDS: usize = 60;

/// An answer that changed though nothing said that it could.
#[derive(Debug)]
#[allow(dead_code)]
struct Violation {
    seed: u64,
    happening: Happening,
    changed: Vec<String>,
}

/// What was seen on the way: a property that never met anything would hold as well.
#[derive(Default)]
struct Seen {
    /// By event type: how often it took something away.
    took: BTreeMap<String, u32>,
    /// How often something that doesn't narrow happened while a call was permitted.
    stood: u32,
}

/// Runs histories in which each event says of itself what `narrows` makes of it.
fn run(seen: &mut Seen, narrows: impl Fn(&Happening) -> bool) -> Result<(), Box<Violation>> {
    for seed in 0..HISTORIES {
        let (mut random, mut world) = (Random::new(seed), Everything::default());
        // Noon, or after the first of the ends that the histories know.
        let at = noon() + TimeDelta::hours(if seed % 3 == 0 { 2 } else { 0 });
        // Some histories begin with nothing at all.
        for happening in if seed % 4 == 3 { vec![] } else { beginning() } {
            world.apply(happening.id, happening.event);
        }
        let mut before = world.permitted(at);
        for _ in 0..COMMANDS {
            for happening in next(&world, &mut random) {
                world.apply(happening.id, happening.event.clone());
                let after = world.permitted(at);
                let lost: Vec<_> = before.difference(&after).cloned().collect();
                if !lost.is_empty() {
                    *seen.took.entry(happening.event_type.clone()).or_default() += 1;
                }
                if before.iter().any(|answer| answer.contains("calls")) && !happening.narrows {
                    seen.stood += 1;
                }
                if !lost.is_empty() && !narrows(&happening) {
                    return Err(Box::new(Violation { seed, happening, changed: lost }));
                }
                if !happening.control && before != after {
                    let changed = before.symmetric_difference(&after).cloned().collect();
                    return Err(Box::new(Violation { seed, happening, changed }));
                }
                before = after;
            }
        }
    }
    Ok(())
}

/// Every event that takes something away in this version.
const TAKE: [&str; 17] = [
    "api_key.reset",
    "api_key.revoked",
    "api_key.rotated",
    "device.revoked",
    "loadout.removed",
    "one_time_link.redeemed",
    "one_time_link.revoked",
    "operator.credential_revoked",
    "operator.credential_rotated",
    "session.revoked",
    "sign_in.ended",
    "tool_server.removed",
    "tool_server.tools_refreshed",
    "user.erased",
    "workspace.api_keys_revoked",
    "workspace.member_removed",
    "workspace.member_role_changed",
];

#[test]
fn only_what_narrows_turns_a_yes_into_a_no() {
    let mut seen = Seen::default();
    run(&mut seen, |happening| happening.narrows).unwrap();
    assert!(seen.stood > 1_000, "only {} events happened while a call was permitted", seen.stood);
    let took: Vec<_> = seen.took.keys().map(String::as_str).collect();
    assert_eq!(took, TAKE, "{:?}", seen.took);
}

#[test]
fn event_that_hid_that_it_narrows_would_be_found() {
    for liar in TAKE {
        let lied = run(&mut Seen::default(), |happening| happening.narrows && happening.event_type != liar);
        let violation = lied.unwrap_err();
        assert_eq!(violation.happening.event_type, liar);
    }
}
