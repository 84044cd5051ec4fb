//! The stock framework reads what we write.

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, PersistedEventStore};
use cqrs_es::{Aggregate, AggregateContext, DomainEvent, EventStore};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use sqlite_es::SqliteEventRepository;
use tollbook_journal::{Append, Database, INSTANCE, Position, ReadError, Stream};
use uuid::Uuid;

use crate::given::{append, call, event};
use crate::home::{Home, on_both};

on_both!(
    the_stock_repository_reads_a_stream_in_order,
    the_stock_event_store_loads_an_aggregate,
    an_aggregate_is_loaded_with_the_position_of_its_last_event,
    an_unknown_id_loads_as_the_default,
    an_event_that_does_not_decode_names_its_position,
);

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    sum: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum TallyEvent {
    Added { n: u64 },
}

#[derive(Debug, thiserror::Error)]
#[error("no commands here")]
pub(crate) struct NoError;

impl DomainEvent for TallyEvent {
    fn event_type(&self) -> String {
        "tally.added".into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Aggregate for Tally {
    const TYPE: &'static str = "tally";
    type Command = ();
    type Event = TallyEvent;
    type Error = NoError;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), NoError> {
        Ok(())
    }

    fn apply(&mut self, TallyEvent::Added { n }: TallyEvent) {
        self.sum += n;
    }
}

fn added(id: &str, n: u64) -> Append {
    let stream = Stream { aggregate_type: Tally::TYPE.into(), aggregate_id: id.into() };
    let mut given = event("tally.added");
    given.payload = serde_json::to_string(&TallyEvent::Added { n }).unwrap();
    append(INSTANCE, stream, given)
}

/// A stream of three events, with others between them.
async fn one_two_three(home: &Home) -> String {
    let journal = home.journal().await;
    let id = Uuid::now_v7().to_string();
    for n in 1..=3 {
        journal.append(call(INSTANCE)).await.unwrap();
        journal.append(added(&id, n)).await.unwrap();
        journal.append(added("another", 100)).await.unwrap();
    }
    id
}

async fn the_stock_repository_reads_a_stream_in_order(home: Home) {
    let id = one_two_three(&home).await;
    let (all, last) = match &home.database {
        Database::Postgres(pool) => read(PostgresEventRepository::new(pool.clone()), &id).await,
        Database::Sqlite(book) => read(SqliteEventRepository::new(book.readers.clone()), &id).await,
    };
    assert_eq!(all, [(2, 1), (5, 2), (8, 3)]);
    assert_eq!(last, [(5, 2), (8, 3)]);
}

type Numbers = Vec<(usize, u64)>;

/// Sequence and number of all events, and of those behind sequence 2.
async fn read(repository: impl PersistedEventRepository, id: &str) -> (Numbers, Numbers) {
    let numbers = |events: Vec<cqrs_es::persist::SerializedEvent>| {
        let number = |event: cqrs_es::persist::SerializedEvent| {
            assert_eq!((event.event_type.as_str(), event.event_version.as_str()), ("tally.added", "1.0"));
            (event.sequence, event.payload["Added"]["n"].as_u64().unwrap())
        };
        events.into_iter().map(number).collect()
    };
    let all = repository.get_events::<Tally>(id).await.unwrap();
    let last = repository.get_last_events::<Tally>(id, 2).await.unwrap();
    (numbers(all), numbers(last))
}

async fn the_stock_event_store_loads_an_aggregate(home: Home) {
    let id = one_two_three(&home).await;
    let (sum, metadata) = match &home.database {
        Database::Postgres(pool) => load(PostgresEventRepository::new(pool.clone()), &id).await,
        Database::Sqlite(book) => load(SqliteEventRepository::new(book.readers.clone()), &id).await,
    };
    assert_eq!((sum, metadata.as_str()), (6, "r"));
}

async fn load(repository: impl PersistedEventRepository, id: &str) -> (u64, String) {
    let store = PersistedEventStore::<_, Tally>::new_event_store(repository);
    let sum = store.load_aggregate(id).await.unwrap().aggregate().sum;
    let events = store.load_events(id).await.unwrap();
    (sum, events[0].metadata["request_id"].clone())
}

async fn an_aggregate_is_loaded_with_the_position_of_its_last_event(home: Home) {
    let id = one_two_three(&home).await;
    let loaded = home.journal().await.load::<Tally>(&id).await.unwrap();
    assert_eq!(loaded, (Tally { sum: 6 }, Some(Position(7))));
}

async fn an_unknown_id_loads_as_the_default(home: Home) {
    let loaded = home.journal().await.load::<Tally>("nobody").await.unwrap();
    assert_eq!(loaded, (Tally::default(), None));
}

async fn an_event_that_does_not_decode_names_its_position(home: Home) {
    let journal = home.journal().await;
    let mut odd = added("odd", 1);
    odd.writes[0].events[0].payload = r#"{"Added":{"n":"one"}}"#.into();
    journal.append(call(INSTANCE)).await.unwrap();
    journal.append(odd).await.unwrap();
    let error = journal.load::<Tally>("odd").await.unwrap_err();
    assert!(matches!(error, ReadError::Undecodable { position: Position(1), .. }), "{error}");
}
