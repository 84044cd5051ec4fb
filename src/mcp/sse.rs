//! Server-sent events (the WHATWG HTML standard, section 9.2), as far as the protocol uses them.

use bytes::{Buf, Bytes, BytesMut};

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The lines of `data`, joined.
    pub data: String,
    /// To resume after, if the server gave one.
    pub id: Option<String>,
    /// How long to wait before resuming, in milliseconds, if the server said so.
    pub retry: Option<u64>,
}

/// Why a stream of events can't be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An event is larger than allowed.
    #[error("an event of the stream is too large")]
    TooLarge,
    /// A line isn't UTF-8.
    #[error("an event of the stream is not UTF-8")]
    NotUtf8,
}

/// Takes bytes as they come and gives events.
#[derive(Debug)]
pub struct Parser {
    buffer: BytesMut,
    /// Bytes of the buffer that were searched for the end of a line already.
    searched: usize,
    event: Event,
    has_data: bool,
    max: usize,
    /// The last line ended with a carriage return: a line feed right after it belongs to it.
    after_return: bool,
    at_start: bool,
}

impl Parser {
    /// Refuses events of more than `max` bytes.
    pub fn new(max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            searched: 0,
            event: Event::default(),
            has_data: false,
            max,
            after_return: false,
            at_start: true,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, if all of it has come.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventError> {
        while let Some(line) = self.line()? {
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                let has_data = std::mem::take(&mut self.has_data);
                if has_data || event.id.is_some() || event.retry.is_some() {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line)?;
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<String>, EventError> {
        if self.after_return && self.buffer.first() == Some(&b'\n') {
            self.buffer.advance(1);
            self.after_return = false;
        }
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(found) = unsearched.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched = self.buffer.len();
            return if self.searched > self.max { Err(EventError::TooLarge) } else { Ok(None) };
        };
        let end = self.searched + found;
        self.searched = 0;
        self.after_return = self.buffer.get(end) == Some(&b'\r');
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        let line = std::str::from_utf8(&line).map_err(|_| EventError::NotUtf8)?;
        let line =
            if std::mem::take(&mut self.at_start) { line.trim_start_matches('\u{feff}') } else { line };
        Ok(Some(line.to_owned()))
    }

    fn field(&mut self, line: &str) -> Result<(), EventError> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.event.data.len() + value.len() > self.max {
                    return Err(EventError::TooLarge);
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" => self.event.retry = value.parse().ok(),
            // `event` is always `message` here; what begins with a colon is a comment.
            _ => {}
        }
        Ok(())
    }
}

/// A message as an event of the stream.
pub fn event(message: &str) -> Bytes {
    let mut written = String::with_capacity(message.len() + 32);
    written.push_str("event: message\n");
    for line in message.split(['\n', '\r']) {
        written.push_str("data: ");
        written.push_str(line);
        written.push('\n');
    }
    written.push('\n');
    Bytes::from(written)
}

/// A comment that keeps the connection from being closed as idle.
pub const fn keep_alive() -> Bytes {
    Bytes::from_static(b": \n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every event of `text`, fed in pieces of `size` bytes.
    fn events(text: &str, size: usize) -> Vec<Event> {
        let mut parser = Parser::new(1_000);
        let mut events = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            parser.push(piece);
            while let Some(event) = parser.next_event().unwrap() {
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn events_are_the_same_however_the_bytes_arrive() {
        let text = "\u{feff}id: 1\ndata: \n\nevent: message\r\ndata: {\"a\":\r\ndata:  \"ü\"}\r\n\r\n: comment\rretry: 5\rdata:x\r\r";
        let whole = events(text, text.len());
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[0], Event { data: String::new(), id: Some("1".into()), retry: None });
        assert_eq!(whole[1].data, "{\"a\":\n \"ü\"}");
        assert_eq!(whole[2], Event { data: "x".into(), id: None, retry: Some(5) });
        for size in 1..text.len() {
            assert_eq!(events(text, size), whole, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let message = "{\"a\":\n 1,\r\n\"b\":2}";
        let read = events(std::str::from_utf8(&event(message)).unwrap(), 7);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].data, "{\"a\":\n 1,\n\n\"b\":2}");
    }

    #[test]
    fn a_comment_is_no_event() {
        assert_eq!(events(": \n\n:\n\n", 3), []);
    }

    #[test]
    fn an_event_that_is_too_large_is_refused_before_it_has_come_whole() {
        let mut parser = Parser::new(100);
        parser.push(&[b'x'; 101]);
        assert_eq!(parser.next_event(), Err(EventError::TooLarge));

        let mut parser = Parser::new(100);
        parser.push("data: 0123456789012345678901234567890123456789\n".repeat(3).as_bytes());
        assert_eq!(parser.next_event(), Err(EventError::TooLarge));
    }
}
