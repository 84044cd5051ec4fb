//! Pages of the book for one projection: what it doesn't look at isn't even sent.

use tollbook_journal::{Filter, Journal, Page, Position, ReadError, Recorded};

use crate::happening::Happening;

/// The events from one position up to another.
pub(super) struct Chunk {
    pub(super) from: Position,
    pub(super) events: Vec<Happening>,
    /// Behind what was looked at.
    pub(super) next: Position,
    /// Why the event at `next` can be folded by nobody.
    pub(super) poison: Option<String>,
}

/// What a projection reads.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) journal: Journal,
    /// The types of events, or of aggregates, that it looks at; everything, when absent.
    pub(super) events: Option<&'static [&'static str]>,
}

impl Feed {
    /// At most `limit` events from `from` on, and none at or behind `until`.
    pub(super) async fn read(
        &self,
        from: Position,
        until: Position,
        limit: usize,
    ) -> Result<Chunk, ReadError> {
        let filter = Filter { event_types: self.events, ..Filter::default() };
        let page = match self.journal.read(from, limit, &filter).await {
            // What lies before it can still be read, if everything is asked for.
            Err(ReadError::Hole(at) | ReadError::Undecodable { position: at, .. }) if at > from => {
                let before = usize::try_from(at.0 - from.0).unwrap_or(limit);
                self.journal.read(from, before.min(limit), &Filter::default()).await?
            }
            Err(error @ (ReadError::Hole(_) | ReadError::Undecodable { .. })) => {
                return Ok(Chunk { from, events: Vec::new(), next: from, poison: Some(error.to_string()) });
            }
            page => page?,
        };
        if page.next < from {
            let error = format!("the book ends at {}: its tail was lost; rebuild", page.next);
            return Ok(Chunk { from, events: Vec::new(), next: from, poison: Some(error) });
        }
        Ok(self.decode(page, from, until))
    }

    fn decode(&self, page: Page, from: Position, until: Position) -> Chunk {
        let mut chunk = Chunk {
            from,
            events: Vec::with_capacity(page.events.len()),
            next: page.next.min(until),
            poison: None,
        };
        for recorded in page.events {
            let at = recorded.position;
            if at >= until {
                break;
            }
            if !self.looks_at(&recorded) {
                continue;
            }
            match Happening::decode(recorded) {
                Ok(happening) => chunk.events.push(happening),
                Err(error) => {
                    return Chunk { next: at, poison: Some(error.to_string()), ..chunk };
                }
            }
        }
        chunk
    }

    fn looks_at(&self, recorded: &Recorded) -> bool {
        let known = [recorded.event_type.as_str(), recorded.stream.aggregate_type.as_ref()];
        self.events.is_none_or(|events| events.iter().any(|event| known.contains(event)))
    }
}
