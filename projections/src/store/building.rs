//! The tables as a build sees them: what is built beside what is read, for what, and how far it is.

use tollbook_journal::Position;
use uuid::Uuid;

use super::statement::Arg;
use super::{Store, Work, read, status, stored};
use crate::version::Version;

/// The row of the newest build of a projection.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct BuildRow {
    pub(crate) projection: String,
    pub(crate) version: i32,
    pub(crate) purpose: String,
    pub(crate) state: String,
    pub(crate) target: i64,
    pub(crate) rate: i64,
    pub(crate) began_at: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) compared_at: Option<i64>,
    pub(crate) differences: Option<i64>,
    pub(crate) examples: Option<String>,
    pub(crate) ordered_at: i64,
}

/// A version of one projection.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct VersionRow {
    pub(crate) version: i32,
    /// What its rows are known by in the tables.
    pub(crate) build: i32,
    pub(crate) position: i64,
    pub(crate) status: String,
}

/// All versions of one projection, at one moment.
#[derive(Debug)]
pub(crate) struct Versions {
    active: Option<i32>,
    pub(crate) all: Vec<VersionRow>,
}

impl Versions {
    /// The one that is read.
    pub(crate) fn active(&self) -> Option<&VersionRow> {
        self.all.iter().find(|row| Some(row.version) == self.active)
    }

    /// The one that does this.
    pub(crate) fn doing(&self, status: &str) -> Option<&VersionRow> {
        self.all.iter().find(|row| row.status == status && Some(row.version) != self.active)
    }

    /// This one.
    pub(crate) fn build(&self, build: i32) -> Option<&VersionRow> {
        self.all.iter().find(|row| row.build == build)
    }
}

const ACTIVE: &str = "SELECT version FROM projection_active WHERE projection = $1";
const VERSIONS: &str = "SELECT version, build, position, status FROM projection_checkpoints WHERE projection = $1 ORDER BY version";

const BUILDS: &str = "SELECT projection, version, purpose, state, target, rate, began_at, ended_at,
    compared_at, differences, examples, ordered_at FROM projection_builds";

impl Store {
    /// Lets what is read try again, if it has stopped.
    pub(crate) async fn resume(&self, build: i32) -> Result<(), sqlx::Error> {
        let sql = "UPDATE projection_checkpoints SET status = $2, error = NULL
            WHERE build = $1 AND status = $3";
        let args = [Arg::Small(build), Arg::Text(status::RUNNING), Arg::Text(status::STOPPED)];
        self.run(sql, &args).await.map(drop)
    }

    /// The newest build of each projection.
    pub(crate) async fn builds(&self) -> Result<Vec<BuildRow>, sqlx::Error> {
        self.rows(&format!("{BUILDS} ORDER BY projection"), &[]).await
    }

    /// The newest build of this one.
    pub(crate) async fn build(&self, projection: &str) -> Result<Option<BuildRow>, sqlx::Error> {
        Ok(self.rows(&format!("{BUILDS} WHERE projection = $1"), &[Arg::Text(projection)]).await?.pop())
    }

    /// Gives back the lease of one build.
    pub(crate) async fn release_build(&self, build: i32, holder: Uuid) -> Result<(), sqlx::Error> {
        let sql = "UPDATE projection_checkpoints SET holder = NULL, held_until = NULL
            WHERE build = $1 AND holder = $2";
        self.run(sql, &[Arg::Small(build), Arg::Id(holder)]).await.map(drop)
    }

    /// How far there is to go, and how quick it is.
    pub(crate) async fn note_build(
        &self,
        projection: &str,
        target: Position,
        rate: u64,
    ) -> Result<(), sqlx::Error> {
        let sql = "UPDATE projection_builds SET target = $2, rate = $3 WHERE projection = $1";
        let rate = i64::try_from(rate).unwrap_or(i64::MAX);
        let args = [Arg::Text(projection), Arg::Number(stored(target)), Arg::Number(rate)];
        self.run(sql, &args).await.map(drop)
    }

    /// What is being done.
    pub(crate) async fn note_state(&self, projection: &str, state: &str) -> Result<(), sqlx::Error> {
        let sql = "UPDATE projection_builds SET state = $2 WHERE projection = $1";
        self.run(sql, &[Arg::Text(projection), Arg::Text(state)]).await.map(drop)
    }

    /// What came of comparing.
    pub(crate) async fn note_comparison(
        &self,
        projection: &str,
        at: Position,
        differences: u64,
        examples: &str,
    ) -> Result<(), sqlx::Error> {
        let sql = "UPDATE projection_builds SET compared_at = $2, differences = $3, examples = $4
            WHERE projection = $1";
        let differences = i64::try_from(differences).unwrap_or(i64::MAX);
        let mut args = vec![Arg::Text(projection), Arg::Number(stored(at))];
        args.extend([Arg::Number(differences), Arg::Text(examples)]);
        self.run(sql, &args).await.map(drop)
    }

    /// What was kept for a possible rollback, or waited for a swap, longer than that goes.
    pub(crate) async fn expire_kept(&self, micros: i64) -> Result<(), sqlx::Error> {
        let sql = "UPDATE projection_checkpoints SET status = 'dropped' WHERE status IN ('kept', 'beside')
            AND projection IN (SELECT projection FROM projection_builds WHERE ended_at < {now} - $1)";
        self.run(sql, &[Arg::Number(micros)]).await.map(drop)
    }
}

impl Work {
    /// Waits no longer than that for what others hold.
    pub(crate) async fn be_impatient(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(_) => self.run("SET LOCAL lock_timeout = '5s'", &[]).await.map(drop),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Takes hold of all versions of a projection, and of which is read: none moves, and nobody else
    /// begins or swaps one, until the transaction ends.
    pub(crate) async fn hold_versions(&mut self, projection: &str) -> Result<Versions, sqlx::Error> {
        self.versions(projection, "{held}").await
    }

    /// All versions as they are, without holding them.
    pub(crate) async fn see_versions(&mut self, projection: &str) -> Result<Versions, sqlx::Error> {
        self.versions(projection, "").await
    }

    async fn versions(&mut self, projection: &str, held: &str) -> Result<Versions, sqlx::Error> {
        let of = [Arg::Text(projection)];
        let active = self.rows(&format!("{ACTIVE} {held}"), &of).await?.pop();
        let active = active.map(|(version,): (i32,)| version);
        Ok(Versions { active, all: self.rows(&format!("{VERSIONS} {held}"), &of).await? })
    }

    /// Lets no append in until the transaction ends. (On `SQLite` the book is a file of its own: appends
    /// go on, and what is read can't move while this transaction has the right to write.)
    pub(crate) async fn stop_appends(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(_) => self
                .rows::<(i32,)>("SELECT 1 FROM (SELECT pg_advisory_xact_lock(7070, 1)) held", &[])
                .await
                .map(drop),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Begins a version beside the one that is read; what else stands beside it goes (but what is kept, or
    /// waits to be swapped, stays while a version is only built to be compared).
    pub(crate) async fn begin_build(
        &mut self,
        projection: &str,
        version: Version,
        purpose: &str,
        target: Position,
        ordered_at: Option<Position>,
    ) -> Result<(), sqlx::Error> {
        self.run(
            "UPDATE projection_checkpoints SET status = 'dropped' WHERE projection = $1
                AND version NOT IN (SELECT version FROM projection_active WHERE projection = $1)
                AND ($2 <> 'verify' OR status NOT IN ('kept', 'beside'))",
            &[Arg::Text(projection), Arg::Text(purpose)],
        )
        .await?;
        self.run(
            "INSERT INTO projection_checkpoints (projection, version, position, status, updated_at)
             VALUES ($1, $2, 0, $3, {stamp})",
            &[Arg::Text(projection), Arg::Small(version.stored()), Arg::Text(status::BUILDING)],
        )
        .await?;
        let mut args = vec![Arg::Text(projection), Arg::Small(version.stored()), Arg::Text(purpose)];
        args.extend([Arg::Number(stored(target)), Arg::Number(ordered_at.map_or(-1, stored))]);
        self.run(
            "INSERT INTO projection_builds (projection, version, purpose, state, target, began_at, ordered_at)
             VALUES ($1, $2, $3, 'building', $4, {now}, $5)
             ON CONFLICT (projection) DO UPDATE SET version = excluded.version, purpose = excluded.purpose,
                state = excluded.state, target = excluded.target, rate = 0, began_at = excluded.began_at,
                ended_at = NULL, compared_at = NULL, differences = NULL, examples = NULL,
                ordered_at = CASE WHEN excluded.ordered_at < projection_builds.ordered_at
                    THEN projection_builds.ordered_at ELSE excluded.ordered_at END",
            &args,
        )
        .await
        .map(drop)
    }

    /// Where a build stands now, if it is still being folded beside what is read; held until the end of
    /// the transaction.
    pub(crate) async fn hold_beside(&mut self, build: i32) -> Result<Option<Position>, sqlx::Error> {
        let sql = "SELECT position FROM projection_checkpoints
            WHERE build = $1 AND status IN ('building', 'beside', 'kept') {held}";
        let found = self.rows(sql, &[Arg::Small(build)]).await?.pop();
        Ok(found.map(|(position,): (i64,)| read(position)))
    }

    /// Says how a build ended.
    pub(crate) async fn settle_build(&mut self, projection: &str, state: &str) -> Result<(), sqlx::Error> {
        let sql = "UPDATE projection_builds SET state = $2, ended_at = {now} WHERE projection = $1";
        self.run(sql, &[Arg::Text(projection), Arg::Text(state)]).await.map(drop)
    }

    /// Marks an order as carried out; answers whether it hadn't been.
    pub(crate) async fn carry_out(
        &mut self,
        projection: &str,
        ordered_at: Position,
    ) -> Result<bool, sqlx::Error> {
        let sql = "UPDATE projection_builds SET ordered_at = $2 WHERE projection = $1 AND ordered_at < $2";
        Ok(self.run(sql, &[Arg::Text(projection), Arg::Number(stored(ordered_at))]).await? == 1)
    }

    /// What a build does from now on.
    pub(crate) async fn set_status(&mut self, build: i32, status: &str) -> Result<(), sqlx::Error> {
        let sql =
            "UPDATE projection_checkpoints SET status = $2, error = NULL, holder = NULL, held_until = NULL
            WHERE build = $1";
        self.run(sql, &[Arg::Small(build), Arg::Text(status)]).await.map(drop)
    }

    /// Which version is read from now on.
    pub(crate) async fn set_active(&mut self, projection: &str, version: i32) -> Result<(), sqlx::Error> {
        let sql = "UPDATE projection_active SET version = $2 WHERE projection = $1";
        self.run(sql, &[Arg::Text(projection), Arg::Small(version)]).await.map(drop)
    }
}
