//! Is what happened outside in the book? Calls at the tool server, and what callers were told.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use tollbook::app::App;
use tollbook_journal::Recorded;
use tollbook_testkit::node::Calls;
use uuid::Uuid;

use super::book;
use super::load::{Answered, Work};

/// Every permit of calls through us, by the digest of what it was asked with. The texts of a load are
/// unique, and so are their digests.
pub(super) struct Permits {
    workspace: Uuid,
    by_digest: HashMap<String, u64>,
}

impl Permits {
    pub(super) fn of(workspace: &str, events: &[Recorded]) -> Self {
        let called = events.iter().filter(|event| event.event_type == "session.tool_called");
        let digest = |event: &Recorded| {
            let payload = book::payload(event);
            Some((payload["tool_called"]["argument_digest"].as_str()?.to_owned(), event.position.0))
        };
        let workspace = Uuid::parse_str(workspace).expect("it is an id");
        Self { workspace, by_digest: called.filter_map(digest).collect() }
    }

    /// Where the permit for a call with these arguments stands.
    pub(super) async fn position_of(&self, app: &App, arguments: &Value) -> Option<u64> {
        let bytes = arguments.to_string();
        let digest = app.vault.digest(self.workspace, bytes.as_bytes()).await.expect("the vault is open");
        self.by_digest.get(&hex::encode(digest)).copied()
    }

    /// The calls that reached the tool server without a permit in the book, or twice on one permit.
    pub(super) async fn unrecorded(&self, app: &App, calls: &Calls) -> Vec<Value> {
        let (mut spent, mut unrecorded) = (HashSet::new(), Vec::new());
        for entry in calls.tool_call_entries() {
            let arguments = &entry["message"]["params"]["arguments"];
            let permit = self.position_of(app, arguments).await;
            if !permit.is_some_and(|position| spent.insert(position)) {
                unrecorded.push(arguments.clone());
            }
        }
        unrecorded
    }
}

/// Checks that what was acknowledged stands where it was said to stand, with what was said of it.
/// Answers with how many acknowledgements there were.
pub(super) async fn check_acknowledged(
    app: &App,
    permits: &Permits,
    answers: &[Answered],
    events: &[Recorded],
) -> usize {
    let mut acknowledged = 0;
    for answered in answers {
        let Some(position) = answered.position() else { continue };
        let event = usize::try_from(position).ok().and_then(|position| events.get(position));
        let event = event.unwrap_or_else(|| panic!("position {position} was acknowledged and is lost"));
        let (expected, text) = match answered.work {
            Work::Call => ("session.tool_called", "tool_called"),
            Work::Authorize => ("session.tool_authorized", "tool_authorized"),
            Work::CreateSession => ("session.created", ""),
        };
        assert_eq!(event.event_type, expected, "at position {position}");
        if answered.work != Work::CreateSession {
            let said = book::payload(event)[text]["argument_digest"].clone();
            let arguments = json!({ "text": answered.text }).to_string();
            let digest = app.vault.digest(permits.workspace, arguments.as_bytes()).await;
            assert_eq!(said, hex::encode(digest.expect("the vault is open")), "at position {position}");
        } else if let super::load::End::Done(body) = &answered.end {
            assert_eq!(body["id"], event.stream.aggregate_id.as_str(), "at position {position}");
        }
        acknowledged += 1;
    }
    acknowledged
}
