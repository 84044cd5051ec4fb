//! The agent of the walk: it has a session's URL and token, and speaks MCP (revision 2026-07-28).

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use crate::cli::failure::Failure;
use crate::cli::fields::text_of;
use crate::cli::session::answer_of;
use crate::cli::stores::SignedIn;

const REVISION: &str = "2026-07-28";

/// What an agent is given.
#[derive(Debug)]
pub(super) struct Agent {
    http: reqwest::Client,
    url: Url,
    token: SecretString,
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The tool's answer.
    Answered(String),
    /// Why it wasn't called.
    Refused(String),
}

impl Agent {
    /// At a session's URL.
    pub(super) fn new(url: Url, token: String) -> Result<Self, Failure> {
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.map_err(|error| Failure::failed(format!("no HTTP client can be made: {error}")))?;
        Ok(Self { http, url, token: token.into() })
    }

    /// `tools/call`, one POST with everything in it: this revision has no handshake.
    pub(super) async fn call(&self, tool: &str, arguments: &Value) -> Result<Outcome, Failure> {
        let broken = |_| Failure::failed("the session's URL gave no answer");
        let header = SignedIn::header(&self.token);
        let header = header.ok_or_else(|| Failure::failed("the service answered with no token"))?;
        let message = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": tool,
                "arguments": arguments,
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": REVISION,
                    "io.modelcontextprotocol/clientInfo": { "name": "tollbook-demo", "version": env!("CARGO_PKG_VERSION") },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let request = self
            .http
            .post(self.url.clone())
            .header(AUTHORIZATION, header)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("MCP-Protocol-Version", REVISION)
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", tool);
        let response = request.body(message.to_string()).send().await.map_err(broken)?;
        read(&response.text().await.map_err(broken)?)
    }
}

/// The answer, as one document or as the last message of a stream of events.
fn read(body: &str) -> Result<Outcome, Failure> {
    let document = || serde_json::from_str::<Value>(body).ok();
    let last_event =
        || body.lines().rev().find_map(|line| serde_json::from_str(line.strip_prefix("data:")?).ok());
    let answer = document().or_else(last_event);
    let answer = answer.ok_or_else(|| Failure::failed("the session's URL gave an answer that is not MCP"))?;
    if let Some(result) = answer.get("result") {
        return Ok(Outcome::Answered(answer_of(result)));
    }
    // A JSON-RPC error has its particulars in `data`; a refusal of the session itself is a problem.
    let error = answer.get("error");
    let said = error.and_then(|error| error.get("data")).unwrap_or(&answer);
    let detail = match text_of(said, "detail") {
        detail if detail.is_empty() => text_of(error.unwrap_or(&answer), "message"),
        detail => detail,
    };
    let position = text_of(said, "position");
    let place =
        if position.is_empty() { String::new() } else { format!(" Recorded at position {position}.") };
    Ok(Outcome::Refused(format!("{detail}{place}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        match read(body).unwrap() {
            Outcome::Refused(why) => why,
            Outcome::Answered(answer) => panic!("answered: {answer}"),
        }
    }

    #[test]
    fn an_answer_comes_as_a_document_or_as_events() {
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"42"}]}}"#;
        for body in [answer.to_owned(), format!("event: message\ndata: {answer}\n\n")] {
            assert!(matches!(read(&body).unwrap(), Outcome::Answered(text) if text == "42"), "{body}");
        }
    }

    #[test]
    fn a_refusal_says_why_and_where_it_is_recorded() {
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":403,"message":"m","data":{"detail":"No.","position":7}}}"#;
        assert_eq!(refused(error), "No. Recorded at position 7.");
        assert_eq!(refused(r#"{"status":403,"detail":"Ended.","code":"session.ended"}"#), "Ended.");
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m"}}"#), "m");
    }
}
