//! One HTTP exchange with a tool server: a message out, messages back.

use bytes::Bytes;
use futures::StreamExt as _;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use tokio::time::timeout;

use super::echo::Sent;
use super::{Inner, Limits, Target, UpstreamError};
use crate::mcp::sse::Parser;
use crate::mcp::{Message, RpcError};
use crate::outbound;

/// The longest body of a refusal that is looked into, in bytes.
const REFUSAL_MAX: usize = 64 * 1024;

/// What a server made of a request.
pub(super) enum Reply {
    /// It answers.
    Messages(Box<Messages>),
    /// It took a notification, or has nothing to say.
    Accepted,
    /// It refused, with a JSON-RPC error if there was one.
    Refused(Refused),
}

/// A refusal by HTTP status. Nothing was carried out.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) error: Option<RpcError>,
}

impl Refused {
    /// The code of the JSON-RPC error.
    pub(super) fn code(&self) -> Option<i64> {
        self.error.as_ref().map(|error| error.code)
    }

    pub(super) fn into_error(self) -> UpstreamError {
        match self.error {
            Some(RpcError { code, message, .. }) => UpstreamError::Protocol { code, message },
            None => UpstreamError::Http(self.status.as_u16()),
        }
    }
}

/// What came back, with the headers that it came with.
pub(super) struct Exchange {
    pub(super) reply: Reply,
    pub(super) headers: HeaderMap,
}

impl Inner {
    /// Posts one message. The time for it is the caller's to bound.
    pub(super) async fn post(
        &self,
        target: &Target,
        mut headers: HeaderMap,
        message: String,
    ) -> Result<Exchange, UpstreamError> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        self.exchange(Method::POST, target, headers, Some(Bytes::from(message))).await
    }

    pub(super) async fn exchange(
        &self,
        method: Method,
        target: &Target,
        mut headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Exchange, UpstreamError> {
        // Last, so that nothing of the agent's can stand in its place.
        if let Some((name, value)) = &target.header {
            headers.insert(name.clone(), value.clone());
        }
        let response = self.outbound.request(method, &target.url, headers, body).await?;
        let (status, headers) = (response.status, response.headers);
        let Limits { message: max, answer: max_in_all, .. } = self.limits;
        let sent = Sent::of(target.header.as_ref());
        let mut body = Body { stream: response.body, max, max_in_all, received: 0, sent };
        let reply = if status == StatusCode::ACCEPTED || status == StatusCode::NO_CONTENT {
            Reply::Accepted
        } else if status.is_success() {
            Reply::Messages(Box::new(Messages::open(body, &headers)?))
        } else if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            return Err(UpstreamError::Unauthorized);
        } else if status.is_redirection() {
            return Err(UpstreamError::Http(status.as_u16()));
        } else {
            body.max = REFUSAL_MAX;
            let error = timeout(self.limits.handshake, refusal(body)).await.ok().flatten();
            Reply::Refused(Refused { status, error })
        };
        Ok(Exchange { reply, headers })
    }
}

/// The JSON-RPC error in the body of a refusal.
async fn refusal(body: Body) -> Option<RpcError> {
    let text = body.collect().await.ok()?;
    match Message::read(&text) {
        Ok(Message::Error { error, .. }) => Some(error),
        _ => None,
    }
}

/// The body of an answer, bounded.
struct Body {
    stream: outbound::Body,
    /// Of one message.
    max: usize,
    max_in_all: u64,
    received: u64,
    /// What must not stand in it.
    sent: Sent,
}

impl Body {
    async fn chunk(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        let chunk = self.stream.next().await.transpose()?;
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.received > self.max_in_all { Err(UpstreamError::TooLarge) } else { Ok(chunk) }
    }

    async fn collect(mut self) -> Result<String, UpstreamError> {
        self.text().await
    }

    async fn text(&mut self) -> Result<String, UpstreamError> {
        let mut collected = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if collected.len() + chunk.len() > self.max {
                return Err(UpstreamError::TooLarge);
            }
            collected.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(collected).map_err(|_| UpstreamError::malformed("it is not UTF-8"))?;
        self.checked(text)
    }

    /// The text, if nothing that we sent in confidence stands in it.
    fn checked(&self, text: String) -> Result<String, UpstreamError> {
        if self.sent.is_in(&text) { Err(UpstreamError::CredentialEchoed) } else { Ok(text) }
    }
}

/// The messages of one answer, in order.
pub(super) struct Messages {
    body: Body,
    kind: Kind,
}

enum Kind {
    /// One JSON document.
    Single { taken: bool },
    /// Server-sent events.
    Events(Parser),
}

impl Messages {
    fn open(body: Body, headers: &HeaderMap) -> Result<Self, UpstreamError> {
        let kind = match media_type(headers).as_deref() {
            Some("application/json") => Kind::Single { taken: false },
            Some("text/event-stream") => Kind::Events(Parser::new(body.max)),
            _ => return Err(UpstreamError::malformed("it is neither JSON nor a stream of events")),
        };
        Ok(Self { body, kind })
    }

    /// The next message as text; nothing once the answer has ended.
    pub(super) async fn next(&mut self) -> Result<Option<String>, UpstreamError> {
        match &mut self.kind {
            Kind::Single { taken: true } => Ok(None),
            Kind::Single { taken } => {
                *taken = true;
                self.body.text().await.map(Some)
            }
            Kind::Events(parser) => loop {
                // An event without data only says from where the stream could be resumed.
                while let Some(event) = parser.next_event()? {
                    if !event.data.is_empty() {
                        return self.body.checked(event.data).map(Some);
                    }
                }
                match self.body.chunk().await? {
                    Some(chunk) => parser.push(&chunk),
                    None => return Ok(None),
                }
            },
        }
    }

    /// Bytes received until now.
    pub(super) fn received(&self) -> u64 {
        self.body.received
    }
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// A header of the protocol.
pub(super) fn protocol_header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

impl From<crate::mcp::sse::EventError> for UpstreamError {
    fn from(error: crate::mcp::sse::EventError) -> Self {
        match error {
            crate::mcp::sse::EventError::TooLarge => Self::TooLarge,
            crate::mcp::sse::EventError::NotUtf8 => Self::malformed(error),
        }
    }
}
