//! An event as one line.

use serde_json::Value;

use crate::cli::fields::{shown, text_of, time_of};
use crate::cli::output::{Column, padded, printable, short};

/// How events are shown. Everything about them is in `--json`.
pub(in crate::cli) const COLUMNS: [Column; 5] = [
    ("POSITION", |event| text_of(event, "position")),
    ("RECORDED", |event| time_of(event, "recorded_at")),
    ("EVENT", |event| text_of(event, "type")),
    ("BY", by),
    ("WHAT", what),
];

/// Of `data`, what says most about an event.
const TELLING: [&str; 6] = ["tool", "tool_error", "reason", "code", "role", "version"];
/// The most of one value that is shown.
const MOST: usize = 60;

/// An event that is shown on its own, below others.
pub(super) fn line(event: &Value) -> String {
    let cells = COLUMNS.iter().map(|(head, cell)| (head.len().max(width(head)), printable(&cell(event))));
    let line: Vec<String> = cells.map(|(width, cell)| padded(&cell, width)).collect();
    line.join("  ").trim_end().to_owned()
}

/// Lines come one by one: columns are as wide as what mostly stands in them.
fn width(head: &str) -> usize {
    match head {
        "RECORDED" => 20,
        "EVENT" => 27,
        "BY" => 22,
        _ => 0,
    }
}

/// Who, by the end of their id (its beginning is a time), and with what.
fn by(event: &Value) -> String {
    let actor = text_of(event, "actor");
    let (kind, id) = actor.split_once(':').unwrap_or((&actor, ""));
    let end: String = id.chars().skip(id.chars().count().saturating_sub(6)).collect();
    let credential = text_of(event, "credential");
    let with = credential.split(':').next().unwrap_or_default();
    let who = if end.is_empty() { kind.to_owned() } else { format!("{kind} …{end}") };
    if with.is_empty() || with == kind { who } else { format!("{who} ({with})") }
}

fn what(event: &Value) -> String {
    let nothing = Value::Null;
    let data = event.get("data").unwrap_or(&nothing);
    let told = TELLING.iter().filter_map(|name| Some((*name, data.get(*name)?)));
    let private = event.get("private").and_then(Value::as_object).into_iter().flatten();
    let private = private.map(|(name, value)| (name.as_str(), value));
    let shown = told.chain(private).filter_map(|(name, value)| match value {
        // What is true is said by its name, and what isn't, not at all.
        Value::Bool(holds) => holds.then(|| name.to_owned()),
        value => Some(shown(value))
            .filter(|text| !text.is_empty())
            .map(|text| format!("{name}={}", short(&text, MOST))),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_says_who_did_what_with_what() {
        let event = json!({
            "position": 7, "recorded_at": "2026-11-22T12:00:00.123456Z", "type": "session.tool_denied",
            "actor": "user:0197aaaa-0000-7000-8000-000000abcdef", "credential": "session:x",
            "data": { "tool": "delete_everything", "reason": "not_in_loadout", "call_id": "…" },
            "private": { "label": null },
        });
        let failed = json!({ "data": { "call_id": "…", "tool": "add", "tool_error": true } });
        assert_eq!(what(&failed), "tool=add tool_error");
        assert_eq!(what(&json!({ "data": { "tool": "add", "tool_error": false } })), "tool=add");
        assert_eq!(by(&event), "user …abcdef (session)");
        assert_eq!(what(&event), "tool=delete_everything reason=not_in_loadout");
        assert!(
            line(&event).starts_with("7         2026-11-22T12:00:00Z  session.tool_denied"),
            "{}",
            line(&event)
        );
    }
}
