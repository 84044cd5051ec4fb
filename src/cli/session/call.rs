//! Calling a session's tools over REST, and what became of calls.

use std::io::Read as _;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::LIST;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::fields::{list_of, text_of, time_of};
use crate::cli::output::{self, Column, pretty, printable};
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
        let path = rooms.path(&[LIST, &id, "tool-calls"]);
        let asked = Asked { tool: &self.tool, arguments: &arguments };
        let answer = rooms.client.post(&path, &asked).await;
        match &answer {
            Ok(answer) => rooms.client.settle(&path, answer).await,
            Err(refused) => {
                if let Some(position) = refused.position() {
                    rooms.client.settle_at(&path, position).await;
                }
            }
        }
        let answer = answer?;
        if let Some(error) = answer.get("error") {
            if context.output.json {
                output::json(&answer)?;
            }
            let (outcome, why) = (text_of(&answer, "outcome"), text_of(error, "message"));
            let code = text_of(error, "code");
            return Err(Failure::failed(format!(
                "the call was permitted, and then {outcome}: {why} [{code}]"
            )));
        }
        let result = answer.get("result").unwrap_or(&Value::Null);
        context.output.one(&answer, |_| answer_of(result))?;
        if result.get("isError") == Some(&Value::Bool(true)) {
            return Err(Failure::failed(format!("the tool `{}` says that it failed", self.tool)));
        }
        Ok(())
    }
}

/// What is asked for; the arguments go out as they were written, digit by digit.
#[derive(Serialize)]
struct Asked<'a> {
    tool: &'a str,
    arguments: &'a RawValue,
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

fn arguments(given: String) -> Result<Box<RawValue>, Failure> {
    let text = if given == "-" {
        let mut text = String::new();
        let read = std::io::stdin().take(ARGUMENTS_MAX).read_to_string(&mut text);
        read.map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
        text
    } else {
        given
    };
    let no_json = |error| Failure::usage(format!("the arguments are no JSON: {error}"));
    let arguments: Box<RawValue> = serde_json::from_str(text.trim()).map_err(no_json)?;
    if arguments.get().starts_with('{') {
        Ok(arguments)
    } else {
        Err(Failure::usage("the arguments must be a JSON object"))
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
    use serde_json::json;

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
        let exact = r#"{"a":1.10, "id":12345678901234567890123}"#;
        assert_eq!(arguments(format!(" {exact}\n")).unwrap().get(), exact);
        for bad in ["[]", "1", "{", ""] {
            assert!(arguments(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
