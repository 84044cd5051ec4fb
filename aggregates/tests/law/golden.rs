//! Every event, as the book will hold it for ever. `make golden` writes `events.golden.json` again;
//! what then differs is what a reader of old books will meet.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde_json::value::RawValue;
use tollbook_aggregates::Event;

use crate::every_event::{Example, PRIVATE, every_event};

/// What the golden file says of one event.
#[derive(Serialize)]
struct Entry {
    version: String,
    control: bool,
    /// `true`, `false`, or `"sometimes"`: it depends on what the event says.
    narrows: serde_json::Value,
    sealed: Vec<&'static str>,
    example: Box<RawValue>,
}

fn entries() -> BTreeMap<String, Entry> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for Example { event_type, version, control, narrows, sealed, payload, .. } in every_event() {
        let entry = entries.entry(event_type).or_insert_with(|| Entry {
            version: version.clone(),
            control,
            narrows: narrows.into(),
            sealed: Vec::new(),
            example: RawValue::from_string(payload).unwrap(),
        });
        assert_eq!((&entry.version, entry.control), (&version, control));
        if entry.narrows != narrows {
            entry.narrows = "sometimes".into();
        }
        for (field, _) in sealed {
            if !entry.sealed.contains(&field) {
                entry.sealed.push(field);
            }
        }
    }
    entries
}

/// Payloads one a line, in the bytes in which they are hashed.
fn written(entries: &BTreeMap<String, Entry>) -> String {
    let mut text = String::from("{\n");
    for (number, (event_type, entry)) in entries.iter().enumerate() {
        let Entry { version, control, narrows, sealed, example } = entry;
        let sealed = serde_json::to_string(sealed).unwrap();
        let comma = if number + 1 < entries.len() { "," } else { "" };
        writeln!(text, "  \"{event_type}\": {{").unwrap();
        write!(text, "    \"version\": \"{version}\", \"control\": {control}, ").unwrap();
        writeln!(text, "\"narrows\": {narrows}, \"sealed\": {sealed},").unwrap();
        writeln!(text, "    \"example\": {example}\n  }}{comma}").unwrap();
    }
    text + "}\n"
}

#[test]
fn events_are_those_of_the_golden_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/events.golden.json");
    let found = written(&entries());
    serde_json::from_str::<serde_json::Value>(&found).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(golden == found, "events differ from events.golden.json: look at why, then `make golden`");
}

#[test]
fn every_event_is_read_as_it_was_written() {
    for Example { aggregate_type, event_type, version, payload, .. } in every_event() {
        let read = Event::decode(aggregate_type, &event_type, &version, &payload).unwrap();
        let again = match &read {
            Event::Instance(event) => serde_json::to_string(event),
            Event::Operator(event) => serde_json::to_string(event),
            Event::User(event) => serde_json::to_string(event),
            Event::Workspace(event) => serde_json::to_string(event),
            Event::ToolServer(event) => serde_json::to_string(event),
            Event::Token(event) => serde_json::to_string(event),
            Event::Loadout(event) => serde_json::to_string(event),
            Event::Session(event) => serde_json::to_string(event),
            Event::ApiKey(event) => serde_json::to_string(event),
            Event::Device(event) => serde_json::to_string(event),
            Event::SignIn(event) => serde_json::to_string(event),
            Event::OneTimeLink(event) => serde_json::to_string(event),
        };
        assert_eq!(again.unwrap(), payload);
        assert!(event_type.starts_with(&format!("{aggregate_type}.")), "{event_type}");
    }
}

#[test]
fn private_text_is_declared_and_stands_in_no_payload() {
    let mut found = 0;
    for Example { event_type, sealed, payload, event, .. } in every_event() {
        assert!(!payload.contains(PRIVATE), "{event_type} holds private text in its payload");
        let printed = format!("{event:?}");
        assert!(!printed.contains(PRIVATE), "{event_type} prints private text");
        // Every private field prints as `[private]`: one that isn't declared would never be sealed.
        assert_eq!(printed.matches("[private]").count(), sealed.len(), "{event_type} declares its fields");
        for (_, text) in &sealed {
            assert_eq!(text, PRIVATE);
        }
        found += sealed.len();
    }
    assert!(found > 15, "private text was looked for");
}

#[test]
fn only_control_events_narrow() {
    for Example { event_type, control, narrows, .. } in every_event() {
        assert!(control || !narrows, "{event_type}");
    }
}
