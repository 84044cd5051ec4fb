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
        bytes += item.bytes;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use tokio::time::Instant;

    use super::*;
    use crate::append::{Idempotency, Write};
    use crate::event::{NewEvent, Position};
    use crate::queue::{Due, Room};

    fn append(workspace: u128, stream: &str, control: bool, narrows: bool) -> Append {
        let event = NewEvent {
            event_id: Uuid::nil(),
            event_type: "t".into(),
            event_version: "1".into(),
            payload: "x".repeat(100),
            metadata: String::new(),
            control,
            narrows,
            sealed: vec![],
        };
        let stream = Stream { aggregate_type: "s".into(), aggregate_id: stream.into() };
        let workspace_id = Uuid::from_u128(workspace);
        let write = Write { workspace_id, stream, expected: Expected::Any, events: vec![event] };
        Append {
            writes: vec![write],
            fence: Some(Position(0)),
            not_after: None,
            idempotency: None,
            budget: None,
        }
    }

    fn call(workspace: u128) -> Append {
        append(workspace, "session", false, false)
    }

    fn revocation(workspace: u128) -> Append {
        append(workspace, "revoked", true, true)
    }

    fn expecting(expected: Expected) -> Append {
        let mut append = append(1, "one", true, false);
        append.writes[0].expected = expected;
        append
    }

    /// How many requests each batch has.
    fn cuts(appends: Vec<Append>, settings: &Settings) -> Vec<usize> {
        let room = Room::new(1 << 20);
        let due = Due::within(Duration::from_secs(1), Instant::now());
        let item = |append| Item::new(append, due, &room).unwrap().0;
        let mut waiting: VecDeque<Item> = appends.into_iter().map(item).collect();
        std::iter::from_fn(|| Some(cut(&mut waiting, settings).len()).filter(|count| *count > 0)).collect()
    }

    fn default_cuts(appends: Vec<Append>) -> Vec<usize> {
        cuts(appends, &Settings::default())
    }

    #[test]
    fn a_burst_of_calls_in_one_session_is_one_batch() {
        assert_eq!(default_cuts(vec![call(1); 600]), [512, 88]);
    }

    #[test]
    fn a_fenced_request_never_follows_what_narrows_its_workspace() {
        assert_eq!(default_cuts(vec![call(1), revocation(1), call(1), call(1)]), [2, 2]);
        assert_eq!(default_cuts(vec![revocation(1), call(2), revocation(2), call(2)]), [3, 1]);
    }

    #[test]
    fn nothing_fenced_follows_what_narrows_the_instance() {
        assert_eq!(default_cuts(vec![revocation(0), call(1), call(2)]), [1, 2]);
    }

    #[test]
    fn what_carries_no_fence_may_follow_a_revocation() {
        let unfenced = Append { fence: None, ..call(1) };
        assert_eq!(default_cuts(vec![revocation(1), unfenced]), [2]);
    }

    #[test]
    fn no_expectation_follows_a_write_that_could_break_it() {
        let none = || expecting(Expected::NoStream);
        let at = || expecting(Expected::At(Position(0)));
        assert_eq!(default_cuts(vec![none(), none()]), [1, 1]);
        assert_eq!(default_cuts(vec![at(), at()]), [1, 1]);
        let quiet = || append(1, "one", false, false);
        assert_eq!(default_cuts(vec![quiet(), none()]), [1, 1]);
        // A tool call doesn't move the last control event.
        assert_eq!(default_cuts(vec![quiet(), at(), quiet()]), [3]);
    }

    #[test]
    fn an_idempotency_key_appears_once() {
        let keyed = |key: &str| {
            let idempotency = Idempotency {
                scope: "s".into(),
                key: key.into(),
                request_hash: [0; 32],
                answer: None,
                expires_at: DateTime::UNIX_EPOCH,
            };
            Append { idempotency: Some(idempotency), ..call(1) }
        };
        assert_eq!(default_cuts(vec![keyed("a"), keyed("b"), keyed("a")]), [2, 1]);
    }

    #[test]
    fn a_batch_has_so_many_bytes_but_a_large_request_is_written_too() {
        let settings = Settings { batch_bytes: 250, ..Settings::default() };
        assert_eq!(cuts(vec![call(1); 5], &settings), [2, 2, 1]);
        let settings = Settings { batch_bytes: 50, ..Settings::default() };
        assert_eq!(cuts(vec![call(1); 2], &settings), [1, 1]);
    }

    #[test]
    fn what_would_fill_the_queue_s_memory_is_not_taken_in() {
        let room = Room::new(250);
        let due = Due::within(Duration::from_secs(1), Instant::now());
        let first = Item::new(call(1), due, &room);
        let second = Item::new(call(1), due, &room);
        assert!(first.is_some() && second.is_some() && Item::new(call(1), due, &room).is_none());
        drop(first);
        assert!(Item::new(call(1), due, &room).is_some());
    }
}
