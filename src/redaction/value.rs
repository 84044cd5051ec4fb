//! Where the value of a header or a field ends, in the ways in which log lines write it: plain, quoted,
//! as debug output, as JSON, as JSON within JSON.

use std::ops::Range;

use super::rules::run;

/// A name's value.
#[derive(Debug)]
pub(super) struct Value {
    /// Where it stands, without its quotes.
    pub(super) secret: Range<usize>,
    /// Does it stand in quotes?
    pub(super) quoted: bool,
    /// What stands between name and value.
    pub(super) separator: u8,
}

/// The value of the header whose name ends at `end`: all of the rest, unless it is quoted.
pub(super) fn of_header(line: &[u8], end: usize) -> Option<Value> {
    of(line, end, end_of_text)
}

/// The value of the field whose name ends at `end`: up to what can't be part of it, unless it is quoted.
pub(super) fn of_field(line: &[u8], end: usize) -> Option<Value> {
    of(line, end, |line, from| {
        run(line, from, |byte| !byte.is_ascii_whitespace() && !b"&,;)}]\"'`\\".contains(&byte))
    })
}

fn of(line: &[u8], end: usize, unquoted_end: impl Fn(&[u8], usize) -> usize) -> Option<Value> {
    let closed = quote(line, end).unwrap_or(end);
    let at = run(line, closed, |byte| byte == b' ');
    let separator = *line.get(at)?;
    // As a pair of quoted texts, it has a comma in between.
    let fits = matches!(separator, b':' | b'=') || (separator == b',' && closed > end);
    if !fits {
        return None;
    }
    let mut from = run(line, at + 1, |byte| byte == b' ');
    if line.get(from..)?.starts_with(b"Some(") {
        from += b"Some(".len();
    }
    match quote(line, from) {
        Some(opened) => {
            let mark = line.get(from..opened)?;
            let last = closing(line, opened, mark);
            Some(Value { secret: opened..last, quoted: true, separator })
        }
        None => Some(Value { secret: from..unquoted_end(line, from), quoted: false, separator }),
    }
}

/// The end of a quotation mark at `from`, with the backslashes before it.
fn quote(line: &[u8], from: usize) -> Option<usize> {
    let at = run(line, from, |byte| byte == b'\\');
    matches!(line.get(at), Some(b'"' | b'\'')).then_some(at + 1)
}

/// Where the text ends that `mark` opened: at the same mark, with no backslash more before it.
fn closing(line: &[u8], from: usize, mark: &[u8]) -> usize {
    let Some(letter) = mark.last() else { return line.len() };
    let escapes = mark.len() - 1;
    let mut at = from;
    while at < line.len() {
        let behind = run(line, at, |byte| byte == b'\\');
        if line.get(behind) == Some(letter) && behind - at <= escapes {
            return at;
        }
        at = behind + 1;
    }
    line.len()
}

/// Where a text ends that isn't quoted: with the line, with the line that it quotes, with the member of
/// JSON that it stands in, or at a backtick, which no credential has.
pub(super) fn end_of_text(line: &[u8], from: usize) -> usize {
    let json = line.trim_ascii_start().first() == Some(&b'{');
    let mut at = from;
    while let Some(byte) = line.get(at) {
        let next = line.get(at + 1);
        match byte {
            b'\n' | b'\r' | b'`' => return at,
            b'"' if json => return at,
            b'\\' if matches!(next, Some(b'n' | b'r')) => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    line.len()
}
