//! `tools/call`: decided, forwarded, answered.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse};
use futures::StreamExt as _;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::value::RawValue;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::conversations::{Conversations, OpenRequest};
use super::envelope::{Era, Incoming, recordable};
use super::render::{Rendering, Shown};
use super::reply::{self, Rejection};
use super::stream::Answering;
use super::{Context, admission};
use crate::calls::Question;
use crate::forward::{Ended, forward};
use crate::mcp::header::PARAM_PREFIX;
use crate::mcp::{Id, Object, RpcError, code};
use crate::problem::{self, Problem};
use crate::upstream::{Lane, UpstreamCall};

/// How long the answer may be awaited before a stream is begun to keep the connection alive.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest name of a tool that is looked up and recorded, in bytes.
const NAME_MAX: usize = 256;
/// How many headers for parameters that mean nothing to us are passed on.
const PARAMETERS_MAX: usize = 32;

pub(super) async fn answer(
    context: &Context,
    request: &HttpRequest,
    id: &Id,
    incoming: &Incoming,
) -> HttpResponse {
    let params = match Params::read(incoming.params.as_deref()) {
        Ok(params) => params,
        Err(message) => return reply::error(id, &RpcError::new(code::INVALID_PARAMS, message)),
    };
    if incoming.era == Era::Modern
        && let Err(message) = check_mirrored(context, request.headers(), &params).await
    {
        return reply::rejected(&Rejection::bad(Some(id), code::HEADER_MISMATCH, message));
    }
    call(context, request, id, incoming, params).await.unwrap_or_else(|problem| reply::problem(&problem))
}

async fn call(
    context: &Context,
    request: &HttpRequest,
    id: &Id,
    incoming: &Incoming,
    params: Params,
) -> Result<HttpResponse, Problem> {
    let conversation = match incoming.era {
        Era::Legacy => Conversations::of(context.session, request.headers()),
        Era::Modern => None,
    };
    let conversations = &context.conversations;
    let mut client = incoming.client.clone();
    if let (None, Some(conversation)) = (&client, conversation) {
        client = conversations.name(conversation).await;
    }
    let question = Question {
        session_id: context.session,
        caller: context.caller,
        tool: params.name,
        arguments: params.arguments,
        jsonrpc_id: Some(id.json().to_owned()),
        self_declared_client: client.or_else(|| user_agent(request.headers())),
        request_id: problem::request_id(),
        idempotency: None,
    };
    // Open to being taken back from before the decision on.
    let open_request = conversation.map(|conversation| conversations.begin(conversation, id));
    let taken_back = open_request.as_ref().map_or_else(CancellationToken::new, OpenRequest::taken_back);
    let open = match context.app.calls.decide(&question).await {
        Ok(open) => open,
        Err(refusal) => return reply::refused(id, &question.tool, refusal),
    };
    let rendering = Rendering {
        era: incoming.era,
        id: id.clone(),
        call_id: open.call_id(),
        log_level: incoming.log_level,
    };
    let upstream_call = UpstreamCall {
        lane: Lane::Session(context.session),
        tool: open.tool().to_owned(),
        arguments: question.arguments,
        meta: params.meta,
        parameter_headers: parameters(request.headers()),
    };
    let steps = forward(open, &context.app.upstreams, upstream_call, taken_back);
    // It can be taken back for as long as there are steps to come.
    let steps = steps
        .inspect(move |_| {
            let _ = &open_request;
        })
        .boxed();
    respond(context, Answering { steps, rendering }).await
}

/// One document if the answer comes first; a stream of events if something else does, or nothing
/// for a while.
async fn respond(context: &Context, mut answering: Answering) -> Result<HttpResponse, Problem> {
    let first = if context.accepts.events {
        timeout(PATIENCE, answering.next()).await
    } else {
        Ok(last(&mut answering).await)
    };
    match first {
        Ok(Some(Shown::Ended(Ended::Interrupted))) => Err(interrupted(context).await),
        Ok(Some(Shown::Ended(ended))) if context.accepts.json => {
            Ok(reply::json(StatusCode::OK, answering.rendering.message(&ended)))
        }
        Ok(first) => Ok(answering.into_response(first)),
        Err(_) => Ok(answering.into_response(None)),
    }
}

/// A client that takes no events gets the end alone.
async fn last(answering: &mut Answering) -> Option<Shown> {
    loop {
        match answering.next().await? {
            Shown::Notification(_) => {}
            ended @ Shown::Ended(_) => return Some(ended),
        }
    }
}

/// Why a call ended before it was answered.
async fn interrupted(context: &Context) -> Problem {
    if context.app.draining.is_cancelled() {
        let detail = "The service stops. The call may have been carried out.";
        return Problem::unavailable("service.stopping", detail, Duration::from_secs(1));
    }
    match admission::admit_to_live(&context.app, context.caller, context.session).await {
        Err(problem) => problem,
        Ok(()) => Problem::conflict("call.taken_back", "The client took the call back."),
    }
}

/// What a call says.
struct Params {
    name: String,
    arguments: Option<Box<RawValue>>,
    meta: Option<Box<RawValue>>,
}

impl Params {
    /// Only what is decided on and recorded goes further: whatever else stands beside it doesn't.
    fn read(params: Option<&RawValue>) -> Result<Self, String> {
        let params = params.ok_or("`params` is missing")?;
        let params = Object::read(params.get()).map_err(|error| format!("`params`: {error}"))?;
        let name = params.string("name").ok_or("`name` must be a string")?;
        if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
            return Err(format!("`name` must have 1 to {NAME_MAX} bytes and no control characters"));
        }
        for key in ["inputResponses", "requestState"] {
            if params.has(key) {
                return Err(format!("`{key}` answers a question that was not asked here"));
            }
        }
        let object = |key| match params.get(key) {
            Some(value) if !value.get().starts_with('{') => Err(format!("`{key}` must be an object")),
            value => Ok(value.map(ToOwned::to_owned)),
        };
        Ok(Self { arguments: object("arguments")?, meta: object("_meta")?, name })
    }
}

/// Parameters that the tool's definition mirrors must be in the headers as they are in the body. A
/// tool that isn't offered is left to the decision.
async fn check_mirrored(context: &Context, headers: &HeaderMap, params: &Params) -> Result<(), String> {
    let calls = &context.app.calls;
    let found = calls.definition(context.session, context.caller, &params.name).await;
    let Ok(Some(tool)) = found else { return Ok(()) };
    let sent = |name: &str| headers.get_all(name).map(|value| value.to_str().ok()).collect();
    let arguments = params.arguments.as_deref().map(RawValue::get);
    tool.mirrored.verify(arguments, sent).map_err(|mismatch| mismatch.to_string())
}

/// Headers for parameters, to be passed on. The tool server's own list decides over them.
fn parameters(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with(PARAM_PREFIX));
    let converted = ours.filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    converted.take(PARAMETERS_MAX).collect()
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(recordable)
}
