//! The live state that decisions are made on, kept exact by following the book.
//!
//! Decisions that are recorded need no fresh state: the journal's fence refuses what was decided on
//! an old one. Answers from memory do: [`Authority::fresh`] makes sure that the state has caught up
//! with a head that was read less than a second ago. A replica that is cut off from the book refuses
//! them, and ends its open streams after five seconds.
//!
//! Sessions that are over leave memory after a while; whoever still asks for one has it recalled from
//! the book ([`Authority::acquaint`]), and is told what became of it.

mod follower;
mod live;
mod load;
mod recall;

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tollbook_aggregates::SessionId;
use tollbook_journal::{Journal, Position, ReadError};

use crate::clock::Clock;

pub use live::{Erased, Kept, Live};

/// How old the head may be that an answer from memory rests on.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// A replica that has not read the book for this long ends its open streams.
const CUT_OFF_AFTER: Duration = Duration::from_secs(5);

/// Why the state can't follow the book.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The book can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A control event isn't known to this version: deciding without it would be guessing.
    #[error("the control event at position {position} cannot be followed: {reason}")]
    Undecodable {
        /// Where.
        position: Position,
        /// For the log.
        reason: String,
    },
}

/// The state couldn't be brought up to date in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this replica has not caught up with the book")]
pub struct NotCaughtUp;

/// How far this replica has followed the book.
#[derive(Debug, Clone, Copy)]
pub struct Following {
    /// Every control event before this position is in the state.
    pub next: Position,
    /// How long ago the book was last read to its end; never, after the state was dropped.
    pub head_age: Option<Duration>,
}

impl Following {
    /// Do answers from memory hold?
    pub fn caught_up(&self) -> bool {
        self.head_age.is_some_and(|age| age < FRESH_FOR)
    }
}

/// Where the follower stands.
#[derive(Debug, Clone, Copy)]
struct Standing {
    next: Position,
    /// When the head that the state has reached was asked for; never, after the state was dropped.
    read_at: Option<Instant>,
}

impl Standing {
    fn age(&self) -> Duration {
        self.read_at.map_or(Duration::MAX, |read_at| read_at.elapsed())
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Authority {
    shared: Arc<Shared>,
}

struct Shared {
    journal: Journal,
    clock: Clock,
    live: RwLock<Live>,
    standing: watch::Sender<Standing>,
    nudge: Notify,
    /// Fired when a session ends, for the open calls and streams on it.
    cancellations: std::sync::Mutex<HashMap<SessionId, CancellationToken>>,
    /// One look for an ended session at a time: strangers can't keep the database busy with them.
    recalls: tokio::sync::Mutex<()>,
}

impl Authority {
    /// Folds the book's control events, and starts to follow it until `stop` fires.
    ///
    /// # Errors
    /// When the book can't be read or holds a control event that this version doesn't know.
    pub async fn start(journal: Journal, clock: Clock, stop: CancellationToken) -> Result<Self, FollowError> {
        let (standing, _) = watch::channel(Standing { next: Position(0), read_at: None });
        let shared = Arc::new(Shared {
            live: RwLock::new(load::load(&journal, clock.now()).await?),
            journal,
            clock,
            standing,
            nudge: Notify::new(),
            cancellations: std::sync::Mutex::default(),
            recalls: tokio::sync::Mutex::default(),
        });
        shared.follow().await?;
        tokio::spawn(Arc::clone(&shared).run(stop.clone()));
        tokio::spawn(Arc::clone(&shared).end_streams_when_cut_off(stop.clone()));
        tokio::spawn(Arc::clone(&shared).see_off(stop));
        Ok(Self { shared })
    }

    /// Looks at the state. Be quick: the follower waits meanwhile.
    pub fn look<T>(&self, at: impl FnOnce(&Live) -> T) -> T {
        at(&self.shared.read())
    }

    /// Waits until this holds of the state, looking whenever that has followed the book further.
    pub async fn until(&self, holds: impl Fn(&Live) -> bool) {
        let mut standing = self.shared.standing.subscribe();
        while !self.look(&holds) {
            if standing.changed().await.is_err() {
                // Nobody follows any more: it never will.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until the state includes every control event before `next`.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    pub async fn catch_up(&self, next: Position, within: Duration) -> Result<(), NotCaughtUp> {
        self.wait(within, |standing| standing.next >= next).await
    }

    /// Waits until the state has caught up with a head that is read from now on.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    pub async fn catch_up_with_head(&self, within: Duration) -> Result<(), NotCaughtUp> {
        let now = Instant::now();
        self.wait(within, |standing| standing.read_at >= Some(now)).await
    }

    /// Makes sure that an answer from memory is at most a second old, also on a machine that was suspended:
    /// how old the state is, is counted by a clock that stands still then.
    ///
    /// # Errors
    /// When the book can't be reached.
    pub async fn fresh(&self) -> Result<(), NotCaughtUp> {
        let fresh = self.age() < FRESH_FOR && !self.shared.clock.is_disturbed();
        if fresh { Ok(()) } else { self.catch_up_with_head(FRESH_FOR).await }
    }

    /// How long ago the book was last read to its end.
    pub fn age(&self) -> Duration {
        self.shared.standing.borrow().age()
    }

    /// How far the book has been followed.
    pub fn following(&self) -> Following {
        let standing = *self.shared.standing.borrow();
        Following { next: standing.next, head_age: standing.read_at.map(|read_at| read_at.elapsed()) }
    }

    /// Fires when the session is no longer in force for whatever reason that the book knows, or
    /// when this replica has been cut off from the book for five seconds.
    pub fn cancellation(&self, session: SessionId) -> CancellationToken {
        self.shared.tokens().entry(session).or_default().clone()
    }

    /// Ends what is open on every session: the service stops.
    pub fn end_open(&self) {
        self.shared.cancel_where(|_, _| true);
    }

    /// Sessions that are over leave memory; done every half a minute by itself.
    pub fn see_off(&self) {
        self.shared.depart();
    }

    async fn wait(&self, within: Duration, until: impl Fn(&Standing) -> bool) -> Result<(), NotCaughtUp> {
        let mut standing = self.shared.standing.subscribe();
        if until(&standing.borrow()) {
            return Ok(());
        }
        self.shared.nudge.notify_one();
        let waited = tokio::time::timeout(within, standing.wait_for(|standing| until(standing))).await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotCaughtUp),
        }
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<SessionId, CancellationToken>> {
        self.cancellations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
