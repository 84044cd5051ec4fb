//! Who is at work on the database, who holds the append lock, and who holds it up.

use chrono::TimeDelta;
use sqlx::FromRow as _;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::{Looked, span};

/// A transaction is worth a line when it is older than this, in seconds.
const OLD: f64 = 5.0;

/// Somebody's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The process on the server; 0 for a prepared transaction, which has none.
    pub pid: i32,
    /// As whom it is connected.
    pub role: String,
    /// What it calls itself.
    pub application: String,
    /// From where it is connected: an address, or `local`.
    pub client: String,
    /// Such as `idle in transaction`; `hidden` where we aren't allowed to see it.
    pub state: String,
    /// For how long its transaction has been open.
    pub age: TimeDelta,
    /// What it waits for, such as `Lock/relation`.
    pub waits_for: Option<String>,
    /// The first word of its last statement, such as `UPDATE`. The rest may hold values.
    pub statement: String,
}

impl sqlx::FromRow<'_, PgRow> for Backend {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            pid: row.try_get("pid")?,
            role: row.try_get("role")?,
            application: row.try_get("application")?,
            client: row.try_get("client")?,
            state: row.try_get("state")?,
            age: span(row.try_get("seconds")?),
            waits_for: row.try_get("waits_for")?,
            statement: row.try_get("statement")?,
        })
    }
}

const BACKEND: &str = "
    coalesce(a.pid, 0) AS pid, coalesce(a.usename::text, '?') AS role,
    CASE WHEN a.pid IS NULL THEN 'a prepared transaction' ELSE a.application_name END AS application,
    coalesce(host(a.client_addr), 'local') AS client, coalesce(a.state, 'hidden') AS state,
    coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change, a.backend_start)), 0)::float8
        AS seconds,
    CASE WHEN a.state = 'active' THEN a.wait_event_type || '/' || a.wait_event END AS waits_for,
    coalesce((SELECT word FROM upper(substring(ltrim(a.query) FROM '^[A-Za-z]+')) AS word WHERE word IN ('SELECT',
        'INSERT', 'UPDATE', 'DELETE', 'BEGIN', 'COMMIT', 'ROLLBACK', 'COPY', 'LOCK', 'VACUUM', 'CREATE', 'ALTER', 'DROP',
        'ANALYZE', 'FETCH', 'WITH', 'TRUNCATE', 'SET', 'SHOW', 'CALL', 'DO', 'LISTEN', 'NOTIFY', 'REINDEX')), 'other')
        AS statement";

/// The lock that appends take turns by: `pg_advisory_xact_lock(7070, 1)` of this database.
const APPEND_LOCK: &str = "
    l.locktype = 'advisory' AND l.classid = 7070 AND l.objid = 1 AND l.objsubid = 2
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// What was seen of others.
#[derive(Debug, Clone)]
pub struct Activity {
    /// Transactions older than five seconds, the oldest first, at most twenty.
    pub old: Vec<Backend>,
    /// Who has the append lock.
    pub holder: Option<Backend>,
    /// How many wait for it.
    pub waiting: i64,
    /// How long the first of them has waited.
    pub waited: TimeDelta,
    /// Whose locks the holder waits for.
    pub blocking_holder: Vec<Backend>,
    /// How many connections show us nothing but that they are there.
    pub hidden: i64,
}

pub(super) async fn look(connection: &mut PgConnection) -> Looked<Activity> {
    let old = format!(
        "SELECT {BACKEND} FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
            AND a.backend_type = 'client backend' AND a.xact_start < clock_timestamp() - make_interval(secs => $1)
         ORDER BY a.xact_start LIMIT 20"
    );
    let old = sqlx::query_as(&old).bind(OLD).fetch_all(&mut *connection).await?;
    let holder = format!(
        "SELECT {BACKEND} FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.granted AND {APPEND_LOCK} LIMIT 1"
    );
    let holder: Option<Backend> = sqlx::query_as(&holder).fetch_optional(&mut *connection).await?;
    let waiting = format!(
        "SELECT count(*) AS waiting, coalesce(extract(epoch FROM clock_timestamp() - min(l.waitstart)), 0)::float8 AS seconds,
            (SELECT count(*) FROM pg_stat_activity WHERE query = '<insufficient privilege>') AS hidden
         FROM pg_locks l WHERE NOT l.granted AND {APPEND_LOCK}"
    );
    let row = sqlx::query(&waiting).fetch_one(&mut *connection).await?;
    let blocking_holder = match &holder {
        Some(holder) => {
            let sql = format!(
                "SELECT {BACKEND} FROM pg_stat_activity a WHERE a.pid = ANY(pg_blocking_pids($1)) ORDER BY a.xact_start"
            );
            let rows = sqlx::query(&sql).bind(holder.pid).fetch_all(&mut *connection).await?;
            rows.iter().map(Backend::from_row).collect::<Result<_, _>>()?
        }
        None => Vec::new(),
    };
    Ok(Activity {
        old,
        holder,
        waiting: row.try_get("waiting")?,
        waited: span(row.try_get("seconds")?),
        blocking_holder,
        hidden: row.try_get("hidden")?,
    })
}
