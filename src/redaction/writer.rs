//! Writers that scrub what goes through them, line by line: a secret that comes in two writes is found.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use super::{MARK, scrub};

/// The longest line, in bytes; what is behind is left out, and said so. Nothing of a secret that is cut
/// in two by it is shown: the last word is left out, too.
const LONGEST: usize = 64 * 1024;
/// How far back a word is looked for that the cut goes through.
const WORD: usize = 8 * 1024;

/// Holds back a line until it is whole, and writes it without secrets.
pub struct Scrubbed<W: Write> {
    inner: W,
    /// The beginning of a line that isn't whole yet.
    begun: Vec<u8>,
    /// Is the line longer than it may be?
    cut: bool,
}

impl<W: Write> Scrubbed<W> {
    /// In front of `inner`.
    pub const fn new(inner: W) -> Self {
        Self { inner, begun: Vec::new(), cut: false }
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        let whole = piece.ends_with(b"\n");
        if whole && self.begun.is_empty() && piece.len() <= LONGEST {
            return self.inner.write_all(&scrub(piece));
        }
        let room = LONGEST.saturating_sub(self.begun.len());
        self.cut |= piece.len() > room;
        self.begun.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if whole { self.end() } else { Ok(()) }
    }

    /// Writes what was held back.
    fn end(&mut self) -> io::Result<()> {
        if self.begun.is_empty() {
            return Ok(());
        }
        let mut line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.cut) {
            let from = line.len().saturating_sub(WORD);
            let word = line.iter().rposition(u8::is_ascii_whitespace).unwrap_or(from).max(from);
            line.truncate(word);
            line.extend_from_slice(b" ");
            line.extend_from_slice(MARK.as_bytes());
            line.extend_from_slice(b" the line is too long\n");
        }
        self.inner.write_all(&scrub(&line))
    }
}

impl<W: Write> Write for Scrubbed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.take(piece)?;
        }
        Ok(bytes.len())
    }

    /// A line that has begun is held back all the same.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Drop for Scrubbed<W> {
    fn drop(&mut self) {
        // Nobody is left to be told that it failed.
        let _ = self.end();
    }
}

/// Standard error, scrubbed: for logs, and for what the command line has to say.
#[derive(Debug, Clone, Copy)]
pub struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Scrubbed<io::StderrLock<'static>>;

    fn make_writer(&'a self) -> Self::Writer {
        Scrubbed::new(io::stderr().lock())
    }
}

impl Stderr {
    /// Writes `text` and ends the line.
    pub fn line(text: &str) {
        // Nobody is left to be told that it failed.
        let _ = writeln!(Self.make_writer(), "{text}");
    }
}
