//! The older era: a handshake, then a protocol session (2025-11-25, “Lifecycle”, “Transports”).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moka::notification::RemovalCause;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tollbook_aggregates::ToolServerId;

use super::exchange::{Messages, Refused, Reply};
use super::{Inner, Lane, Limits, Target, UpstreamError, modern};
use crate::mcp::{self, Id, Message, Object, RpcError, code, header, message, meta as key};
use crate::outbound::Outbound;

/// Revisions that a server may settle on. What 2025-03-26 adds for servers (batches) concerns no
/// client that sends none.
const ACCEPTED: [&str; 3] = [mcp::LEGACY, "2025-06-18", "2025-03-26"];
/// The longest protocol session id that is kept, in bytes.
const SESSION_ID_MAX: usize = 1_024;
/// How long the farewell to a server may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// A protocol session with one server, held for one lane.
#[derive(Debug)]
pub(super) struct Session {
    /// As the server gave it, if it gave one.
    id: Option<HeaderValue>,
    revision: &'static str,
    /// As it was when the session was opened.
    target: Target,
    /// The server no longer knows it.
    gone: AtomicBool,
}

impl Session {
    /// What every request within the session carries.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::PROTOCOL_VERSION, HeaderValue::from_static(self.revision));
        if let Some(id) = &self.id {
            headers.insert(header::SESSION_ID, id.clone());
        }
        headers
    }

    /// Does this refusal say that the session is unknown? 404 by the specification; some servers
    /// answer 400. Either way nothing was carried out.
    pub(super) fn is_unknown(&self, refused: &Refused) -> bool {
        self.id.is_some() && matches!(refused.status.as_u16(), 400 | 404)
    }
}

/// Tells a server that a session which is no longer kept is over.
pub(super) fn on_eviction(
    outbound: Outbound,
    limits: Limits,
) -> impl Fn(Arc<(ToolServerId, Lane)>, Arc<Session>, RemovalCause) + Send + Sync + 'static {
    move |_, session, _| {
        if session.id.is_none() || session.gone.load(Ordering::Relaxed) {
            return;
        }
        let (outbound, patience) = (outbound.clone(), limits.handshake.min(FAREWELL));
        in_background(async move {
            let mut headers = session.headers();
            if let Some((name, value)) = &session.target.header {
                headers.insert(name.clone(), value.clone());
            }
            // 405 is allowed here, and a server that is gone needs no farewell.
            let _ =
                timeout(patience, outbound.request(Method::DELETE, &session.target.url, headers, None)).await;
        });
    }
}

/// Runs what nobody waits for; nothing where the runtime is already gone.
fn in_background(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(work);
    }
}

impl Inner {
    /// The session of a lane, opened if there is none. Callers that ask at once share one.
    pub(super) async fn session(&self, target: &Target, lane: Lane) -> Result<Arc<Session>, UpstreamError> {
        let key = (target.tool_server_id, lane);
        if let Some(session) = self.sessions.get(&key).await
            && session.target.url != target.url
        {
            self.sessions.invalidate(&key).await;
        }
        let opened = self.sessions.try_get_with(key, self.initialize(target)).await;
        opened.map_err(|error| (*error).clone())
    }

    /// Drops a session that the server no longer knows, unless another call has done so already.
    pub(super) async fn drop_session(&self, target: &Target, lane: Lane, gone: &Arc<Session>) {
        gone.gone.store(true, Ordering::Relaxed);
        let key = (target.tool_server_id, lane);
        if self.sessions.get(&key).await.is_some_and(|session| Arc::ptr_eq(&session, gone)) {
            self.sessions.invalidate(&key).await;
        }
    }

    async fn initialize(&self, target: &Target) -> Result<Arc<Session>, UpstreamError> {
        let opened = timeout(self.limits.handshake, self.handshake(target)).await;
        opened.map_err(|_| UpstreamError::Timeout)?
    }

    async fn handshake(&self, target: &Target) -> Result<Arc<Session>, UpstreamError> {
        let id = self.fresh_id();
        let params = json!({
            "protocolVersion": mcp::LEGACY,
            "capabilities": {},
            "clientInfo": modern::client_info(),
        });
        let body = message::request(&id, "initialize", &params.to_string());
        let exchange = self.post(target, HeaderMap::new(), body).await?;
        let session_id = session_id(&exchange.headers)?;
        let revision = match exchange.reply {
            Reply::Messages(messages) => negotiated(*messages, &id).await?,
            Reply::Accepted => return Err(UpstreamError::malformed("it has no answer to `initialize`")),
            Reply::Refused(refused) if refused.code() == Some(code::UNSUPPORTED_VERSION) => {
                return Err(UpstreamError::NoCommonRevision);
            }
            Reply::Refused(refused) => return Err(refused.into_error()),
        };
        let session =
            Session { id: session_id, revision, target: target.clone(), gone: AtomicBool::new(false) };
        self.tell(target, &session, message::notification("notifications/initialized", None)).await?;
        Ok(Arc::new(session))
    }

    /// Sends what has no answer: a notification, or an answer of ours.
    async fn tell(&self, target: &Target, session: &Session, message: String) -> Result<(), UpstreamError> {
        match self.post(target, session.headers(), message).await?.reply {
            Reply::Refused(refused) => Err(refused.into_error()),
            Reply::Accepted | Reply::Messages(_) => Ok(()),
        }
    }
}

fn session_id(headers: &HeaderMap) -> Result<Option<HeaderValue>, UpstreamError> {
    let Some(value) = headers.get(header::SESSION_ID) else { return Ok(None) };
    let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
    if !visible || value.is_empty() || value.len() > SESSION_ID_MAX {
        return Err(UpstreamError::malformed("its session id is not visible ASCII of at most 1024 bytes"));
    }
    let mut value = value.clone();
    value.set_sensitive(true);
    Ok(Some(value))
}

async fn negotiated(mut messages: Messages, id: &Id) -> Result<&'static str, UpstreamError> {
    while let Some(text) = messages.next().await? {
        match Message::read(&text).map_err(UpstreamError::malformed)? {
            Message::Result { id: of, result } if of == *id => {
                let offered =
                    Object::read(result.get()).ok().and_then(|result| result.string("protocolVersion"));
                let offered = offered.ok_or_else(|| UpstreamError::malformed("it names no revision"))?;
                let accepted = ACCEPTED.into_iter().find(|revision| *revision == offered);
                return accepted.ok_or(UpstreamError::NoCommonRevision);
            }
            Message::Error { error: RpcError { code, message, .. }, .. } => {
                return Err(UpstreamError::Protocol { code, message });
            }
            _ => {}
        }
    }
    Err(UpstreamError::malformed("the stream ended before the answer"))
}

/// The `_meta` of a request: the agent's own, without what only the modern era knows.
pub(super) fn meta(agents: Option<&RawValue>, progress: Option<&str>) -> Option<String> {
    let mut changes = vec![
        (key::PROTOCOL_VERSION, None),
        (key::CLIENT_INFO, None),
        (key::CLIENT_CAPABILITIES, None),
        (key::LOG_LEVEL, None),
    ];
    changes.extend(progress.map(|token| (key::PROGRESS_TOKEN, Some(token))));
    let written = Object::read(agents?.get()).ok()?.with(&changes);
    let empty = Object::read(&written).is_ok_and(|meta| meta.members().next().is_none());
    (!empty).then_some(written)
}

/// A request that is under way. In this era a stream that closes cancels nothing: a call that is
/// given up is cancelled by a notification.
pub(super) struct InFlight {
    inner: Arc<Inner>,
    target: Target,
    session: Arc<Session>,
    id: Option<Id>,
}

impl InFlight {
    pub(super) fn new(inner: &Arc<Inner>, target: &Target, session: &Arc<Session>, id: &Id) -> Self {
        let (inner, session) = (Arc::clone(inner), Arc::clone(session));
        Self { inner, target: target.clone(), session, id: Some(id.clone()) }
    }

    /// It is answered: nothing to cancel any more.
    pub(super) fn answered(&mut self) {
        self.id = None;
    }

    /// Answers what the server asks of us. Pings only; nothing else was declared.
    pub(super) fn respond(&self, id: &Id, method: &str) {
        let answer = if method == "ping" {
            message::answer(id, "{}")
        } else {
            RpcError::new(code::METHOD_NOT_FOUND, "not supported by this client").message(Some(id))
        };
        self.tell_in_background(answer);
    }

    fn tell_in_background(&self, message: String) {
        let (inner, target, session) =
            (Arc::clone(&self.inner), self.target.clone(), Arc::clone(&self.session));
        in_background(async move {
            let told = timeout(FAREWELL, inner.tell(&target, &session, message)).await;
            if let Ok(Err(error)) = told {
                let code = error.code();
                tracing::debug!(tool_server = %target.tool_server_id, code, "a message to a tool server was lost");
            }
        });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let params = format!(r#"{{"requestId":{},"reason":"the call was given up"}}"#, id.json());
            self.tell_in_background(message::notification("notifications/cancelled", Some(&params)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).unwrap()
    }

    #[test]
    fn what_only_the_modern_era_knows_is_taken_out() {
        let modern = raw(
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"a","version":"1"},"io.modelcontextprotocol/clientCapabilities":{},"progressToken":0}"#,
        );
        assert_eq!(meta(Some(&modern), Some("9")).unwrap(), r#"{"progressToken":9}"#);
        let bare = raw(r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#);
        assert_eq!(meta(Some(&bare), None), None);
        assert_eq!(meta(None, None), None);
    }

    #[test]
    fn a_session_id_that_is_no_header_of_the_protocol_is_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(session_id(&headers), Ok(None));
        headers.insert(header::SESSION_ID, HeaderValue::from_static("a b"));
        assert!(session_id(&headers).is_err());
        headers.insert(header::SESSION_ID, HeaderValue::from_static("abc"));
        assert_eq!(session_id(&headers).unwrap().unwrap(), "abc");
    }
}
