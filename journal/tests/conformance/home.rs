//! A fresh book on either backend, and ways to meddle with it that the journal doesn't offer.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, Sqlite};
use tempfile::TempDir;
use tollbook_journal::{Database, DatabaseUrl, Journal, Settings, migrate};
use tollbook_testkit::postgres::{Options, Postgres};

/// One server for all tests of this binary; each test has a database of its own.
pub(crate) static CLUSTER: LazyLock<Postgres> = LazyLock::new(|| {
    let cluster = Postgres::start(&Options::default());
    cluster.psql("postgres", "CREATE ROLE service LOGIN");
    cluster
});

/// A book that nothing was written to.
pub(crate) struct Home {
    pub(crate) database: Database,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// The name of the database.
    Postgres(String),
    Sqlite(TempDir),
}

impl Home {
    pub(crate) async fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("book{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let owner: DatabaseUrl = CLUSTER.create_database(&name).parse().unwrap();
        let database = connect(&CLUSTER, &name).await;
        migrate(&database, Some(&owner)).await.unwrap();
        Self { database, kind: Kind::Postgres(name) }
    }

    pub(crate) async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_sqlite(dir.path()).await.unwrap();
        migrate(&database, None).await.unwrap();
        Self { database, kind: Kind::Sqlite(dir) }
    }

    pub(crate) async fn journal(&self) -> Journal {
        self.journal_with(Settings::default()).await
    }

    pub(crate) async fn journal_with(&self, settings: Settings) -> Journal {
        Journal::open(self.database.clone(), settings).await.unwrap()
    }

    /// A journal of another replica: with connections of its own where the backend can be shared.
    pub(crate) async fn replica(&self) -> Journal {
        let database = match &self.kind {
            Kind::Postgres(name) => connect(&CLUSTER, name).await,
            Kind::Sqlite(_) => self.database.clone(),
        };
        Journal::open(database, Settings::default()).await.unwrap()
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self.kind, Kind::Postgres(_))
    }

    /// The name of the database, for tests that know they are on `PostgreSQL`.
    pub(crate) fn name(&self) -> &str {
        match &self.kind {
            Kind::Postgres(name) => name,
            Kind::Sqlite(_) => panic!("a book on SQLite has no name"),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        match &self.kind {
            Kind::Postgres(_) => panic!("a book on PostgreSQL has no directory"),
            Kind::Sqlite(dir) => dir.path(),
        }
    }

    /// Runs SQL as whoever may do most.
    pub(crate) async fn sql(&self, sql: &str) -> Result<(), sqlx::Error> {
        match &self.database {
            Database::Postgres(_) => {
                let mut owner = PgConnection::connect(&CLUSTER.url(self.name())).await?;
                sqlx::raw_sql(sql).execute(&mut owner).await?;
            }
            Database::Sqlite(book) => {
                sqlx::raw_sql(sql).execute(&book.writer).await?;
            }
        }
        Ok(())
    }

    /// Holds the append lock as another session would, until the answer is dropped.
    pub(crate) async fn hold_lock(&self) -> HeldLock {
        match &self.database {
            Database::Postgres(_) => {
                let mut other = PgConnection::connect(&CLUSTER.url(self.name())).await.unwrap();
                sqlx::raw_sql("SELECT pg_advisory_lock(7070, 1)").execute(&mut other).await.unwrap();
                HeldLock::Postgres(other)
            }
            Database::Sqlite(book) => HeldLock::Sqlite(book.writer.acquire().await.unwrap()),
        }
    }

    /// Runs SQL past the triggers that refuse it.
    pub(crate) async fn tamper(&self, sql: &str) {
        let off = match self.kind {
            Kind::Postgres(_) => {
                "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT tgrelid FROM pg_trigger WHERE tgname = 'refuse_change'
                 LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER refuse_change', t); END LOOP; END $$"
            }
            Kind::Sqlite(_) => {
                "DROP TRIGGER events_refuse_update; DROP TRIGGER events_refuse_delete; PRAGMA ignore_check_constraints = 1"
            }
        };
        self.sql(off).await.unwrap();
        self.sql(sql).await.unwrap();
    }
}

/// The append lock, in other hands.
pub(crate) enum HeldLock {
    Postgres(PgConnection),
    Sqlite(PoolConnection<Sqlite>),
}

impl HeldLock {
    pub(crate) async fn release(self) {
        match self {
            Self::Postgres(other) => other.close().await.unwrap(),
            Self::Sqlite(writer) => drop(writer),
        }
    }
}

async fn connect(cluster: &Postgres, name: &str) -> Database {
    let url: DatabaseUrl = cluster.url_as("service", name).parse().unwrap();
    Database::connect(&url).await.unwrap()
}

/// Writes each promise down as a test on both backends.
macro_rules! on_both {
    ($($promise:ident),+ $(,)?) => {
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(crate::home::Home::postgres().await).await;
            })+
        }
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(crate::home::Home::sqlite().await).await;
            })+
        }
    };
}
pub(crate) use on_both;
