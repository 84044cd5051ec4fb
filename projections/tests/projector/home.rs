//! A fresh book on either backend, what is written to it, and projectors over it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tollbook_journal::{
    Append, Database, DatabaseUrl, Expected, Journal, Position, Settings, Write, migrate,
};
use tollbook_projections::{Model, Pace, Projector, Views, standard};
use tollbook_testkit::postgres::{Options, Postgres};
use uuid::Uuid;

use crate::story::Line;

/// One server for all tests of this binary; each test has a database of its own.
static CLUSTER: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(&Options::default()));

/// A book and what reads it.
pub(crate) struct Home {
    pub(crate) database: Database,
    pub(crate) journal: Journal,
    pub(crate) views: Views,
    url: Option<DatabaseUrl>,
    _dir: Option<TempDir>,
}

impl Home {
    pub(crate) async fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("views{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let url: DatabaseUrl = CLUSTER.create_database(&name).parse().unwrap();
        let database = Database::connect(&url).await.unwrap();
        Self::open(database, Some(url), None).await
    }

    pub(crate) async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_sqlite(dir.path()).await.unwrap();
        Self::open(database, None, Some(dir)).await
    }

    async fn open(database: Database, url: Option<DatabaseUrl>, dir: Option<TempDir>) -> Self {
        migrate(&database, None).await.unwrap();
        let journal = Journal::open(database.clone(), Settings::default()).await.unwrap();
        let views = Views::new(journal.clone());
        Self { database, journal, views, url, _dir: dir }
    }

    /// What another replica reads with: connections of its own where the backend can be shared.
    pub(crate) async fn replica(&self) -> Views {
        match &self.url {
            Some(url) => {
                let database = Database::connect(url).await.unwrap();
                Views::new(Journal::open(database, Settings::default()).await.unwrap())
            }
            None => Views::new(self.journal.clone()),
        }
    }

    /// Appends each line as a decision of its own; answers with the last position.
    pub(crate) async fn write(&self, lines: &[Line]) -> Position {
        let mut last = Position(0);
        for line in lines {
            last = self.journal.append(append(line)).await.unwrap().last;
        }
        last
    }

    /// As [`Self::write`], one decision for all: as fast as can be.
    pub(crate) async fn write_together(&self, lines: &[Line]) -> Position {
        let mut last = Position(0);
        for some in lines.chunks(500) {
            let writes = some.iter().flat_map(|line| append(line).writes).collect();
            last = self.journal.append(Append { writes, ..append(&some[0]) }).await.unwrap().last;
        }
        last
    }

    /// Changes the book past the triggers that refuse it.
    pub(crate) async fn tamper(&self, sql: &str) {
        match &self.database {
            Database::Postgres(pool) => {
                let off = "DO $$ DECLARE t regclass; BEGIN
                    FOR t IN SELECT tgrelid FROM pg_trigger WHERE tgname = 'refuse_change'
                    LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER refuse_change', t); END LOOP; END $$";
                sqlx::raw_sql(off).execute(pool).await.unwrap();
                sqlx::raw_sql(sql).execute(pool).await.unwrap();
            }
            Database::Sqlite(book) => {
                let off = "DROP TRIGGER IF EXISTS events_refuse_update; DROP TRIGGER IF EXISTS events_refuse_delete";
                sqlx::raw_sql(off).execute(&book.writer).await.unwrap();
                sqlx::raw_sql(sql).execute(&book.writer).await.unwrap();
            }
        }
    }

    pub(crate) fn start(&self) -> Running {
        Running::start(&self.views, standard())
    }

    /// Starts a projector and waits until what is read of `names` has come as far as the book.
    pub(crate) async fn caught_up(&self, models: fn() -> Vec<Box<dyn Model>>) {
        let running = Running::start(&self.views, models());
        self.wait_for_all(models).await;
        running.stop().await;
    }

    pub(crate) async fn wait_for_all(&self, models: fn() -> Vec<Box<dyn Model>>) {
        let head = self.journal.head().await.unwrap().next;
        for model in models() {
            wait_until(&self.views, model.name(), head).await;
        }
    }
}

/// Waits until the projection has folded all before `next`.
pub(crate) async fn wait_until(views: &Views, projection: &str, next: Position) {
    let Some(last) = next.0.checked_sub(1) else { return };
    let reached = views.wait_for(projection, Position(last), Duration::from_secs(60)).await;
    reached.unwrap().unwrap();
}

fn append(line: &Line) -> Append {
    let write = Write {
        workspace_id: line.workspace_id,
        stream: line.stream.clone(),
        expected: Expected::Any,
        events: vec![line.event.clone()],
    };
    Append { writes: vec![write], fence: None, not_after: None, idempotency: None, budget: None }
}

/// A projector at work.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// What its leases are held by.
    pub(crate) replica: Uuid,
}

impl Running {
    pub(crate) fn start(views: &Views, models: Vec<Box<dyn Model>>) -> Self {
        Self::at_pace(views, models, Pace::default())
    }

    pub(crate) fn at_pace(views: &Views, models: Vec<Box<dyn Model>>, pace: Pace) -> Self {
        let (stop, replica) = (CancellationToken::new(), Uuid::now_v7());
        let task = tokio::spawn(Projector::new(views, models, pace, replica).run(stop.clone()));
        Self { stop, task, replica }
    }

    /// As when the process dies: wherever it is.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// Makes two tests of one: on `PostgreSQL` and on `SQLite`.
#[macro_export]
macro_rules! on_both {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$name(&$crate::home::Home::postgres().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$name(&$crate::home::Home::sqlite().await).await;
            }
        }
    )*};
}
