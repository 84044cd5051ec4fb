//! `/v1/authorize`: may this session call this tool with these arguments now?

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollbook_aggregates::SessionId;
use tollbook_aggregates::access::Denial;
use tollbook_journal::Position;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::Body;
use super::refusals::WriteRefusals;
use super::tool_calls::{denied_at, fits, question};
use super::{position_header, problems};
use crate::app::App;
use crate::authn::Authenticated;
use crate::calls::CallRefused;
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(authorize);
}

/// A call that somebody else would carry out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Authorization {
    session_id: Uuid,
    /// The name that the session's loadout gives it.
    #[schema(examples("search"))]
    tool: String,
    /// What it would be called with.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Box<RawValue>>,
    #[serde(default)]
    mode: Mode,
}

/// Is the decision recorded?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// It is durable before it is answered, and binds at once.
    #[default]
    Record,
    /// It isn't, and is at most one second old.
    Check,
}

/// A decision.
#[derive(Debug, Serialize, ToSchema)]
struct Decided {
    #[schema(inline)]
    decision: Decision,
    /// Why not: stable and for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, examples("not_in_loadout"))]
    reason: Option<Denial>,
    /// Where it stands in the book; absent where it isn't recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
}

/// May it be called?
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Decision {
    /// It may.
    Permit,
    /// It may not.
    Deny,
}

/// Decides a call that the caller carries out elsewhere. The session's own token and its maker's key may
/// ask. A permit that is recorded says that it is enforced by somebody else, and expects no outcome.
#[utoipa::path(tag = "tool calls", operation_id = "authorize", request_body = Authorization,
    responses((status = OK, body = Decided), WriteRefusals))]
#[post("/v1/authorize")]
async fn authorize(
    app: Data<App>,
    caller: Authenticated,
    body: Body<Authorization>,
) -> Result<HttpResponse, Problem> {
    let Body { value: Authorization { session_id, tool, arguments, mode }, repeatable } = body;
    let session = SessionId(session_id);
    if mode == Mode::Check {
        fits(&tool, arguments.as_deref())?;
        return Ok(decided(check(&app, caller, session, &tool).await?, None));
    }
    let question = question(&app, caller.0, session, tool, arguments, repeatable.as_ref())?;
    match app.calls.authorize(&question).await {
        Ok(appended) => Ok(decided(None, Some(appended.first))),
        Err(CallRefused::Denied { denial, position }) => Ok(decided(Some(denial), position)),
        // The first decision stands in the book itself.
        Err(CallRefused::Repeated { position, same_request: true, .. }) => {
            Ok(decided(denied_at(&app, position).await?, Some(position)))
        }
        Err(CallRefused::Repeated { .. }) => {
            let detail = "This `Idempotency-Key` was used for another request.";
            Err(Problem::conflict("idempotency.key_reused", detail))
        }
        Err(refused) => Err(problems::call_refused(refused)),
    }
}

async fn check(
    app: &App,
    caller: Authenticated,
    session: SessionId,
    tool: &str,
) -> Result<Option<Denial>, Problem> {
    match app.calls.check(caller.0, session, tool).await {
        Ok(()) => Ok(None),
        Err(CallRefused::Denied { denial, .. }) if denial.ends_credential() => {
            Err(problems::call_refused(CallRefused::Credential(denial)))
        }
        Err(CallRefused::Denied { denial, .. }) => Ok(Some(denial)),
        Err(refused) => Err(problems::call_refused(refused)),
    }
}

fn decided(reason: Option<Denial>, position: Option<Position>) -> HttpResponse {
    let decision = if reason.is_none() { Decision::Permit } else { Decision::Deny };
    let mut response = HttpResponse::Ok();
    if let Some(position) = position {
        response.insert_header(position_header(position));
    }
    response.json(Decided { decision, reason, position: position.map(|position| position.0) })
}
