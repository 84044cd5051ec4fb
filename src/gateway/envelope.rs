//! From headers and body to a message in an era, or to the error that the specification gives.
//!
//! An era is chosen by how the client opens (2026-07-28, “Versioning and Compatibility”): a request
//! with modern headers and `_meta` is served on its own; `initialize`, and what names an older
//! revision, is served as of old. Headers are never trusted: they must say what the body says, since
//! whoever stands in between may have acted on them.

use actix_web::http::header::HeaderMap;
use serde_json::json;
use serde_json::value::RawValue;

use super::reply::Rejection;
use crate::mcp::{self, Id, Message, Object, RpcError, code, decode_header, header, meta};

/// How the client talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// 2026-07-28.
    Modern,
    /// 2025-11-25 and 2025-06-18.
    Legacy,
}

/// A message that is worth looking at.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) era: Era,
    /// Nothing for a notification.
    pub(super) id: Option<Id>,
    pub(super) method: String,
    /// An object.
    pub(super) params: Option<Box<RawValue>>,
    /// The client's own name and version, where the request carries it.
    pub(super) client: Option<String>,
    /// From which level on the client wants log messages.
    pub(super) log_level: Option<LogLevel>,
}

/// How grave a log message is (RFC 5424, section 6.2.1), rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogLevel(usize);

impl LogLevel {
    const NAMES: [&'static str; 8] =
        ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(Self)
    }
}

/// Reads a message.
pub(super) fn read(headers: &HeaderMap, body: &str) -> Result<Incoming, Rejection> {
    let message =
        Message::read(body).map_err(|error| Rejection::bad(error.id.as_ref(), error.code, error.reason))?;
    let (id, method, params) = match message {
        Message::Request { id, method, params } => (Some(id), method, params),
        Message::Notification { method, params } => (None, method, params),
        Message::Result { .. } | Message::Error { .. } => {
            return Err(Rejection::bad(
                None,
                code::INVALID_REQUEST,
                "nothing was asked that could be answered",
            ));
        }
    };
    let bad = |code, message: String| Rejection::bad(id.as_ref(), code, message);
    let unreadable = |error: mcp::NotAnObject| bad(code::INVALID_PARAMS, format!("`params`: {error}"));
    let read = params.map(|params| Object::read(params.get())).transpose().map_err(unreadable)?;
    let carried = read.as_ref().and_then(|params| params.get("_meta"));
    let carried = carried.map(|meta| Object::read(meta.get())).transpose().map_err(unreadable)?;
    let declared = carried.as_ref().and_then(|carried| carried.string(meta::PROTOCOL_VERSION));
    let era = era(headers, &method, declared.as_deref())
        .map_err(|error| Rejection::bad_error(id.as_ref(), error))?;
    if era == Era::Modern && id.is_some() {
        let name = read.as_ref().and_then(|params| params.string("name"));
        complete(carried.as_ref()).map_err(|error| Rejection::bad_error(id.as_ref(), error))?;
        mirrored(headers, &method, name.as_deref()).map_err(|reason| bad(code::HEADER_MISMATCH, reason))?;
    }
    let log_level = match carried.as_ref().and_then(|carried| carried.get(meta::LOG_LEVEL)) {
        Some(level) if era == Era::Modern => {
            let level =
                serde_json::from_str::<String>(level.get()).ok().and_then(|name| LogLevel::named(&name));
            Some(level.ok_or_else(|| bad(code::INVALID_PARAMS, "`logLevel` is not a level".into()))?)
        }
        _ => None,
    };
    let client = carried.as_ref().and_then(|carried| carried.get(meta::CLIENT_INFO)).and_then(client_name);
    Ok(Incoming { era, id, method, params: params.map(ToOwned::to_owned), client, log_level })
}

impl Rejection {
    fn bad_error(id: Option<&Id>, error: RpcError) -> Self {
        Self { error, ..Self::bad(id, 0, "") }
    }
}

fn era(headers: &HeaderMap, method: &str, declared: Option<&str>) -> Result<Era, RpcError> {
    let mismatch = |message: String| RpcError::new(code::HEADER_MISMATCH, message);
    match (single(headers, header::PROTOCOL_VERSION).map_err(mismatch)?, declared) {
        (None, None) if method == "initialize" => Ok(Era::Legacy),
        (None, _) => Err(mismatch("the header `MCP-Protocol-Version` is missing".into())),
        (Some(sent), Some(declared)) if sent != declared => {
            Err(mismatch(format!("`MCP-Protocol-Version` is `{sent}`, the body declares `{declared}`")))
        }
        (Some(mcp::MODERN), _) => Ok(Era::Modern),
        (Some(sent), _) if mcp::is_legacy(sent) => Ok(Era::Legacy),
        (Some(sent), _) => Err(unsupported(sent)),
    }
}

/// What the protocol answers to a revision that isn't spoken here.
fn unsupported(requested: &str) -> RpcError {
    let data = json!({ "supported": mcp::REVISIONS, "requested": requested });
    RpcError::new(code::UNSUPPORTED_VERSION, "Unsupported protocol version").with_data(&data)
}

/// Every modern request carries these.
fn complete(carried: Option<&Object<'_>>) -> Result<(), RpcError> {
    let is_string = |key| carried.is_some_and(|carried| carried.string(key).is_some());
    let is_object =
        |key| carried.and_then(|carried| carried.get(key)).is_some_and(|value| value.get().starts_with('{'));
    for (key, present) in [
        (meta::PROTOCOL_VERSION, is_string(meta::PROTOCOL_VERSION)),
        (meta::CLIENT_CAPABILITIES, is_object(meta::CLIENT_CAPABILITIES)),
    ] {
        if !present {
            let message = format!("`_meta` must have `{key}`");
            return Err(RpcError::new(code::INVALID_PARAMS, message));
        }
    }
    Ok(())
}

/// Do the headers say what the body says?
fn mirrored(headers: &HeaderMap, method: &str, name: Option<&str>) -> Result<(), String> {
    match single(headers, header::METHOD)? {
        None => return Err("the header `Mcp-Method` is missing".into()),
        Some(sent) if sent != method => {
            return Err(format!("`Mcp-Method` is `{sent}`, the body's method is `{method}`"));
        }
        Some(_) => {}
    }
    if method != "tools/call" {
        return Ok(());
    }
    let Some(sent) = single(headers, header::NAME)? else {
        return Err("the header `Mcp-Name` is missing".into());
    };
    match (decode_header(sent), name) {
        (Some(sent), Some(name)) if sent == name => Ok(()),
        // A body without a name is malformed in itself, and refused as that.
        (Some(_), None) => Ok(()),
        (sent, name) => Err(format!(
            "`Mcp-Name` is `{}`, the body's name is `{}`",
            sent.unwrap_or_default(),
            name.unwrap_or_default()
        )),
    }
}

/// The value of a header that may stand once.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, String> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(format!("the header `{name}` stands twice")),
        (Some(value), None) => match value.to_str() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(format!("the header `{name}` has characters that it may not have")),
        },
    }
}

/// The longest name of a client that is recorded, in characters.
const CLIENT_MAX: usize = 200;

/// Name and version of an `Implementation`, fit to be recorded.
pub(super) fn client_name(implementation: &RawValue) -> Option<String> {
    let object = Object::read(implementation.get()).ok()?;
    let name = object.string("name")?;
    Some(recordable(&match object.string("version") {
        Some(version) => format!("{name}/{version}"),
        None => name,
    }))
}

/// Text that somebody chose freely, fit to be recorded.
pub(super) fn recordable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(CLIENT_MAX).collect()
}

#[cfg(test)]
mod tests;
