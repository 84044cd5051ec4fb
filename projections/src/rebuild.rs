//! Building a read model again, beside the one that is read, and putting it in its place.
//!
//! A build is a version of its own. It is folded in pages, in memory, and written in bulk with its
//! checkpoint; then it is held against what is read, at one position, row by row. The same: it takes its
//! place in one short transaction. Not the same: it waits until somebody says so, and what differs can be
//! looked at. What was read before is kept, and kept up to date, for a rollback at once.
//!
//! The order to build stands in the tables, so whoever is killed, any replica goes on where it stood.

mod compare;
mod feed;
mod flip;
mod folding;
mod memory;
mod overview;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tollbook_aggregates::ProjectionOrder;
use tollbook_journal::{Journal, Position, ReadError};
use uuid::Uuid;

use crate::advance::Trouble;
use crate::model::Model;
use crate::store::building::Versions;
use crate::store::{Store, status};
use crate::version::Version;
use flip::Put;

pub use compare::Difference;
pub use overview::{Build, BuildState, Overview, Purpose};

/// How long it leaves what somebody else holds.
const BREATH: Duration = Duration::from_millis(5);

/// Builds read models again while the ones that stand are read and kept. Cheap to clone.
#[derive(Clone)]
pub struct Rebuilder {
    journal: Journal,
    store: Store,
    models: Vec<Arc<dyn Model>>,
    /// What its leases are held by.
    replica: Uuid,
    /// There is something to do.
    nudge: Arc<Notify>,
}

/// May an order be given?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It may.
    Free,
    /// It is being carried out already; the order for it stands here, if somebody gave one.
    UnderWay(Option<Position>),
}

/// Why an order can't be carried out. What was read before is read still.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is no such projection.
    #[error("there is no projection `{0}`")]
    Unknown(String),
    /// Something else is being done with it.
    #[error("`{projection}` is being built for another purpose (`{purpose}`)")]
    Busy {
        /// Which.
        projection: String,
        /// What for.
        purpose: &'static str,
    },
    /// There is nothing beside what is read that could take its place.
    #[error("nothing was built beside `{0}` that waits to be swapped")]
    NothingBuilt(String),
    /// Nothing was kept of what was read before.
    #[error("nothing is kept of what was read of `{0}` before")]
    NothingKept(String),
    /// It can't fold an event.
    #[error("the build of `{projection}` stopped at {position}: {error}")]
    Stopped {
        /// Which.
        projection: String,
        /// Of the event.
        position: Position,
        /// What is wrong with it.
        error: String,
    },
    /// The book or the tables can't be used.
    #[error("it was broken off: {0}")]
    Trouble(String),
}

impl From<Trouble> for RebuildError {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble.to_string())
    }
}

impl From<sqlx::Error> for RebuildError {
    fn from(error: sqlx::Error) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl From<ReadError> for RebuildError {
    fn from(error: ReadError) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl Rebuilder {
    pub(crate) fn new(journal: Journal, store: Store, models: Vec<Arc<dyn Model>>, replica: Uuid) -> Self {
        Self { journal, store, models, replica, nudge: Arc::new(Notify::new()) }
    }

    /// Everything about every projection, by name.
    ///
    /// # Errors
    /// When the book or the tables can't be reached.
    pub async fn overviews(&self) -> Result<Vec<Overview>, RebuildError> {
        let head = self.journal.head().await?.next;
        let mut builds = self.store.builds().await?;
        let mut all: Vec<Overview> = Vec::new();
        for checkpoint in self.store.checkpoints().await? {
            let name = checkpoint.projection.clone();
            let status = crate::views::status_of(checkpoint, head);
            match all.last_mut().filter(|last| last.name == name) {
                Some(last) => last.versions.push(status),
                None => all.push(Overview { name, head, versions: vec![status], build: None }),
            }
        }
        for one in &mut all {
            let row = builds.iter().position(|row| row.projection == one.name);
            one.build = row.map(|row| overview::build(builds.swap_remove(row), &one.versions));
        }
        Ok(all)
    }

    /// Everything about one projection.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn overview(&self, projection: &str) -> Result<Overview, RebuildError> {
        let found = self.overviews().await?.into_iter().find(|one| one.name == projection);
        found.ok_or_else(|| RebuildError::Unknown(projection.to_owned()))
    }

    /// May this be ordered now?
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn may(&self, projection: &str, order: ProjectionOrder) -> Result<Asked, RebuildError> {
        let model = self.model(projection)?;
        let versions = self.store.snapshot().await?.see_versions(projection).await?;
        if versions.active().is_none() {
            return Err(RebuildError::Unknown(projection.to_owned()));
        }
        match order {
            ProjectionOrder::Rebuild => self.may_build(projection, Purpose::Rebuild).await,
            ProjectionOrder::Verify => self.may_build(projection, Purpose::Verify).await,
            ProjectionOrder::Swap => Put::Beside.find(model.as_ref(), &versions).map(|_| Asked::Free),
            ProjectionOrder::Rollback => Put::Kept.find(model.as_ref(), &versions).map(|_| Asked::Free),
        }
    }

    async fn may_build(&self, projection: &str, purpose: Purpose) -> Result<Asked, RebuildError> {
        let Some(row) = self.store.build(projection).await? else { return Ok(Asked::Free) };
        let under_way = Purpose::of(&row.purpose);
        match BuildState::of(&row.state).is_open() {
            false => Ok(Asked::Free),
            true if under_way == purpose => {
                Ok(Asked::UnderWay(u64::try_from(row.ordered_at).ok().map(Position)))
            }
            true => {
                Err(RebuildError::Busy { projection: projection.to_owned(), purpose: under_way.as_str() })
            }
        }
    }

    /// Carries out an order that stands in the book, once however often it is called. A rebuild and a
    /// verification are only begun: [`Self::run`] does the work, here or on another replica. A swap and
    /// a rollback are done when this answers.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn carry_out(
        &self,
        projection: &str,
        order: ProjectionOrder,
        ordered_at: Position,
    ) -> Result<(), RebuildError> {
        let model = self.model(projection)?;
        let begun = match order {
            ProjectionOrder::Rebuild => self.begin(model, Purpose::Rebuild, Some(ordered_at)).await,
            ProjectionOrder::Verify => self.begin(model, Purpose::Verify, Some(ordered_at)).await,
            ProjectionOrder::Swap => {
                self.flip(model, Put::Beside, BuildState::Swapped, Some(ordered_at)).await
            }
            ProjectionOrder::Rollback => {
                self.flip(model, Put::Kept, BuildState::RolledBack, Some(ordered_at)).await
            }
        };
        self.nudge.notify_one();
        begun
    }

    /// Begins a build from position 0.
    async fn begin(
        &self,
        model: &Arc<dyn Model>,
        purpose: Purpose,
        ordered_at: Option<Position>,
    ) -> Result<(), RebuildError> {
        let (projection, head) = (model.name(), self.journal.head().await?.next);
        let mut work = self.store.begin().await?;
        let versions = work.hold_versions(projection).await?;
        if let Some(row) = self.store.build(projection).await? {
            let done = ordered_at.is_some_and(|at| crate::store::stored(at) <= row.ordered_at);
            let ours = Version::of_stored(row.version).code == model.version();
            if done || (BuildState::of(&row.state).is_open() && ours) {
                return Ok(());
            }
        }
        let version = free_version(&versions, model.version())
            .ok_or_else(|| RebuildError::Unknown(projection.to_owned()))?;
        work.begin_build(projection, version, purpose.as_str(), head, ordered_at).await?;
        work.commit().await?;
        tracing::info!(projection, %version, purpose = purpose.as_str(), "a build was begun");
        Ok(())
    }

    fn model(&self, projection: &str) -> Result<&Arc<dyn Model>, RebuildError> {
        let found = self.models.iter().find(|model| model.name() == projection);
        found.ok_or_else(|| RebuildError::Unknown(projection.to_owned()))
    }
}

/// The next version behind the one that is read that isn't there already.
fn free_version(versions: &Versions, code: u32) -> Option<Version> {
    let mut version = Version::of_stored(versions.active()?.version).next(code);
    while versions.all.iter().any(|row| row.version == version.stored()) {
        version = version.next(code);
    }
    Some(version)
}

/// Clears away what nobody reads or keeps any more.
pub(crate) async fn sweep(store: &Store) -> Result<(), sqlx::Error> {
    for checkpoint in store.checkpoints().await? {
        if checkpoint.status == status::DROPPED {
            store.drop_version(&checkpoint.projection, checkpoint.version).await?;
        }
    }
    Ok(())
}
