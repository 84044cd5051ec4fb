//! One connection, and one question after the other, each within its time.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::super::{Extent, Part, Unseen};
use super::Looked;
use crate::database::OpenError;

/// Nobody waits longer than this for a database that isn't there.
const CONNECT: Duration = Duration::from_secs(3);
/// What the answer may take beyond what the database gives itself.
const ON_THE_WAY: Duration = Duration::from_millis(500);

/// For this session only: it reads, gives up, and waits for nobody's lock.
const SETTINGS: &str =
    "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', '1s', false),
    set_config('default_transaction_read_only', 'on', false), set_config('search_path', 'public', false),
    set_config('jit', 'off', false)";

pub(super) struct Asker {
    connection: PgConnection,
    patience: Duration,
    silent: bool,
}

impl Asker {
    pub(super) async fn connect(options: &PgConnectOptions, extent: Extent) -> Result<Self, OpenError> {
        let patience = extent.patience();
        let connecting = async {
            let mut connection = options.clone().application_name("tollbook doctor").connect().await?;
            let limit = format!("{}ms", patience.as_millis());
            sqlx::query(SETTINGS).bind(limit).execute(&mut connection).await?;
            Ok(connection)
        };
        match timeout(CONNECT, connecting).await {
            Ok(connected) => connected
                .map(|connection| Self { connection, patience, silent: false })
                .map_err(OpenError::Database),
            Err(_) => Err(OpenError::Silent(CONNECT)),
        }
    }

    /// Asks. Once there was no answer at all, nothing more is asked.
    pub(super) async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut PgConnection) -> Looked<T>,
    ) -> Part<T> {
        if self.silent {
            return Err(Unseen("not asked: the database had fallen silent".into()));
        }
        let asked = timeout(self.patience + ON_THE_WAY, question(&mut self.connection)).await;
        asked.unwrap_or_else(|_| {
            self.silent = true;
            Err(Unseen(format!("no answer within {:?}", self.patience + ON_THE_WAY)))
        })
    }

    pub(super) async fn close(self) {
        if !self.silent {
            // A connection that can't be said goodbye to is dropped.
            let _ = timeout(ON_THE_WAY, self.connection.close()).await;
        }
    }
}
