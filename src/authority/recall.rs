//! Sessions that have left memory, brought back from the book for whoever still asks.
//!
//! Exact although the follower goes on meanwhile: an event of the session that is applied between the
//! read and its taking in is noticed, and then the book is read again.

use std::time::Duration;

use sqlx::Row as _;
use tokio::time::timeout;
use tollbook_aggregates::{Session, SessionId};
use tollbook_journal::{Database, ReadError, Stream, rows};

use super::{Authority, FollowError, NotCaughtUp, Shared};

/// How often the book is read again because the session was written to meanwhile.
const TRIES: usize = 5;
/// No look-up in the database waits longer.
const LIMIT: Duration = Duration::from_secs(2);

impl Authority {
    /// Waits until the state has caught up with the head, and knows of this session whatever the book
    /// does, also if it ended long ago.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    pub async fn acquaint(&self, session: SessionId, within: Duration) -> Result<(), NotCaughtUp> {
        let both = async {
            self.catch_up_with_head(within).await?;
            if self.look(|live| live.knows_session(session)) { Ok(()) } else { self.recall(session).await }
        };
        timeout(within, both).await.map_err(|_| NotCaughtUp)?
    }

    /// The same for the session whose token has this public id.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    pub async fn acquaint_with_token(
        &self,
        credential_id: &str,
        within: Duration,
    ) -> Result<(), NotCaughtUp> {
        let both = async {
            self.catch_up_with_head(within).await?;
            // Looked up also if it is known: a wrong secret takes as long as an unknown credential.
            let found = self.shared.session_of(credential_id).await.map_err(|error| not_found(&error))?;
            match found {
                Some(session) if !self.look(|live| live.knows_session(session)) => self.recall(session).await,
                _ => Ok(()),
            }
        };
        timeout(within, both).await.map_err(|_| NotCaughtUp)?
    }

    async fn recall(&self, session: SessionId) -> Result<(), NotCaughtUp> {
        self.shared.recall(session).await.map_err(|error| {
            tracing::warn!(%session, %error, "a session cannot be recalled from the book");
            NotCaughtUp
        })
    }
}

fn not_found(error: &ReadError) -> NotCaughtUp {
    tracing::warn!(%error, "the book cannot be asked for a session");
    NotCaughtUp
}

impl Shared {
    async fn recall(&self, session: SessionId) -> Result<(), FollowError> {
        let _one_at_a_time = self.recalls.lock().await;
        let aggregate_type = <Session as cqrs_es::Aggregate>::TYPE.into();
        let stream = Stream { aggregate_type, aggregate_id: session.to_string() };
        for _ in 0..TRIES {
            self.write().expect(session);
            let events = self.journal.read_control_stream(&stream).await?;
            if self.write().take_back(session, &events, self.clock.now())? {
                return Ok(());
            }
        }
        Err(ReadError::Unavailable("the session changes faster than it can be read".into()).into())
    }

    /// Whose token has this public id, by the book.
    async fn session_of(&self, credential_id: &str) -> Result<Option<SessionId>, ReadError> {
        let _one_at_a_time = self.recalls.lock().await;
        let failed = |error: sqlx::Error| ReadError::Unavailable(error.to_string());
        let id: Option<String> = match self.journal.database() {
            Database::Postgres(pool) => {
                let sql = "SELECT aggregate_id FROM public.events WHERE event_type = 'session.created'
                           AND (payload -> 'created' -> 'verifier' ->> 'credential_id') = $1";
                let found = rows(pool, LIMIT, sqlx::query(sql).bind(credential_id)).await.map_err(failed)?;
                found.first().map(|row| row.try_get(0)).transpose().map_err(failed)?
            }
            Database::Sqlite(book) => {
                let sql = "SELECT aggregate_id FROM events WHERE event_type = 'session.created'
                           AND json_extract(payload, '$.created.verifier.credential_id') = ?1";
                let query = sqlx::query_scalar(sql).bind(credential_id);
                query.fetch_optional(&book.readers).await.map_err(failed)?
            }
        };
        Ok(id.and_then(|id| id.parse().ok()))
    }
}
