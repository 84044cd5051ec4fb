//! An event as projections see it: as recorded, and decoded once for all of them.

use serde::Deserialize;
use tollbook_aggregates::{Event, NotAnEvent};
use tollbook_journal::{Position, Recorded};

use crate::projection::{Misfit, Sealed};

/// An event of the book.
#[derive(Debug, Clone)]
pub struct Happening {
    /// As it stands in the book.
    pub recorded: Recorded,
    /// What happened.
    pub event: Event,
    /// Who and on what occasion.
    pub metadata: Metadata,
}

/// What every event says beside itself. Unknown fields are left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// `user:<uuid>`, `operator:<uuid>` or `system`.
    pub actor: Option<String>,
    /// `api_key:<uuid>`, `session:<uuid>`, `operator:<uuid>` or `device:<uuid>`.
    pub credential: Option<String>,
    /// The actor's role at that time.
    pub role: Option<String>,
    /// Of the request that led to it.
    pub request_id: Option<String>,
}

/// Why an event can't be folded by anybody.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// Its payload is none that this version knows.
    #[error(transparent)]
    Event(#[from] NotAnEvent),
    /// Its metadata is no object of strings.
    #[error("the metadata does not decode: {0}")]
    Metadata(serde_json::Error),
}

impl Happening {
    /// Decodes what was read.
    ///
    /// # Errors
    /// When this version doesn't know the event.
    pub fn decode(recorded: Recorded) -> Result<Self, Undecodable> {
        let Recorded { event_type, event_version, payload, metadata, .. } = &recorded;
        let event = Event::decode(&recorded.stream.aggregate_type, event_type, event_version, payload)?;
        let metadata = serde_json::from_str(metadata).map_err(Undecodable::Metadata)?;
        Ok(Self { recorded, event, metadata })
    }

    /// Where it stands.
    pub const fn position(&self) -> Position {
        self.recorded.position
    }

    /// The id of the aggregate that it happened to.
    ///
    /// # Errors
    /// When the stream's id is none.
    pub fn subject<T: std::str::FromStr>(&self) -> Result<T, Misfit> {
        let id = &self.recorded.stream.aggregate_id;
        id.parse().map_err(|_| Misfit(format!("`{id}` is no id")))
    }

    /// A pointer to a private text of this event, if it had one when it was written. (An event that
    /// was read back holds no private text; that there was one is told by its commitment.)
    pub fn sealed(&self, field: &str) -> Option<Sealed> {
        let committed = self.recorded.commitments.iter().any(|(name, _)| name == field);
        committed.then(|| Sealed {
            position: self.recorded.position,
            event_id: self.recorded.event_id,
            field: field.to_owned(),
        })
    }
}
