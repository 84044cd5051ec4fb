//! What is recorded of a session's tool calls: the decision, and how a permitted call ended.

use serde::{Deserialize, Serialize};

use super::SessionEvent;
use crate::access::{Denial, Permit};
use crate::{CallId, Private, ToolServerId};

/// What is recorded of a tool call when it is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Which.
    pub call_id: CallId,
    /// The tool's name as the agent wrote it.
    pub tool: String,
    /// The JSON-RPC id of the request, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jsonrpc_id: Option<String>,
    /// The size of the arguments, in bytes.
    pub argument_bytes: u64,
    /// HMAC-SHA-256 of the arguments under a key of the workspace, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument_digest: Option<String>,
    /// The client's own name and version for itself; nobody checked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_declared_client: Option<String>,
}

/// Where a permitted call goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which server.
    pub tool_server_id: ToolServerId,
    /// The server's own name for the tool.
    pub upstream_tool: String,
    /// By which version of the session's loadout.
    pub loadout_version: u32,
}

/// Who carries a permit out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnforcedBy {
    /// Whoever asked.
    External,
}

/// How a permitted call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// Which call.
    pub call_id: CallId,
    /// From the permit to the end, in milliseconds.
    pub duration_ms: u64,
    /// The size of the answer, in bytes.
    pub response_bytes: u64,
}

/// How a permitted call ended, for whoever was told to carry it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// The server answered.
    Completed {
        /// When and how much.
        completion: Completion,
        /// Did the tool say that it failed?
        tool_error: bool,
    },
    /// The server refused, or couldn't be reached or understood.
    Failed {
        /// When and how much.
        completion: Completion,
        /// Stable and for programs, such as `upstream_unreachable`.
        code: String,
        /// In words.
        error: Private,
    },
    /// The client went away, or the session ended.
    Cancelled {
        /// When and how much.
        completion: Completion,
    },
    /// The server didn't answer in time.
    TimedOut {
        /// When and how much.
        completion: Completion,
    },
    /// It was permitted, but too late, or not any more, when it was to be forwarded.
    NotForwarded {
        /// Which call.
        call_id: CallId,
        /// Stable and for programs.
        reason: String,
    },
    /// The process died between permit and outcome.
    Unknown {
        /// Which call.
        call_id: CallId,
    },
}

/// The record of a call that goes through us. The permit stays with the caller, who may act on it
/// once the book has this.
pub fn called(call: ToolCall, decision: Result<&Permit, Denial>) -> SessionEvent {
    match decision {
        Ok(permit) => SessionEvent::ToolCalled { call, route: permit.route().clone() },
        Err(reason) => SessionEvent::ToolDenied { call, reason },
    }
}

/// The record of a call that somebody else carries out.
pub fn authorized(call: ToolCall, decision: Result<&Permit, Denial>) -> SessionEvent {
    match decision {
        Ok(permit) => SessionEvent::ToolAuthorized {
            call,
            route: permit.route().clone(),
            enforced_by: EnforcedBy::External,
        },
        Err(reason) => SessionEvent::ToolDenied { call, reason },
    }
}

impl From<CallOutcome> for SessionEvent {
    fn from(outcome: CallOutcome) -> Self {
        match outcome {
            CallOutcome::Completed { completion, tool_error } => {
                Self::ToolCallCompleted { completion, tool_error }
            }
            CallOutcome::Failed { completion, code, error } => {
                Self::ToolCallFailed { completion, code, error }
            }
            CallOutcome::Cancelled { completion } => Self::ToolCallCancelled { completion },
            CallOutcome::TimedOut { completion } => Self::ToolCallTimedOut { completion },
            CallOutcome::NotForwarded { call_id, reason } => Self::ToolCallNotForwarded { call_id, reason },
            CallOutcome::Unknown { call_id } => Self::ToolCallOutcomeUnknown { call_id },
        }
    }
}
