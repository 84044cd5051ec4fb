//! How a call's end reads in the agent's era.

use serde_json::{Value, json};
use tollbook_aggregates::CallId;

use super::envelope::{Era, LogLevel};
use super::reply::own_code;
use crate::forward::{Ended, Step};
use crate::mcp::{Id, Object, RpcError, message, meta};
use crate::upstream::{ToolResult, UpstreamError};

/// Who we say that we are.
pub(super) fn server_info() -> Value {
    json!({ "name": "tollbook", "title": "Tollbook", "version": env!("CARGO_PKG_VERSION") })
}

/// The `_meta` of a result of our own.
pub(super) fn about_us() -> Value {
    json!({ meta::SERVER_INFO: server_info() })
}

/// What is needed to write an answer.
#[derive(Debug)]
pub(super) struct Rendering {
    pub(super) era: Era,
    pub(super) id: Id,
    pub(super) call_id: CallId,
    /// From which level on log messages are passed on; older clients get none, since no such
    /// capability is offered to them.
    pub(super) log_level: Option<LogLevel>,
}

/// One step as the agent may see it.
#[derive(Debug)]
pub(super) enum Shown {
    /// A notification.
    Notification(String),
    /// The end.
    Ended(Ended),
}

impl Rendering {
    /// What of a step is shown, if anything.
    pub(super) fn shown(&self, step: Step) -> Option<Shown> {
        match step {
            Step::Progress(message) => Some(Shown::Notification(message)),
            Step::Log { level, message } => {
                let wanted = self.log_level.is_some_and(|wanted| LogLevel::named(&level) >= Some(wanted));
                wanted.then_some(Shown::Notification(message))
            }
            Step::Ended(ended) => Some(Shown::Ended(ended)),
        }
    }

    /// The answer to the request.
    pub(super) fn message(&self, ended: &Ended) -> String {
        match ended {
            Ended::Result(result) => message::answer(&self.id, &self.result(result)),
            Ended::Refused(error) => error.message(Some(&self.id)),
            Ended::Failed(error) => message::answer(&self.id, &self.failure(error)),
            Ended::Interrupted => {
                let error = RpcError::new(
                    own_code::ENDED,
                    "The call was ended: its session has ended, or the service stops.",
                );
                let data = json!({ "code": "call.interrupted", "call_id": self.call_id });
                error.with_data(&data).message(Some(&self.id))
            }
        }
    }

    /// A tool's result as it was written, but for what the era needs.
    fn result(&self, result: &ToolResult) -> String {
        let text = result.raw.get();
        let Ok(object) = Object::read(text) else { return text.to_owned() };
        match self.era {
            Era::Modern if object.has("resultType") => text.to_owned(),
            Era::Modern => object.with(&[("resultType", Some("\"complete\""))]),
            Era::Legacy => {
                let mut changes = vec![("resultType", None)];
                // Older clients take objects only, and refuse the whole result over anything else; the
                // specification has servers say it in the content as well.
                if object.get("structuredContent").is_some_and(|content| !content.get().starts_with('{')) {
                    changes.push(("structuredContent", None));
                }
                object.with(&changes)
            }
        }
    }

    /// A tool server that failed, as a result that the agent can read: the call was permitted and
    /// tried, and the specification counts failures behind a tool among its results.
    fn failure(&self, error: &UpstreamError) -> String {
        let doubt = if error.surely_not_run() { "" } else { " It may have been carried out all the same." };
        let text = format!("The tool could not be called: {error}.{doubt}");
        let mut result = json!({
            "content": [{ "type": "text", "text": text }],
            "isError": true,
            "_meta": { "tollbook/failure": { "code": error.code(), "call_id": self.call_id } },
        });
        if self.era == Era::Modern
            && let Some(members) = result.as_object_mut()
        {
            members.insert("resultType".into(), "complete".into());
        }
        result.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;
    use uuid::Uuid;

    fn rendering(era: Era) -> Rendering {
        Rendering {
            era,
            id: Id::number(1),
            call_id: CallId(Uuid::nil()),
            log_level: LogLevel::named("warning"),
        }
    }

    fn rendered(era: Era, result: &str) -> String {
        let raw = RawValue::from_string(result.into()).unwrap();
        let message = rendering(era).message(&Ended::Result(ToolResult { raw, is_error: false }));
        let rest = message.strip_prefix(r#"{"jsonrpc":"2.0","id":1,"result":"#).unwrap();
        rest.strip_suffix('}').unwrap().to_owned()
    }

    const ODD: &str = r#"{"x-vendor": {"n":1.10},"content":[],"_meta":{"a/b":null}}"#;

    #[test]
    fn an_older_result_says_that_it_is_complete_and_keeps_every_other_byte() {
        let expected = ODD.replace(":null}}", r#":null},"resultType":"complete"}"#);
        assert_eq!(rendered(Era::Modern, ODD), expected);
        assert_eq!(rendered(Era::Legacy, ODD), ODD);
    }

    #[test]
    fn a_modern_result_loses_its_type_for_an_older_client_and_nothing_else() {
        assert_eq!(
            rendered(Era::Modern, &ODD.replace('[', "[ ")),
            rendered(Era::Modern, &ODD.replace('[', "[ "))
        );
        let modern = r#"{"content":[], "resultType":"complete","structuredContent":{"a":1}}"#;
        assert_eq!(rendered(Era::Modern, modern), modern);
        assert_eq!(rendered(Era::Legacy, modern), r#"{"content":[],"structuredContent":{"a":1}}"#);
    }

    #[test]
    fn structured_content_that_an_older_client_would_choke_on_is_left_out() {
        let modern = r#"{"content":[],"structuredContent":[1],"resultType":"complete"}"#;
        assert_eq!(rendered(Era::Legacy, modern), r#"{"content":[]}"#);
        assert_eq!(rendered(Era::Modern, modern), modern);
    }

    #[test]
    fn log_messages_are_shown_from_the_level_that_was_asked_for() {
        let log = |level: &str| Step::Log { level: level.into(), message: "{}".into() };
        let shown = |level| rendering(Era::Modern).shown(log(level)).is_some();
        assert!(shown("warning") && shown("error") && !shown("info") && !shown("nonsense"));
        let none = Rendering { log_level: None, ..rendering(Era::Legacy) };
        assert!(none.shown(log("emergency")).is_none());
    }

    #[test]
    fn a_failed_tool_server_is_a_result_that_says_so() {
        for (era, has_type) in [(Era::Modern, true), (Era::Legacy, false)] {
            let message = rendering(era).message(&Ended::Failed(UpstreamError::Timeout));
            let message: Value = serde_json::from_str(&message).unwrap();
            assert_eq!(message["result"]["isError"], true);
            assert_eq!(message["result"]["_meta"]["tollbook/failure"]["code"], "upstream.timeout");
            assert_eq!(message["result"].get("resultType").is_some(), has_type);
        }
    }
}
