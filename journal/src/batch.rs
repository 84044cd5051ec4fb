//! Which requests may be written together.
//!
//! Under the lock each request of a batch is checked against the book as it was before the batch.
//! That is right only if no request of it could change the answer to a later one, so the batch is
//! cut before such a request: it comes first in the next batch. Budgets are the exception; the
//! backends count them within the batch, so that a burst of one session stays one batch.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

use crate::append::{Append, Expected};
use crate::event::{INSTANCE, Stream};
use crate::queue::Item;
use crate::settings::Settings;

/// Takes as many requests from the front of the queue as may be written together; at least one, if
/// there is one.
pub(crate) fn cut(waiting: &mut VecDeque<Item>, settings: &Settings) -> Vec<Item> {
    let mut seen = Seen::default();
    let mut bytes = 0;
    for item in waiting.iter().take(settings.batch) {
        bytes += size(&item.append);
        let full = seen.requests > 0 && bytes > settings.batch_bytes;
        if full || !seen.admits(&item.append) {
            break;
        }
    }
    let count = seen.requests;
    waiting.drain(..count).collect()
}

/// What the requests of a batch touch so far.
#[derive(Default)]
struct Seen<'a> {
    requests: usize,
    narrowed: HashSet<Uuid>,
    written: HashSet<&'a Stream>,
    controlled: HashSet<&'a Stream>,
    keys: HashSet<(&'a str, &'a str)>,
}

impl<'a> Seen<'a> {
    /// Takes `append` in, unless an earlier request could change its answer.
    fn admits(&mut self, append: &'a Append) -> bool {
        if self.fences(append) || self.moves(append) || self.repeats(append) {
            return false;
        }
        self.requests += 1;
        if let Some(idempotency) = &append.idempotency {
            self.keys.insert((&idempotency.scope, &idempotency.key));
        }
        for write in &append.writes {
            self.written.insert(&write.stream);
            if write.events.iter().any(|event| event.control) {
                self.controlled.insert(&write.stream);
            }
            if write.events.iter().any(|event| event.narrows) {
                self.narrowed.insert(write.workspace_id);
            }
        }
        true
    }

    /// Would something narrowed earlier in the batch make it stale?
    fn fences(&self, append: &Append) -> bool {
        let narrowed = |workspace| self.narrowed.contains(workspace);
        append.fence.is_some()
            && !self.narrowed.is_empty()
            && (narrowed(&INSTANCE) || append.writes.iter().any(|write| narrowed(&write.workspace_id)))
    }

    /// Would something written earlier in the batch be where it expects nothing?
    fn moves(&self, append: &Append) -> bool {
        append.writes.iter().any(|write| match write.expected {
            Expected::Any => false,
            Expected::NoStream => self.written.contains(&write.stream),
            Expected::At(_) => self.controlled.contains(&write.stream),
        })
    }

    fn repeats(&self, append: &Append) -> bool {
        let key = append.idempotency.as_ref().map(|one| (one.scope.as_str(), one.key.as_str()));
        key.is_some_and(|key| self.keys.contains(&key))
    }
}

fn size(append: &Append) -> usize {
    let events = append.writes.iter().flat_map(|write| &write.events);
    events
        .map(|event| {
            let sealed: usize = event.sealed.iter().map(|field| field.ciphertext.len()).sum();
            event.payload.len() + event.metadata.len() + sealed
        })
        .sum()
}
