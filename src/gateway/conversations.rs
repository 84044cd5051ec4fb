//! What is remembered of clients of the older era, between their requests.
//!
//! An older client says its name once, and takes a call back by naming its request. Its request ids
//! are unique within its protocol session only, so `initialize` hands out a protocol session id to
//! tell clients apart that share a Tollbook session. It is a handle and no credential, and it isn't
//! checked: every request stands for itself, on every replica, and one that doesn't know the handle
//! merely doesn't know the client's name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use moka::future::Cache;
use tokio_util::sync::CancellationToken;
use tollbook_aggregates::SessionId;
use uuid::Uuid;

use crate::mcp::{Id, header};

/// How many clients' names are kept, and for how long after their last request.
const KEPT: u64 = 50_000;
const KEPT_FOR: Duration = Duration::from_secs(8 * 60 * 60);

/// One client on one session.
pub(super) type Conversation = (SessionId, Uuid);

/// Names and open calls of older clients. Cheap to clone.
#[derive(Clone)]
pub struct Conversations {
    names: Cache<Conversation, Arc<str>>,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    calls: HashMap<(Conversation, Id), (u64, CancellationToken)>,
    next: u64,
}

impl Default for Conversations {
    fn default() -> Self {
        let names = Cache::builder().max_capacity(KEPT).time_to_idle(KEPT_FOR).build();
        Self { names, open: Arc::default() }
    }
}

impl Conversations {
    /// Which one a request belongs to, if it says so in our way.
    pub(super) fn of(session: SessionId, headers: &HeaderMap) -> Option<Conversation> {
        let handle = headers.get(header::SESSION_ID)?.to_str().ok()?;
        Some((session, Uuid::try_parse(handle).ok()?))
    }

    /// Keeps a client's name.
    pub(super) async fn introduce(&self, conversation: Conversation, name: String) {
        self.names.insert(conversation, name.into()).await;
    }

    /// The client's name, as it said it.
    pub(super) async fn name(&self, conversation: Conversation) -> Option<String> {
        self.names.get(&conversation).await.map(|name| name.to_string())
    }

    /// Lets a call be taken back until what this returns is dropped.
    pub(super) fn begin(&self, conversation: Conversation, id: &Id) -> OpenRequest {
        let taken_back = CancellationToken::new();
        let mut open = self.open();
        let serial = open.next;
        open.next = serial.wrapping_add(1);
        open.calls.insert((conversation, id.clone()), (serial, taken_back.clone()));
        drop(open);
        OpenRequest { conversations: self.clone(), key: (conversation, id.clone()), serial, taken_back }
    }

    /// Takes a call back. One that isn't open here may have ended, or is another replica's.
    pub(super) fn take_back(&self, conversation: Conversation, id: &Id) {
        if let Some((_, taken_back)) = self.open().calls.get(&(conversation, id.clone())) {
            taken_back.cancel();
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that can be taken back.
pub(super) struct OpenRequest {
    conversations: Conversations,
    key: (Conversation, Id),
    serial: u64,
    taken_back: CancellationToken,
}

impl OpenRequest {
    /// Fires when it is.
    pub(super) fn taken_back(&self) -> CancellationToken {
        self.taken_back.clone()
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut open = self.conversations.open();
        // A client that uses an id twice has put another in its place.
        if open.calls.get(&self.key).is_some_and(|(serial, _)| *serial == self.serial) {
            open.calls.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(number: u128) -> Conversation {
        (SessionId(Uuid::nil()), Uuid::from_u128(number))
    }

    #[test]
    fn a_client_takes_back_its_own_call_and_nobody_else_s() {
        let conversations = Conversations::default();
        let id = Id::number(3);
        let mine = conversations.begin(conversation(1), &id);
        let other = conversations.begin(conversation(2), &id);
        conversations.take_back(conversation(1), &id);
        assert!(mine.taken_back().is_cancelled() && !other.taken_back().is_cancelled());
    }

    #[test]
    fn a_call_that_ended_is_forgotten() {
        let conversations = Conversations::default();
        let id = Id::number(3);
        let first = conversations.begin(conversation(1), &id);
        let second = conversations.begin(conversation(1), &id);
        drop(first);
        conversations.take_back(conversation(1), &id);
        assert!(second.taken_back().is_cancelled());
        drop(second);
        assert!(conversations.open().calls.is_empty());
    }
}
