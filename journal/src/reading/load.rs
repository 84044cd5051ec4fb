//! Loading an aggregate the way the stock framework does: its reader, its decoding, its `apply`.

use cqrs_es::Aggregate;
use cqrs_es::persist::{PersistedEventRepository, SerializedEvent};
use postgres_es::PostgresEventRepository;
use sqlite_es::SqliteEventRepository;

use super::{Reads, undecodable};
use crate::database::{Database, connections};
use crate::event::Position;
use crate::read::ReadError;

impl Reads {
    pub(crate) async fn load<A: Aggregate>(&self, id: &str) -> Result<(A, Option<Position>), ReadError> {
        let mut aggregate = A::default();
        let mut last = None;
        for event in self.long(self.stock_events::<A>(id)).await? {
            // Stored as position + 1; see `Recorded::sequence`.
            let position = Position(event.sequence.saturating_sub(1) as u64);
            let decoded =
                serde_json::from_value(event.payload).map_err(|error| undecodable(position, &error))?;
            aggregate.apply(decoded);
            last = Some(position);
        }
        Ok((aggregate, last))
    }

    async fn stock_events<A: Aggregate>(&self, id: &str) -> Result<Vec<SerializedEvent>, ReadError> {
        let events = match &self.database {
            Database::Postgres(pool) => {
                // It takes no connection, only a pool, and gives one that has gone silent back to it: so
                // it has a pool of its own.
                let options = pool.connect_options().as_ref().clone();
                let own = connections(1).connect_lazy_with(options);
                let events = PostgresEventRepository::new(own.clone()).get_events::<A>(id).await;
                own.close().await;
                events
            }
            Database::Sqlite(book) => {
                SqliteEventRepository::new(book.readers.clone()).get_events::<A>(id).await
            }
        };
        events.map_err(|error| ReadError::Unavailable(error.to_string()))
    }
}
