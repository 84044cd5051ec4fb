//! How a call ended, written behind the answer.

use std::sync::Arc;
use std::time::Duration;

use tollbook_aggregates::{CallOutcome, SessionEvent, SessionId, WorkspaceId};
use tollbook_journal::{Position, Refused};

use super::Calls;
use crate::book::Attribution;
use crate::replicas::{Place, Unsettled};

/// How long apart an outcome is tried while the book can't be written, at first and at most.
const APART: Duration = Duration::from_millis(250);
const APART_MAX: Duration = Duration::from_secs(4);
/// How often it was tried when a service that stops gives up.
const TRIES: u32 = 8;

/// What the outcome of one call is written with.
pub(super) struct Ending {
    pub(super) workspace: WorkspaceId,
    pub(super) session: SessionId,
    pub(super) permitted_at: Position,
    pub(super) attribution: Attribution,
    pub(super) unsettled: Unsettled,
}

impl Calls {
    /// Queues an outcome: the answer to the client doesn't wait for it.
    pub(super) fn record_outcome(self: &Arc<Self>, ending: Ending, outcome: CallOutcome) {
        let calls = Arc::clone(self);
        let write = async move { calls.keep_trying(ending, outcome.into()).await };
        self.outcomes.spawn_on(write, &self.runtime);
    }

    /// Writes it once, however long the book can't be written, unless another has closed the call.
    async fn keep_trying(&self, ending: Ending, event: SessionEvent) {
        let session = ending.session;
        let of = Place { workspace_id: ending.workspace.0, session_id: session };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let tenure = ending.unsettled.tenure();
            let until = tenure.until();
            match self.replica.write_outcome(&ending.unsettled, of, &event, &ending.attribution).await {
                Ok(()) => return ending.unsettled.settled(),
                Err(Refused::Expired) if tenure.has_ended() => {
                    tracing::warn!(%session, "the outcome of a call came too late: another replica closed it");
                    return;
                }
                Err(error @ (Refused::Expired | Refused::Unavailable { .. })) => {
                    if self.settling.is_cancelled() && attempt >= TRIES {
                        tracing::error!(%session, %error, "the outcome of a call could not be recorded");
                        return;
                    }
                    tracing::warn!(%session, %error, attempt, "the outcome of a call waits for the book");
                    let apart = (APART * attempt).min(APART_MAX);
                    if error == Refused::Expired {
                        self.replica.renewed(until, apart).await;
                    } else {
                        tokio::time::sleep(apart).await;
                        if self.replica.has_outcome(&ending.unsettled, session, ending.permitted_at).await {
                            return ending.unsettled.settled();
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(%session, %error, "the outcome of a call could not be recorded");
                    return;
                }
            }
        }
    }
}
