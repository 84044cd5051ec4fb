//! What is printed: results to standard output, as tables for people or as JSON for programs; notes to
//! standard error.
//!
//! Much of what is shown was written by others: a tool server names its own tools. What would steer a terminal
//! never reaches it.

mod printable;
mod table;

use std::io::{ErrorKind, Write as _};

use serde_json::Value;
use url::Url;

use super::failure::Failure;
use crate::redaction::Stderr;
use printable::escaped;

pub(super) use printable::{padded, printable, short};
pub(super) use table::{Column, facts, known, table};

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// JSON, and nothing else.
    pub(super) json: bool,
}

impl Output {
    /// One result: as it was answered for programs, as `people` puts it for people.
    pub(super) fn one(self, answer: &Value, people: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        if self.json { json(answer) } else { text(&people(answer)) }
    }

    /// A list: `{ items, next }` for programs, a table for people.
    pub(super) fn list(self, items: &[Value], columns: &[Column]) -> Result<(), Failure> {
        if self.json {
            json(&serde_json::json!({ "items": items, "next": null }))
        } else {
            text(&table(items, columns))
        }
    }
}

/// Pretty, with a newline at its end.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    text(&pretty(value))
}

/// Pretty.
pub(super) fn pretty(value: &Value) -> String {
    escaped(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// On one line.
pub(super) fn one_line(value: &Value) -> String {
    escaped(&value.to_string())
}

/// A result, with a newline at its end; nothing when it is empty.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::reader_gone()),
        Err(error) => Err(Failure::failed(format!("standard output cannot be written: {error}"))),
    }
}

/// Something for the person at the terminal, on standard error, without secrets: what is to be shown once
/// is a result.
pub(super) fn note(line: &str) {
    Stderr::line(line);
}

/// A service's URL as people write it.
pub(super) fn plain(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}
