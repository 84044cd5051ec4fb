//! The journal alone, in process: what the book takes when no HTTP stands before it.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollbook_journal::{
    Append, Database, Expected, Journal, NewEvent, Position, Settings, Stream, Write, migrate,
};
use uuid::Uuid;

use crate::rounds::Sample;
use crate::row::Row;

/// A book of its own.
pub struct Appends {
    journal: Journal,
    row: Row,
}

impl Appends {
    pub async fn prepare(database: Database, row: &Row) -> Self {
        migrate(&database, None).await.unwrap();
        let journal = Journal::open(database, Settings::default()).await.unwrap();
        Self { journal, row: row.clone() }
    }

    /// So many callers, each with one append under way.
    pub async fn run(&self, callers: usize, seconds: u64) -> Sample {
        let begun = Instant::now();
        let end = begun + Duration::from_secs(seconds);
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let (journal, row) = (self.journal.clone(), self.row.clone());
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                while Instant::now() < end {
                    let begun = Instant::now();
                    journal.append(append(&row)).await.expect("the book takes it");
                    latencies.push(micros(begun.elapsed()));
                }
                latencies
            });
        }
        let latencies = tasks.join_all().await.concat();
        Sample::of(latencies, micros(begun.elapsed()))
    }
}

fn append(row: &Row) -> Append {
    let event = NewEvent {
        event_id: Uuid::now_v7(),
        event_type: row.event_type.clone().into(),
        event_version: row.event_version.clone().into(),
        payload: row.payload.clone(),
        metadata: row.metadata.clone(),
        control: false,
        narrows: false,
        sealed: Vec::new(),
    };
    let stream = Stream {
        aggregate_type: row.aggregate_type.clone().into(),
        aggregate_id: row.aggregate_id.to_string(),
    };
    let write =
        Write { workspace_id: row.workspace_id, stream, expected: Expected::Any, events: vec![event] };
    Append { writes: vec![write], fence: Some(Position(0)), not_after: None, idempotency: None, budget: None }
}

pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
