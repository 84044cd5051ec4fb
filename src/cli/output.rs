//! What is printed: results to standard output, as tables for people or as JSON for programs; notes to
//! standard error.
//!
//! Much of what is shown was written by others: a tool server names its own tools. Control characters
//! never reach the terminal.

use std::io::{ErrorKind, Write as _};

use serde_json::Value;
use url::Url;

use super::failure::Failure;
use crate::redaction::Stderr;

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

/// A column of a table: its head, and what an item shows there.
pub(super) type Column = (&'static str, fn(&Value) -> String);

/// Pretty, with a newline at its end.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    text(&pretty(value))
}

/// Pretty.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
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

/// A table with a head; only the head when there is nothing in it.
pub(super) fn table(items: &[Value], columns: &[Column]) -> String {
    let head = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rows = items.iter().map(|item| columns.iter().map(|(_, cell)| printable(&cell(item))).collect());
    align(&std::iter::once(head).chain(rows).collect::<Vec<Vec<String>>>())
}

/// Names and values, one a line.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let rows: Vec<Vec<String>> =
        facts.iter().map(|(name, value)| vec![(*name).to_owned(), printable(value)]).collect();
    align(&rows)
}

/// Columns as wide as what stands in them, two spaces apart.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell: &String| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A service's URL as people write it.
pub(super) fn plain(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Printable, and no longer than `most` characters.
pub(super) fn short(text: &str, most: usize) -> String {
    let text = printable(text);
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::fields::text_of;

    #[test]
    fn columns_are_aligned() {
        let items = [json!({ "a": "one", "b": "x" }), json!({ "a": "three", "b": "y" })];
        let columns: [Column; 2] = [("A", |item| text_of(item, "a")), ("B", |item| text_of(item, "b"))];
        assert_eq!(table(&items, &columns), "A      B\none    x\nthree  y");
    }

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        let items = [json!({ "a": "red \u{1b}[31m\u{7}\nalert" })];
        let columns: [Column; 1] = [("A", |item| text_of(item, "a"))];
        assert_eq!(table(&items, &columns), "A\nred  [31m  alert");
    }

    #[test]
    fn long_texts_are_cut_where_they_are_letters() {
        assert_eq!(short("äöüß", 3), "äö…");
        assert_eq!(short("äöü", 3), "äöü");
    }
}
