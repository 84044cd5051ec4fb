//! Reading the book.

use uuid::Uuid;

use crate::event::{Position, Recorded};

/// Which events of the book to read. Empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this workspace only ([`crate::INSTANCE`] for the instance's own).
    pub workspace_id: Option<Uuid>,
    /// Only events that can change a decision.
    pub control_only: bool,
    /// Only events of these types (`session.created`), or of aggregates of these types (`api_key`). A
    /// page then looks at no more than [`Self::SPAN`] positions, and all of them are known to be there.
    pub event_types: Option<&'static [&'static str]>,
}

impl Filter {
    /// How many positions a page that is filtered by types looks at.
    pub const SPAN: u64 = 50_000;
}

/// A page of the book, in order of position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order of position.
    pub events: Vec<Recorded>,
    /// Where the next page starts. Equal to `head` when there is no more.
    pub next: Position,
    /// The next position that the book will assign, in the same snapshot.
    pub head: Position,
}

/// Why the book can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A position is missing: the book was tampered with or damaged.
    #[error("position {0} is missing from the book")]
    Hole(Position),
    /// An event can't be decoded.
    #[error("the event at position {position} cannot be read: {reason}")]
    Undecodable {
        /// Which.
        position: Position,
        /// For the log.
        reason: String,
    },
    /// The database can't be reached.
    #[error("the book cannot be read: {0}")]
    Unavailable(String),
}
