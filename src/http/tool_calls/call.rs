//! Calling a tool over REST: decided, recorded, and only then forwarded.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tollbook_aggregates::access::{Asker, Caller, Denial};
use tollbook_aggregates::{Event, SessionEvent, SessionId, WorkspaceId};
use tollbook_journal::Position;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::body::{Body, Ids};
use super::super::refusals::{UpstreamRefusals, WriteRefusals};
use super::super::{cursor, owned, position_header, problems};
use super::OutcomeWord;
use crate::app::App;
use crate::authn::Authenticated;
use crate::calls::{CallRefused, OpenCall, Question};
use crate::commands::Repeatable;
use crate::forward::{Ended, collect};
use crate::mcp::message::DEPTH_MAX;
use crate::mcp::{RpcError, within_depth};
use crate::problem::{Problem, request_id};
use crate::upstream::{Lane, UpstreamCall, UpstreamError};

/// The longest name of a tool that is looked up and recorded, in bytes.
const NAME_MAX: usize = 256;

/// A tool to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCall {
    /// The name that the session's loadout gives it.
    #[schema(examples("search"))]
    tool: String,
    /// What to call it with; none, when absent.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Box<RawValue>>,
}

/// A call that was permitted, and how it ended.
#[derive(Debug, Serialize, ToSchema)]
struct CallAnswer {
    call_id: Uuid,
    outcome: OutcomeWord,
    /// What the tool said, as its server wrote it: an MCP `CallToolResult`, whose `isError` says whether
    /// the tool itself failed. Only where the outcome is `completed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    result: Option<Box<RawValue>>,
    /// Why there is no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<CallError>,
    /// Where the permit stands in the book.
    position: u64,
}

/// Why a permitted call has no result.
#[derive(Debug, Serialize, ToSchema)]
struct CallError {
    /// Stable and for programs.
    #[schema(examples("upstream.unreachable"))]
    code: String,
    /// In words.
    message: String,
}

/// Calls a tool of the session's loadout. The call is decided and recorded before it is forwarded.
///
/// A refusal is recorded too, and answered as a problem with its `position`. A call that was permitted
/// is answered with 200 however it ended: `outcome` says how. Who repeats a request with the same
/// `Idempotency-Key` is given the first answer; the tool isn't called again.
#[utoipa::path(tag = "tool calls", operation_id = "call_tool", request_body = NewCall,
    responses((status = OK, body = CallAnswer), WriteRefusals, UpstreamRefusals))]
#[post("/v1/workspaces/{workspace_id}/sessions/{session_id}/tool-calls")]
pub(super) async fn call(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, session)): Ids<(WorkspaceId, SessionId)>,
    body: Body<NewCall>,
) -> Result<HttpResponse, Problem> {
    let Body { value: NewCall { tool, arguments }, repeatable } = body;
    let ours = || app.authority.look(|live| owned::session(live, workspace, session).map(drop));
    if ours().is_err() {
        app.authority.acquaint(session, cursor::PATIENCE).await?;
        ours()?;
    }
    let question = question(&app, caller.0, session, tool, arguments, repeatable.as_ref())?;
    let open = match app.calls.decide(&question).await {
        Ok(open) => open,
        Err(CallRefused::Repeated { position, same_request, answer }) => {
            let repeatable = repeatable.as_ref().ok_or_else(Problem::internal)?;
            let first = First { position, same_request, answer };
            return repeated(&app, caller.0.caller, workspace, repeatable, first).await;
        }
        Err(refused) => return Err(problems::call_refused(refused)),
    };
    let position = open.position();
    let answer = forward(&app, open, session, question.arguments).await;
    let answer = to_raw_value(&answer).map_err(|_| Problem::internal())?;
    if let Some(repeatable) = &repeatable {
        app.commands.keep_answer(caller.0.caller, workspace, repeatable, &answer).await;
    }
    Ok(answered(position, &answer))
}

/// What is asked, as far as it fits.
///
/// # Errors
/// As [`fits`].
pub(in super::super) fn question(
    app: &App,
    caller: Asker,
    session_id: SessionId,
    tool: String,
    arguments: Option<Box<RawValue>>,
    repeatable: Option<&Repeatable>,
) -> Result<Question, Problem> {
    fits(&tool, arguments.as_deref())?;
    Ok(Question {
        session_id,
        caller,
        tool,
        arguments,
        jsonrpc_id: None,
        self_declared_client: None,
        request_id: request_id(),
        idempotency: repeatable.map(|repeatable| app.commands.call_idempotency(caller.caller, repeatable)),
    })
}

/// # Errors
/// 400 for a name that no tool has, or arguments that are no object.
pub(in super::super) fn fits(tool: &str, arguments: Option<&RawValue>) -> Result<(), Problem> {
    if !(1..=NAME_MAX).contains(&tool.len()) || tool.chars().any(char::is_control) {
        let detail = format!("`tool` must have 1 to {NAME_MAX} bytes and no control characters.");
        return Err(Problem::bad_request("tool.name", detail));
    }
    let Some(arguments) = arguments else { return Ok(()) };
    if !arguments.get().starts_with('{') {
        return Err(Problem::bad_request("body.malformed", "`arguments` must be an object."));
    }
    if !within_depth(arguments.get(), DEPTH_MAX) {
        let detail = format!("`arguments` are nested deeper than {DEPTH_MAX}.");
        return Err(Problem::bad_request("body.malformed", detail));
    }
    Ok(())
}

async fn forward(
    app: &App,
    open: OpenCall,
    session: SessionId,
    arguments: Option<Box<RawValue>>,
) -> CallAnswer {
    let (call_id, position) = (open.call_id().0, open.position().0);
    let wanted = UpstreamCall {
        lane: Lane::Session(session),
        tool: open.tool().to_owned(),
        arguments,
        meta: None,
        parameter_headers: Vec::new(),
    };
    let failed = |outcome, code: &str, message: String| {
        let error = CallError { code: code.to_owned(), message };
        CallAnswer { call_id, outcome, result: None, error: Some(error), position }
    };
    match collect(open, &app.upstreams, wanted).await {
        Ended::Result(result) => {
            let (outcome, result) = (OutcomeWord::Completed, Some(result.raw));
            CallAnswer { call_id, outcome, result, error: None, position }
        }
        // In the server's words: they are meant for whoever called.
        Ended::Refused(RpcError { message, .. }) => failed(OutcomeWord::Failed, "upstream.refused", message),
        Ended::Failed(error) => {
            let outcome = match error {
                UpstreamError::Timeout => OutcomeWord::TimedOut,
                _ => OutcomeWord::Failed,
            };
            failed(outcome, error.code(), problems::upstream_words(&error))
        }
        Ended::Interrupted => {
            let message = "The session ended, or the service stops. The tool may have been called.";
            failed(OutcomeWord::Cancelled, "call.interrupted", message.to_owned())
        }
    }
}

fn answered(position: Position, answer: &RawValue) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(position_header(position))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(answer.get().to_owned())
}

/// What is known of the first request with a key.
struct First {
    position: Position,
    same_request: bool,
    answer: Option<Vec<u8>>,
}

async fn repeated(
    app: &App,
    caller: Caller,
    workspace: WorkspaceId,
    repeatable: &Repeatable,
    first: First,
) -> Result<HttpResponse, Problem> {
    let First { position, same_request, answer } = first;
    // A refusal has no answer that was kept: it stands in the book itself.
    if same_request
        && answer.is_none()
        && let Some(denial) = denied_at(app, position).await?
    {
        return Err(problems::call_refused(CallRefused::Denied { denial, position: Some(position) }));
    }
    let kept = app.commands.repeat_call(caller, workspace, repeatable, position, same_request, answer);
    Ok(answered(position, &kept.await?))
}

/// The refusal that stands at this position, if it is one.
pub(in super::super) async fn denied_at(app: &App, position: Position) -> Result<Option<Denial>, Problem> {
    let Some(event) = app.journal.event(position).await? else { return Ok(None) };
    let (kind, id) = (&event.stream.aggregate_type, &event.event_type);
    Ok(match Event::decode(kind, id, &event.event_version, &event.payload) {
        Ok(Event::Session(SessionEvent::ToolDenied { reason, .. })) => Some(reason),
        _ => None,
    })
}
