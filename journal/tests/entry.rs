//! The entry format against its test vectors, which another implementation made.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::Value;
use tollbook_journal::entry::{entry, leaf_hash};
use tollbook_journal::{Position, Recorded, Stream};

fn text(value: &Value) -> String {
    value.as_str().unwrap().into()
}

fn commitment(pair: &Value) -> (String, [u8; 32]) {
    (text(&pair[0]), hex::decode(text(&pair[1])).unwrap().try_into().unwrap())
}

fn recorded(event: &Value) -> Recorded {
    Recorded {
        position: Position(event["position"].as_u64().unwrap()),
        event_id: text(&event["event_id"]).parse().unwrap(),
        stream: Stream {
            aggregate_type: text(&event["aggregate_type"]).into(),
            aggregate_id: text(&event["aggregate_id"]),
        },
        sequence: event["sequence"].as_u64().unwrap(),
        event_type: text(&event["event_type"]),
        event_version: text(&event["event_version"]),
        payload: text(&event["payload"]),
        metadata: text(&event["metadata"]),
        workspace_id: text(&event["workspace_id"]).parse().unwrap(),
        workspace_sequence: event["workspace_sequence"].as_u64().unwrap(),
        control: event["control"].as_bool().unwrap(),
        narrows: event["narrows"].as_bool().unwrap(),
        commitments: event["commitments"].as_array().unwrap().iter().map(commitment).collect(),
        recorded_at: text(&event["recorded_at"]).parse().unwrap(),
    }
}

#[test]
fn entries_are_what_the_format_says() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors/entry-v1.json")).unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let entry = entry(&recorded(&vector["event"]));
        assert_eq!(entry, text(&vector["entry"]));
        assert_eq!(hex::encode(leaf_hash(&entry)), text(&vector["leaf"]));
    }
}
