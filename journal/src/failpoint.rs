//! Places at which an append can be made to fail once: armed only in builds with the feature
//! `failpoints`, which tests use and nobody else.

#[cfg(feature = "failpoints")]
use std::collections::HashSet;
#[cfg(feature = "failpoints")]
use std::sync::{Arc, Mutex, PoisonError};

/// A place in the way of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failpoint {
    /// The connection is lost before the batch reaches the database.
    BeforeLock,
    /// The transaction fails when it has the lock and has inserted nothing yet (`SQLite` only: on
    /// `PostgreSQL` that is inside one statement, and tests use a trigger).
    AfterLock,
    /// The batch is durable, and its answer is lost.
    AfterCommit,
}

/// Which places are armed. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Failpoints {
    #[cfg(feature = "failpoints")]
    armed: Arc<Mutex<HashSet<Failpoint>>>,
}

impl Failpoints {
    /// The next batch that comes to `point` fails there.
    #[cfg(feature = "failpoints")]
    pub fn arm(&self, point: Failpoint) {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).insert(point);
    }

    #[cfg(feature = "failpoints")]
    pub(crate) fn hit(&self, point: Failpoint) -> bool {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).remove(&point)
    }

    #[cfg(not(feature = "failpoints"))]
    #[expect(clippy::unused_self, reason = "it is the face of the armed one")]
    pub(crate) const fn hit(&self, _: Failpoint) -> bool {
        false
    }
}
