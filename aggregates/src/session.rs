//! A session: the right to call the tools of one loadout until it expires or is revoked.
//!
//! Tool calls are written into the session's stream, but never folded into its state: a session
//! that has made a million calls loads as fast as a new one. Whether a call is permitted is not
//! decided on this page but in [`crate::access`], which looks at the workspace, the maker, the key,
//! the loadout and the tool server as well; here stands what is recorded of it.

use chrono::{DateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{Denial, Permit};
use crate::{ApiKeyId, CallId, DeviceId, Epoch, Fact, LoadoutId, Private, UserId, Verifier, WorkspaceId};

mod tool_call;

pub use tool_call::{CallOutcome, Completion, EnforcedBy, Route, ToolCall, authorized, called};

/// An id that was never written loads as [`Session::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Session {
    /// Never written.
    #[default]
    Absent,
    /// In force until it expires.
    Open(Grant),
    /// Ended for good.
    Revoked(Grant),
}

/// What a session grants, fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// Whose rights it carries.
    pub user_id: UserId,
    /// What its maker signed in with; the session ends with it.
    pub made_with: MadeWith,
    /// Which loadout.
    pub loadout_id: LoadoutId,
    /// Which version of it.
    pub loadout_version: u32,
    /// What its token is checked with.
    pub verifier: Verifier,
    /// The first moment at which the session no longer permits a call.
    pub expires_at: DateTime<Utc>,
    /// How many calls it permits in all; any number, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<u64>,
    /// The workspace's when it was made.
    #[serde(default, skip_serializing_if = "Epoch::is_first")]
    pub epoch: Epoch,
}

/// The credential that a session hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeWith {
    /// An API key.
    ApiKey(ApiKeyId),
    /// A signed-in device.
    Device(DeviceId),
}

/// What can be asked of a session.
#[derive(Debug)]
pub enum SessionCommand {
    /// Make it.
    Create {
        /// What it grants.
        grant: Grant,
        /// What it is for.
        label: Option<Private>,
        /// The command's time.
        at: DateTime<Utc>,
    },
    /// End it.
    Revoke {
        /// As somebody put it.
        reason: Option<Private>,
    },
    /// Record the decision on a call that goes through us.
    CallTool {
        /// What was asked.
        call: ToolCall,
        /// What [`crate::access`] said.
        decision: Result<Permit, Denial>,
    },
    /// Record the decision on a call that somebody else enforces.
    AuthorizeTool {
        /// What was asked.
        call: ToolCall,
        /// What [`crate::access`] said.
        decision: Result<Permit, Denial>,
    },
    /// Record how a call ended.
    EndCall(CallOutcome),
}

/// What happened to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEvent {
    /// `session.created`
    Created {
        /// What it grants.
        #[serde(flatten)]
        grant: Grant,
        /// What it is for.
        #[serde(skip)]
        label: Option<Private>,
    },
    /// `session.revoked`
    Revoked {
        /// As somebody put it.
        #[serde(skip)]
        reason: Option<Private>,
    },
    /// `session.tool_called`: permitted, and about to be forwarded.
    ToolCalled {
        /// What was asked.
        #[serde(flatten)]
        call: ToolCall,
        /// Where it goes.
        #[serde(flatten)]
        route: Route,
    },
    /// `session.tool_authorized`: permitted; somebody else carries it out, and no outcome follows.
    ToolAuthorized {
        /// What was asked.
        #[serde(flatten)]
        call: ToolCall,
        /// Where it would go.
        #[serde(flatten)]
        route: Route,
        /// Always `external`, so that it isn't taken for a call without an outcome.
        enforced_by: EnforcedBy,
    },
    /// `session.tool_denied`
    ToolDenied {
        /// What was asked.
        #[serde(flatten)]
        call: ToolCall,
        /// Why not.
        reason: Denial,
    },
    /// `session.tool_call_completed`
    ToolCallCompleted {
        /// When and how much.
        #[serde(flatten)]
        completion: Completion,
        /// Did the tool say that it failed?
        tool_error: bool,
    },
    /// `session.tool_call_failed`
    ToolCallFailed {
        /// When and how much.
        #[serde(flatten)]
        completion: Completion,
        /// Stable and for programs.
        code: String,
        /// In words.
        #[serde(skip)]
        error: Private,
    },
    /// `session.tool_call_cancelled`
    ToolCallCancelled {
        /// When and how much.
        #[serde(flatten)]
        completion: Completion,
    },
    /// `session.tool_call_timed_out`
    ToolCallTimedOut {
        /// When and how much.
        #[serde(flatten)]
        completion: Completion,
    },
    /// `session.tool_call_not_forwarded`
    ToolCallNotForwarded {
        /// Which call.
        call_id: CallId,
        /// Stable and for programs.
        reason: String,
    },
    /// `session.tool_call_outcome_unknown`
    ToolCallOutcomeUnknown {
        /// Which call.
        call_id: CallId,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Never written.
    #[error("the session does not exist")]
    Absent,
    /// The id is taken.
    #[error("the session exists already")]
    Exists,
    /// See [`Private::NAME_MAX`].
    #[error("`label` must have 1 to 100 characters and no control characters")]
    Label,
    /// It would never permit anything.
    #[error("a session must expire in the future")]
    ExpiresInThePast,
    /// It would never permit anything.
    #[error("`max_calls` must be at least 1")]
    NoCalls,
}

impl Session {
    /// What it was made as, also after it ended.
    pub const fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Absent => None,
            Self::Open(grant) | Self::Revoked(grant) => Some(grant),
        }
    }

    /// The events that `command` leads to, given what happened so far. Pure: the same question
    /// always has the same answer.
    pub fn decide(&self, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionError> {
        use SessionCommand::{AuthorizeTool, CallTool, Create, EndCall, Revoke};
        match (self, command) {
            (Self::Absent, Create { grant, label, at }) => Ok(vec![create(grant, label, at)?]),
            (_, Create { .. }) => Err(SessionError::Exists),
            (Self::Absent, _) => Err(SessionError::Absent),
            (Self::Open(_), Revoke { reason }) => Ok(vec![SessionEvent::Revoked { reason }]),
            // A brake may be pressed twice.
            (Self::Revoked(_), Revoke { .. }) => Ok(vec![]),
            (_, CallTool { call, decision }) => {
                Ok(vec![called(call, decision.as_ref().map_err(|denial| *denial))])
            }
            (_, AuthorizeTool { call, decision }) => {
                Ok(vec![authorized(call, decision.as_ref().map_err(|denial| *denial))])
            }
            (_, EndCall(outcome)) => Ok(vec![outcome.into()]),
        }
    }
}

fn create(grant: Grant, label: Option<Private>, at: DateTime<Utc>) -> Result<SessionEvent, SessionError> {
    if grant.expires_at <= at {
        return Err(SessionError::ExpiresInThePast);
    }
    if grant.max_calls == Some(0) {
        return Err(SessionError::NoCalls);
    }
    let label = label.map(|label| label.into_name().ok_or(SessionError::Label)).transpose()?;
    Ok(SessionEvent::Created { grant, label })
}

impl Aggregate for Session {
    const TYPE: &'static str = "session";
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Error = SessionError;
    type Services = ();

    async fn handle(
        &mut self,
        command: SessionCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), SessionError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: SessionEvent) {
        match event {
            // Made once, ended once, and never back.
            SessionEvent::Created { grant, .. } => {
                if *self == Self::Absent {
                    *self = Self::Open(grant);
                }
            }
            SessionEvent::Revoked { .. } => {
                *self = match std::mem::take(self) {
                    Self::Open(grant) | Self::Revoked(grant) => Self::Revoked(grant),
                    Self::Absent => Self::Absent,
                }
            }
            SessionEvent::ToolCalled { .. }
            | SessionEvent::ToolAuthorized { .. }
            | SessionEvent::ToolDenied { .. }
            | SessionEvent::ToolCallCompleted { .. }
            | SessionEvent::ToolCallFailed { .. }
            | SessionEvent::ToolCallCancelled { .. }
            | SessionEvent::ToolCallTimedOut { .. }
            | SessionEvent::ToolCallNotForwarded { .. }
            | SessionEvent::ToolCallOutcomeUnknown { .. } => {}
        }
    }
}

impl DomainEvent for SessionEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Created { .. } => "session.created",
            Self::Revoked { .. } => "session.revoked",
            Self::ToolCalled { .. } => "session.tool_called",
            Self::ToolAuthorized { .. } => "session.tool_authorized",
            Self::ToolDenied { .. } => "session.tool_denied",
            Self::ToolCallCompleted { .. } => "session.tool_call_completed",
            Self::ToolCallFailed { .. } => "session.tool_call_failed",
            Self::ToolCallCancelled { .. } => "session.tool_call_cancelled",
            Self::ToolCallTimedOut { .. } => "session.tool_call_timed_out",
            Self::ToolCallNotForwarded { .. } => "session.tool_call_not_forwarded",
            Self::ToolCallOutcomeUnknown { .. } => "session.tool_call_outcome_unknown",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for SessionEvent {
    fn control(&self) -> bool {
        match self {
            Self::Created { .. } | Self::Revoked { .. } => true,
            Self::ToolCalled { .. }
            | Self::ToolAuthorized { .. }
            | Self::ToolDenied { .. }
            | Self::ToolCallCompleted { .. }
            | Self::ToolCallFailed { .. }
            | Self::ToolCallCancelled { .. }
            | Self::ToolCallTimedOut { .. }
            | Self::ToolCallNotForwarded { .. }
            | Self::ToolCallOutcomeUnknown { .. } => false,
        }
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Revoked { .. } => true,
            Self::Created { .. }
            | Self::ToolCalled { .. }
            | Self::ToolAuthorized { .. }
            | Self::ToolDenied { .. }
            | Self::ToolCallCompleted { .. }
            | Self::ToolCallFailed { .. }
            | Self::ToolCallCancelled { .. }
            | Self::ToolCallTimedOut { .. }
            | Self::ToolCallNotForwarded { .. }
            | Self::ToolCallOutcomeUnknown { .. } => false,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Created { label, .. } => label.iter().map(|label| ("label", label)).collect(),
            Self::Revoked { reason } => reason.iter().map(|reason| ("reason", reason)).collect(),
            Self::ToolCallFailed { error, .. } => vec![("error", error)],
            Self::ToolCalled { .. }
            | Self::ToolAuthorized { .. }
            | Self::ToolDenied { .. }
            | Self::ToolCallCompleted { .. }
            | Self::ToolCallCancelled { .. }
            | Self::ToolCallTimedOut { .. }
            | Self::ToolCallNotForwarded { .. }
            | Self::ToolCallOutcomeUnknown { .. } => vec![],
        }
    }

    fn person(&self, _: Uuid) -> Option<UserId> {
        match self {
            Self::Created { grant, .. } => Some(grant.user_id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
