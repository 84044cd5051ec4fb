//! Calling a session's tools over REST, and what became of calls.

use std::io::Read as _;

use clap::Args;
use serde_json::{Value, json};

use super::LIST;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::fields::{list_of, text_of, time_of};
use crate::cli::output::{Column, pretty, printable};
use crate::cli::resolve::{MOST, Rooms};

/// The longest arguments that are read from standard input.
const ARGUMENTS_MAX: u64 = 8 << 20;

/// Call one of its tools.
#[derive(Debug, Args)]
pub(super) struct Call {
    /// The session, by label or id.
    session: String,
    /// The tool, as the loadout names it.
    tool: String,
    /// Its arguments, a JSON object; `-` reads them from standard input.
    #[arg(default_value = "{}", value_name = "JSON")]
    arguments: String,
}

impl Call {
    pub(super) async fn run(self, context: &Context, rooms: &Rooms) -> Result<(), Failure> {
        let arguments = arguments(self.arguments)?;
        let id = rooms.session(&self.session).await?;
        let body = json!({ "tool": self.tool, "arguments": arguments });
        let answer = rooms.client.post(&rooms.path(&[LIST, &id, "tool-calls"]), &body).await?;
        context.output.one(&answer, |answer| answer_of(answer.get("result").unwrap_or(&Value::Null)))?;
        let failed =
            answer.get("result").and_then(|result| result.get("isError")) == Some(&Value::Bool(true));
        if failed {
            Err(Failure::failed(format!("the tool `{}` says that it failed", self.tool)))
        } else {
            Ok(())
        }
    }
}

/// The calls made on a session.
pub(super) async fn list(context: &Context, rooms: &Rooms, session: &str) -> Result<(), Failure> {
    let columns: [Column; 6] = [
        ("CALL", |call| text_of(call, "call_id")),
        ("DECIDED", |call| time_of(call, "decided_at")),
        ("TOOL", |call| text_of(call, "tool")),
        ("DECISION", |call| text_of(call, "decision")),
        ("REASON", |call| text_of(call, "reason")),
        ("OUTCOME", |call| text_of(call, "outcome")),
    ];
    let id = rooms.session(session).await?;
    let calls = rooms.client.list(&rooms.path(&[LIST, &id, "tool-calls"]), &[], MOST).await?;
    context.output.list(&calls, &columns)
}

fn arguments(given: String) -> Result<Value, Failure> {
    let text = if given == "-" {
        let mut text = String::new();
        let read = std::io::stdin().take(ARGUMENTS_MAX).read_to_string(&mut text);
        read.map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
        text
    } else {
        given
    };
    match serde_json::from_str(&text) {
        Ok(arguments @ Value::Object(_)) => Ok(arguments),
        Ok(_) => Err(Failure::usage("the arguments must be a JSON object")),
        Err(error) => Err(Failure::usage(format!("the arguments are no JSON: {error}"))),
    }
}

/// What a tool answered: its text where it is text, all of it otherwise.
pub(in crate::cli) fn answer_of(result: &Value) -> String {
    let content = list_of(result, "content");
    let all_text = content.iter().all(|part| text_of(part, "type") == "text");
    if content.is_empty() || !all_text {
        return pretty(result);
    }
    // Lines stay lines; whatever else a terminal would obey goes.
    let parts = content.iter().map(|part| text_of(part, "text"));
    let lines = |text: String| text.lines().map(printable).collect::<Vec<_>>().join("\n");
    parts.map(lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_text_and_anything_else_as_it_is() {
        let text = json!({ "content": [{ "type": "text", "text": "a\nb\u{1b}[2J" }, { "type": "text", "text": "c" }] });
        assert_eq!(answer_of(&text), "a\nb [2J\nc");
        let image = json!({ "content": [{ "type": "image", "data": "…" }] });
        assert!(answer_of(&image).contains("image"));
    }

    #[test]
    fn arguments_are_a_json_object() {
        assert!(arguments(r#"{"a":1}"#.to_owned()).is_ok());
        for bad in ["[]", "1", "{", ""] {
            assert!(arguments(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
