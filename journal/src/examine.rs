//! Examining the database for `tollbook doctor`: what is found, as data. What it means, and what to do about it,
//! the service says.
//!
//! An examination has a connection of its own and short patience, reads only, takes no lock that an append waits
//! for, and sees what it can: a part that can't be looked at says why, and the others are looked at all the same.
//! Deliberately absent: the text of anybody's query, which may hold values.

mod made;
mod order;
mod pepper;
pub mod postgres;
pub mod sqlite;

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use order::{Book, Speed};

use crate::database::{Database, DatabaseUrl, OpenError};

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What costs a few milliseconds: for who asks every few seconds.
    Glance,
    /// What costs a second or so.
    Usual,
    /// Everything, however long it takes.
    Deep,
}

impl Extent {
    /// How many of the newest positions are counted; all of them, where there is no number.
    pub(crate) const fn newest(self) -> Option<i64> {
        match self {
            Self::Glance => Some(10_000),
            Self::Usual => Some(200_000),
            Self::Deep => None,
        }
    }

    /// How long one question may take.
    pub(crate) const fn patience(self) -> Duration {
        match self {
            Self::Glance => Duration::from_secs(2),
            Self::Usual => Duration::from_secs(5),
            Self::Deep => Duration::from_secs(6 * 3600),
        }
    }
}

/// Where the clock of this machine is read.
pub type Now<'a> = &'a (dyn Fn() -> DateTime<Utc> + Send + Sync);

/// What was looked at, or why it couldn't be.
pub type Part<T> = Result<T, Unseen>;

/// Why something couldn't be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unseen(pub String);

impl From<sqlx::Error> for Unseen {
    fn from(error: sqlx::Error) -> Self {
        // The database's own words hold names of tables and roles, never values that we passed.
        Self(error.to_string())
    }
}

impl From<OpenError> for Unseen {
    fn from(error: OpenError) -> Self {
        Self(error.to_string())
    }
}

/// How the migrations of a database stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrations {
    /// How many are applied that this version knows.
    pub applied: usize,
    /// Those that aren't applied.
    pub missing: Vec<i64>,
    /// Applied ones that this version doesn't know: a newer one made them.
    pub unknown: Vec<i64>,
    /// Applied ones whose text was another.
    pub changed: Vec<i64>,
}

/// A version of a projection, as its row says.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Follower {
    /// Which projection.
    pub projection: String,
    /// Which version of it.
    pub version: i32,
    /// The next position that it will fold.
    pub position: i64,
    /// What it is doing: `running`, `building`, `stopped`, `dropped`.
    pub status: String,
    /// Why it stopped, if it did.
    pub error: Option<String>,
    /// Is it the one that is read?
    pub active: bool,
    /// The replica that folds it and keeps others from it, if one does at this moment.
    pub holder: Option<Uuid>,
}

/// `now` is this database's word for the time as it is stored.
pub(crate) fn followers(now: &str) -> String {
    format!(
        "SELECT c.projection, c.version, c.position, c.status, c.error, a.version IS NOT NULL AS active,
            CASE WHEN c.held_until > {now} THEN c.holder END AS holder
         FROM projection_checkpoints c
         LEFT JOIN projection_active a ON a.projection = c.projection AND a.version = c.version
         ORDER BY c.projection, c.version"
    )
}

/// What was sealed and made with which keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Key-encryption keys, with how many living data keys each has wrapped.
    pub keks: Vec<(String, i64)>,
    /// Peppers that the first and the newest credentials were made with.
    pub peppers: Vec<String>,
}

pub(crate) const KEKS: &str = "SELECT kek_id, count(*) FROM data_keys WHERE destroyed_at IS NULL
    GROUP BY kek_id ORDER BY count(*) DESC LIMIT 10";

/// What was found.
#[derive(Debug)]
pub enum Examination {
    /// On `PostgreSQL`.
    Postgres(Box<postgres::Examined>),
    /// On `SQLite`.
    Sqlite(Box<sqlite::Examined>),
}

/// Examines the database behind `database`. On `PostgreSQL` with a connection of its own, so that a pool without
/// a free one doesn't hide why.
///
/// # Errors
/// When it can't be reached.
pub async fn examine(database: &Database, extent: Extent, now: Now<'_>) -> Result<Examination, OpenError> {
    match database {
        Database::Postgres(pool) => {
            let options = pool.connect_options().as_ref().clone();
            let examined = postgres::examine(options, extent, now).await?;
            Ok(Examination::Postgres(Box::new(examined)))
        }
        Database::Sqlite(book) => Ok(Examination::Sqlite(Box::new(sqlite::examine(book, extent).await))),
    }
}

/// Examines the database at `url`, which may be none that a book can be opened in.
///
/// # Errors
/// When it can't be reached.
pub async fn examine_url(url: &DatabaseUrl, extent: Extent, now: Now<'_>) -> Result<Examination, OpenError> {
    let examined = postgres::examine(url.options()?, extent, now).await?;
    Ok(Examination::Postgres(Box::new(examined)))
}
