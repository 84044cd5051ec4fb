//! Things to append.

use tollbook_journal::{Append, Expected, NewEvent, Position, Recorded, Stream, Write};
use uuid::Uuid;

pub(crate) fn stream(id: Uuid) -> Stream {
    Stream { aggregate_type: "session".into(), aggregate_id: id.to_string() }
}

pub(crate) fn event(event_type: &'static str) -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event_type.into(),
        event_version: "1.0".into(),
        payload: format!(r#"{{"type": "{event_type}",  "n":1.50}}"#),
        metadata: r#"{"request_id":"r"}"#.into(),
        control: false,
        narrows: false,
        sealed: Vec::new(),
    }
}

pub(crate) fn control(event_type: &'static str) -> NewEvent {
    NewEvent { control: true, ..event(event_type) }
}

pub(crate) fn narrowing(event_type: &'static str) -> NewEvent {
    NewEvent { narrows: true, ..control(event_type) }
}

/// One event for one stream, nothing expected, nothing fenced.
pub(crate) fn append(workspace_id: Uuid, stream: Stream, event: NewEvent) -> Append {
    let write = Write { workspace_id, stream, expected: Expected::Any, events: vec![event] };
    Append { writes: vec![write], fence: None, not_after: None, idempotency: None, budget: None }
}

/// A tool call in some session of `workspace`.
pub(crate) fn call(workspace: Uuid) -> Append {
    append(workspace, stream(Uuid::now_v7()), event("session.tool_called"))
}

/// A revocation in `workspace`.
pub(crate) fn revocation(workspace: Uuid) -> Append {
    append(workspace, stream(Uuid::now_v7()), narrowing("session.revoked"))
}

pub(crate) fn fenced(append: Append, fence: Position) -> Append {
    Append { fence: Some(fence), ..append }
}

pub(crate) fn expecting(mut append: Append, expected: Expected) -> Append {
    append.writes[0].expected = expected;
    append
}

pub(crate) fn positions(events: &[Recorded]) -> Vec<u64> {
    events.iter().map(|event| event.position.0).collect()
}
