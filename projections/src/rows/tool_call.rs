//! Every decision on a tool call, with how the call ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::access::Denial;
use tollbook_aggregates::{
    CallId, Completion, Event, Route, SessionEvent, SessionId, ToolCall, ToolServerId,
};
use tollbook_journal::Position;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection};
use crate::term::Term;

/// Tool calls by id, one row for each decision.
#[derive(Debug)]
pub struct ToolCalls;

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallRow {
    /// Which.
    pub call_id: CallId,
    /// On which session.
    pub session_id: SessionId,
    /// Who asked, as the event says.
    pub actor: Option<String>,
    /// With what, as the event says.
    pub credential: Option<String>,
    /// The tool's name as the agent wrote it.
    pub tool: String,
    /// Whose tool it is, where it was permitted.
    pub tool_server_id: Option<ToolServerId>,
    /// The server's own name for it, where it was permitted.
    pub upstream_tool: Option<String>,
    /// What was decided.
    pub decision: Decision,
    /// Why it was refused, if it was.
    pub reason: Option<Denial>,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// The size of the arguments, in bytes.
    pub argument_bytes: u64,
    /// How it ended, where an outcome is known by now. None follows a denial or an authorization.
    pub outcome: Option<Outcome>,
    /// Stable and for programs, of a failure, or of why it wasn't forwarded.
    pub code: Option<String>,
    /// Did the tool say that it failed?
    pub tool_error: bool,
    /// When the outcome was recorded.
    pub ended_at: Option<DateTime<Utc>>,
    /// From the permit to the end, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The size of the answer, in bytes.
    pub response_bytes: Option<u64>,
    /// Of the newest event in here.
    pub position: Position,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Permitted, and forwarded by us.
    Permit,
    /// Permitted; whoever asked carries it out.
    Authorize,
    /// Refused.
    Deny,
}

/// How a permitted call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The server answered.
    Completed,
    /// The server refused, or couldn't be reached or understood.
    Failed,
    /// The client went away, or the session ended.
    Cancelled,
    /// The server didn't answer in time.
    TimedOut,
    /// It was permitted, but too late when it was to be forwarded.
    NotForwarded,
    /// The process died between permit and outcome.
    Unknown,
}

impl Decision {
    /// As it is written in rows and terms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Authorize => "authorize",
            Self::Deny => "deny",
        }
    }
}

impl Outcome {
    /// As it is written in rows and terms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::NotForwarded => "not_forwarded",
            Self::Unknown => "unknown",
        }
    }

    /// The outcome that an event of a session tells, and of which call.
    pub const fn told_by(event: &SessionEvent) -> Option<(CallId, Self)> {
        match event {
            SessionEvent::ToolCallCompleted { completion, .. } => Some((completion.call_id, Self::Completed)),
            SessionEvent::ToolCallFailed { completion, .. } => Some((completion.call_id, Self::Failed)),
            SessionEvent::ToolCallCancelled { completion } => Some((completion.call_id, Self::Cancelled)),
            SessionEvent::ToolCallTimedOut { completion } => Some((completion.call_id, Self::TimedOut)),
            SessionEvent::ToolCallNotForwarded { call_id, .. } => Some((*call_id, Self::NotForwarded)),
            SessionEvent::ToolCallOutcomeUnknown { call_id } => Some((*call_id, Self::Unknown)),
            SessionEvent::Created { .. }
            | SessionEvent::Revoked { .. }
            | SessionEvent::ToolCalled { .. }
            | SessionEvent::ToolAuthorized { .. }
            | SessionEvent::ToolDenied { .. } => None,
        }
    }
}

impl Projection for ToolCalls {
    const NAME: &'static str = "tool_call";
    const VERSION: u32 = 2;
    const FIXED: &'static [&'static str] = &["session", "tool", "decision", "tool_server"];
    const EVENTS: Option<&'static [&'static str]> = Some(&["session"]);
    type Row = ToolCallRow;

    fn key(happening: &Happening) -> Option<String> {
        let Event::Session(event) = &happening.event else { return None };
        match event {
            SessionEvent::ToolCalled { call, .. }
            | SessionEvent::ToolAuthorized { call, .. }
            | SessionEvent::ToolDenied { call, .. } => Some(call.call_id.to_string()),
            ended => Outcome::told_by(ended).map(|(call_id, _)| call_id.to_string()),
        }
    }

    fn fold(row: Option<ToolCallRow>, happening: &Happening) -> Result<Option<ToolCallRow>, Misfit> {
        let Event::Session(event) = &happening.event else { return Ok(row) };
        match event {
            SessionEvent::ToolCalled { call, route } => {
                decided(happening, call, Decision::Permit, Some(route), None).map(Some)
            }
            SessionEvent::ToolAuthorized { call, route, .. } => {
                decided(happening, call, Decision::Authorize, Some(route), None).map(Some)
            }
            SessionEvent::ToolDenied { call, reason } => {
                decided(happening, call, Decision::Deny, None, Some(*reason)).map(Some)
            }
            outcome => {
                let row = row.ok_or_else(|| Misfit::absent("call"))?;
                Ok(Some(ended(row, outcome, happening)))
            }
        }
    }

    fn terms(row: &ToolCallRow) -> Vec<Term> {
        let mut terms = vec![
            Term::new("session", row.session_id),
            Term::new("tool", &row.tool),
            Term::new("decision", row.decision.as_str()),
        ];
        terms.extend(row.tool_server_id.map(|id| Term::new("tool_server", id)));
        terms.extend(row.outcome.map(|outcome| Term::new("outcome", outcome.as_str())));
        terms
    }
}

fn decided(
    happening: &Happening,
    call: &ToolCall,
    decision: Decision,
    route: Option<&Route>,
    reason: Option<Denial>,
) -> Result<ToolCallRow, Misfit> {
    Ok(ToolCallRow {
        call_id: call.call_id,
        session_id: happening.subject()?,
        actor: happening.metadata.actor.clone(),
        credential: happening.metadata.credential.clone(),
        tool: call.tool.clone(),
        tool_server_id: route.map(|route| route.tool_server_id),
        upstream_tool: route.map(|route| route.upstream_tool.clone()),
        decision,
        reason,
        decided_at: happening.recorded.recorded_at,
        argument_bytes: call.argument_bytes,
        outcome: None,
        code: None,
        tool_error: false,
        ended_at: None,
        duration_ms: None,
        response_bytes: None,
        position: happening.position(),
    })
}

/// What is known of a call that ended. A call whose outcome was given up as unknown may still be told
/// by whoever was thought dead; otherwise the first word stands.
fn ended(row: ToolCallRow, event: &SessionEvent, happening: &Happening) -> ToolCallRow {
    let position = happening.position();
    let Some((_, outcome)) = Outcome::told_by(event) else { return row };
    if row.outcome.is_some_and(|known| known != Outcome::Unknown) {
        return ToolCallRow { position, ..row };
    }
    let completion: Option<&Completion> = match event {
        SessionEvent::ToolCallCompleted { completion, .. }
        | SessionEvent::ToolCallFailed { completion, .. }
        | SessionEvent::ToolCallCancelled { completion }
        | SessionEvent::ToolCallTimedOut { completion } => Some(completion),
        _ => None,
    };
    let code = match event {
        SessionEvent::ToolCallFailed { code, .. } => Some(code.clone()),
        SessionEvent::ToolCallNotForwarded { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    ToolCallRow {
        outcome: Some(outcome),
        code,
        tool_error: matches!(event, SessionEvent::ToolCallCompleted { tool_error: true, .. }),
        ended_at: Some(happening.recorded.recorded_at),
        duration_ms: completion.map(|completion| completion.duration_ms),
        response_bytes: completion.map(|completion| completion.response_bytes),
        position,
        ..row
    }
}

#[cfg(test)]
mod tests;
