//! Keeps the live state exact: follows the book, and says when it can't.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tollbook_aggregates::SessionId;
use tollbook_journal::{Filter, Position, ReadError};

use super::live::Applied;
use super::{CUT_OFF_AFTER, FRESH_FOR, FollowError, Live, Shared, Standing};

/// How many control events are read at once.
const PAGE: usize = 2_000;
/// A follower that nobody waits for reads no oftener than this.
const PAUSE: Duration = Duration::from_millis(10);
/// A database that hasn't answered by then has gone silent: the answer would be too old.
const READ_WITHIN: Duration = FRESH_FOR;
/// How often sessions that are over are looked for.
const DEPARTURES: Duration = Duration::from_secs(30);

impl Shared {
    /// Until `stop` fires.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
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
                let _ = timeout(PAUSE, self.nudge.notified()).await;
            }
            match self.follow().await {
                Ok(()) => {
                    if failing {
                        tracing::info!("the book can be followed again");
                    }
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
                    tokio::time::sleep(PAUSE * 10).await;
                }
            }
        }
    }

    /// Ends what is open once the book hasn't been read for too long, whatever the follower waits for.
    pub(super) async fn end_streams_when_cut_off(self: Arc<Self>, stop: CancellationToken) {
        let mut standing = self.standing.subscribe();
        let watch = async {
            loop {
                let age = standing.borrow_and_update().age();
                let left = CUT_OFF_AFTER.saturating_sub(age);
                if left.is_zero() {
                    self.cancel_where(|_, _| true);
                }
                // What is opened while it is cut off ends, too.
                let pause = left.max(FRESH_FOR);
                if matches!(timeout(pause, standing.changed()).await, Ok(Err(_))) {
                    return;
                }
            }
        };
        stop.run_until_cancelled(watch).await;
    }

    /// Sessions that are over leave memory.
    pub(super) async fn see_off(self: Arc<Self>, stop: CancellationToken) {
        let forever = async {
            loop {
                tokio::time::sleep(DEPARTURES).await;
                self.depart();
            }
        };
        stop.run_until_cancelled(forever).await;
    }

    pub(super) fn depart(&self) {
        let gone = self.write().depart(self.clock.now());
        let mut tokens = self.tokens();
        for session in gone {
            if let Some(token) = tokens.remove(&session) {
                token.cancel();
            }
        }
    }

    /// The book has lost events that the state rests on (a failover, a restore): starts over.
    fn forget(&self) {
        tracing::error!("the book lost events that this replica knew; its state is loaded again");
        *self.write() = Live::default();
        self.standing.send_replace(Standing { next: Position(0), read_at: None });
        self.cancel_where(|_, _| true);
    }

    /// Reads the book to its end.
    pub(super) async fn follow(&self) -> Result<(), FollowError> {
        let filter = Filter { control_only: true, ..Filter::default() };
        loop {
            let from = self.read().next();
            let asked_at = Instant::now();
            let page = timeout(READ_WITHIN, self.journal.read(from, PAGE, &filter)).await;
            let page = page.map_err(|_| ReadError::Unavailable("the database has gone silent".into()))??;
            let mut ended = Ended::default();
            {
                let mut live = self.write();
                for event in &page.events {
                    ended.take_in(live.apply(&event.into())?, event.narrows);
                }
                live.advance(page.next);
            }
            match ended {
                Ended::None => {}
                Ended::Sessions(sessions) => self.cancel(&sessions),
                Ended::Any => self.cancel_where(Live::session_has_ended),
            }
            if page.next >= page.head {
                self.standing.send_replace(Standing { next: page.next, read_at: Some(asked_at) });
                return Ok(());
            }
        }
    }

    /// Ends what is open on those of these sessions that are over.
    fn cancel(&self, sessions: &[SessionId]) {
        let live = self.read();
        let mut tokens = self.tokens();
        for session in sessions.iter().filter(|session| live.session_has_ended(**session)) {
            if let Some(token) = tokens.remove(session) {
                token.cancel();
            }
        }
    }

    /// Ends what is open on sessions that are over, and forgets their tokens.
    pub(super) fn cancel_where(&self, ended: impl Fn(&Live, SessionId) -> bool) {
        let live = self.read();
        self.tokens().retain(|session, token| {
            let over = ended(&live, *session);
            if over {
                token.cancel();
            }
            !over
        });
    }
}

/// Which sessions a page of the book may have ended.
#[derive(Default)]
enum Ended {
    #[default]
    None,
    Sessions(Vec<SessionId>),
    /// A key, a member, a loadout: whatever hangs on it.
    Any,
}

impl Ended {
    fn take_in(&mut self, applied: Applied, narrows: bool) {
        if !narrows {
            return;
        }
        match (&mut *self, applied) {
            (Self::None, Applied::Session(session)) => *self = Self::Sessions(vec![session]),
            (Self::Sessions(sessions), Applied::Session(session)) => sessions.push(session),
            (Self::Any, _) => {}
            (_, Applied::Other) => *self = Self::Any,
        }
    }
}
