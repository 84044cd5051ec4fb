//! The tables of the projections, on either database.
//!
//! All SQL that writes them is in here, and each statement works on whole pages: what a round of the
//! projector costs hangs on the number of rounds, not on the number of events.

pub(crate) mod building;
pub(crate) mod compared;
mod lease;
mod postgres;
pub(crate) mod question;
mod sqlite;
mod statement;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{Postgres, Sqlite, Transaction};
use tollbook_journal::{Database, Position};
use uuid::Uuid;

use crate::model::{Folded, Stored};
use crate::version::Version;

/// Where the tables lie.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// How far one version of one projection has come, as its row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) projection: String,
    /// What its rows are known by in the tables. Never used twice.
    pub(crate) build: i32,
    pub(crate) version: Version,
    /// The next position to read.
    pub(crate) position: Position,
    pub(crate) status: String,
    pub(crate) error: Option<String>,
    /// Is it the version that is read?
    pub(crate) active: bool,
    /// Who folds it, or did last.
    pub(crate) holder: Option<Uuid>,
}

/// What the column `status` says.
pub(crate) mod status {
    /// Folds what comes.
    pub(crate) const RUNNING: &str = "running";
    /// Stands at an event that it can't fold.
    pub(crate) const STOPPED: &str = "stopped";
    /// Folds from the beginning, beside the version that is read.
    pub(crate) const BUILDING: &str = "building";
    /// Was built, differs from what is read, and waits for somebody to swap it all the same.
    pub(crate) const BESIDE: &str = "beside";
    /// Was read before, and is kept up to date for a rollback.
    pub(crate) const KEPT: &str = "kept";
    /// Was replaced; its rows are being deleted.
    pub(crate) const DROPPED: &str = "dropped";
}

/// One version of one projection, where the projector believes it to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) build: i32,
    pub(crate) expected: Position,
}

/// A claimed checkpoint, as it stands.
#[derive(Debug, sqlx::FromRow)]
struct Held {
    build: i32,
    position: i64,
    status: String,
    /// Who has its lease, where that is asked for.
    holder: Option<Uuid>,
}

/// What one projection makes of a page.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) claim: Claim,
    pub(crate) folded: Folded,
    pub(crate) next: Position,
}

/// A transaction in which rows and checkpoints move together.
pub(crate) enum Work {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

impl Store {
    pub(crate) fn new(database: &Database) -> Self {
        match database {
            Database::Postgres(pool) => Self::Postgres(pool.clone()),
            Database::Sqlite(book) => Self::Sqlite(book.views.clone()),
        }
    }

    pub(crate) async fn begin(&self) -> Result<Work, sqlx::Error> {
        match self {
            Self::Postgres(pool) => postgres::begin(pool).await.map(Work::Postgres),
            Self::Sqlite(views) => sqlite::begin(views).await.map(Work::Sqlite),
        }
    }

    /// All there are, by projection and version.
    pub(crate) async fn checkpoints(&self) -> Result<Vec<Checkpoint>, sqlx::Error> {
        let rows = match self {
            Self::Postgres(pool) => sqlx::query_as(CHECKPOINTS).fetch_all(pool).await?,
            Self::Sqlite(views) => sqlx::query_as(CHECKPOINTS).fetch_all(views).await?,
        };
        Ok(rows.into_iter().map(checkpoint).collect())
    }

    /// Makes sure that there is something to read of each projection, if only an empty beginning.
    pub(crate) async fn ensure(&self, projection: &str, version: Version) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(pool) => postgres::ensure(pool, projection, version).await,
            Self::Sqlite(views) => sqlite::ensure(views, projection, version).await,
        }
    }

    /// Nobody reads it any more: its rows may go.
    pub(crate) async fn drop_version(&self, projection: &str, version: Version) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(pool) => postgres::drop_version(pool, projection, version).await,
            Self::Sqlite(views) => sqlite::drop_version(views, projection, version).await,
        }
    }
}

impl Work {
    /// Takes hold of the checkpoints of all `claims` until the transaction ends, if nobody else has
    /// hold of one and each stands where it is believed to. This is the guard: two projectors never
    /// fold the same event into the same row, however many there are.
    /// Whoever has lost a lease meanwhile writes nothing either.
    pub(crate) async fn claim(&mut self, claims: &[Claim], holder: Uuid) -> Result<bool, sqlx::Error> {
        let held: Vec<Held> = match self {
            Self::Postgres(work) => postgres::hold(work, claims).await?,
            Self::Sqlite(work) => sqlite::hold(work, claims).await?,
        };
        Ok(claims.iter().all(|claim| {
            held.iter().any(|held| {
                held.build == claim.build
                    && held.position == stored(claim.expected)
                    && held.holder.is_none_or(|other| other == holder)
                    && matches!(held.status.as_str(), status::RUNNING | status::STOPPED)
            })
        }))
    }

    /// The rows of these keys, in the order of their claims.
    pub(crate) async fn load(
        &mut self,
        keys: &[(Claim, Vec<String>)],
    ) -> Result<Vec<Vec<Stored>>, sqlx::Error> {
        let mut rows: Vec<Vec<Stored>> = keys.iter().map(|_| Vec::new()).collect();
        if keys.iter().all(|(_, keys)| keys.is_empty()) {
            return Ok(rows);
        }
        let found = match self {
            Self::Postgres(work) => postgres::load(work, keys).await?,
            Self::Sqlite(work) => sqlite::load(work, keys).await?,
        };
        for (build, key, workspace_id, ordinal, data) in found {
            let of_claim = rows.iter_mut().zip(keys).find(|(_, (claim, _))| claim.build == build);
            if let Some((rows, _)) = of_claim {
                rows.push(Stored { key, workspace_id, ordinal, data });
            }
        }
        Ok(rows)
    }

    /// Writes what was folded and moves the checkpoints.
    pub(crate) async fn write(&mut self, steps: &[Step]) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(work) => postgres::write(work, steps).await,
            Self::Sqlite(work) => sqlite::write(work, steps).await,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(work) => work.commit().await,
            Self::Sqlite(work) => work.commit().await,
        }
    }
}

const CHECKPOINTS: &str = "
    SELECT c.projection, c.build, c.version, c.position, c.status, c.error,
        a.version IS NOT NULL AS active, c.holder
    FROM projection_checkpoints c
    LEFT JOIN projection_active a ON a.projection = c.projection AND a.version = c.version
    ORDER BY c.projection, c.version";

type CheckpointColumns = (String, i32, i32, i64, String, Option<String>, bool, Option<Uuid>);

fn checkpoint(columns: CheckpointColumns) -> Checkpoint {
    let (projection, build, version, position, status, error, active, holder) = columns;
    let (version, position) = (Version::of_stored(version), read(position));
    Checkpoint { projection, build, version, position, status, error, active, holder }
}

/// A row of [`Work::load`]: build, key, workspace, ordinal, data.
type LoadedColumns = (i32, String, Uuid, i64, String);

/// Positions stay far below 2⁶³.
pub(crate) fn stored(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

pub(crate) fn read(position: i64) -> Position {
    Position(u64::try_from(position).unwrap_or(0))
}

/// Was it the data that the database refused (SQLSTATE classes 22, 23 and 54, and `SQLite`'s like)? Then
/// trying again won't help, and it must be found out whose it was.
pub(crate) fn is_about_data(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().is_some_and(|code| match code.len() {
        5 => ["22", "23", "54"].iter().any(|class| code.starts_with(class)),
        // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH.
        _ => code.parse().is_ok_and(|code: u32| matches!(code & 0xff, 18..=20)),
    })
}

/// Under the lock none can have moved; were one to, nothing is written.
fn all_moved(moved: u64, steps: &[Step]) -> Result<(), sqlx::Error> {
    let all = u64::try_from(steps.len()).is_ok_and(|steps| moved == steps);
    if all { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

/// What a build is made of, beside its checkpoint.
const TABLES: [&str; 3] = ["projection_rows", "projection_terms", "projection_postings"];

/// The build of a version that isn't read.
const UNREAD_BUILD: &str = "SELECT build FROM projection_checkpoints WHERE projection = $1 AND version = $2
    AND version NOT IN (SELECT version FROM projection_active WHERE projection = $1)";
