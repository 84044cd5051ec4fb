//! Where the book lies.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};

use crate::sqlite_book::SqliteBook;

/// A connection URL of `PostgreSQL`. It may hold a password, so it can't be printed.
#[derive(Clone)]
pub struct DatabaseUrl(SecretString);

impl DatabaseUrl {
    pub(crate) fn options(&self) -> Result<PgConnectOptions, OpenError> {
        // The parser's own message could repeat parts of the URL.
        let options = PgConnectOptions::from_str(self.0.expose_secret()).map_err(|_| OpenError::Url)?;
        Ok(options.application_name("tollbook"))
    }

    /// Host and port, for people: nothing of who connects there.
    pub fn place(&self) -> String {
        let place = |options: PgConnectOptions| format!("{}:{}", options.get_host(), options.get_port());
        self.options().map(place).unwrap_or_default()
    }
}

impl FromStr for DatabaseUrl {
    type Err = OpenError;

    fn from_str(text: &str) -> Result<Self, OpenError> {
        let url = Self(text.to_owned().into());
        let known = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if known { url.options().map(|_| url) } else { Err(OpenError::Url) }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DatabaseUrl(…)")
    }
}

/// One of the two homes that a book can have. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Database {
    /// Shared by many replicas.
    Postgres(PgPool),
    /// In a directory, one process's.
    Sqlite(SqliteBook),
}

impl Database {
    /// Connects to `PostgreSQL`. Doesn't look at the schema: [`crate::Journal::open`] does.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self, OpenError> {
        let pool =
            connections(16).acquire_timeout(Duration::from_secs(2)).connect_with(url.options()?).await?;
        Ok(Self::Postgres(pool))
    }

    /// Opens the book in `dir`, making the directory and the files where they aren't there, and
    /// holds the directory's lock file until the last clone is dropped.
    ///
    /// # Errors
    /// When another process has it, or the files can't be opened.
    pub async fn open_sqlite(dir: &Path) -> Result<Self, OpenError> {
        SqliteBook::open(dir).await.map(Self::Sqlite)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(book) => book.close().await,
        }
    }
}

/// A role or a database may have settings of its own that give the same words another meaning: names that
/// are looked for elsewhere first, transactions that don't see what was committed while they waited.
const MEANING: &str = "SELECT set_config('search_path', 'public', false),
    set_config('default_transaction_isolation', 'read committed', false)";

/// A pool of so many connections at most, on which statements mean what they say.
pub(crate) fn connections(at_most: u32) -> PgPoolOptions {
    let pool = PgPoolOptions::new().max_connections(at_most);
    pool.after_connect(|connection, _| Box::pin(mean_what_we_say(connection)))
}

/// The same for a connection of its own.
pub(crate) async fn mean_what_we_say(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute(MEANING).await.map(drop)
}

/// Why a book can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a URL of `PostgreSQL`.
    #[error("not a URL of the form `postgres://user:password@host:port/database`")]
    Url,
    /// Another process has the book.
    #[error("the book in `{0}` is in use by another process")]
    InUse(String),
    /// The directory or the lock file can't be made.
    #[error("the book's directory `{dir}` cannot be used: {source}")]
    Directory {
        /// Which.
        dir: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// Migrations haven't run.
    #[error("the database lacks {0} migration(s): run `tollbook migrate`")]
    MigrationsMissing(usize),
    /// A newer version of the service made this schema, or a migration was changed.
    #[error("the database's schema is not this version's: migration {0} is unknown or differs")]
    SchemaDiffers(i64),
    /// A migration failed.
    #[error("the database cannot be migrated: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The head can't be read.
    #[error("the book cannot be read: {0}")]
    Head(String),
    /// The database can't be reached.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] sqlx::Error),
    /// The database doesn't say anything.
    #[error("the database did not answer within {} s", .0.as_secs())]
    Silent(Duration),
}
