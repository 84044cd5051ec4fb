//! What the rooms below refuse, as problems.

use std::time::Duration;

use actix_web::http::StatusCode;
use tollbook_aggregates::ToolServerId;
use tollbook_aggregates::access::Denial;
use tollbook_journal::Position;

use crate::calls::{CallRefused, TargetError};
use crate::problem::{Problem, Remediation};
use crate::upstream::UpstreamError;

/// What a caller would need who may not call tools.
const CALL_TOOLS: &str = "tools:call";

/// A tool server failed us. Always 502: a 401 or 403 of its own would make clients throw our
/// credentials away. Its own words go nowhere: they may repeat the header that it was sent.
pub(super) fn upstream(id: ToolServerId, error: &UpstreamError) -> Problem {
    let reason = upstream_words(error);
    tracing::warn!(tool_server = %id, code = error.code(), reason, "a tool server could not be asked");
    let problem =
        Problem::new(StatusCode::BAD_GATEWAY, error.code(), "The tool server failed", upstream_words(error));
    match error {
        UpstreamError::Unauthorized => {
            problem.remedy("Register the tool server again, with a header that it accepts.", None)
        }
        _ => problem,
    }
}

/// What went wrong, without the server's own words.
pub(super) fn upstream_words(error: &UpstreamError) -> String {
    match error {
        UpstreamError::Unreachable(_) => "The tool server could not be reached.".to_owned(),
        UpstreamError::Broken => "The connection to the tool server broke.".to_owned(),
        UpstreamError::NotAllowed(_) => {
            "The tool server's address is one that is not connected to.".to_owned()
        }
        UpstreamError::Timeout => "The tool server did not answer in time.".to_owned(),
        UpstreamError::TooLarge => "The tool server's answer is too large.".to_owned(),
        UpstreamError::Malformed(_) => "The tool server's answer could not be understood.".to_owned(),
        UpstreamError::Unauthorized => {
            "The tool server refused the credential that is kept for it, or wants one.".to_owned()
        }
        UpstreamError::Http(status) => format!("The tool server answered with HTTP status {status}."),
        UpstreamError::NoCommonRevision => {
            "The tool server speaks no revision of the protocol that is spoken here.".to_owned()
        }
        UpstreamError::CredentialEchoed => {
            "The tool server's answer was held back: it repeats the credential that was sent to it."
                .to_owned()
        }
        UpstreamError::InputRequired => {
            "The tool asks its user something in between, which is not passed on yet.".to_owned()
        }
        UpstreamError::Protocol { code, .. } => {
            format!("The tool server refused with the JSON-RPC error {code}.")
        }
    }
}

/// A tool server can't be asked as things are.
pub(super) fn target(error: TargetError) -> Problem {
    match error {
        TargetError::Removed => Problem::denied(Denial::ToolServerRemoved, CALL_TOOLS),
        TargetError::Sealed => Problem::unavailable(
            error.code(),
            "What is sealed cannot be opened for now.",
            Duration::from_secs(5),
        ),
        TargetError::Erased => {
            let detail = "The tool server's address or header was erased. Register it again.";
            Problem::conflict(error.code(), detail)
        }
    }
}

/// A call wasn't made.
pub(super) fn call_refused(refused: CallRefused) -> Problem {
    match refused {
        CallRefused::Denied { denial, position } => denied(denial, position),
        CallRefused::UnknownSession => Problem::not_found("session"),
        CallRefused::Credential(denial) => Problem::denied(denial, CALL_TOOLS),
        CallRefused::NotForwarded { reason: "no_longer_permitted", position } => {
            let detail = "It was permitted, but not any more when it was to be forwarded.";
            let remediation =
                Remediation::in_words("Ask once more: the answer says what was taken away meanwhile.");
            Problem::forbidden("call.no_longer_permitted", detail, remediation).recorded_at(position)
        }
        CallRefused::NotForwarded { reason, position } => {
            let detail = "It was permitted, but could not be forwarded in time. The tool was not called.";
            Problem::unavailable(&format!("call.{reason}"), detail, Duration::from_secs(1))
                .recorded_at(position)
        }
        CallRefused::Repeated { position, .. } => {
            let detail = "It was asked before with this `Idempotency-Key`. It is not done again.";
            Problem::conflict("idempotency.outcome_unknown", detail).recorded_at(position)
        }
        CallRefused::Target(error) => target(error),
        CallRefused::Invalid(reason) => {
            Problem::bad_request("body.not_storable", format!("This cannot be stored: {reason}."))
        }
        CallRefused::Unavailable { reason, retry_after } => {
            tracing::error!(%reason, "a call could not be decided");
            let detail = "The decision cannot be recorded for now. Nothing was forwarded.";
            Problem::unavailable("book.unavailable", detail, retry_after)
        }
    }
}

fn denied(denial: Denial, position: Option<Position>) -> Problem {
    let problem = Problem::denied(denial, CALL_TOOLS);
    match position {
        Some(position) => problem.recorded_at(position),
        None => problem,
    }
}
