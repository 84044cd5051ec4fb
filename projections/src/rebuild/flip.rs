//! Swap and rollback: another version is read, from one moment to the next.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tollbook_journal::Position;

use super::folding::{Came, Folding};
use super::overview::BuildState;
use super::{BREATH, RebuildError, Rebuilder};
use crate::model::Model;
use crate::store::building::{VersionRow, Versions};
use crate::store::{read, status};
use crate::version::Version;

/// How often it is tried while the book grows faster than the version comes near its end.
const TRIES: usize = 200;
/// How long one try folds.
const STRIDE: Duration = Duration::from_secs(60);

/// What is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Put {
    /// The build that has just been made.
    Built(i32),
    /// What was built, differs, and waits.
    Beside,
    /// What was read before.
    Kept,
}

impl Put {
    /// Which version that is.
    pub(super) fn find<'a>(
        self,
        model: &dyn Model,
        versions: &'a Versions,
    ) -> Result<&'a VersionRow, RebuildError> {
        let ours = |row: &&VersionRow| Version::of_stored(row.version).code == model.version();
        let name = || model.name().to_owned();
        match self {
            Self::Built(build) => versions
                .build(build)
                .filter(|row| row.status == status::BUILDING)
                .ok_or_else(|| RebuildError::NothingBuilt(name())),
            Self::Beside => {
                versions.doing(status::BESIDE).filter(ours).ok_or_else(|| RebuildError::NothingBuilt(name()))
            }
            // What other code made can't be kept up to date by ours, nor read.
            Self::Kept => {
                versions.doing(status::KEPT).filter(ours).ok_or_else(|| RebuildError::NothingKept(name()))
            }
        }
    }
}

impl Rebuilder {
    /// Lets another version be read. It is brought to the end of the book first; the last events, and the
    /// change itself, in one transaction during which nothing is appended and no version moves: so
    /// whoever reads finds all that was acknowledged, before it and after it.
    pub(super) async fn flip(
        &self,
        model: &Arc<dyn Model>,
        put: Put,
        state: BuildState,
        ordered_at: Option<Position>,
    ) -> Result<(), RebuildError> {
        for _ in 0..TRIES {
            let versions = self.store.snapshot().await?.see_versions(model.name()).await?;
            let Some(row) = self.open_unless_done(model, put, &versions, ordered_at).await? else {
                return Ok(());
            };
            let mut folding = Folding::new(&self.journal, &self.store, model, row.build, read(row.position));
            let head = self.journal.head().await?.next;
            match folding.go(head, STRIDE).await? {
                Came::Far => {}
                Came::Stopped => return Err(self.stopped(model.name(), row.build).await?),
                Came::Moved => {
                    sleep(BREATH).await;
                    continue;
                }
            }
            if self.try_flip(model, put, &mut folding, state, ordered_at).await? {
                return Ok(());
            }
            sleep(BREATH).await;
        }
        Err(RebuildError::Trouble("the book grows too fast".into()))
    }

    /// The version to read; none, if this very order was carried out before.
    async fn open_unless_done(
        &self,
        model: &Arc<dyn Model>,
        put: Put,
        versions: &Versions,
        ordered_at: Option<Position>,
    ) -> Result<Option<VersionRow>, RebuildError> {
        if let Some(at) = ordered_at {
            let row = self.store.build(model.name()).await?;
            if row.is_some_and(|row| row.ordered_at >= crate::store::stored(at)) {
                return Ok(None);
            }
        }
        put.find(model.as_ref(), versions).cloned().map(Some)
    }

    /// Answers whether it is done; not, when something moved meanwhile, or there was too much left to fold.
    async fn try_flip(
        &self,
        model: &Arc<dyn Model>,
        put: Put,
        folding: &mut Folding,
        state: BuildState,
        ordered_at: Option<Position>,
    ) -> Result<bool, RebuildError> {
        let projection = model.name();
        let mut work = self.store.begin().await?;
        work.be_impatient().await?;
        let versions = work.hold_versions(projection).await?;
        let to = put.find(model.as_ref(), &versions)?;
        let Some(from) = versions.active() else {
            return Err(RebuildError::Unknown(projection.to_owned()));
        };
        if let Some(at) = ordered_at
            && !work.carry_out(projection, at).await?
        {
            return Ok(true);
        }
        work.stop_appends().await?;
        if !folding.go_within(&mut work, None).await? || read(from.position) > folding.position() {
            return Ok(false);
        }
        for other in &versions.all {
            let kept = [status::KEPT, status::BESIDE].contains(&other.status.as_str());
            if kept && other.build != to.build {
                work.set_status(other.build, status::DROPPED).await?;
            }
        }
        work.set_active(projection, to.version).await?;
        work.set_status(from.build, status::KEPT).await?;
        work.set_status(to.build, status::RUNNING).await?;
        work.settle_build(projection, state.as_str()).await?;
        work.commit().await?;
        let (from, to) = (Version::of_stored(from.version), Version::of_stored(to.version));
        tracing::info!(projection, %from, %to, position = %folding.position(), "another version is read");
        Ok(true)
    }

    /// What the tables say of a build that stopped.
    pub(super) async fn stopped(&self, projection: &str, build: i32) -> Result<RebuildError, RebuildError> {
        let checkpoints = self.store.checkpoints().await?;
        let found = checkpoints.into_iter().find(|one| one.build == build);
        let projection = projection.to_owned();
        Ok(match found {
            Some(one) => RebuildError::Stopped {
                projection,
                position: one.position,
                error: one.error.unwrap_or_default(),
            },
            None => RebuildError::NothingBuilt(projection),
        })
    }
}
