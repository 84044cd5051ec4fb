//! Partitions of `events` are made ahead, off the append path.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use sqlx::postgres::PgPool;

use super::super::columns::number;
use crate::event::Position;

/// How many whole partitions there should be behind the one in use.
const AHEAD: i32 = 2;
/// As in `make_partitions`.
const SIZE: i64 = 10_000_000;

/// How far the partitions reach.
#[derive(Clone)]
pub(super) struct Partitions {
    pool: PgPool,
    /// The first position without one.
    edge: Arc<AtomicI64>,
    busy: Arc<AtomicBool>,
}

impl Partitions {
    pub(super) async fn ensure(pool: PgPool) -> Result<Self, sqlx::Error> {
        let edge = make(&pool).await?;
        Ok(Self { pool, edge: Arc::new(edge.into()), busy: Arc::default() })
    }

    /// Starts making more of them when `last` has come into the last but one.
    pub(super) fn keep_ahead_of(&self, last: Position) {
        let left = self.edge.load(Ordering::Relaxed).saturating_sub(number(last.0));
        if left <= SIZE * i64::from(AHEAD) && !self.busy.swap(true, Ordering::AcqRel) {
            let this = self.clone();
            tokio::spawn(async move { this.make_now().await });
        }
    }

    pub(super) async fn make_now(&self) {
        match make(&self.pool).await {
            Ok(edge) => self.edge.store(edge, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "partitions for coming events cannot be made"),
        }
        self.busy.store(false, Ordering::Release);
    }
}

async fn make(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT public.make_partitions($1)").bind(AHEAD).fetch_one(pool).await
}
