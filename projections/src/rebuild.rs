//! Building a read model again, beside the one that is read, and putting it in its place.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tollbook_journal::{Journal, Position};
use uuid::Uuid;

use crate::advance::{Advanced, Target, Trouble, advance};
use crate::model::Model;
use crate::store::{Checkpoint, Store, status};
use crate::version::Version;

/// How many events a rebuild folds at a time.
const PAGE: usize = 2000;

/// How long it leaves what somebody else holds.
const BREATH: Duration = Duration::from_millis(5);

/// Builds read models again while the ones that stand are read and kept. Cheap to clone.
///
/// Killed in the middle, it goes on where it stood when it is called again; called twice at the same
/// time, the two share the work.
#[derive(Clone)]
pub struct Rebuilder {
    journal: Journal,
    store: Store,
    models: Vec<Arc<dyn Model>>,
}

/// What came of a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// The version that is read from now on.
    pub version: Version,
    /// How far it has come: the next position that it will fold.
    pub position: Position,
}

/// Why a rebuild failed. What was read before is read still.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is no such projection.
    #[error("there is no projection `{0}`")]
    Unknown(String),
    /// It can't fold an event.
    #[error("the rebuild of `{projection}` stopped at {position}: {error}")]
    Stopped {
        /// Which.
        projection: String,
        /// Of the event.
        position: Position,
        /// What is wrong with it.
        error: String,
    },
    /// The book or the tables can't be used.
    #[error("the rebuild was broken off: {0}")]
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

impl Rebuilder {
    pub(crate) const fn new(journal: Journal, store: Store, models: Vec<Arc<dyn Model>>) -> Self {
        Self { journal, store, models }
    }

    /// Folds the whole book again into a version of its own, and then puts that in the place of what is
    /// read, in one transaction and not before it has come as far.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn rebuild(&self, projection: &str) -> Result<Rebuilt, RebuildError> {
        let model = self.model(projection)?;
        let Some(active) = self.active(projection).await? else {
            return Err(RebuildError::Unknown(projection.to_owned()));
        };
        let version = active.version.next(model.version());
        self.store.begin_building(projection, version).await?;
        // One that stopped has another try.
        self.store.resume(projection, version).await?;
        let position = self.build(model, version).await?;
        sweep(&self.store).await?;
        tracing::info!(projection, %version, %position, "rebuilt");
        Ok(Rebuilt { version, position })
    }

    /// Folds until the version is read, by our doing or somebody else's.
    async fn build(&self, model: &Arc<dyn Model>, version: Version) -> Result<Position, RebuildError> {
        loop {
            let Checkpoint { build, position, active, .. } = self.look(model.name(), version).await?;
            if active {
                return Ok(position);
            }
            let mut target = [Target { model: model.clone(), build, position }];
            let mut more = Advanced::More;
            while more == Advanced::More {
                more = advance(&self.journal, &self.store, Uuid::nil(), &mut target, PAGE).await?;
            }
            if more == Advanced::Moved {
                // Somebody else is at it.
                sleep(BREATH).await;
            } else {
                self.store.swap(model.name(), version).await?;
            }
        }
    }

    /// Rebuilds what is read if older code has built it.
    pub(crate) async fn renew(&self, projection: &str) -> Result<(), RebuildError> {
        let code = self.model(projection)?.version();
        match self.active(projection).await? {
            Some(active) if active.version.code < code => self.rebuild(projection).await.map(drop),
            _ => Ok(()),
        }
    }

    fn model(&self, projection: &str) -> Result<&Arc<dyn Model>, RebuildError> {
        let found = self.models.iter().find(|model| model.name() == projection);
        found.ok_or_else(|| RebuildError::Unknown(projection.to_owned()))
    }

    async fn active(&self, projection: &str) -> Result<Option<Checkpoint>, sqlx::Error> {
        let checkpoints = self.store.checkpoints().await?;
        Ok(checkpoints.into_iter().find(|one| one.active && one.projection == projection))
    }

    /// Where what is being built stands now.
    async fn look(&self, projection: &str, version: Version) -> Result<Checkpoint, RebuildError> {
        let checkpoints = self.store.checkpoints().await?;
        let found =
            checkpoints.into_iter().find(|one| one.projection == projection && one.version == version);
        let Some(checkpoint) = found else {
            return Err(RebuildError::Trouble("what was built has gone".into()));
        };
        if checkpoint.status == status::STOPPED {
            let Checkpoint { projection, position, error, .. } = checkpoint;
            return Err(RebuildError::Stopped { projection, position, error: error.unwrap_or_default() });
        }
        if checkpoint.status == status::DROPPED {
            return Err(RebuildError::Trouble("what was built has been replaced meanwhile".into()));
        }
        Ok(checkpoint)
    }
}

/// Clears away what was replaced.
pub(crate) async fn sweep(store: &Store) -> Result<(), sqlx::Error> {
    for checkpoint in store.checkpoints().await? {
        if checkpoint.status == status::DROPPED {
            store.drop_version(&checkpoint.projection, checkpoint.version).await?;
        }
    }
    Ok(())
}
