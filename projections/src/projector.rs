//! Follows the book and keeps the read models.
//!
//! Several replicas may each run a projector over the same tables: the checkpoints are held while a
//! page is folded, and whoever finds one held or moved writes nothing and looks again. So it is correct
//! without a lease; a lease will only save the losers their reading.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tollbook_journal::{Journal, Position};

use crate::advance::{Advanced, Target, Trouble, advance};
use crate::model::Model;
use crate::progress::Progress;
use crate::rebuild::{Rebuilder, sweep};
use crate::store::{Checkpoint, Store, status};
use crate::version::Version;
use crate::views::Views;

/// How a projector shares the machine with the appends: it falls behind a flood of them, at half its
/// speed, and catches up at full speed when the flood is over.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The most events in one page (1000).
    pub page: usize,
    /// How long it lets events gather after it has caught up (75 ms), unless somebody waits.
    pub pause: Duration,
    /// How long between two rounds however many wait (5 ms).
    pub breath: Duration,
    /// How often it looks though nothing woke it (5 s).
    pub tick: Duration,
    /// How long it leaves a database alone that is in trouble (1 s).
    pub trouble: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            page: 1000,
            pause: Duration::from_millis(75),
            breath: Duration::from_millis(5),
            tick: Duration::from_secs(5),
            trouble: Duration::from_secs(1),
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
}

impl Projector {
    /// Of these models, for whoever reads through `views`.
    pub fn new(views: &Views, models: Vec<Box<dyn Model>>, pace: Pace) -> Self {
        Self {
            journal: views.journal().clone(),
            store: views.store().clone(),
            progress: views.progress().clone(),
            models: models.into_iter().map(Arc::from).collect(),
            pace,
        }
    }

    /// What builds a read model again. Independent of whether anything runs.
    pub fn rebuilder(&self) -> Rebuilder {
        Rebuilder::new(self.journal.clone(), self.store.clone(), self.models.clone())
    }

    /// Runs until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            while let Err(trouble) = self.prepare().await {
                tracing::warn!(%trouble, "the projections cannot be prepared");
                sleep(self.pace.trouble).await;
            }
            tokio::join!(self.follow(), self.renew());
        })
        .await;
    }

    /// Sees to it that each model has a version to read, and gives those that stopped another try: what
    /// is new may be that this version of the service can fold what the last one couldn't.
    async fn prepare(&self) -> Result<(), Trouble> {
        for model in &self.models {
            self.store.ensure(model.name(), Version::first(model.version())).await?;
        }
        for checkpoint in self.store.checkpoints().await? {
            let ours = self.model(&checkpoint).is_some();
            if ours && checkpoint.active && checkpoint.status == status::STOPPED {
                self.store.resume(&checkpoint.projection, checkpoint.version).await?;
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

    /// Builds anew what older code has built, and clears away what was replaced.
    async fn renew(&self) {
        let rebuilder = self.rebuilder();
        for model in &self.models {
            if let Err(error) = rebuilder.renew(model.name()).await {
                tracing::error!(projection = model.name(), %error, "a projection cannot be built anew");
            }
        }
        if let Err(error) = sweep(&self.store).await {
            tracing::warn!(%error, "replaced projections cannot be cleared away");
        }
    }

    async fn follow(&self) {
        let mut wake = self.journal.wake();
        let mut targets = None;
        loop {
            let (began, head) = (Instant::now(), *wake.borrow());
            match self.round(&mut targets).await {
                // Appends come first: while there are any, it rests as long as it worked.
                Ok(Advanced::More) if *wake.borrow() > head => self.pause(began.elapsed()).await,
                Ok(Advanced::More) => {}
                Ok(Advanced::Caught | Advanced::Moved) => self.pause(self.pace.pause).await,
                Ok(Advanced::Idle) => {
                    self.wait(&mut wake).await;
                    // What is written together is folded together.
                    self.pause(self.pace.pause).await;
                }
                Err(trouble) => {
                    targets = None;
                    tracing::warn!(%trouble, "the projections cannot be kept up to date");
                    sleep(self.pace.trouble).await;
                }
            }
            sleep_until(began + self.pace.breath).await;
        }
    }

    /// One page for each position at which some of the targets stand.
    async fn round(&self, targets: &mut Option<Vec<Target>>) -> Result<Advanced, Trouble> {
        let mut all = match targets.take() {
            Some(targets) => targets,
            None => self.targets().await?,
        };
        let mut together: BTreeMap<Position, Vec<Target>> = BTreeMap::new();
        for target in all.drain(..) {
            together.entry(target.position).or_default().push(target);
        }
        let (mut sum, mut moved) = (Advanced::Idle, false);
        for (_, mut group) in together {
            match advance(&self.journal, &self.store, &mut group, self.pace.page).await? {
                Advanced::More => sum = Advanced::More,
                Advanced::Caught if sum == Advanced::Idle => sum = Advanced::Caught,
                Advanced::Moved => moved = true,
                Advanced::Caught | Advanced::Idle => {}
            }
            self.progress.reached(group.iter().map(|target| (target.model.name(), target.position)));
            all.extend(group);
        }
        if moved {
            return Ok(Advanced::Moved);
        }
        // A model that isn't among them has stopped, or is another version's: whether that is over only
        // the tables say.
        *targets = (all.len() == self.models.len()).then_some(all);
        Ok(sum)
    }

    /// What is read, as far as it is of our code and hasn't stopped.
    async fn targets(&self) -> Result<Vec<Target>, Trouble> {
        let checkpoints = self.store.checkpoints().await?;
        let target = |checkpoint: &Checkpoint| {
            let runs = checkpoint.active && checkpoint.status == status::RUNNING;
            let model = self.model(checkpoint).filter(|_| runs)?.clone();
            Some(Target { model, build: checkpoint.build, position: checkpoint.position })
        };
        let targets: Vec<Target> = checkpoints.iter().filter_map(target).collect();
        self.progress.reached(targets.iter().map(|target| (target.model.name(), target.position)));
        Ok(targets)
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
