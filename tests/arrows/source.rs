//! Reads which rooms the files of `src/` use, from their text: `crate::room`, `crate::{room, …}`, `super::` where
//! it leads out of a room, and `tollbook::room` in `main.rs`. Comments don't count.

use std::collections::BTreeSet;
use std::path::Path;

/// One use of a room by a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// The file, relative to `src`.
    pub(crate) file: String,
    pub(crate) line: usize,
    /// The room that the file is in, and the room that it uses.
    pub(crate) from: String,
    pub(crate) to: String,
}

/// The rooms: the files and directories right under `src`, but for `lib.rs`, which only names them.
pub(crate) fn rooms(src: &Path) -> BTreeSet<String> {
    files(src).iter().map(|path| room(path)).filter(|room| room != "lib").collect()
}

/// All uses in all files.
pub(crate) fn uses(src: &Path) -> Vec<Use> {
    let rooms = rooms(src);
    let mut found = Vec::new();
    for path in files(src).iter().filter(|path| room(path) != "lib") {
        let text = std::fs::read_to_string(src.join(path)).unwrap();
        found.extend(uses_in(path, &text, &rooms));
    }
    found
}

/// Paths of the Rust files under `src`, relative to it, in order.
fn files(src: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![src.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(src).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// `http/sessions.rs` → `http`, `clock.rs` → `clock`.
fn room(path: &str) -> String {
    path.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
}

fn uses_in(path: &str, text: &str, rooms: &BTreeSet<String>) -> Vec<Use> {
    let code = without_comments(text);
    let mut found = Vec::new();
    let mut note = |at: usize, to: String| {
        let line = code[..at].matches('\n').count() + 1;
        found.push(Use { file: path.to_owned(), line, from: room(path), to });
    };
    for (at, after) in paths(&code, "crate::") {
        for name in heads(after) {
            note(at, name);
        }
    }
    if path == "main.rs" {
        for (at, after) in paths(&code, "tollbook::") {
            for name in heads(after) {
                note(at, name);
            }
        }
    }
    for (at, after) in paths(&code, "super::") {
        let (levels, after) = levels(after);
        // Out of the room: as many levels up as the file lies deep, and what follows is another room.
        if levels >= depth(path) {
            for name in heads(after).into_iter().filter(|name| rooms.contains(name)) {
                note(at, name);
            }
        }
    }
    found
}

/// How many `super::` lead from a file to the root of the crate: `http/mod.rs` and `clock.rs` 1, `http/x.rs` 2.
fn depth(path: &str) -> usize {
    path.trim_end_matches("/mod.rs").split('/').count()
}

fn levels(mut after: &str) -> (usize, &str) {
    let mut levels = 1;
    while let Some(rest) = after.strip_prefix("super::") {
        levels += 1;
        after = rest;
    }
    (levels, after)
}

/// Where `prefix` starts a path, and what follows it. `$crate::` and `super::super::`'s second half don't start one.
fn paths<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices(prefix)
        .filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$' || c == ':')
        })
        .map(move |(at, _)| (at, &code[at + prefix.len()..]))
}

/// The first name of a path, or of each path in a group: `{a::{b, c}, d}` → `a`, `d`. Types and functions of the
/// root don't exist here (`lib.rs` only names rooms), so every name is a room's.
fn heads(after: &str) -> Vec<String> {
    let Some(group) = after.strip_prefix('{') else { return name(after).into_iter().collect() };
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut at_head = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            c if at_head && !c.is_whitespace() => {
                found.extend(name(&group[at..]));
                at_head = false;
            }
            _ => {}
        }
    }
    found
}

fn name(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// Line comments, doc comments among them, without which a link in a doc comment would be a use. Line numbers stay.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn finds_uses_in_every_form_and_none_in_comments() {
    let rooms: BTreeSet<String> = ["app", "clock", "http", "gateway", "book"].map(String::from).into();
    let text = "\
//! See [`crate::app`].
use crate::clock::Clock;
use crate::{book::{Book, Read}, gateway};
use super::super::http; // crate::app
use super::sibling::Thing;
fn f() -> crate::book::Error { $crate::app!(); super::clock() }
";
    let found: Vec<_> =
        uses_in("http/x.rs", text, &rooms).into_iter().map(|used| (used.line, used.to)).collect();
    let expected = [(2, "clock"), (3, "book"), (3, "gateway"), (6, "book"), (4, "http")];
    assert_eq!(found, expected.map(|(line, to)| (line, to.to_owned())));

    let up = uses_in("clock.rs", "use super::http::Route;", &rooms);
    assert_eq!(up.iter().map(|used| used.to.as_str()).collect::<Vec<_>>(), ["http"]);

    let main = uses_in("main.rs", "fn main() { tollbook::app::run() }", &rooms);
    assert_eq!(main.iter().map(|used| used.to.as_str()).collect::<Vec<_>>(), ["app"]);
}
