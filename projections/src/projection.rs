//! What a projection of rows is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tollbook_journal::Position;
use uuid::Uuid;

use crate::happening::Happening;
use crate::term::Term;

/// A read model of rows: one for each thing that can be listed. Pure: the same events always make the
/// same rows, so that a rebuild can be compared with what it replaces.
pub trait Projection: Send + Sync + 'static {
    /// Stable, as it is written in tables and shown to operators.
    const NAME: &'static str;
    /// Raise it with every change of [`Self::fold`], [`Self::terms`] or [`Self::Row`]: the projection is
    /// then built anew at the next start.
    const VERSION: u32;
    /// The kinds of terms that a row has from its first event on and never loses or changes: they cost a
    /// fraction of what others do. A row that breaks this stops the projection.
    const FIXED: &'static [&'static str] = &[];
    /// The types of events that it looks at (`session.created`), or of aggregates all of whose events it
    /// looks at (`api_key`); everything, when absent. No other event is folded, or even read by a rebuild.
    const EVENTS: Option<&'static [&'static str]> = None;
    /// What is kept of a thing.
    type Row: Serialize + DeserializeOwned + Clone + Send + Sync;

    /// The row that an event belongs to; none, if it is of no interest. May look at nothing but the event.
    fn key(happening: &Happening) -> Option<String>;

    /// The row after the event; none, if it is no more.
    ///
    /// # Errors
    /// When the event makes no sense for the row. The projection then stops at it, visibly.
    fn fold(row: Option<Self::Row>, happening: &Happening) -> Result<Option<Self::Row>, Misfit>;

    /// Is this among what it looks at?
    fn looks_at(happening: &Happening) -> bool {
        Self::EVENTS.is_none_or(|events| {
            let recorded = &happening.recorded;
            let known = [recorded.event_type.as_str(), recorded.stream.aggregate_type.as_ref()];
            events.iter().any(|event| known.contains(event))
        })
    }

    /// Under which workspace the row is listed. [`tollbook_journal::INSTANCE`] for none.
    fn workspace(happening: &Happening) -> Uuid {
        happening.recorded.workspace_id
    }

    /// The terms by which the row can be asked for.
    fn terms(_row: &Self::Row) -> Vec<Term> {
        Vec::new()
    }
}

/// An event that makes no sense for its row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(pub String);

impl Misfit {
    /// The row should be there, and isn't.
    pub fn absent(what: &str) -> Self {
        Self(format!("it happened to a {what} that was never made"))
    }
}

/// Where a private text lies: in the body of an event, for whoever has the vault to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Where that event stands.
    pub position: Position,
    /// Which event.
    pub event_id: Uuid,
    /// The field's name within it.
    pub field: String,
}
