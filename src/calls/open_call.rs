//! A call whose permit is durable, until its outcome is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tollbook_aggregates::access::{self, Permit};
use tollbook_aggregates::{
    CallId, CallOutcome, Completion, Private, Session, SessionEvent, SessionId, WorkspaceId,
};
use tollbook_journal::{Append, Committed, Expected, Position, Refused};

use super::{About, CallRefused, Calls, Question, about};
use crate::book::{Attribution, Draft};
use crate::upstream::Target;

/// How often, and how long apart, an outcome is tried while the book can't be written.
const TRIES: u32 = 8;
const APART: Duration = Duration::from_millis(250);

/// The right to forward one call, once. It ends with one of its outcomes; dropped without one, it
/// was cancelled.
pub struct OpenCall {
    calls: Arc<Calls>,
    call_id: CallId,
    permit: Permit,
    target: Target,
    position: Position,
    cancelled: CancellationToken,
    attribution: Attribution,
    since: Instant,
    ended: bool,
    /// As long as it lives, the service doesn't stop.
    _open: TaskTrackerToken,
}

impl OpenCall {
    pub(super) async fn open(
        calls: &Arc<Calls>,
        call_id: CallId,
        question: &Question,
        committed: Committed<Permit>,
        token: TaskTrackerToken,
    ) -> Result<Self, CallRefused> {
        let position = committed.appended().first;
        // Taken before the last look, so that no revocation falls between the two.
        let cancelled = calls.authority.cancellation(question.session_id);
        let at = calls.clock.now();
        let (allowed, about) = calls.authority.look(|live| {
            let (caller, session) = (question.caller, question.session_id);
            (access::call_tool(live, caller, session, &question.tool, at).is_ok(), about(live, question))
        });
        let About { actor, role, workspace_id: workspace } = about.ok_or(CallRefused::UnknownSession)?;
        let attribution = Attribution::of(question.caller.caller, actor, role, &question.request_id);
        let not_forwarded = |reason: &'static str| {
            let outcome = CallOutcome::NotForwarded { call_id, reason: reason.to_owned() };
            calls.record_outcome(workspace, question.session_id, outcome, attribution.clone());
        };
        let Ok(permit) = committed.redeem() else {
            not_forwarded("too_late");
            return Err(CallRefused::NotForwarded { reason: "too_late", position });
        };
        if !allowed {
            not_forwarded("no_longer_permitted");
            return Err(CallRefused::NotForwarded { reason: "no_longer_permitted", position });
        }
        let target = match calls.targets.of(&calls.authority, permit.route().tool_server_id).await {
            Ok(target) => target,
            Err(error) => {
                not_forwarded(error.code());
                return Err(error.into());
            }
        };
        let calls = Arc::clone(calls);
        let since = Instant::now();
        Ok(Self {
            calls,
            call_id,
            permit,
            target,
            position,
            cancelled,
            attribution,
            since,
            ended: false,
            _open: token,
        })
    }

    /// Which call.
    pub const fn call_id(&self) -> CallId {
        self.call_id
    }

    /// Of the permit.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Where to, with what it takes to be let in there.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The server's own name for the tool.
    pub fn tool(&self) -> &str {
        &self.permit.route().upstream_tool
    }

    /// Fires when the session ends, or the service stops.
    pub fn cancelled(&self) -> CancellationToken {
        self.cancelled.clone()
    }

    /// The server answered.
    pub fn completed(self, response_bytes: u64, tool_error: bool) {
        let completion = self.completion(response_bytes);
        self.end(CallOutcome::Completed { completion, tool_error });
    }

    /// The server refused, or couldn't be reached or understood. `code` is stable and for programs.
    pub fn failed(self, code: &str, error: &str, response_bytes: u64) {
        let completion = self.completion(response_bytes);
        let outcome = CallOutcome::Failed { completion, code: code.to_owned(), error: Private::from(error) };
        self.end(outcome);
    }

    /// The server didn't answer in time.
    pub fn timed_out(self) {
        let completion = self.completion(0);
        self.end(CallOutcome::TimedOut { completion });
    }

    /// The client went away, or the session ended.
    pub fn cancel(self, response_bytes: u64) {
        let completion = self.completion(response_bytes);
        self.end(CallOutcome::Cancelled { completion });
    }

    fn completion(&self, response_bytes: u64) -> Completion {
        let duration_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Completion { call_id: self.call_id, duration_ms, response_bytes }
    }

    fn end(mut self, outcome: CallOutcome) {
        self.record(outcome);
    }

    fn record(&mut self, outcome: CallOutcome) {
        self.ended = true;
        let attribution = std::mem::take(&mut self.attribution);
        let (workspace, session) = (self.permit.workspace_id(), self.permit.session_id());
        self.calls.record_outcome(workspace, session, outcome, attribution);
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.ended {
            let completion = self.completion(0);
            self.record(CallOutcome::Cancelled { completion });
        }
    }
}

impl Calls {
    /// Queues an outcome: the answer to the client doesn't wait for it.
    fn record_outcome(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        session: SessionId,
        outcome: CallOutcome,
        attribution: Attribution,
    ) {
        let calls = Arc::clone(self);
        let write = async move {
            let event = SessionEvent::from(outcome);
            for attempt in 1..=TRIES {
                let error = match calls.write_outcome(workspace, session, &event, &attribution).await {
                    Ok(()) => return,
                    Err(error @ Refused::Unavailable { .. }) if attempt < TRIES => error,
                    Err(error) => {
                        tracing::error!(%session, %error, "the outcome of a call could not be recorded");
                        return;
                    }
                };
                tracing::warn!(%session, %error, attempt, "the outcome of a call waits for the book");
                tokio::time::sleep(APART * attempt).await;
            }
        };
        self.outcomes.spawn_on(write, &self.runtime);
    }

    async fn write_outcome(
        &self,
        workspace: WorkspaceId,
        session: SessionId,
        event: &SessionEvent,
        attribution: &Attribution,
    ) -> Result<(), Refused> {
        let invalid = |error: crate::book::ComposeError| Refused::Invalid(error.to_string());
        let events = std::slice::from_ref(event);
        let draft = Draft::new::<Session>(workspace.0, session.0, Expected::Any, events).map_err(invalid)?;
        let write = self.scribe.compose(draft, attribution).await.map_err(invalid)?;
        let append =
            Append { writes: vec![write], fence: None, not_after: None, idempotency: None, budget: None };
        self.journal.append(append).await.map(drop)
    }
}
