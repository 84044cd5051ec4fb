//! What everybody else reads.
//!
//! Every question is one statement, which finds out itself which version is read: a swap falls before
//! it or after it, never into the middle.

use std::time::Duration;

use tokio::time::Instant;
use tollbook_journal::{Journal, Position, ReadError};
use uuid::Uuid;

use crate::index::Index;
use crate::progress::{NotCaughtUp, Progress, ProjectionStatus, Status};
use crate::projection::Projection;
use crate::store::question::{self, Asked, RowColumns};
use crate::store::{Checkpoint, Store, read};
use crate::term::Term;
use crate::version::Version;

/// Reads the read models. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    journal: Journal,
    store: Store,
    progress: Progress,
}

/// A row, with where it stands in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<R> {
    /// Its projection's name for it.
    pub key: String,
    /// Under which workspace it is listed.
    pub workspace_id: Uuid,
    /// The position of its first event: unique in its list, and the cursor of pages.
    pub ordinal: Position,
    /// What is known of it.
    pub row: R,
}

/// In which order to list or find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// What began last comes first.
    #[default]
    NewestFirst,
    /// What began first comes first.
    OldestFirst,
}

/// Which rows to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Rows that have all of these. The first should be the rarest.
    pub terms: Vec<Term>,
    /// Behind this one, in the order asked for: the ordinal of the last row of the page before.
    pub after: Option<Position>,
    /// How many at most.
    pub limit: usize,
    /// In which order.
    pub order: Order,
}

/// Which events to find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Events that have all of these; all of the workspace's, if there are none. The first should be
    /// the rarest.
    pub terms: Vec<Term>,
    /// At this position or behind it.
    pub from: Option<Position>,
    /// Before this position.
    pub to: Option<Position>,
    /// Behind this one, in the order asked for: the last position of the page before.
    pub after: Option<Position>,
    /// How many at most.
    pub limit: usize,
    /// In which order.
    pub order: Order,
}

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// No projector has ever run for it.
    #[error("there is no projection `{0}` yet")]
    Unknown(String),
    /// What stands was built by another version of the service; ours is being built.
    #[error("`{0}` is being built anew")]
    Building(String),
    /// A row isn't what this version writes.
    #[error("the row `{key}` of `{projection}` does not decode: {source}")]
    Malformed {
        /// Of which projection.
        projection: &'static str,
        /// Which row.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The book can't be reached.
    #[error(transparent)]
    Book(#[from] ReadError),
    /// The tables can't be reached.
    #[error("the read models cannot be read: {0}")]
    Unavailable(#[from] sqlx::Error),
}

impl Views {
    /// The most terms of one question.
    pub const TERMS_MAX: usize = 8;

    /// Of the read models that lie beside this book.
    pub fn new(journal: Journal) -> Self {
        let store = Store::new(journal.database());
        Self { journal, store, progress: Progress::new() }
    }

    pub(crate) const fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The row of this key, if it is listed under this workspace.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub async fn get<P: Projection>(
        &self,
        workspace_id: Uuid,
        key: &str,
    ) -> Result<Option<Listed<P::Row>>, ViewError> {
        Ok(self.get_many::<P>(workspace_id, &[key.to_owned()]).await?.pop())
    }

    /// The rows of these keys, as far as they are listed under this workspace, oldest first.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub async fn get_many<P: Projection>(
        &self,
        workspace_id: Uuid,
        keys: &[String],
    ) -> Result<Vec<Listed<P::Row>>, ViewError> {
        let rows = question::by_keys(&self.store, P::NAME, workspace_id, keys).await?;
        self.rows::<P>(rows).await
    }

    /// A page of the list of a workspace.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub async fn list<P: Projection>(
        &self,
        workspace_id: Uuid,
        query: &Query,
    ) -> Result<Vec<Listed<P::Row>>, ViewError> {
        let Query { terms, after, limit, order } = query;
        let fixed = |term: &Term| P::FIXED.contains(&term.kind());
        let asked = Asked::new(workspace_id, (terms, fixed), (None, None), *after, *limit, *order);
        let rows = question::list(&self.store, P::NAME, &asked).await?;
        self.rows::<P>(rows).await
    }

    /// A page of the list of a workspace, of rows that `keep` wants: for what is known at the time of
    /// reading only, such as that a session has expired. The page is full while there are more, but for
    /// one that would look at more than [`Self::LOOK_MAX`] rows; the second answer says where the next
    /// page begins, if there may be one.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub async fn list_where<P: Projection>(
        &self,
        workspace_id: Uuid,
        query: &Query,
        keep: impl Fn(&P::Row) -> bool,
    ) -> Result<(Vec<Listed<P::Row>>, Option<Position>), ViewError> {
        let (mut kept, mut looked, wanted) = (Vec::new(), 0, query.limit.max(1));
        let mut query = Query { limit: wanted, ..query.clone() };
        loop {
            let page = self.list::<P>(workspace_id, &query).await?;
            let full = page.len() == query.limit;
            for listed in page {
                looked += 1;
                query.after = Some(listed.ordinal);
                if keep(&listed.row) {
                    kept.push(listed);
                }
                if kept.len() == wanted || looked == Self::LOOK_MAX {
                    return Ok((kept, query.after));
                }
            }
            if !full {
                return Ok((kept, None));
            }
            // Few are wanted: so more are looked at with each question.
            query.limit = wanted.max(Self::LOOK_AGAIN);
        }
    }

    /// How many rows one question looks at.
    pub const LOOK_MAX: usize = 50_000;

    /// How many it looks at together when those that it looked at first weren't enough.
    const LOOK_AGAIN: usize = 1_000;

    /// The positions of events of a workspace that an index finds.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub async fn search<I: Index>(
        &self,
        workspace_id: Uuid,
        search: &Search,
    ) -> Result<Vec<Position>, ViewError> {
        let Search { terms, from, to, after, limit, order } = search;
        let asked = Asked::new(workspace_id, (terms, |_: &Term| true), (*from, *to), *after, *limit, *order);
        if terms.is_empty() {
            // The book itself has that order.
            let found = question::of_workspace(self.journal.database(), &asked).await?;
            return Ok(found.into_iter().map(read).collect());
        }
        let found = question::search(&self.store, I::NAME, &asked).await?;
        self.check(I::NAME, I::VERSION, found.first().map(|(version, _)| *version)).await?;
        Ok(found.into_iter().map(|(_, position)| read(position)).collect())
    }

    /// Waits until the event at `position` is in what is read, at most so long, and says how far it is
    /// then: who wrote something reads it. The projector is told to hurry.
    ///
    /// # Errors
    /// See [`ViewError`]; the inner one says how far it got.
    pub async fn wait_for(
        &self,
        projection: &str,
        position: Position,
        within: Duration,
    ) -> Result<Result<Position, NotCaughtUp>, ViewError> {
        self.progress.wait_for(&self.store, projection, position, Instant::now() + within).await
    }

    /// Where each version of each projection stands.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub async fn status(&self) -> Result<Vec<ProjectionStatus>, ViewError> {
        let checkpoints = self.store.checkpoints().await?;
        let head = self.journal.head().await?.next;
        Ok(checkpoints.into_iter().map(|checkpoint| status_of(checkpoint, head)).collect())
    }

    async fn rows<P: Projection>(&self, rows: Vec<RowColumns>) -> Result<Vec<Listed<P::Row>>, ViewError> {
        self.check(P::NAME, P::VERSION, rows.first().map(|(version, ..)| *version)).await?;
        let listed = |(_, key, workspace_id, ordinal, data): RowColumns| {
            let ordinal = read(ordinal);
            match serde_json::from_str(&data) {
                Ok(row) => Ok(Listed { key, workspace_id, ordinal, row }),
                Err(source) => Err(ViewError::Malformed { projection: P::NAME, key, source }),
            }
        };
        rows.into_iter().map(listed).collect()
    }

    /// Was what was found, or not found, built by code of our version?
    async fn check(&self, projection: &str, code: u32, found: Option<i32>) -> Result<(), ViewError> {
        let version = match found {
            Some(version) => version,
            None => question::active(&self.store, projection)
                .await?
                .ok_or_else(|| ViewError::Unknown(projection.to_owned()))?,
        };
        let ours = Version::of_stored(version).code == code;
        if ours { Ok(()) } else { Err(ViewError::Building(projection.to_owned())) }
    }
}

/// A checkpoint as it is told.
pub(crate) fn status_of(checkpoint: Checkpoint, head: Position) -> ProjectionStatus {
    ProjectionStatus {
        name: checkpoint.projection,
        version: checkpoint.version,
        active: checkpoint.active,
        position: checkpoint.position,
        status: Status::of(&checkpoint.status),
        error: checkpoint.error,
        lag: head.0.saturating_sub(checkpoint.position.0),
        holder: checkpoint.holder,
    }
}
