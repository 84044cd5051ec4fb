//! The embedded book: a directory with two files and a lock.
//!
//! `book.db` is the truth and is synced to disk with each commit. `views.db` holds what can be built
//! again from it, so it isn't; as a file of its own it has a writer of its own, and folding never
//! waits for an append or delays one.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Sqlite, TransactionManager};

use crate::database::OpenError;

/// A book in a directory. Cheap to clone; the lock is given back when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct SqliteBook {
    dir: PathBuf,
    /// The one connection that writes to `book.db`: taking it is taking a fair mutex. Keep it for
    /// short transactions only (`BEGIN IMMEDIATE`), because appends wait for it.
    pub writer: SqlitePool,
    /// Connections that only read `book.db`.
    pub readers: SqlitePool,
    /// Connections to `views.db`, where the projections' rows are.
    pub views: SqlitePool,
    _lock: Arc<File>,
}

impl SqliteBook {
    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) async fn open(dir: &Path) -> Result<Self, OpenError> {
        let lock = lock(dir)?;
        let (book, views) = (dir.join("book.db"), dir.join("views.db"));
        [&book, &views].into_iter().try_for_each(|path| keep_private(path)).map_err(|e| failed(dir, e))?;
        // What is deleted there is overwritten: a destroyed key must not go on lying on the page that it lay on.
        let book = options(&book, SqliteSynchronous::Full).pragma("secure_delete", "ON");
        let views = options(&views, SqliteSynchronous::Normal);
        make(&book).await?;
        make(&views).await?;
        let writer = pool(1).connect_with(book.clone()).await?;
        let readers = pool(4).connect_with(book.read_only(true)).await?;
        let views = pool(4).connect_with(views).await?;
        Ok(Self { dir: dir.to_owned(), writer, readers, views, _lock: Arc::new(lock) })
    }

    pub(crate) async fn close(&self) {
        self.views.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Only the owner may look into the directory.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let file = made.and_then(|()| private_file(&dir.join("book.lock"))).map_err(|e| failed(dir, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.display().to_string())),
        Err(TryLockError::Error(source)) => Err(failed(dir, source)),
    }
}

fn failed(dir: &Path, source: io::Error) -> OpenError {
    OpenError::Directory { dir: dir.display().to_string(), source }
}

/// Opened, or made so that only its owner may read it, whatever the umask says.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path)
}

/// A database file and what `SQLite` keeps beside it: made private, and made private again where an
/// earlier version left it readable. `SQLite` gives the files that it makes beside it the same mode.
fn keep_private(path: &Path) -> io::Result<()> {
    drop(private_file(path)?);
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match fs::set_permissions(&file, Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Makes an empty file a database in WAL mode, which it keeps. Alone, because the change of mode
/// doesn't wait for other connections: it fails.
async fn make(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let options = options.clone().journal_mode(SqliteJournalMode::Wal);
    options.connect().await?.close().await
}

fn options(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(synchronous)
        .busy_timeout(Duration::from_secs(1))
        .foreign_keys(true)
}

/// Connections to a file don't go stale: they are kept, and not asked before each use.
///
/// But one that comes back within a transaction is closed, and the transaction with it. sqlx 0.8 leaves
/// such connections in two ways: whoever begins with a statement of their own and is given up half-way
/// leaves the database locked; and where `SQLite` rolls back by itself (a full disk), sqlx counts the
/// transaction as open for ever, and refuses to begin another.
fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(2))
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                // Whatever is still to be done on it, a rollback above all, is done when it answers.
                connection.ping().await?;
                Ok(<Sqlite as sqlx::Database>::TransactionManager::get_transaction_depth(connection) == 0)
            })
        })
}
