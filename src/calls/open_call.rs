//! A call whose permit is durable, until its outcome is known.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tollbook_aggregates::access::{self, Permit};
use tollbook_aggregates::{CallId, CallOutcome, Completion, Private};
use tollbook_journal::Position;

use super::outcome::Ending;
use super::{CallRefused, Calls, Permitted, Question};
use crate::book::Attribution;
use crate::upstream::Target;

/// The right to forward one call, once. It ends with one of its outcomes; dropped without one, it
/// was cancelled.
pub struct OpenCall {
    calls: Arc<Calls>,
    call_id: CallId,
    permit: Permit,
    target: Target,
    position: Position,
    cancelled: CancellationToken,
    since: Instant,
    /// What its outcome is written with; gone once it ended.
    ending: Option<Ending>,
    /// As long as it lives, the service doesn't stop.
    _open: TaskTrackerToken,
}

impl OpenCall {
    pub(super) async fn open(
        calls: &Arc<Calls>,
        call_id: CallId,
        question: &Question,
        permitted: Permitted,
        token: TaskTrackerToken,
    ) -> Result<Self, CallRefused> {
        let Permitted { committed, about, unsettled } = permitted;
        let position = committed.appended().first;
        // Taken before the last look, so that no revocation falls between the two.
        let cancelled = calls.authority.cancellation(question.session_id);
        let at = calls.clock.now();
        let allowed = calls.authority.look(|live| {
            let (caller, session) = (question.caller, question.session_id);
            access::call_tool(live, caller, session, &question.tool, at).is_ok()
        });
        let ending = Ending {
            workspace: about.workspace_id,
            session: question.session_id,
            permitted_at: position,
            attribution: Attribution::of(
                question.caller.caller,
                about.actor,
                about.role,
                &question.request_id,
            ),
            unsettled,
        };
        let not_forwarded = |ending: Ending, reason: &'static str| {
            calls.record_outcome(ending, CallOutcome::NotForwarded { call_id, reason: reason.to_owned() });
        };
        let Ok(permit) = committed.redeem() else {
            not_forwarded(ending, "too_late");
            return Err(CallRefused::NotForwarded { reason: "too_late", position });
        };
        if !allowed {
            not_forwarded(ending, "no_longer_permitted");
            return Err(CallRefused::NotForwarded { reason: "no_longer_permitted", position });
        }
        let target = match calls.targets.of(&calls.authority, permit.route().tool_server_id).await {
            Ok(target) => target,
            Err(error) => {
                not_forwarded(ending, error.code());
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
            since,
            ending: Some(ending),
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
        if let Some(ending) = self.ending.take() {
            self.calls.record_outcome(ending, outcome);
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.ending.is_some() {
            let completion = self.completion(0);
            self.record(CallOutcome::Cancelled { completion });
        }
    }
}
