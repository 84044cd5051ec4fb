//! When API keys, operator credentials and sign-ins were last used: noted in memory, and kept every few seconds in
//! a small table beside the book. No event is written for a use, and no request waits for the table.
//!
//! A use is a request that came with the right secret of a credential in force, from an address that it is for.
//! Whether the request was then allowed to do what it asked for is another question. What was revoked doesn't look
//! used because somebody goes on trying: a use is noted by a state that is as new as an answer from memory must be
//! ([`Authority::fresh`]), and where the state is older, once it isn't any more.
//!
//! Of uses within a second only the first is noted. `docs/adr/0073`.

mod noted;
mod table;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tollbook_aggregates::UserId;
use tollbook_aggregates::access::{self, Asker, Caller};
use tollbook_journal::Database;
use uuid::Uuid;

use crate::authority::Authority;
use noted::Noted;
use table::Table;

pub use table::Unavailable;

/// How often what was noted is kept: as much as a killed process loses, and as far as another replica is behind.
pub const EVERY: Duration = Duration::from_secs(5);
/// How long keeping may wait for the state to catch up.
const CATCH_UP: Duration = Duration::from_secs(2);

/// When credentials were last used.
pub struct LastUsed {
    authority: Authority,
    noted: Noted,
    /// Used while this replica had not caught up with the book: it may have been revoked before.
    doubtful: Mutex<HashMap<Uuid, (Asker, DateTime<Utc>)>>,
    table: Table,
    /// One batch at a time, and none while something is forgotten: it would bring it back.
    keeping: tokio::sync::Mutex<()>,
    /// The last batch could not be kept.
    failing: AtomicBool,
}

impl LastUsed {
    /// In this database.
    pub fn new(database: Database, authority: Authority) -> Self {
        Self {
            authority,
            noted: Noted::default(),
            doubtful: Mutex::default(),
            table: Table(database),
            keeping: tokio::sync::Mutex::default(),
            failing: AtomicBool::new(false),
        }
    }

    /// Notes that whoever holds a credential came with it at this time, if it is in force. Never waits.
    pub fn note(&self, asker: Asker, at: DateTime<Utc>) {
        let Some(id) = credential(asker.caller) else { return };
        if self.noted.knows((id, at)) || !self.is_in_force(asker, at) {
            return;
        }
        if self.authority.following().caught_up() {
            self.noted.note((id, at));
        } else {
            self.doubtful().insert(id, (asker, at));
        }
    }

    /// When each of these credentials was last used; those that never were are missing. What other replicas noted
    /// within [`EVERY`] may be, too.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn of(
        &self,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> Result<HashMap<Uuid, DateTime<Utc>>, Unavailable> {
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut known = self.table.of(&ids).await?;
        for (id, here) in ids.into_iter().filter_map(|id| Some((id, self.noted.of(id)?))) {
            let latest = known.entry(id).or_insert(here);
            *latest = here.max(*latest);
        }
        Ok(known)
    }

    /// Keeps what was noted, [`EVERY`] so often, as long as it is polled.
    pub async fn run(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.keep().await;
        }
    }

    /// Keeps what was noted; what can't be kept stays noted.
    pub async fn keep(&self) {
        match self.keep_noted().await {
            Ok(()) if self.failing.swap(false, Ordering::Relaxed) => {
                tracing::info!("when credentials were last used is kept again");
            }
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "when credentials were last used stays in memory for now");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Knows nothing any more of the credentials of a person who was erased, here and in the table. Each replica
    /// does it for itself: another's may come back with what it had noted, until it has done it, too.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn forget(&self, user_id: UserId) -> Result<(), Unavailable> {
        let ids: Vec<Uuid> = self.authority.look(|live| live.credentials_of(user_id).collect());
        let _alone = self.keeping.lock().await;
        self.noted.forget(&ids);
        if ids.is_empty() { Ok(()) } else { self.table.forget(&ids).await }
    }

    async fn keep_noted(&self) -> Result<(), Unavailable> {
        let _alone = self.keeping.lock().await;
        self.settle_doubts().await;
        let batch = self.noted.unkept();
        if !batch.is_empty() {
            self.table.keep(&batch).await?;
            self.noted.kept(&batch);
        }
        Ok(())
    }

    /// Notes those doubtful uses whose credential is in force by a state that is newer than they are.
    async fn settle_doubts(&self) {
        let doubtful = std::mem::take(&mut *self.doubtful());
        if doubtful.is_empty() {
            return;
        }
        let caught_up = self.authority.catch_up_with_head(CATCH_UP).await.is_ok();
        for (id, (asker, at)) in doubtful {
            if !caught_up {
                self.doubtful().entry(id).or_insert((asker, at));
            } else if self.is_in_force(asker, at) {
                self.noted.note((id, at));
            }
        }
    }

    fn is_in_force(&self, asker: Asker, at: DateTime<Utc>) -> bool {
        self.authority.look(|live| access::home(live, asker, at).is_ok())
    }

    fn doubtful(&self) -> MutexGuard<'_, HashMap<Uuid, (Asker, DateTime<Utc>)>> {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The credential whose last use is of interest. A session's calls are in the book.
const fn credential(caller: Caller) -> Option<Uuid> {
    match caller {
        Caller::ApiKey(id) => Some(id.0),
        Caller::Operator(id) => Some(id.0),
        Caller::SignIn(id) => Some(id.0),
        Caller::Session(_) => None,
    }
}
