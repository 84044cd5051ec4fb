//! Partitions of `events` are made ahead, off the append path.
//!
//! Where they can't be made (no right to, a lock that somebody holds, no disk), appends go on while
//! there is room. It is tried again every few seconds, said once, and shown for as long as it lasts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Executor;
use sqlx::postgres::PgPool;
use tokio::time::timeout;

use super::super::columns::number;
use crate::event::Position;

/// How many whole partitions there should be behind the one in use.
const AHEAD: i32 = 2;
/// As in `make_partitions`.
const SIZE: i64 = 10_000_000;
/// How long it rests after a failure.
const REST: Duration = Duration::from_secs(2);

/// The first position without a partition; anybody may ask.
const EDGE: &str = r"SELECT coalesce(max((substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''(\d+)''\)'))::bigint), 0)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'public.events'::regclass";

/// Room for coming events can't be made. Appends go on up to `edge`, and are refused from there on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTrouble {
    /// What the database said last, for the operator.
    pub reason: String,
    /// When it was first seen.
    pub since: Instant,
    /// The first position that has no room, as far as it is known.
    pub edge: Option<Position>,
}

/// How far the partitions reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Partitions(Arc<Inner>);

struct Inner {
    pool: PgPool,
    state: Mutex<State>,
    /// Whoever makes them.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// The first position without one; 0 where that isn't known.
    edge: i64,
    failed: Option<Failed>,
}

struct Failed {
    reason: String,
    since: Instant,
    last: Instant,
}

impl Partitions {
    /// Makes what is missing, and keeps them ahead from now on. A failure isn't one of the opening:
    /// there may be room enough.
    pub(crate) async fn keep(pool: PgPool) -> Self {
        let this =
            Self(Arc::new(Inner { pool, state: Mutex::default(), turn: tokio::sync::Mutex::default() }));
        this.make().await;
        this
    }

    /// Why they can't be made, if they can't.
    pub(crate) fn trouble(&self) -> Option<PartitionTrouble> {
        let state = self.state();
        let failed = state.failed.as_ref()?;
        let edge = u64::try_from(state.edge).ok().filter(|edge| *edge > 0).map(Position);
        Some(PartitionTrouble { reason: failed.reason.clone(), since: failed.since, edge })
    }

    /// Starts making more of them when `last` has come into the last but one.
    pub(super) fn keep_ahead_of(&self, last: Position) {
        let left = self.state().edge.saturating_sub(number(last.0));
        if left > SIZE * i64::from(AHEAD) || self.rests() || self.0.turn.try_lock().is_err() {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move { this.make_in_turn().await });
    }

    /// Makes them while an append waits, for no longer than `patience`.
    pub(super) async fn make_now(&self, patience: Duration) {
        let this = self.clone();
        // In a task of its own: it is carried through also when nobody waits for it any more.
        let made = tokio::spawn(async move { this.make_in_turn().await });
        if timeout(patience, made).await.is_err() && self.trouble().is_none() {
            self.fail("it takes too long".into());
        }
    }

    async fn make_in_turn(&self) {
        let _turn = self.0.turn.lock().await;
        // Somebody else may just have tried.
        if !self.rests() {
            self.make().await;
        }
    }

    async fn make(&self) {
        match make(&self.0.pool).await {
            Ok(edge) => {
                let mut state = self.state();
                state.edge = edge;
                if state.failed.take().is_some() {
                    tracing::info!(edge, "partitions for coming events are made again");
                }
            }
            Err(error) => {
                let edge = sqlx::query_scalar(EDGE).fetch_one(&self.0.pool).await;
                if let Ok(edge) = edge {
                    self.state().edge = edge;
                }
                self.fail(error.to_string());
            }
        }
    }

    /// Says so once, and remembers it until it is over.
    fn fail(&self, reason: String) {
        let now = Instant::now();
        let mut state = self.state();
        let edge = state.edge;
        if let Some(failed) = &mut state.failed {
            failed.reason = reason;
            failed.last = now;
        } else {
            tracing::error!(reason, edge, "partitions for coming events cannot be made");
            state.failed = Some(Failed { reason, since: now, last: now });
        }
    }

    fn rests(&self) -> bool {
        self.state().failed.as_ref().is_some_and(|failed| failed.last.elapsed() < REST)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for no lock for longer than it rests: whoever asks behind it would wait as long.
async fn make(pool: &PgPool) -> Result<i64, sqlx::Error> {
    let mut work = pool.begin().await?;
    work.execute("SET LOCAL lock_timeout = '2s'").await?;
    let edge =
        sqlx::query_scalar("SELECT public.make_partitions($1)").bind(AHEAD).fetch_one(&mut *work).await?;
    work.commit().await?;
    Ok(edge)
}
