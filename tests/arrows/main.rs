//! Keeps the arrows of ARCHITECTURE.md: which room of `src/` may use which, and which crate may name which.
//!
//! To add a room: a row in `ROOMS`, or in `FOUNDATIONS` if everyone may stand on it. To add an arrow: a name in
//! its row, and a sentence in the commit that says why.
//!
//! An arrow that isn't there is a decision: `http` and `gateway` never meet, nobody reaches past `authority` to
//! decide for himself, and what everyone stands on stands on nothing of ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod refusals;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// room → the rooms it may use besides the foundations. From the top down; an arrow never points up.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["server", "app", "doctor", "founding", "host", "http", "links", "problem", "sample"]),
    ("server", &["http", "gateway", "host", "login", "oauth", "console", "audit", "authn", "app", "problem"]),
    // What the world knocks on. Each is a door of its own; what two of them need lies below them.
    ("http", HANDLERS),
    ("gateway", HANDLERS),
    ("login", HANDLERS),
    ("oauth", HANDLERS),
    ("console", HANDLERS),
    ("audit", HANDLERS),
    // A door for this machine only.
    ("host", &["app", "doctor", "founding", "links", "problem"]),
    ("sample", &[]),
    ("authn", &["app", "authority", "problem"]),
    ("forward", &["app", "authority", "calls", "problem", "upstream"]),
    ("api_keys", &["authority", "bounds", "problem"]),
    ("bounds", &["authority", "problem"]),
    ("founding", &["app", "authority", "commands", "links", "problem"]),
    ("links", &["app", "authority", "commands", "problem"]),
    (
        "app",
        &[
            "authority",
            "calls",
            "commands",
            "doctor",
            "erasure",
            "last_used",
            "replicas",
            "strangers",
            "upstream",
        ],
    ),
    ("strangers", &["commands"]),
    ("commands", &["authority", "problem"]),
    ("calls", &["authority", "replicas", "upstream"]),
    ("replicas", &["authority"]),
    ("problem", &["authority", "erasure", "last_used"]),
    ("erasure", &["authority", "last_used"]),
    ("last_used", &["authority"]),
    ("upstream", &[]),
    ("doctor", &["authority"]),
    ("authority", &[]),
];

/// What handlers may use: nobody's handler is another's.
const HANDLERS: &[&str] = &[
    "api_keys",
    "app",
    "authn",
    "authority",
    "bounds",
    "calls",
    "commands",
    "doctor",
    "erasure",
    "forward",
    "founding",
    "links",
    "problem",
    "upstream",
];

/// What every room may use, and what these use themselves.
const FOUNDATIONS: &[(&str, &[&str])] = &[
    ("book", &["clock", "config"]),
    ("clock", &[]),
    ("config", &[]),
    ("credential", &[]),
    ("keys", &["clock"]),
    ("limits", &["config"]),
    ("mcp", &[]),
    ("outbound", &["clock", "config"]),
    ("redaction", &["credential"]),
    ("reveal", &[]),
    ("telemetry", &["config", "redaction"]),
];

/// crate → which of our crates it may name. The compiler keeps the rest.
const CRATES: &[(&str, &[&str])] = &[
    ("aggregates", &[]),
    ("journal", &[]),
    ("vault", &[]),
    ("projections", &["tollbook-aggregates", "tollbook-journal"]),
    ("testkit", &[]),
];

/// room → all the rooms it may use.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let names = || FOUNDATIONS.iter().map(|(foundation, _)| *foundation);
    let rooms = ROOMS.iter().map(|(room, uses)| (*room, uses.iter().copied().chain(names()).collect()));
    let foundations = FOUNDATIONS.iter().map(|(room, uses)| (*room, uses.iter().copied().collect()));
    rooms.chain(foundations).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn rooms_use_only_the_rooms_that_their_arrows_lead_to() {
    let allowed = allowed();
    let mut faults = Vec::new();
    for used in source::uses(&root().join("src")) {
        match allowed.get(used.from.as_str()) {
            None => faults.push(format!(
                "{}: the room `{}` is unknown: add it to the table at the head of tests/arrows/main.rs",
                used.file, used.from
            )),
            Some(_) if used.from == used.to => {}
            Some(uses) if uses.contains(used.to.as_str()) => {}
            Some(_) if allowed.contains_key(used.to.as_str()) => {
                faults
                    .push(format!("{}:{}: `{}` may not use `{}`", used.file, used.line, used.from, used.to));
            }
            Some(_) => faults.push(format!(
                "{}:{}: the room `{}` is unknown: add it to the table at the head of tests/arrows/main.rs",
                used.file, used.line, used.to
            )),
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_room_is_in_the_table() {
    let allowed = allowed();
    let unknown: Vec<_> = source::rooms(&root().join("src"))
        .into_iter()
        .filter(|room| !allowed.contains_key(room.as_str()))
        .map(|room| {
            format!("the room `{room}` is unknown: add it to the table at the head of tests/arrows/main.rs")
        })
        .collect();
    assert!(unknown.is_empty(), "\n{}\n", unknown.join("\n"));
}

#[test]
fn the_table_has_no_circle_and_http_and_gateway_never_meet() {
    let allowed = allowed();
    for room in allowed.keys() {
        assert!(!reach(&allowed, room).contains(room), "`{room}` leads back to itself");
    }
    assert!(!reach(&allowed, "http").contains("gateway"));
    assert!(!reach(&allowed, "gateway").contains("http"));
}

/// All rooms that can be reached from `room` along the arrows.
fn reach<'a>(allowed: &BTreeMap<&'a str, BTreeSet<&'a str>>, room: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = allowed[room].iter().copied().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(allowed.get(next).into_iter().flatten());
        }
    }
    reached
}

#[test]
fn crates_name_only_the_crates_that_their_arrows_lead_to() {
    for (name, uses) in CRATES {
        let path = root().join(name).join("Cargo.toml");
        let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        // Tests may use more: `dev-dependencies` aren't looked at.
        for section in ["dependencies", "build-dependencies"] {
            for dependency in manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
                let ours = dependency.0.starts_with("tollbook");
                assert!(
                    !ours || uses.contains(&dependency.0.as_str()),
                    "`{name}` may not name `{}`",
                    dependency.0
                );
            }
        }
    }
}
