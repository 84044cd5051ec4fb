//! What comes back from a call: notifications while it runs, then one answer.

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::UpstreamError;
use super::exchange::Messages;
use super::legacy::InFlight;
use crate::mcp::{Id, Message, Object, RpcError, code, message, meta};

/// An answer that is under way. Dropping it cancels the call.
pub struct UpstreamAnswer {
    pub(super) source: Source,
    pub(super) id: Id,
    pub(super) deadline: Instant,
    pub(super) idle: Duration,
    /// The agent's progress token, for which ours stands upstream.
    pub(super) progress: Option<Box<RawValue>>,
    /// In the older era.
    pub(super) in_flight: Option<InFlight>,
}

pub(super) enum Source {
    /// The server answers.
    Messages(Box<Messages>),
    /// The server refused at once, with an error that is for the agent.
    Refused(RpcError),
}

/// One step of an answer.
#[derive(Debug)]
pub enum Frame {
    /// A progress notification, whole, under the agent's own token.
    Progress(String),
    /// A log message.
    Log {
        /// How grave it is, as the server named it.
        level: String,
        /// The whole notification.
        message: String,
    },
    /// The end.
    Answer(Answer),
}

/// How the tool server answered.
#[derive(Debug)]
pub enum Answer {
    /// The tool ran.
    Result(ToolResult),
    /// The server refused the call: its parameters were wrong, say.
    Error(RpcError),
}

/// What the tool said.
#[derive(Debug)]
pub struct ToolResult {
    /// All of it, as the server wrote it.
    pub raw: Box<RawValue>,
    /// Did the tool say that it failed?
    pub is_error: bool,
}

impl UpstreamAnswer {
    /// The next step. After the answer, or an error, there is none.
    pub async fn next(&mut self) -> Result<Frame, UpstreamError> {
        loop {
            let messages = match &mut self.source {
                Source::Messages(messages) => messages,
                Source::Refused(error) => return Ok(Frame::Answer(Answer::Error(error.clone()))),
            };
            let until = self.deadline.min(Instant::now() + self.idle);
            let text = timeout_at(until, messages.next()).await.map_err(|_| UpstreamError::Timeout)??;
            let text = text.ok_or_else(|| UpstreamError::malformed("the stream ended before the answer"))?;
            if let Some(frame) = self.frame(&text)? {
                return Ok(frame);
            }
        }
    }

    /// Bytes received until now.
    pub fn received(&self) -> u64 {
        match &self.source {
            Source::Messages(messages) => messages.received(),
            Source::Refused(_) => 0,
        }
    }

    /// What a message means to the agent, if it means anything.
    fn frame(&mut self, text: &str) -> Result<Option<Frame>, UpstreamError> {
        match Message::read(text).map_err(UpstreamError::malformed)? {
            Message::Notification { method, params } => Ok(self.notification(text, &method, params)),
            Message::Request { id, method, .. } => match &self.in_flight {
                Some(in_flight) => {
                    in_flight.respond(&id, &method);
                    Ok(None)
                }
                None => Err(UpstreamError::malformed("a request on the stream of an answer")),
            },
            Message::Result { id, result } if id == self.id => {
                self.answered();
                result_of(result).map(|result| Some(Frame::Answer(Answer::Result(result))))
            }
            Message::Error { id, error } if id.as_ref().is_none_or(|id| *id == self.id) => {
                self.answered();
                for_agent(error).map(|error| Some(Frame::Answer(Answer::Error(error))))
            }
            Message::Result { .. } | Message::Error { .. } => {
                Err(UpstreamError::malformed("an answer to another request"))
            }
        }
    }

    fn answered(&mut self) {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.answered();
        }
    }

    fn notification(&self, text: &str, method: &str, params: Option<&RawValue>) -> Option<Frame> {
        let params = Object::read(params?.get()).ok()?;
        match method {
            "notifications/progress" => {
                let ours = params.get(meta::PROGRESS_TOKEN)?.get() == self.id.json();
                let agents = self.progress.as_deref().filter(|_| ours)?;
                let params = params.with(&[(meta::PROGRESS_TOKEN, Some(agents.get()))]);
                Some(Frame::Progress(message::notification(method, Some(&params))))
            }
            "notifications/message" => {
                Some(Frame::Log { level: params.string("level")?, message: text.to_owned() })
            }
            _ => None,
        }
    }
}

fn result_of(raw: &RawValue) -> Result<ToolResult, UpstreamError> {
    let result = Object::read(raw.get())
        .map_err(|error| UpstreamError::malformed(format!("its result is {error}")))?;
    match result.string("resultType").as_deref() {
        None | Some("complete") => {}
        Some("input_required") => return Err(UpstreamError::InputRequired),
        Some(_) => return Err(UpstreamError::malformed("its result is of an unknown type")),
    }
    if !result.has("content") {
        return Err(UpstreamError::malformed("its result has no content"));
    }
    let is_error = result.get("isError").is_some_and(|flag| flag.get() == "true");
    Ok(ToolResult { raw: raw.to_owned(), is_error })
}

/// The error itself if it is about the call; ours if it is about this hop.
pub(super) fn for_agent(error: RpcError) -> Result<RpcError, UpstreamError> {
    /// The older era's way to ask for a visit to a page.
    const URL_ELICITATION_REQUIRED: i64 = -32042;
    match error.code {
        code::MISSING_CAPABILITY | URL_ELICITATION_REQUIRED => Err(UpstreamError::InputRequired),
        // Reserved for the protocol, or about the message that we wrote.
        -32099..=-32020 | -32002 | code::PARSE_ERROR | code::INVALID_REQUEST | code::METHOD_NOT_FOUND => {
            Err(UpstreamError::Protocol { code: error.code, message: error.message })
        }
        _ => Ok(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ToolResult, UpstreamError> {
        result_of(&RawValue::from_string(text.into()).unwrap())
    }

    #[test]
    fn a_result_is_kept_as_written_whatever_it_carries() {
        let text = r#"{"x-vendor": [1.10], "content":[],"isError":true,"resultType":"complete"}"#;
        let result = read(text).unwrap();
        assert_eq!((result.raw.get(), result.is_error), (text, true));
    }

    #[test]
    fn a_result_that_asks_something_is_not_a_result() {
        assert_eq!(read(r#"{"resultType":"input_required"}"#).unwrap_err(), UpstreamError::InputRequired);
        for bad in [r#"{"resultType":"task","content":[]}"#, "{}", "[]", r#"{"content":[],"content":[]}"#] {
            assert!(matches!(read(bad), Err(UpstreamError::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn errors_about_our_own_hop_never_reach_the_agent() {
        for code in [-32020, -32022, -32002, -32700, -32600, -32601, -32099] {
            assert!(
                matches!(for_agent(RpcError::new(code, "x")), Err(UpstreamError::Protocol { .. })),
                "{code}"
            );
        }
        for code in [-32021, -32042] {
            assert_eq!(for_agent(RpcError::new(code, "x")).unwrap_err(), UpstreamError::InputRequired);
        }
        for code in [-32602, -32603, -32000, 7] {
            assert_eq!(for_agent(RpcError::new(code, "x")).unwrap().code, code);
        }
    }
}
