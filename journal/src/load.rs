//! Loading an aggregate the way the stock framework does: its reader, its decoding, its `apply`.

use cqrs_es::Aggregate;
use cqrs_es::persist::PersistedEventRepository;
use postgres_es::PostgresEventRepository;
use sqlite_es::SqliteEventRepository;

use crate::database::Database;
use crate::event::Position;
use crate::read::ReadError;
use crate::reading::undecodable;

impl Database {
    pub(crate) async fn load<A: Aggregate>(&self, id: &str) -> Result<(A, Option<Position>), ReadError> {
        let events = match self {
            Self::Postgres(pool) => PostgresEventRepository::new(pool.clone()).get_events::<A>(id).await,
            Self::Sqlite(book) => SqliteEventRepository::new(book.readers.clone()).get_events::<A>(id).await,
        };
        let mut aggregate = A::default();
        let mut last = None;
        for event in events.map_err(|error| ReadError::Unavailable(error.to_string()))? {
            // Stored as position + 1; see `Recorded::sequence`.
            let position = Position(event.sequence.saturating_sub(1) as u64);
            let decoded =
                serde_json::from_value(event.payload).map_err(|error| undecodable(position, &error))?;
            aggregate.apply(decoded);
            last = Some(position);
        }
        Ok((aggregate, last))
    }
}
