//! The work that orders make: done in the background, by whichever replica gets hold of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::compare::compare;
use super::flip::Put;
use super::folding::{Came, Folding};
use super::overview::{BuildState, Purpose};
use super::{BREATH, RebuildError, Rebuilder, sweep};
use crate::model::Model;
use crate::store::building::{BuildRow, VersionRow};
use crate::store::{Work, read, status};
use crate::version::Version;

/// How often it looks for work that nobody here has ordered, and brings what is kept up to date.
const TICK: Duration = Duration::from_secs(2);
/// How long a build folds between two looks at how far there is to go.
const STRIDE: Duration = Duration::from_secs(1);
/// How long a lease of a build lasts; it is taken again well before that.
const LEASE: Duration = Duration::from_secs(3);

impl Rebuilder {
    /// Works until it is told to stop: builds what was ordered, here or by a replica that is no more;
    /// builds anew what older code has built; keeps up to date what a rollback would read, for so long;
    /// and clears away the rest.
    pub async fn run(&self, kept_for: Duration, stop: CancellationToken) {
        let work = async {
            loop {
                if let Err(error) = self.round(kept_for).await {
                    tracing::warn!(%error, "builds of projections cannot go on");
                }
                let _ = timeout(TICK, self.nudge.notified()).await;
            }
        };
        stop.run_until_cancelled(Box::pin(work)).await;
    }

    /// Does all there is to do now.
    ///
    /// # Errors
    /// See [`RebuildError`]; of single builds they are logged, and told in their status.
    pub async fn round(&self, kept_for: Duration) -> Result<(), RebuildError> {
        self.renew().await?;
        let kept_for = i64::try_from(kept_for.as_micros()).unwrap_or(i64::MAX / 2);
        self.store.expire_kept(kept_for).await?;
        sweep(&self.store).await?;
        for row in self.store.builds().await? {
            let Ok(model) = self.model(&row.projection) else { continue };
            if let Err(error) = self.work_on(model, &row).await {
                tracing::error!(projection = row.projection, %error, "a build did not come to its end");
            }
        }
        sweep(&self.store).await?;
        Ok(())
    }

    /// Has what older code built be built anew.
    async fn renew(&self) -> Result<(), RebuildError> {
        for read in self.store.checkpoints().await?.into_iter().filter(|one| one.active) {
            if let Ok(model) = self.model(&read.projection)
                && read.version.code < model.version()
            {
                self.begin(model, Purpose::Renew, None).await?;
            }
        }
        Ok(())
    }

    async fn work_on(&self, model: &Arc<dyn Model>, row: &BuildRow) -> Result<(), RebuildError> {
        let versions = self.store.snapshot().await?.see_versions(model.name()).await?;
        let ours = |row: &&VersionRow| Version::of_stored(row.version).code == model.version();
        if BuildState::of(&row.state).is_open() {
            let built = versions.all.iter().find(|one| one.version == row.version).filter(ours);
            if let Some(built) = built {
                let done = self.leased(built.build, self.build(model, built, row)).await;
                return self.settle_stopped(model, built, done).await;
            }
        }
        for kept in [status::KEPT, status::BESIDE] {
            if let Some(one) = versions.doing(kept).filter(ours) {
                let head = self.journal.head().await?.next;
                let tail = async { Ok(self.folding(model, one).go(head, STRIDE).await.map(drop)?) };
                self.leased(one.build, tail).await?;
            }
        }
        Ok(())
    }

    /// Does the work if no other replica is at this build, and says all the while that this one is.
    async fn leased(
        &self,
        build: i32,
        work: impl Future<Output = Result<(), RebuildError>>,
    ) -> Result<(), RebuildError> {
        if self.store.lease(&[build], self.replica, LEASE).await?.is_empty() {
            return Ok(());
        }
        let again = async {
            loop {
                sleep(LEASE / 4).await;
                if let Err(error) = self.store.lease(&[build], self.replica, LEASE).await {
                    tracing::debug!(%error, "a build's lease cannot be kept; whoever takes it finds it moved");
                }
            }
        };
        let done = tokio::select! {
            done = work => done,
            () = again => Ok(()),
        };
        self.store.release_build(build, self.replica).await?;
        done
    }

    /// Writes down that a build stopped, if it did.
    async fn settle_stopped(
        &self,
        model: &Arc<dyn Model>,
        built: &VersionRow,
        done: Result<(), RebuildError>,
    ) -> Result<(), RebuildError> {
        if matches!(done, Err(RebuildError::Stopped { .. })) {
            let mut work = self.store.begin().await?;
            let versions = work.hold_versions(model.name()).await?;
            if versions.build(built.build).is_some_and(|row| row.status == status::STOPPED) {
                work.settle_build(model.name(), BuildState::Stopped.as_str()).await?;
                work.commit().await?;
            }
        }
        done
    }

    fn folding(&self, model: &Arc<dyn Model>, row: &VersionRow) -> Folding {
        Folding::new(&self.journal, &self.store, model, row.build, read(row.position))
    }

    async fn build(
        &self,
        model: &Arc<dyn Model>,
        built: &VersionRow,
        row: &BuildRow,
    ) -> Result<(), RebuildError> {
        let purpose = Purpose::of(&row.purpose);
        let mut folding = self.folding(model, built);
        // Whoever found it the same was killed before it was read.
        let found_same = purpose == Purpose::Rebuild && row.differences == Some(0);
        if !found_same && !self.fold_all(model, built, purpose, &mut folding).await? {
            return Ok(());
        }
        if purpose != Purpose::Renew && !found_same {
            let differs = self.compare(model, &mut folding, built).await?;
            if purpose == Purpose::Verify {
                return self.settle(model, built, status::DROPPED, BuildState::Verified).await;
            }
            if differs {
                return self.settle(model, built, status::BESIDE, BuildState::Differs).await;
            }
        }
        self.flip(model, Put::Built(built.build), BuildState::Swapped, None).await
    }

    /// Folds up to where what is read stands. Answers whether it came there; not, when somebody else is at it.
    async fn fold_all(
        &self,
        model: &Arc<dyn Model>,
        built: &VersionRow,
        purpose: Purpose,
        folding: &mut Folding,
    ) -> Result<bool, RebuildError> {
        loop {
            let head = self.journal.head().await?.next;
            let active = self.active_position(model).await?;
            // It never passes what it is to be compared with.
            let until = if purpose == Purpose::Renew { head } else { active.unwrap_or(head) };
            let came = folding.go(until, STRIDE).await?;
            self.store.note_build(model.name(), head, folding.rate()).await?;
            match came {
                Came::Far if folding.position() >= until => return Ok(true),
                Came::Far => {}
                Came::Stopped => return Err(self.stopped(model.name(), built.build).await?),
                Came::Moved => return Ok(false),
            }
        }
    }

    async fn active_position(
        &self,
        model: &Arc<dyn Model>,
    ) -> Result<Option<tollbook_journal::Position>, RebuildError> {
        let versions = self.store.snapshot().await?.see_versions(model.name()).await?;
        Ok(versions.active().map(|row| read(row.position)))
    }

    /// Holds the build against what is read, and writes down what came of it. Answers whether they differ.
    async fn compare(
        &self,
        model: &Arc<dyn Model>,
        folding: &mut Folding,
        built: &VersionRow,
    ) -> Result<bool, RebuildError> {
        let projection = model.name();
        self.store.note_state(projection, BuildState::Comparing.as_str()).await?;
        let Some((mut snapshot, active)) = self.side_by_side(model, folding, built).await? else {
            // What is read has stopped, and the build is past it: there is nothing to compare with.
            return Ok(true);
        };
        let found = compare(&mut snapshot, [active.build, built.build]).await?;
        drop(snapshot);
        let examples = serde_json::to_string(&found.examples).unwrap_or_else(|_| "[]".into());
        let (at, differences) = (read(active.position), found.differences);
        self.store.note_comparison(projection, at, differences, &examples).await?;
        tracing::info!(projection, position = %at, differences, "a build was compared with what is read");
        Ok(differences > 0)
    }

    /// A moment at which the build and what is read stand at one position, as a snapshot of the tables.
    /// Nothing is held up while it is looked at.
    async fn side_by_side(
        &self,
        model: &Arc<dyn Model>,
        folding: &mut Folding,
        built: &VersionRow,
    ) -> Result<Option<(Work, VersionRow)>, RebuildError> {
        loop {
            if let Some(position) = self.active_position(model).await? {
                match folding.go(position, STRIDE).await? {
                    Came::Far => {}
                    Came::Stopped => return Err(self.stopped(model.name(), built.build).await?),
                    Came::Moved => {
                        return Err(RebuildError::Trouble("somebody else is at this build".into()));
                    }
                }
            }
            let mut work = self.store.begin().await?;
            work.be_impatient().await?;
            let versions = work.hold_versions(model.name()).await?;
            let Some(active) = versions.active() else {
                return Err(RebuildError::Unknown(model.name().to_owned()));
            };
            if active.status == status::STOPPED && folding.position() > read(active.position) {
                return Ok(None);
            }
            if folding.go_within(&mut work, Some(read(active.position))).await? {
                work.commit().await?;
                let mut snapshot = self.store.snapshot().await?;
                let seen = snapshot.see_versions(model.name()).await?;
                if let (Some(active), Some(ours)) = (seen.active(), seen.build(built.build))
                    && active.position == ours.position
                {
                    let active = active.clone();
                    return Ok(Some((snapshot, active)));
                }
            }
            sleep(BREATH).await;
        }
    }

    async fn settle(
        &self,
        model: &Arc<dyn Model>,
        built: &VersionRow,
        does: &str,
        state: BuildState,
    ) -> Result<(), RebuildError> {
        let mut work = self.store.begin().await?;
        let versions = work.hold_versions(model.name()).await?;
        if versions.build(built.build).is_some_and(|row| row.status == status::BUILDING) {
            work.set_status(built.build, does).await?;
            work.settle_build(model.name(), state.as_str()).await?;
            work.commit().await?;
        }
        Ok(())
    }
}
