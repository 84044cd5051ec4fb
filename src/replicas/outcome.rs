//! How a call ended, written into the book: by the process that made the call, or by its heir.

use tollbook_aggregates::{Session, SessionEvent, SessionId};
use tollbook_journal::{Append, Expected, Refused};
use uuid::Uuid;

use super::{Inner, Tenure};
use crate::book::{Attribution, ComposeError, Draft};

/// Where a call was made.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// In which workspace.
    pub workspace_id: Uuid,
    /// On which session.
    pub session_id: SessionId,
}

impl Inner {
    /// Appends an outcome, as long as `tenure` lasts: from then on another may say what became of the call.
    pub(super) async fn write_outcome(
        &self,
        tenure: &Tenure,
        of: Place,
        event: &SessionEvent,
        attribution: &Attribution,
    ) -> Result<(), Refused> {
        let invalid = |error: ComposeError| Refused::Invalid(error.to_string());
        let events = std::slice::from_ref(event);
        let draft = Draft::new::<Session>(of.workspace_id, of.session_id.0, Expected::Any, events);
        let scribe = self.scribe.in_the_name_of(tenure.incarnation());
        let write = scribe.compose(draft.map_err(invalid)?, attribution).await.map_err(invalid)?;
        let append = Append {
            writes: vec![write],
            fence: None,
            not_after: Some(tenure.until()),
            idempotency: None,
            budget: None,
        };
        self.journal.append(append).await.map(drop)
    }
}
