//! Which method does what, in which era.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use uuid::Uuid;

use super::conversations::Conversations;
use super::envelope::{Era, Incoming, client_name};
use super::{Context, admission, call, listing, render, reply};
use crate::clock::Clock;
use crate::mcp::{self, Id, Object, RpcError, code, header, message};

/// Answers one message.
pub(super) async fn dispatch(context: &Context, request: &HttpRequest, incoming: Incoming) -> HttpResponse {
    let Some(id) = incoming.id.clone() else { return notified(context, request, &incoming) };
    match incoming.method.as_str() {
        "tools/call" => return call::answer(context, request, &id, &incoming).await,
        "tools/list" => return listing::answer(context, &id, &incoming).await,
        _ => {}
    }
    if let Err(problem) = admission::admit_to_live(&context.app, context.caller, context.session).await {
        return reply::problem(&problem);
    }
    match (incoming.era, incoming.method.as_str()) {
        (Era::Modern, "server/discover") => ok(&id, &discovered()),
        (Era::Legacy, "initialize") => initialize(context, &id, &incoming).await,
        (Era::Legacy, "ping") => ok(&id, "{}"),
        (Era::Modern, method) => unknown(StatusCode::NOT_FOUND, &id, method),
        (Era::Legacy, method) => unknown(StatusCode::OK, &id, method),
    }
}

fn ok(id: &Id, result: &str) -> HttpResponse {
    reply::json(StatusCode::OK, message::answer(id, result))
}

fn unknown(status: StatusCode, id: &Id, method: &str) -> HttpResponse {
    let method: String = method.chars().take(100).collect();
    let error = RpcError::new(code::METHOD_NOT_FOUND, format!("Method not found: {method}"));
    reply::rejected(&reply::Rejection { status, id: Some(id.clone()), error })
}

/// Notifications are taken, whatever they are: nobody waits for an answer.
fn notified(context: &Context, request: &HttpRequest, incoming: &Incoming) -> HttpResponse {
    // In the modern era, closing the stream is what takes a call back.
    if incoming.era == Era::Legacy
        && incoming.method == "notifications/cancelled"
        && let Some(conversation) = Conversations::of(context.session, request.headers())
        && let Some(id) = cancelled_id(incoming)
    {
        context.conversations.take_back(conversation, &id);
    }
    HttpResponse::Accepted().finish()
}

fn cancelled_id(incoming: &Incoming) -> Option<Id> {
    let params = Object::read(incoming.params.as_deref()?.get()).ok()?;
    Id::read(params.get("requestId")?)
}

/// What `server/discover` says.
fn discovered() -> String {
    json!({
        "supportedVersions": mcp::REVISIONS,
        "capabilities": { "tools": {}, "logging": {} },
        "resultType": "complete",
        "ttlMs": listing::TTL_MS,
        "cacheScope": "private",
        "_meta": render::about_us(),
    })
    .to_string()
}

/// The handshake of the older era (2025-11-25, “Lifecycle”): the revision that was asked for if it is
/// spoken here, else the newest that is.
async fn initialize(context: &Context, id: &Id, incoming: &Incoming) -> HttpResponse {
    let params = incoming.params.as_deref().and_then(|params| Object::read(params.get()).ok());
    let Some(wanted) = params.as_ref().and_then(|params| params.string("protocolVersion")) else {
        let error = RpcError::new(code::INVALID_PARAMS, "`initialize` must name a `protocolVersion`");
        return reply::error(id, &error);
    };
    let handle: Uuid = Clock::fresh_id();
    if let Some(name) = params.and_then(|params| params.get("clientInfo")).and_then(client_name) {
        context.conversations.introduce((context.session, handle), name).await;
    }
    let agreed = if mcp::is_legacy(&wanted) { wanted.as_str() } else { mcp::LEGACY };
    let result = json!({
        "protocolVersion": agreed,
        "capabilities": { "tools": {} },
        "serverInfo": render::server_info(),
    });
    let mut response = ok(id, &result.to_string());
    if let Ok(value) = HeaderValue::from_str(&handle.to_string()) {
        response.headers_mut().insert(HeaderName::from_static(header::SESSION_ID), value);
    }
    response
}
