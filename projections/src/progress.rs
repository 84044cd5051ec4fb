//! How far the projections are, and waiting for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tollbook_journal::Position;
use uuid::Uuid;

use crate::store::{Checkpoint, Store, status};
use crate::version::Version;
use crate::views::ViewError;

/// Where one projection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionStatus {
    /// Which.
    pub name: String,
    /// Which version of it.
    pub version: Version,
    /// Is it the one that is read?
    pub active: bool,
    /// The next position that it will fold.
    pub position: Position,
    /// What it is doing.
    pub status: Status,
    /// Why it stopped, if it did.
    pub error: Option<String>,
    /// How many events it is behind the head.
    pub lag: u64,
    /// The replica (its incarnation) that folds it, or did last; none once it has handed it over.
    pub holder: Option<Uuid>,
}

/// What a projection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Folds what comes.
    Running,
    /// Stands at an event that it can't fold. What is read from it grows old.
    Stopped,
    /// Folds from the beginning, beside the version that is read.
    Building,
    /// Was built, differs from what is read, and waits for somebody to swap it all the same.
    Beside,
    /// Was read before, and is kept up to date for a rollback.
    Kept,
    /// Was replaced; its rows are being deleted.
    Dropped,
}

impl Status {
    pub(crate) fn of(column: &str) -> Self {
        match column {
            status::RUNNING => Self::Running,
            status::BUILDING => Self::Building,
            status::BESIDE => Self::Beside,
            status::KEPT => Self::Kept,
            status::DROPPED => Self::Dropped,
            _ => Self::Stopped,
        }
    }
}

/// A projection hasn't come as far as somebody needs it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCaughtUp {
    /// It is on its way, but didn't get there in time.
    #[error("`{projection}` has folded up to {reached} only")]
    Late {
        /// Which.
        projection: String,
        /// The next position that it will fold.
        reached: Position,
    },
    /// It can't go on. See [`ProjectionStatus`].
    #[error("`{projection}` has stopped at {reached}")]
    Stopped {
        /// Which.
        projection: String,
        /// The position of the event at which it stopped.
        reached: Position,
    },
}

/// What the projector and those who read share.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The next position to fold of what is read, as the projector of this process last saw it.
    reached: watch::Sender<HashMap<String, Position>>,
    /// Somebody waits: don't pause.
    nudge: Notify,
}

/// How often the tables are asked while another process's projector is at work.
const ASK: Duration = Duration::from_millis(40);

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { reached: watch::Sender::new(HashMap::new()), nudge: Notify::new() }))
    }

    /// Told by the projector. Positions only rise: whoever is behind the tables learns it there.
    pub(crate) fn reached<'a>(&self, positions: impl IntoIterator<Item = (&'a str, Position)>) {
        self.0.reached.send_if_modified(|reached| {
            let mut changed = false;
            for (name, position) in positions {
                match reached.get_mut(name) {
                    Some(known) if *known >= position => {}
                    Some(known) => (*known, changed) = (position, true),
                    None => changed = reached.insert(name.to_owned(), position).is_none(),
                }
            }
            changed
        });
    }

    /// Returns when somebody begins to wait, or did since this was last awaited.
    pub(crate) async fn nudged(&self) {
        self.0.nudge.notified().await;
    }

    pub(crate) fn nudge(&self) {
        self.0.nudge.notify_one();
    }

    /// Waits until the event at `position` is folded into what is read.
    pub(crate) async fn wait_for(
        &self,
        store: &Store,
        projection: &str,
        position: Position,
        deadline: Instant,
    ) -> Result<Result<Position, NotCaughtUp>, ViewError> {
        let mut reached = self.0.reached.subscribe();
        loop {
            if let Some(there) =
                reached.borrow_and_update().get(projection).filter(|there| **there > position)
            {
                return Ok(Ok(*there));
            }
            let there = match active(store, projection).await {
                // The first projector may be about to start.
                Err(ViewError::Unknown(_)) if Instant::now() < deadline => {
                    sleep(ASK).await;
                    continue;
                }
                there => there?,
            };
            if there.position > position {
                self.reached([(projection, there.position)]);
                return Ok(Ok(there.position));
            }
            let (projection, reached_now) = (projection.to_owned(), there.position);
            if there.status == status::STOPPED {
                return Ok(Err(NotCaughtUp::Stopped { projection, reached: reached_now }));
            }
            if Instant::now() >= deadline {
                return Ok(Err(NotCaughtUp::Late { projection, reached: reached_now }));
            }
            self.nudge();
            let either = async {
                tokio::select! {
                    _ = reached.changed() => {}
                    () = sleep(ASK) => {}
                }
            };
            // Too late is noticed above, after a last look.
            let _ = timeout_at(deadline, either).await;
        }
    }
}

async fn active(store: &Store, projection: &str) -> Result<Checkpoint, ViewError> {
    let checkpoints = store.checkpoints().await?;
    let found =
        checkpoints.into_iter().find(|checkpoint| checkpoint.active && checkpoint.projection == projection);
    found.ok_or_else(|| ViewError::Unknown(projection.to_owned()))
}
