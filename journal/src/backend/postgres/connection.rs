//! The connection that appends.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{ConnectOptions, Executor, Row};
use uuid::Uuid;

use super::super::columns::number;
use crate::append::Appended;
use crate::clock::BookClock;
use crate::database::mean_what_we_say;
use crate::event::Position;
use crate::queue::Item;
use crate::reading::{postgres as reading, unsigned};
use crate::tail::Tail;

/// Commits are durable, whatever the role's or the database's defaults; nobody waits for the lock
/// or idles in a transaction without end. No `statement_timeout`, and none for the transaction (17): it
/// would cancel the wait for a synchronous standby, and report as committed what only one machine has. It
/// may be idle between two appends. A plan is kept, and may be made while the tables are empty: so it
/// never reads one from end to end.
const SETTINGS: &str = "SELECT
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
    set_config('statement_timeout', '0', false),
    (SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'),
    set_config('idle_session_timeout', '0', false),
    set_config('lock_timeout', $1, false),
    set_config('idle_in_transaction_session_timeout', '10s', false),
    set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('enable_seqscan', 'off', false),
    set_config('jit', 'off', false)";

const BACKEND: &str = "SELECT pid, backend_start, clock_timestamp() AS clock
    FROM pg_stat_activity WHERE pid = pg_backend_pid()";

/// Ends the backend and waits for its end. No row: there is no such backend any more.
const END: &str =
    "SELECT pg_terminate_backend(pid, 200) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2";

/// A connection in use.
pub(super) struct AppendConnection {
    inner: PgConnection,
    old: Old,
}

/// What must be known of a connection to find out what became of its last batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Old {
    pid: i32,
    started: DateTime<Utc>,
    /// The batch stands at this position or behind it, if anywhere.
    floor: Position,
}

impl AppendConnection {
    /// Connects, and checks that the book still has the last event that this process knows of.
    pub(super) async fn open(
        pool: &PgPool,
        tail: &Tail,
        clock: &BookClock,
        lock_timeout: Duration,
    ) -> Result<Self, String> {
        Self::try_open(pool, tail, clock, lock_timeout).await.map_err(|error| error.to_string())
    }

    async fn try_open(
        pool: &PgPool,
        tail: &Tail,
        clock: &BookClock,
        lock_timeout: Duration,
    ) -> Result<Self, BoxDynError> {
        let options = pool.connect_options().as_ref().clone().application_name("tollbook append");
        let mut inner = options.connect().await?;
        let lock_timeout = format!("{}ms", lock_timeout.as_millis().max(1));
        mean_what_we_say(&mut inner).await?;
        inner.execute(sqlx::query(SETTINGS).bind(lock_timeout)).await?;
        let asked = Instant::now();
        let row = sqlx::query(BACKEND).fetch_one(&mut inner).await?;
        clock.heard(asked, row.try_get("clock")?);
        // The known event first: what is known must have been in the book before the head is read.
        let known = tail.known();
        let floor = reading::head(&mut inner).await?;
        if let Some(known) = known {
            let found = reading::event(&mut inner, known.position).await?;
            tail.compare(known, found.as_ref(), floor);
        }
        let old = Old { pid: row.try_get("pid")?, started: row.try_get("backend_start")?, floor };
        Ok(Self { inner, old })
    }

    pub(super) const fn inner(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    pub(super) const fn grew_to(&mut self, head: Position) {
        self.old.floor = head;
    }

    /// Drops the connection without a word to the server.
    pub(super) fn abandon(self) -> Old {
        self.old
    }

    /// What the last batch of `old` wrote. That connection's backend is ended first, so that it
    /// can't write later; where that can't be seen to be done, the append lock is waited for.
    pub(super) async fn find(
        &mut self,
        old: Old,
        batch: &[Item],
    ) -> Result<Vec<Option<Appended>>, BoxDynError> {
        let ended = sqlx::query_scalar(END).bind(old.pid).bind(old.started);
        let ended: Option<bool> = ended.fetch_optional(&mut self.inner).await?;
        if ended == Some(false) {
            self.inner.execute("SELECT pg_advisory_xact_lock(7070, 1)").await?;
        }
        let found = self.look_up(old.floor, batch).await?;
        if !found.is_empty() {
            // An ended backend may have left before its standby had the commit. This one, which is
            // behind it, waits for the standby.
            self.inner.execute("SELECT pg_logical_emit_message(true, 'tollbook', 'found')").await?;
        }
        Ok(batch.iter().map(|item| appended(item, &found)).collect())
    }

    async fn look_up(&mut self, floor: Position, batch: &[Item]) -> Result<Found, BoxDynError> {
        let events = batch.iter().flat_map(|item| &item.append.writes).flat_map(|write| &write.events);
        let ids: Vec<Uuid> = events.map(|event| event.event_id).collect();
        let sql = "SELECT event_id, position, recorded_at FROM public.events
                   WHERE position >= $1 AND event_id = ANY($2)";
        let rows = sqlx::query(sql).bind(number(floor.0)).bind(ids).fetch_all(&mut self.inner).await?;
        let pair = |row: sqlx::postgres::PgRow| {
            let position = Position(unsigned(row.try_get("position")?)?);
            Ok((row.try_get("event_id")?, (position, row.try_get("recorded_at")?)))
        };
        rows.into_iter().map(pair).collect()
    }
}

type Found = HashMap<Uuid, (Position, DateTime<Utc>)>;

fn appended(item: &Item, found: &Found) -> Option<Appended> {
    let mut events = item.append.writes.iter().flat_map(|write| &write.events);
    let (first, recorded_at) = *found.get(&events.next()?.event_id)?;
    let last = events.last().map_or(Some(first), |event| found.get(&event.event_id).map(|place| place.0))?;
    Some(Appended { first, last, recorded_at })
}
