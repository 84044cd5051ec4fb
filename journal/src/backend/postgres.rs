//! Writing batches to `PostgreSQL`, on one connection of its own.

mod answer;
mod connection;
mod partitions;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgPool};
use sqlx::query::Query;
use tokio::time::{Instant, timeout_at};

use self::connection::{AppendConnection, Old};
pub use self::partitions::PartitionTrouble;
pub(crate) use self::partitions::Partitions;
use super::columns::Columns;
use super::{Backend, Failure, Verdict, Written};
use crate::append::Appended;
use crate::clock::BookClock;
use crate::failpoint::{Failpoint, Failpoints};
use crate::queue::Item;
use crate::settings::Settings;
use crate::tail::{LOST_TAIL, Tail};

/// Seen when the book has outgrown its partitions.
const NO_PARTITION: &str = "no partition holds the next position";

const APPEND: &str =
    "SELECT * FROM public.append_batch($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,
    $17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27,$28,$29,$30,$31,$32,$33,$34)";

/// See the module.
pub(crate) struct PostgresBackend {
    pool: PgPool,
    tail: Arc<Tail>,
    clock: BookClock,
    lock_timeout: Duration,
    failpoints: Failpoints,
    partitions: Partitions,
    connection: Option<AppendConnection>,
    /// The connection on which an attempt of unknown outcome was made.
    old: Option<Old>,
}

impl PostgresBackend {
    pub(crate) fn new(pool: PgPool, tail: Arc<Tail>, partitions: Partitions, settings: &Settings) -> Self {
        let lock_timeout = settings.deadline / 4;
        let (clock, failpoints) = (settings.clock.clone(), settings.failpoints.clone());
        Self { pool, tail, clock, lock_timeout, failpoints, partitions, connection: None, old: None }
    }

    async fn connected(&mut self) -> Result<&mut AppendConnection, String> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => AppendConnection::open(&self.pool, &self.tail, &self.clock, self.lock_timeout).await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Keeps what is needed to find out what became of the attempt, and gives the connection up.
    fn give_up(&mut self) {
        self.old = self.connection.take().map(AppendConnection::abandon);
    }

    /// The next event has no partition. Says whether it is worth another try now.
    async fn make_room(&self) -> Failure {
        self.partitions.make_now(self.lock_timeout).await;
        match self.partitions.trouble() {
            Some(trouble) => Failure::NoRoom(format!("{NO_PARTITION}: {}", trouble.reason)),
            None => Failure::NotWritten(NO_PARTITION.into()),
        }
    }

    async fn attempt(&mut self, batch: &[Item], lock: Instant, answer: Instant) -> Result<Written, Failure> {
        let failpoints = self.failpoints.clone();
        let (tail, clock) = (self.tail.clone(), self.clock.clone());
        let connected = timeout_at(answer, self.connected()).await;
        let connected = connected.unwrap_or_else(|_| Err("no connection in time".into()));
        let connection = connected.map_err(Failure::Unreachable)?;
        if tail.is_lost() && batch.iter().any(|item| item.append.fence.is_some()) {
            return Err(Failure::NotWritten(LOST_TAIL.into()));
        }
        let columns = Columns::of(batch);
        if failpoints.hit(Failpoint::BeforeLock) {
            return Err(Failure::Unknown("failpoint before the lock".into()));
        }
        let query = bind(&columns, clock.at(lock.into_std()));
        let asked = std::time::Instant::now();
        let rows = timeout_at(answer, query.fetch_all(connection.inner())).await;
        let rows = rows.map_err(|_| Failure::Unknown("no answer in time".into()))?;
        let rows = rows.map_err(|error| answer::failure(&error))?;
        if failpoints.hit(Failpoint::AfterCommit) {
            return Err(Failure::Unknown("failpoint after the commit".into()));
        }
        let written = answer::written(&rows).map_err(|error| Failure::Unknown(error.to_string()))?;
        clock.heard(asked, written.recorded_at);
        Ok(written)
    }
}

impl Backend for PostgresBackend {
    async fn write(&mut self, batch: &[Item], lock: Instant, answer: Instant) -> Result<Written, Failure> {
        let result = self.attempt(batch, lock, answer).await;
        match &result {
            Ok(written) => {
                let last = written.last();
                if let (Some(last), Some(connection)) = (last, self.connection.as_mut()) {
                    connection.grew_to(last.next());
                    self.partitions.keep_ahead_of(last);
                }
                // Somebody knows more of the book than there is of it: the next connection looks.
                if written.verdicts.contains(&Verdict::Ahead) {
                    self.connection = None;
                }
            }
            Err(Failure::Data(_)) => {}
            Err(Failure::NoRoom(_)) => return Err(self.make_room().await),
            Err(Failure::NotWritten(_) | Failure::Unreachable(_)) => self.connection = None,
            Err(Failure::Unknown(_)) => self.give_up(),
        }
        result
    }

    async fn find(&mut self, batch: &[Item]) -> Result<Vec<Option<Appended>>, String> {
        let Some(old) = self.old else { return Ok(vec![None; batch.len()]) };
        // Taken out, so that it isn't used again if this is cancelled half-way.
        self.connected().await?;
        let Some(mut connection) = self.connection.take() else { return Err("no connection".into()) };
        let found = connection.find(old, batch).await.map_err(|error| error.to_string())?;
        self.connection = Some(connection);
        self.old = None;
        Ok(found)
    }
}

fn bind<'a>(columns: &'a Columns<'_>, deadline: DateTime<Utc>) -> Query<'a, Postgres, PgArguments> {
    let requests = &columns.requests;
    let expectations = &columns.expectations;
    let events = &columns.events;
    let bodies = &columns.bodies;
    sqlx::query(APPEND)
        .bind(deadline)
        .bind(some(&requests.fence))
        .bind(some(&requests.not_after))
        .bind(&requests.events)
        .bind(some(&requests.scope))
        .bind(some(&requests.key))
        .bind(some(&requests.hash))
        .bind(some(&requests.answer))
        .bind(some(&requests.expires))
        .bind(some(&requests.session))
        .bind(some(&requests.total))
        .bind(&columns.workspaces)
        .bind(&expectations.request)
        .bind(&expectations.aggregate_type)
        .bind(&expectations.aggregate_id)
        .bind(&expectations.at)
        .bind(&events.request)
        .bind(&events.step)
        .bind(&events.workspace)
        .bind(&events.id)
        .bind(&events.aggregate_type)
        .bind(&events.aggregate_id)
        .bind(&events.event_type)
        .bind(&events.event_version)
        .bind(&events.payload)
        .bind(&events.metadata)
        .bind(&events.control)
        .bind(&events.narrows)
        .bind(&events.commitments)
        .bind(&bodies.request)
        .bind(&bodies.event)
        .bind(&bodies.field)
        .bind(&bodies.key)
        .bind(&bodies.ciphertext)
}

/// Nothing at all, where no request has one.
fn some<T>(column: &[Option<T>]) -> &[Option<T>] {
    if column.iter().any(Option::is_some) { column } else { &[] }
}
