//! What goes back over HTTP when a message is answered at once.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError as _};
use serde_json::json;
use tollbook_aggregates::access::Denial;
use tollbook_journal::Position;

use super::admission::SCOPE;
use crate::calls::{CallRefused, TargetError};
use crate::mcp::{Id, RpcError, code};
use crate::problem::Problem;
use crate::redaction::scrub_text;

/// Codes of our own, outside of what JSON-RPC and the protocol reserve; they read like the HTTP
/// statuses that say the same.
pub(super) mod own_code {
    /// The call was refused, and the refusal is recorded.
    pub(in crate::gateway) const DENIED: i64 = 403;
    /// The call was permitted and begun, and then its session ended.
    pub(in crate::gateway) const ENDED: i64 = 410;
}

/// A message that can't be taken.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) status: StatusCode,
    pub(super) id: Option<Id>,
    pub(super) error: RpcError,
}

impl Rejection {
    /// 400.
    pub(super) fn bad(id: Option<&Id>, code: i64, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, id: id.cloned(), error: RpcError::new(code, message) }
    }
}

/// A JSON-RPC message as one document.
pub(super) fn json(status: StatusCode, message: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(message)
}

pub(super) fn rejected(rejection: &Rejection) -> HttpResponse {
    json(rejection.status, rejection.error.message(rejection.id.as_ref()))
}

/// An error of a method that was reached: the exchange itself went well.
pub(super) fn error(id: &Id, error: &RpcError) -> HttpResponse {
    json(StatusCode::OK, error.message(Some(id)))
}

/// A call that isn't made.
///
/// What concerns the tool alone is a JSON-RPC error, which the agent can read and live with: the
/// call never ran, so there is no result that could say `isError`. What concerns the credential, the
/// session or the service is an HTTP refusal, which the client acts on.
pub(super) fn refused(id: &Id, tool: &str, refusal: CallRefused) -> Result<HttpResponse, Problem> {
    match refusal {
        CallRefused::Denied { denial, position } => denied(id, tool, denial, position),
        CallRefused::UnknownSession => Err(Problem::not_found("session")),
        CallRefused::Credential(denial) => Err(Problem::denied(denial, SCOPE)),
        CallRefused::NotForwarded { reason, position } => {
            let detail = format!("The call was permitted, but not forwarded: {reason}.");
            let problem =
                Problem::unavailable("call.not_forwarded", detail, std::time::Duration::from_secs(1));
            Err(problem.recorded_at(position))
        }
        CallRefused::Repeated { position, .. } => {
            let detail = "This call was made before; it is not made again.";
            Err(Problem::conflict("call.repeated", detail).recorded_at(position))
        }
        CallRefused::Target(TargetError::Removed) => {
            let problem = Problem::denied(Denial::ToolServerRemoved, SCOPE);
            Ok(tool_denied(id, own_code::DENIED, problem.detail.clone(), &problem, Denial::ToolServerRemoved))
        }
        CallRefused::Target(error) => {
            let detail = format!("The tool server cannot be called for now: {error}.");
            Err(Problem::unavailable(error.code(), detail, std::time::Duration::from_secs(5)))
        }
        CallRefused::Invalid(reason) => Ok(self::error(
            id,
            &RpcError::new(code::INVALID_PARAMS, format!("The call cannot be recorded: {reason}")),
        )),
        CallRefused::Unavailable { reason, retry_after } => {
            tracing::warn!(%reason, "a call was refused because it could not be recorded");
            let detail = "The call could not be recorded, so it was not made.";
            Err(Problem::unavailable("book.unavailable", detail, retry_after))
        }
    }
}

fn denied(id: &Id, tool: &str, denial: Denial, position: Option<Position>) -> Result<HttpResponse, Problem> {
    let problem = Problem::denied(denial, SCOPE);
    let problem = match position {
        Some(position) => problem.recorded_at(position),
        None => problem,
    };
    match denial {
        // The specification's own answer to a tool that isn't on the list.
        Denial::NotInLoadout => {
            let message = scrub_text(&format!("Unknown tool: {tool}")).into_owned();
            Ok(tool_denied(id, code::INVALID_PARAMS, message, &problem, denial))
        }
        Denial::ToolChanged | Denial::ToolServerRemoved => {
            Ok(tool_denied(id, own_code::DENIED, problem.detail.clone(), &problem, denial))
        }
        Denial::NotFound
        | Denial::CredentialRevoked
        | Denial::CredentialExpired
        | Denial::SecretReplaced
        | Denial::SecretExpired
        | Denial::KeyReset
        | Denial::FormerSecret
        | Denial::NotCovered
        | Denial::OwnKey
        | Denial::AnotherOperators
        | Denial::AddressRefused
        | Denial::RoleTooLow
        | Denial::OutsideNarrowing
        | Denial::SessionRevoked
        | Denial::SessionExpired
        | Denial::MakerCredentialRevoked
        | Denial::MakerCredentialExpired
        | Denial::MakerLostRight
        | Denial::WorkspaceEnded
        | Denial::LoadoutRemoved
        | Denial::CallsUsedUp => Err(problem),
    }
}

fn tool_denied(id: &Id, code: i64, message: String, problem: &Problem, denial: Denial) -> HttpResponse {
    let data = json!({
        "code": problem.code,
        "reason": denial,
        "detail": problem.detail,
        "remediation": problem.remediation,
        "position": problem.position,
        "request_id": problem.request_id,
    });
    error(id, &RpcError::new(code, message).with_data(&data))
}

/// A refusal as a response.
pub(super) fn problem(problem: &Problem) -> HttpResponse {
    problem.error_response()
}
