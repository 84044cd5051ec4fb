//! What is appended and what is read back.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The workspace id of events that belong to no workspace (users, operators, the instance).
pub const INSTANCE: Uuid = Uuid::nil();

/// A place in the one total order of the book: 0, 1, 2, … without gaps. As a cursor, the *next*
/// position to read. It is also the leaf index of the log's Merkle tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// The position behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The events of one aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stream {
    /// `Aggregate::TYPE` of cqrs-es.
    pub aggregate_type: Cow<'static, str>,
    /// Text, because the stock event repositories bind text.
    pub aggregate_id: String,
}

/// A field whose value stands sealed beside the event; the event's entry holds the commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedField {
    /// The field's name within the event.
    pub field: Cow<'static, str>,
    /// `SHA-256(salt ‖ field ‖ value)`; the salt is sealed together with the value.
    pub commitment: [u8; 32],
    /// The data key that sealed it.
    pub key_id: Uuid,
    /// What the vault made of salt and value.
    pub ciphertext: Vec<u8>,
}

/// An event that is not in the book yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// `UUIDv7`, chosen by the caller.
    pub event_id: Uuid,
    /// Dotted and stable, such as `session.tool_called`.
    pub event_type: Cow<'static, str>,
    /// Such as `1.0`.
    pub event_version: Cow<'static, str>,
    /// JSON. These exact bytes are hashed. No U+0000 in it.
    pub payload: String,
    /// JSON, an object of strings, as cqrs-es reads it. No U+0000 in it.
    pub metadata: String,
    /// Can it change a decision?
    pub control: bool,
    /// Can it take something away? Only control events narrow.
    pub narrows: bool,
    /// What stands beside the event, sealed.
    pub sealed: Vec<SealedField>,
}

/// An event as it stands in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the book.
    pub position: Position,
    /// The id its writer gave it.
    pub event_id: Uuid,
    /// The stream that it belongs to.
    pub stream: Stream,
    /// `position + 1`: rising within a stream, not contiguous.
    pub sequence: u64,
    /// Such as `session.tool_called`.
    pub event_type: String,
    /// Such as `1.0`.
    pub event_version: String,
    /// JSON, byte for byte as appended.
    pub payload: String,
    /// JSON, byte for byte as appended.
    pub metadata: String,
    /// [`INSTANCE`] where there is none.
    pub workspace_id: Uuid,
    /// 1, 2, 3, … without gaps within the workspace.
    pub workspace_sequence: u64,
    /// Can it change a decision?
    pub control: bool,
    /// Can it take something away?
    pub narrows: bool,
    /// Field and commitment, in the order in which they were appended.
    pub commitments: Vec<(String, [u8; 32])>,
    /// The database's clock as read under the append lock, UTC, microseconds.
    pub recorded_at: DateTime<Utc>,
}

/// What can be re-sealed and erased; never part of the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The event that it belongs to.
    pub event_id: Uuid,
    /// The field's name within the event.
    pub field: String,
    /// The data key that sealed it.
    pub key_id: Uuid,
    /// Salt and value, sealed.
    pub ciphertext: Vec<u8>,
}
