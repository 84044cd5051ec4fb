//! What a request of the modern era carries (2026-07-28).

use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;
use serde_json::value::RawValue;

use super::exchange::protocol_header;
use crate::mcp::{self, Object, encode_header, header, meta as key};

/// Who we say that we are. The agent's own name stays with us.
pub(super) fn client_info() -> serde_json::Value {
    json!({ "name": "tollbook", "title": "Tollbook", "version": env!("CARGO_PKG_VERSION") })
}

/// The headers that mirror the body.
pub(super) fn headers(method: &'static str, tool: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::PROTOCOL_VERSION, HeaderValue::from_static(mcp::MODERN));
    headers.insert(header::METHOD, HeaderValue::from_static(method));
    if let Some(tool) = tool {
        protocol_header(&mut headers, header::NAME, &encode_header(tool));
    }
    headers
}

/// The `_meta` of a request: the agent's own, with what concerns this hop replaced by ours. We
/// declare no capabilities, since what a server would ask for can't be carried yet.
pub(super) fn meta(agents: Option<&RawValue>, progress: Option<&str>) -> String {
    let client = client_info().to_string();
    let mut changes = vec![
        (key::PROTOCOL_VERSION, Some("\"2026-07-28\"")),
        (key::CLIENT_INFO, Some(client.as_str())),
        (key::CLIENT_CAPABILITIES, Some("{}")),
    ];
    changes.extend(progress.map(|token| (key::PROGRESS_TOKEN, Some(token))));
    let agents = agents.and_then(|agents| Object::read(agents.get()).ok());
    match agents {
        Some(agents) => agents.with(&changes),
        None => Object::read("{}").map(|empty| empty.with(&changes)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_attached_travels_on_and_what_concerns_its_own_hop_does_not() {
        let agents = RawValue::from_string(
            r#"{"traceparent":"00-1", "example.org/n": 1.10,"progressToken":"p","io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"io.modelcontextprotocol/clientInfo":{"name":"agent","version":"1"},"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/logLevel":"info"}"#.into(),
        )
        .unwrap();
        let meta = meta(Some(&agents), Some("7"));
        assert!(meta.contains(r#""traceparent":"00-1", "example.org/n": 1.10,"progressToken":7,"#), "{meta}");
        assert!(meta.contains(r#"clientCapabilities":{},"#) && !meta.contains("agent"), "{meta}");
        assert!(meta.contains(r#""io.modelcontextprotocol/logLevel":"info""#), "{meta}");
    }

    #[test]
    fn a_request_of_our_own_names_us() {
        let meta: serde_json::Value = serde_json::from_str(&meta(None, None)).unwrap();
        assert_eq!(meta[key::CLIENT_INFO]["name"], "tollbook");
        assert_eq!(meta[key::PROTOCOL_VERSION], mcp::MODERN);
        assert!(meta.get(key::PROGRESS_TOKEN).is_none());
    }
}
