//! An event as it is shown.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use tollbook_journal::{Position, Recorded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::time::Time;
use crate::app::App;
use crate::mcp::Object;
use crate::problem::Problem;
use crate::reveal::{Revealed, reveal};

/// Whole lists of tools: they are opened where the list itself is asked for, not for each event of it.
const LONG: &str = "definitions";

/// An event of the book.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventView {
    /// Its place in the one order of the book.
    position: u64,
    /// 1, 2, 3, … without gaps within the workspace.
    workspace_sequence: u64,
    /// Such as `session.tool_called`.
    #[serde(rename = "type")]
    #[schema(examples("session.tool_called"))]
    kind: String,
    /// Of the type.
    #[schema(examples("1.0"))]
    version: String,
    stream: StreamView,
    /// Rising within the stream.
    sequence: u64,
    event_id: Uuid,
    /// The database's clock as it was read.
    recorded_at: Time,
    /// Who: `user:` or `operator:` and an id, or `system`.
    actor: Option<String>,
    /// With what: `api_key:`, `session:` or `operator:`, and an id.
    credential: Option<String>,
    /// The person's role then.
    role: Option<String>,
    /// On what occasion.
    request_id: Option<String>,
    /// The position before which the decider knew everything.
    decided_at: Option<u64>,
    /// Which version of the service.
    software: Option<String>,
    /// What happened, as it is recorded.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// What stands sealed beside it; null where it was erased. Definitions of tools are left out.
    private: BTreeMap<String, Option<String>>,
    /// What the proof holds of each sealed field: 64 hexadecimal digits.
    commitments: BTreeMap<String, String>,
}

/// What it happened to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
struct StreamView {
    /// Such as `session`.
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// Events with their private fields opened.
pub(super) async fn views(app: &App, events: Vec<Recorded>) -> Result<Vec<EventView>, Problem> {
    let short: Vec<Position> =
        events.iter().filter(|event| sealed(event) && !long(event)).map(|event| event.position).collect();
    let opened = open(app, &short).await?;
    let mut views = Vec::with_capacity(events.len());
    for event in events {
        if long(&event) {
            // One at a time: what is left out is dropped before the next.
            let opened = open(app, &[event.position]).await?;
            views.push(view(event, &opened));
        } else {
            views.push(view(event, &opened));
        }
    }
    Ok(views)
}

async fn open(app: &App, positions: &[Position]) -> Result<Revealed, Problem> {
    reveal(&app.journal, &app.vault, positions).await.map_err(Problem::from)
}

fn sealed(event: &Recorded) -> bool {
    !event.commitments.is_empty()
}

fn long(event: &Recorded) -> bool {
    event.commitments.iter().any(|(field, _)| field == LONG)
}

fn view(event: Recorded, opened: &Revealed) -> EventView {
    let mut said: BTreeMap<String, String> = serde_json::from_str(&event.metadata).unwrap_or_default();
    let fields = event.commitments.iter().filter(|(field, _)| field != LONG);
    let private = fields
        .map(|(field, _)| (field.clone(), opened.get(event.position, field).map(ToOwned::to_owned)))
        .collect();
    let commitments = event.commitments.iter().map(|(field, value)| (field.clone(), hex::encode(value)));
    EventView {
        position: event.position.0,
        workspace_sequence: event.workspace_sequence,
        data: data(&event.payload),
        kind: event.event_type,
        version: event.event_version,
        stream: StreamView { kind: event.stream.aggregate_type.into_owned(), id: event.stream.aggregate_id },
        sequence: event.sequence,
        event_id: event.event_id,
        recorded_at: Time(event.recorded_at),
        actor: said.remove("actor"),
        credential: said.remove("credential"),
        role: said.remove("role"),
        request_id: said.remove("request_id"),
        decided_at: said.remove("decided_at").and_then(|position| position.parse().ok()),
        software: said.remove("software"),
        private,
        commitments: commitments.collect(),
    }
}

/// A payload is an object of one member, named like the event's type; what it holds is what happened.
fn data(payload: &str) -> Box<RawValue> {
    let inner = Object::read(payload).ok().and_then(|object| {
        let mut members = object.members();
        let only = members.next().map(|(_, value)| value.to_owned());
        only.filter(|_| members.next().is_none())
    });
    inner
        .or_else(|| RawValue::from_string(payload.to_owned()).ok())
        .unwrap_or_else(|| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_what_the_payload_holds_byte_for_byte() {
        assert_eq!(data(r#"{"revoked":{ "n": 1.10 }}"#).get(), r#"{ "n": 1.10 }"#);
        assert_eq!(data(r#"{"a":1,"b":2}"#).get(), r#"{"a":1,"b":2}"#);
        assert_eq!(data(r#""word""#).get(), r#""word""#);
    }
}
