//! A row as the service writes it, for what is compared with it to write the same.

use serde::Deserialize;
use tollbook_testkit::postgres::Postgres;
use uuid::Uuid;

/// A recorded decision.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub event_type: String,
    pub event_version: String,
    pub payload: String,
    pub metadata: String,
    pub workspace_id: Uuid,
}

impl Row {
    /// The newest one of the service's own.
    pub fn of_the_book(server: &Postgres, database: &str) -> Self {
        let newest = server.psql(
            database,
            "SELECT row_to_json(r) FROM (
                 SELECT aggregate_type, aggregate_id, event_type, event_version, payload::text, metadata::text,
                        workspace_id
                 FROM events WHERE event_type = 'session.tool_authorized' ORDER BY position DESC LIMIT 1) r",
        );
        serde_json::from_str(&newest).expect("there is one decision")
    }

    /// Bytes of payload and metadata.
    pub fn size(&self) -> usize {
        self.payload.len() + self.metadata.len()
    }
}
