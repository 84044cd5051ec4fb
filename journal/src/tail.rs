//! The last event that this process knows of, to notice that the book has lost its tail: after a
//! failover to a standby that hadn't all of it, or a restore of a backup.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::entry::{entry, leaf_hash};
use crate::event::{Position, Recorded};

/// The book no longer has an event that this process knows of. All state that was built from it is
/// void: drop it, load it again, then call [`crate::Journal::accept_lost_tail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostTail {
    /// Where the event stood.
    pub known: Position,
    /// The next position that the book would assign when this was noticed.
    pub head: Position,
    /// How many times this process has noticed one.
    pub times: u64,
}

/// Why appends with a fence are refused until somebody has dealt with the loss.
pub(crate) const LOST_TAIL: &str = "the book has lost its tail, and its state is not loaded anew yet";

/// What is known, and what was lost.
pub(crate) struct Tail {
    known: Mutex<Option<Known>>,
    lost: watch::Sender<Option<LostTail>>,
    accepted: AtomicU64,
    /// Knows how far the book reached, and must not go on saying so when it no longer does.
    wake: watch::Sender<Position>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) position: Position,
    leaf: [u8; 32],
}

impl Tail {
    pub(crate) fn new(wake: watch::Sender<Position>) -> Self {
        Self { known: Mutex::new(None), lost: watch::Sender::new(None), accepted: AtomicU64::new(0), wake }
    }

    /// Remembers `event` if it is the newest so far.
    pub(crate) fn note(&self, event: &Recorded) {
        let mut known = self.lock();
        if known.is_none_or(|known| known.position < event.position) {
            *known = Some(Known { position: event.position, leaf: leaf_hash(&entry(event)) });
        }
    }

    pub(crate) fn known(&self) -> Option<Known> {
        *self.lock()
    }

    /// `found` is what now stands where the known event stood. Says whether the tail was lost.
    pub(crate) fn compare(&self, known: Known, found: Option<&Recorded>, head: Position) -> bool {
        let same = found.is_some_and(|event| leaf_hash(&entry(event)) == known.leaf);
        if same {
            return false;
        }
        *self.lock() = None;
        self.wake.send_replace(head);
        self.lost.send_modify(|lost| {
            let times = lost.map_or(1, |lost| lost.times + 1);
            *lost = Some(LostTail { known: known.position, head, times });
        });
        tracing::error!(known = known.position.0, head = head.0, "the book has lost its tail");
        true
    }

    pub(crate) fn lost(&self) -> watch::Receiver<Option<LostTail>> {
        self.lost.subscribe()
    }

    /// Is there a loss that nobody has dealt with?
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.borrow().is_some_and(|lost| lost.times > self.accepted.load(Ordering::Acquire))
    }

    pub(crate) fn accept(&self, lost: &LostTail) {
        self.accepted.fetch_max(lost.times, Ordering::AcqRel);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
