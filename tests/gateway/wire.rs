//! Messages written by hand, as clients of either era send them, and the answers as they came.

use futures::StreamExt as _;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tollbook::mcp::sse::Parser;
use tollbook_testkit::mcp;

pub const MODERN: &str = "2026-07-28";
pub const LEGACY: &str = "2025-11-25";

pub struct Wire {
    url: String,
    token: String,
    client: reqwest::Client,
}

/// An answer that has come whole.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// Of a stream, every event; else the one document.
    pub messages: Vec<Value>,
}

impl Reply {
    pub fn last(&self) -> &Value {
        self.messages.last().unwrap_or_else(|| panic!("no message: {self:?}"))
    }

    pub fn result(&self) -> &Value {
        self.last().get("result").unwrap_or_else(|| panic!("no result: {self:?}"))
    }

    pub fn code(&self) -> i64 {
        self.last()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    pub fn content_type(&self) -> &str {
        self.headers["content-type"].to_str().unwrap()
    }
}

impl Wire {
    pub fn new(url: &str, token: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: url.into(), token: token.into(), client }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self::new(&self.url, token)
    }

    /// Headers that a modern request of this method carries.
    pub fn modern_headers(method: &str, name: Option<&str>) -> Vec<(String, String)> {
        let mut headers = vec![
            ("mcp-protocol-version".to_owned(), MODERN.to_owned()),
            ("mcp-method".to_owned(), method.to_owned()),
        ];
        headers.extend(name.map(|name| ("mcp-name".to_owned(), name.to_owned())));
        headers
    }

    pub fn modern_meta() -> Value {
        json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": { "name": "by hand", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        })
    }

    /// A modern request, complete.
    pub async fn modern(&self, method: &str, params: Value) -> Reply {
        let name = params["name"].as_str().map(ToOwned::to_owned);
        let headers = Self::modern_headers(method, name.as_deref());
        self.post(&headers, &modern(method, params)).await
    }

    /// A request of the older era, after the handshake.
    pub async fn legacy(&self, method: &str, params: Value) -> Reply {
        let headers = [("mcp-protocol-version".to_owned(), LEGACY.to_owned())];
        self.post(&headers, &request(method, params).to_string()).await
    }

    pub async fn in_era(&self, era: &str, method: &str, params: Value) -> Reply {
        let reply =
            if era == MODERN { self.modern(method, params).await } else { self.legacy(method, params).await };
        for message in &reply.messages {
            if message.get("jsonrpc").is_some() {
                check(era, message);
            }
        }
        reply
    }

    pub async fn post(&self, headers: &[(String, String)], body: &str) -> Reply {
        whole(self.send(headers, body).await).await
    }

    /// Sends, and answers once the headers are there.
    pub async fn send(&self, headers: &[(String, String)], body: &str) -> Response {
        let mut all = HeaderMap::new();
        all.insert("content-type", HeaderValue::from_static("application/json"));
        all.insert("accept", HeaderValue::from_static("application/json, text/event-stream"));
        if !self.token.is_empty() {
            all.insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        }
        for (name, value) in headers {
            let (name, value): (HeaderName, HeaderValue) = (name.parse().unwrap(), value.parse().unwrap());
            match name.as_str() {
                "accept" | "content-type" | "host" | "origin" => drop(all.insert(name, value)),
                _ => drop(all.append(name, value)),
            }
        }
        self.client.post(&self.url).headers(all).body(body.to_owned()).send().await.unwrap()
    }
}

#[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
pub fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// A modern request's body: `params` with the `_meta` that they need besides their own.
pub fn modern(method: &str, mut params: Value) -> String {
    let own = params["_meta"].take();
    params["_meta"] = Wire::modern_meta();
    for (key, value) in own.as_object().into_iter().flatten() {
        params["_meta"][key] = value.clone();
    }
    request(method, params).to_string()
}

/// Reads an answer to its end.
pub async fn whole(response: Response) -> Reply {
    let (status, headers) = (response.status(), response.headers().clone());
    let streamed = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let text = response.text().await.unwrap();
    let messages = if streamed { events(&text) } else { serde_json::from_str(&text).into_iter().collect() };
    Reply { status, headers, text, messages }
}

fn events(text: &str) -> Vec<Value> {
    let mut parser = Parser::new(usize::MAX);
    parser.push(text.as_bytes());
    let events = std::iter::from_fn(|| parser.next_event().unwrap());
    events.map(|event| serde_json::from_str(&event.data).unwrap()).collect()
}

/// The first event of a stream that is still open, and the rest of it.
pub async fn first_event(
    response: Response,
) -> (Value, impl futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin) {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let mut parser = Parser::new(usize::MAX);
    loop {
        if let Some(event) = parser.next_event().unwrap() {
            return (serde_json::from_str(&event.data).unwrap(), stream);
        }
        parser.push(&stream.next().await.expect("the stream is open").unwrap());
    }
}

/// Every message is what the published schema says.
#[track_caller]
pub fn check(era: &str, message: &Value) {
    let definition = match message {
        _ if message.get("error").is_some() => "JSONRPCErrorResponse",
        _ if message.get("result").is_some() => "JSONRPCResultResponse",
        _ => "ProgressNotification",
    };
    mcp::validate(era, definition, message).unwrap_or_else(|faults| panic!("{faults}\n{message:#}"));
}

#[track_caller]
pub fn is_valid(era: &str, definition: &str, value: &Value) {
    mcp::validate(era, definition, value).unwrap_or_else(|faults| panic!("{faults}\n{value:#}"));
}
