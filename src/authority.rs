//! The live state that decisions are made on, kept exact by following the book.
//!
//! Decisions that are recorded need no fresh state: the journal's fence refuses what was decided on
//! an old one. Answers from memory do: [`Authority::fresh`] makes sure that the state has caught up
//! with a head that was read less than a second ago.

mod live;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tollbook_aggregates::SessionId;
use tollbook_aggregates::access::World as _;
use tollbook_journal::{Filter, Journal, Position, ReadError};

pub use live::{Erased, Kept, Live};

/// How old the head may be that an answer from memory rests on.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// How many control events are read at once.
const PAGE: usize = 2_000;
/// A follower that nobody waits for reads no oftener than this.
const PAUSE: Duration = Duration::from_millis(10);
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
    live: RwLock<Live>,
    standing: watch::Sender<Standing>,
    nudge: Notify,
    /// Fired when a session ends, for the open calls and streams on it.
    cancellations: RwLock<HashMap<SessionId, CancellationToken>>,
}

impl Authority {
    /// Folds the book's control events, and starts to follow it until `stop` fires.
    ///
    /// # Errors
    /// When the book can't be read or holds a control event that this version doesn't know.
    pub async fn start(journal: Journal, stop: CancellationToken) -> Result<Self, FollowError> {
        let (standing, _) = watch::channel(Standing { next: Position(0), read_at: None });
        let shared = Arc::new(Shared {
            journal,
            live: RwLock::default(),
            standing,
            nudge: Notify::new(),
            cancellations: RwLock::default(),
        });
        shared.follow().await?;
        tokio::spawn(Arc::clone(&shared).run(stop));
        Ok(Self { shared })
    }

    /// Looks at the state. Be quick: the follower waits meanwhile.
    pub fn look<T>(&self, at: impl FnOnce(&Live) -> T) -> T {
        at(&self.shared.live.read().unwrap_or_else(PoisonError::into_inner))
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

    /// Makes sure that an answer from memory is at most a second old.
    ///
    /// # Errors
    /// When the book can't be reached.
    pub async fn fresh(&self) -> Result<(), NotCaughtUp> {
        if self.age() < FRESH_FOR { Ok(()) } else { self.catch_up_with_head(FRESH_FOR).await }
    }

    /// How long ago the book was last read to its end.
    pub fn age(&self) -> Duration {
        self.shared.standing.borrow().age()
    }

    /// Fires when the session is no longer in force for whatever reason that the book knows, or
    /// when this replica has been cut off from the book for five seconds.
    pub fn cancellation(&self, session: SessionId) -> CancellationToken {
        let mut tokens = self.shared.cancellations.write().unwrap_or_else(PoisonError::into_inner);
        tokens.entry(session).or_default().clone()
    }

    /// Ends what is open on every session: the service stops.
    pub fn end_open(&self) {
        self.shared.cancel_where(|_, _| true);
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
    async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut wake = self.journal.wake();
        let mut lost_tail = self.journal.lost_tail();
        let mut failing = false;
        let mut lost = None;
        loop {
            let nudged = tokio::select! {
                () = stop.cancelled() => return,
                changed = lost_tail.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    lost = *lost_tail.borrow_and_update();
                    self.forget();
                    true
                }
                () = self.nudge.notified() => true,
                changed = wake.changed() => if changed.is_err() { return } else { false },
                () = tokio::time::sleep(FRESH_FOR / 2) => false,
            };
            if !nudged {
                // Many appends, one look; but whoever waits is served at once.
                let _ = tokio::time::timeout(PAUSE, self.nudge.notified()).await;
            }
            match self.follow().await {
                Ok(()) => {
                    failing = false;
                    // Until then the journal writes nothing that was decided on the lost state.
                    if let Some(lost) = lost.take() {
                        self.journal.accept_lost_tail(&lost);
                    }
                }
                Err(error) => {
                    if !failing {
                        tracing::error!(%error, "the book cannot be followed; nothing is permitted from memory");
                    }
                    failing = true;
                    if self.standing.borrow().age() >= CUT_OFF_AFTER {
                        self.cancel_where(|_, _| true);
                    }
                    tokio::time::sleep(PAUSE * 10).await;
                }
            }
        }
    }

    /// The book has lost events that the state rests on (a failover, a restore): starts over.
    fn forget(&self) {
        tracing::error!("the book lost events that this replica knew; its state is loaded again");
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Live::default();
        self.standing.send_replace(Standing { next: Position(0), read_at: None });
        self.cancel_where(|_, _| true);
    }

    /// Reads the book to its end.
    async fn follow(&self) -> Result<(), FollowError> {
        let filter = Filter { control_only: true, ..Filter::default() };
        loop {
            let from = self.live.read().unwrap_or_else(PoisonError::into_inner).next();
            let asked_at = Instant::now();
            let page = self.journal.read(from, PAGE, &filter).await?;
            {
                let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
                for event in &page.events {
                    live.apply(event)?;
                }
                live.advance(page.next);
            }
            if page.events.iter().any(|event| event.narrows) {
                self.cancel_where(Live::session_has_ended);
            }
            if page.next >= page.head {
                self.standing.send_replace(Standing { next: page.next, read_at: Some(asked_at) });
                return Ok(());
            }
        }
    }

    /// Ends what is open on sessions that are over, and forgets their tokens.
    fn cancel_where(&self, ended: impl Fn(&Live, SessionId) -> bool) {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let mut tokens = self.cancellations.write().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|session, token| {
            let over = ended(&live, *session);
            if over {
                token.cancel();
            }
            !over
        });
    }
}

impl Live {
    /// Has the session ended by an event (expiry aside)?
    fn session_has_ended(&self, session: SessionId) -> bool {
        self.session(session).grant().is_none_or(|grant| {
            // Any time before its expiry will do: only events matter here.
            let at = grant.expires_at - chrono::TimeDelta::days(36_500);
            tollbook_aggregates::access::session_lives(self, session, at).is_err()
        })
    }
}
