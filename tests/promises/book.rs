//! Reading the whole book back, as it stands.

use serde_json::Value;
use tollbook_journal::{Filter, Journal, Position, Recorded};

/// Every event, in order. A hole is an error of the journal's own, and fails the test here; so does
/// anything but positions 0, 1, 2, …
pub(super) async fn whole(journal: &Journal) -> Vec<Recorded> {
    let mut events = Vec::new();
    let mut from = Position(0);
    loop {
        let page = journal.read(from, 5_000, &Filter::default()).await.expect("the book can be read");
        for event in page.events {
            assert_eq!(event.position.0, events.len() as u64, "positions are contiguous");
            events.push(event);
        }
        if page.next >= page.head {
            assert_eq!(page.head.0, events.len() as u64, "the book ends where its head says");
            return events;
        }
        from = page.next;
    }
}

/// The payload of an event.
pub(super) fn payload(event: &Recorded) -> Value {
    serde_json::from_str(&event.payload).expect("payloads are JSON")
}

/// Is it a permit, of either kind?
pub(super) fn is_permit(event: &Recorded) -> bool {
    matches!(event.event_type.as_str(), "session.tool_called" | "session.tool_authorized")
}

/// Is it the outcome of a call?
pub(super) fn is_outcome(event: &Recorded) -> bool {
    event.event_type.starts_with("session.tool_call_")
}
