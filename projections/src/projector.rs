//! Follows the book and keeps the read models.
//!
//! Several replicas may each run a projector over the same tables. Of each read model one has the lease
//! and folds; the others look now and then whether it has run out. That only saves them the work: the
//! checkpoints are held while a page is folded, and whoever finds one held or moved, or its lease gone,
//! writes nothing and looks again. So it would be correct without.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tollbook_journal::{Journal, Position};
use uuid::Uuid;

use crate::advance::{Advanced, Target, Trouble, advance};
use crate::model::Model;
use crate::progress::Progress;
use crate::rebuild::Rebuilder;
use crate::store::{Checkpoint, Store, status};
use crate::version::Version;
use crate::views::Views;

/// How a projector shares the machine with the appends, and the work with other replicas.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The most events in one page (2000).
    pub page: usize,
    /// How long it lets events gather after it has caught up (75 ms), unless somebody waits.
    pub pause: Duration,
    /// How long between two rounds however many wait (5 ms).
    pub breath: Duration,
    /// How many events it may be behind (10,000). While appends flood in it rests after each page: as
    /// long as it worked where it is hardly behind, and the less the further behind it is; from here on
    /// not at all. So it doesn't take from the appends what it needn't, and doesn't fall behind for ever.
    pub behind: u64,
    /// How long a lease lasts (2 s): so long after a replica died another takes over.
    pub lease: Duration,
    /// How often leases are kept and looked for, and the tables looked at though nothing woke it (500 ms).
    pub tick: Duration,
    /// How long it leaves a database alone that is in trouble (1 s).
    pub trouble: Duration,
    /// After how long it tries an event again that it couldn't fold (30 s): the cause may have been in the
    /// database. What a newer version of the service can fold that one tries at once.
    pub retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            page: 2000,
            pause: Duration::from_millis(75),
            breath: Duration::from_millis(5),
            behind: 10_000,
            lease: Duration::from_secs(2),
            tick: Duration::from_millis(500),
            trouble: Duration::from_secs(1),
            retry: Duration::from_secs(30),
        }
    }
}

/// Keeps the read models while it runs. Dropped at any moment, the next one goes on where it stood.
pub struct Projector {
    journal: Journal,
    store: Store,
    progress: Progress,
    models: Vec<Arc<dyn Model>>,
    pace: Pace,
    replica: Uuid,
}

/// What it knows from one round to the next.
#[derive(Default)]
struct Following {
    /// What it folds. None: the tables have to be looked at.
    targets: Option<Vec<Target>>,
    /// When they were last looked at.
    looked: Option<Instant>,
    /// The builds that it found stopped, where, and when it tried to go on.
    tried: HashMap<i32, (Position, Instant)>,
}

impl Projector {
    /// Of these models, for whoever reads through `views`. `replica` is what its leases are held by: of
    /// this life of the process alone.
    pub fn new(views: &Views, models: Vec<Box<dyn Model>>, pace: Pace, replica: Uuid) -> Self {
        Self {
            journal: views.journal().clone(),
            store: views.store().clone(),
            progress: views.progress().clone(),
            models: models.into_iter().map(Arc::from).collect(),
            pace,
            replica,
        }
    }

    /// What builds read models again, of the same code. Whoever has it runs it beside this.
    pub fn rebuilder(&self) -> Rebuilder {
        Rebuilder::new(self.journal.clone(), self.store.clone(), self.models.clone(), self.replica)
    }

    /// Runs until it is told to stop, and then hands over to whoever else is there.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            while !self.prepare().await {
                sleep(self.pace.trouble).await;
            }
            self.follow().await;
        })
        .await;
        // Whoever can't be told finds out when the leases have run out.
        let released = timeout(self.pace.trouble, self.store.release(self.replica)).await;
        if !matches!(released, Ok(Ok(()))) {
            tracing::warn!("the projections' leases could not be given back; others wait until they run out");
        }
    }

    /// Sees to it that each model has a version to read, and gives those that stopped another try: what
    /// is new may be that this version of the service can fold what the last one couldn't, or that the
    /// event at which it stopped is no more. Answers whether it could; [`Self::run`] tries until it can.
    /// Whoever waits for it first never meets a projection that has nothing to read yet.
    pub async fn prepare(&self) -> bool {
        let prepared = self.try_prepare().await;
        if let Err(trouble) = &prepared {
            tracing::warn!(%trouble, "the projections cannot be prepared");
        }
        prepared.is_ok()
    }

    async fn try_prepare(&self) -> Result<(), Trouble> {
        for model in &self.models {
            self.store.ensure(model.name(), Version::first(model.version())).await?;
        }
        for checkpoint in self.store.checkpoints().await? {
            let ours = self.model(&checkpoint).is_some();
            if ours && checkpoint.active && checkpoint.status == status::STOPPED {
                self.store.resume(checkpoint.build).await?;
            }
        }
        Ok(())
    }

    /// The model that folds this version, if it is of our code.
    fn model(&self, checkpoint: &Checkpoint) -> Option<&Arc<dyn Model>> {
        let same = |model: &&Arc<dyn Model>| {
            model.name() == checkpoint.projection && model.version() == checkpoint.version.code
        };
        self.models.iter().find(same)
    }

    async fn follow(&self) {
        let mut wake = self.journal.wake();
        let mut following = Following::default();
        loop {
            let (began, head) = (Instant::now(), *wake.borrow());
            match self.round(&mut following).await {
                Ok(Advanced::More) => {
                    let now = *wake.borrow();
                    if now > head {
                        self.pause(self.pace.rest(began.elapsed(), now, following.reached())).await;
                    }
                }
                Ok(Advanced::Caught) => self.pause(self.pace.pause).await,
                Ok(Advanced::Moved) => {
                    following.targets = None;
                    self.pause(self.pace.pause).await;
                }
                Ok(Advanced::Idle) => {
                    self.wait(&mut wake).await;
                    // What is written together is folded together.
                    self.pause(self.pace.pause).await;
                }
                Err(trouble) => {
                    following.targets = None;
                    tracing::warn!(%trouble, "the projections cannot be kept up to date");
                    sleep(self.pace.trouble).await;
                }
            }
            sleep_until(began + self.pace.breath).await;
        }
    }

    /// One page for each position at which some of the targets stand.
    async fn round(&self, following: &mut Following) -> Result<Advanced, Trouble> {
        let fresh = following.looked.is_some_and(|looked| looked.elapsed() < self.pace.tick);
        let mut all = match following.targets.take().filter(|_| fresh) {
            Some(targets) => targets,
            None => self.look(following).await?,
        };
        let mut together: BTreeMap<Position, Vec<Target>> = BTreeMap::new();
        for target in all.drain(..) {
            together.entry(target.position).or_default().push(target);
        }
        let (mut sum, mut moved) = (Advanced::Idle, false);
        for (_, mut group) in together {
            match advance(&self.journal, &self.store, self.replica, &mut group, self.pace.page).await? {
                Advanced::More => sum = Advanced::More,
                Advanced::Caught if sum == Advanced::Idle => sum = Advanced::Caught,
                Advanced::Moved => moved = true,
                Advanced::Caught | Advanced::Idle => {}
            }
            self.progress.reached(group.iter().map(|target| (target.model.name(), target.position)));
            all.extend(group);
        }
        following.targets = Some(all);
        Ok(if moved { Advanced::Moved } else { sum })
    }

    /// Looks at the tables: how far is what is read, and what of it is this replica's to fold?
    async fn look(&self, following: &mut Following) -> Result<Vec<Target>, Trouble> {
        let looked = Instant::now();
        let checkpoints = self.store.checkpoints().await?;
        let ours = |checkpoint: &Checkpoint| {
            let model = self.model(checkpoint).filter(|_| checkpoint.active)?.clone();
            let stopped = checkpoint.status == status::STOPPED;
            Some((stopped, Target { model, build: checkpoint.build, position: checkpoint.position }))
        };
        let mut ours: Vec<(bool, Target)> = checkpoints.iter().filter_map(ours).collect();
        self.progress.reached(ours.iter().map(|(_, target)| (target.model.name(), target.position)));
        // Its lease runs out while it isn't tried, so that a replica that can fold it gets it.
        ours.retain(|(stopped, target)| !stopped || following.may_try(target, self.pace.retry));
        let builds: Vec<i32> = ours.iter().map(|(_, target)| target.build).collect();
        let leased = self.store.lease(&builds, self.replica, self.pace.lease).await?;
        following.looked = Some(looked);
        ours.retain(|(_, target)| leased.contains(&target.build));
        for (_, target) in ours.iter().filter(|(stopped, _)| *stopped) {
            following.tried.insert(target.build, (target.position, looked));
        }
        Ok(ours.into_iter().map(|(_, target)| target).collect())
    }

    async fn pause(&self, pause: Duration) {
        // Cut short for whoever waits to read what they wrote.
        let _ = timeout(pause, self.progress.nudged()).await;
    }

    async fn wait(&self, wake: &mut watch::Receiver<Position>) {
        let event = async {
            tokio::select! {
                woken = wake.changed() => if woken.is_err() {
                    // The journal has ended; the tick is all that is left.
                    std::future::pending::<()>().await;
                },
                () = self.progress.nudged() => self.progress.nudge(),
            }
        };
        let _ = timeout(self.pace.tick, event).await;
    }
}

impl Following {
    /// The least position that it stands at.
    fn reached(&self) -> Option<Position> {
        self.targets.as_ref()?.iter().map(|target| target.position).min()
    }

    /// Is it time to try an event that somebody couldn't fold? At once, if it wasn't us.
    fn may_try(&self, target: &Target, again: Duration) -> bool {
        let known = self.tried.get(&target.build).filter(|(position, _)| *position == target.position);
        known.is_none_or(|(_, when)| when.elapsed() >= again)
    }
}

impl Pace {
    /// How long to rest behind a page that took so long, while appends flood in.
    fn rest(&self, worked: Duration, head: Position, reached: Option<Position>) -> Duration {
        let lag = reached.map_or(0, |reached| head.0.saturating_sub(reached.0));
        // Exact enough: both are small.
        let left = u32::try_from(self.behind.saturating_sub(lag)).unwrap_or(u32::MAX);
        let whole = u32::try_from(self.behind).unwrap_or(u32::MAX).max(1);
        worked.mul_f64(f64::from(left) / f64::from(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_further_behind_the_shorter_the_rest() {
        let (pace, worked) = (Pace { behind: 1000, ..Pace::default() }, Duration::from_millis(10));
        let rest = |lag: u64| pace.rest(worked, Position(5000 + lag), Some(Position(5000)));
        assert_eq!(rest(0), worked);
        assert_eq!(rest(500), worked / 2);
        assert_eq!((rest(1000), rest(100_000)), (Duration::ZERO, Duration::ZERO));
        assert_eq!(pace.rest(worked, Position(9), None), worked, "it has nothing to fold");
    }
}
