//! The face of the book.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cqrs_es::Aggregate;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::admission;
use crate::answers::{Answers, Counters};
use crate::append::{Append, Appended, Committed, Refused};
use crate::backend::postgres::{PartitionTrouble, Partitions, PostgresBackend};
use crate::backend::sqlite::SqliteBackend;
use crate::batcher::{Batcher, Shared};
use crate::database::{Database, OpenError};
use crate::event::{Body, Position, Recorded, Stream};
use crate::head::Head;
use crate::queue::{Answer, Due, Item, Room, unavailable};
use crate::read::{Filter, Page, ReadError};
use crate::reading::StoredAnswer;
use crate::reading::{ControlPage, Reads};
use crate::schema;
use crate::settings::Settings;
use crate::tail::{LOST_TAIL, LostTail, Tail};
use crate::wake;

/// How long clearing away expired keys rests between two times.
const BETWEEN_FORGETTING: Duration = Duration::from_millis(20);

/// The book. Cheap to clone; all clones write through one batcher.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    database: Database,
    settings: Settings,
    queue: mpsc::Sender<Item>,
    room: Room,
    reads: Reads,
    shared: Shared,
    tasks: TaskTracker,
    /// On `PostgreSQL`.
    partitions: Option<Partitions>,
    answers: Counters,
    /// What a journal leaves running ends when the last clone is dropped.
    _closes: DropGuard,
}

impl Journal {
    /// Checks the schema, reads the head, and starts what runs beside: the batcher, the listener
    /// for notifications, the poll.
    ///
    /// # Errors
    /// When the schema isn't this version's ([`crate::migrate`] makes it so), or the database can't be reached.
    pub async fn open(database: Database, settings: Settings) -> Result<Self, OpenError> {
        schema::check(&database).await?;
        let reads = Reads::new(database.clone(), &settings);
        let head = reads.head().await.map_err(|error| OpenError::Head(error.to_string()))?;
        let wake = watch::Sender::new(head.next);
        let tail = Arc::new(Tail::new(wake.clone()));
        let shared = Shared { tail, wake, closing: CancellationToken::new() };
        let settings = Settings { batch: settings.batch.max(1), ..settings };
        let (queue, inbox) = mpsc::channel(settings.queue.max(1));
        let room = Room::new(settings.queue_bytes);
        let tasks = TaskTracker::new();
        let mut partitions = None;
        match &database {
            Database::Postgres(pool) => {
                let ahead = partitions.insert(Partitions::keep(pool.clone()).await).clone();
                let backend = PostgresBackend::new(pool.clone(), shared.tail.clone(), ahead, &settings);
                tasks.spawn(Batcher::new(backend, inbox, settings.clone(), shared.clone()).run());
                tasks.spawn(wake::listen(pool.clone(), shared.clone()));
            }
            Database::Sqlite(book) => {
                let backend = SqliteBackend::new(book.writer.clone(), &settings);
                tasks.spawn(Batcher::new(backend, inbox, settings.clone(), shared.clone()).run());
            }
        }
        tasks.spawn(wake::poll(reads.clone(), shared.clone(), settings.poll));
        tasks.spawn(forget_expired(reads.clone(), settings.forget, shared.closing.clone()));
        let closes = shared.closing.clone().drop_guard();
        Ok(Self(Arc::new(Inner {
            database,
            settings,
            queue,
            room,
            reads,
            shared,
            tasks,
            partitions,
            answers: Counters::default(),
            _closes: closes,
        })))
    }

    /// Where the book lies, for the rooms that keep their own tables there.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// Writes one decision's events, whole or not at all. When this answers `Ok` they are durable.
    /// Dropped before it answers, they may or may not be written.
    ///
    /// # Errors
    /// See [`Refused`]. Only after [`Refused::Unavailable`] can something have been written, and
    /// then only if the reason was that the database went silent in the middle of the commit.
    pub async fn append(&self, append: Append) -> Result<Appended, Refused> {
        self.write(append).await.map(|(appended, _)| appended)
    }

    async fn write(&self, append: Append) -> Answer {
        let answer = self.queue(append).await;
        self.0.answers.count(&answer);
        answer
    }

    /// The way to the batcher and back.
    async fn queue(&self, append: Append) -> Answer {
        admission::check(&append, &self.0.settings)?;
        if append.fence.is_some() && self.0.shared.tail.is_lost() {
            return Err(unavailable(LOST_TAIL));
        }
        let due = Due::within(self.0.settings.deadline, Instant::now());
        let queued = Item::new(append, due, &self.0.room);
        let (item, answer) = queued.ok_or_else(|| unavailable("too many bytes wait already"))?;
        self.0.queue.try_send(item).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => unavailable("too many requests wait already"),
            mpsc::error::TrySendError::Closed(_) => unavailable("the journal is closed"),
        })?;
        match timeout_at(due.end, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unavailable("the journal has ended")),
            Err(_) => Err(unavailable("no answer in time: it may have been written")),
        }
    }

    /// As [`Self::append`]; hands `witness` back as what may now be acted on.
    ///
    /// # Errors
    /// As [`Self::append`]; the witness is dropped.
    pub async fn append_with<W>(&self, append: Append, witness: W) -> Result<Committed<W>, Refused> {
        let (appended, at) = self.write(append).await?;
        Ok(Committed::new(witness, appended, at))
    }

    /// How appends were answered since this journal was opened.
    pub fn answers(&self) -> Answers {
        self.0.answers.read()
    }

    /// Why room for coming events can't be made (`PostgreSQL`); `None` when it can. Appends go on
    /// while there is room left.
    pub fn partition_trouble(&self) -> Option<PartitionTrouble> {
        self.0.partitions.as_ref()?.trouble()
    }

    /// How far the book reaches, read after this was called. Callers at the same time share a read.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn head(&self) -> Result<Head, ReadError> {
        let head = self.0.reads.head().await?;
        self.0.shared.grew_to(head.next);
        Ok(head)
    }

    /// A page of the book, from `from` on, at most `limit` events that pass `filter`. Holds nothing
    /// between pages. If the book ends before `from`, the page is empty and its `next` lies before
    /// `from`: the book has lost its tail.
    ///
    /// # Errors
    /// A hole (seen only where nothing is filtered out) or an undecodable event, by its position;
    /// or when the database can't be reached.
    pub async fn read(&self, from: Position, limit: usize, filter: &Filter) -> Result<Page, ReadError> {
        let page = self.0.reads.page(from, limit, filter).await?;
        if let Some(last) = page.events.last() {
            self.0.shared.tail.note(last);
        }
        Ok(page)
    }

    /// The events of one stream, from `from` on, at most `limit`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_stream(
        &self,
        stream: &Stream,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.0.reads.stream(stream, from, limit).await
    }

    /// At most `limit` control events from `from` on and before `end`, read in bulk: for whoever folds
    /// all of them. Notices no lost tail; [`Self::read`] the last one for that.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn control(
        &self,
        from: Position,
        end: Position,
        limit: usize,
    ) -> Result<ControlPage, ReadError> {
        self.0.reads.control(from, end, limit).await
    }

    /// All control events of one stream, however many others lie between them.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_control_stream(&self, stream: &Stream) -> Result<Vec<Recorded>, ReadError> {
        self.0.reads.control_stream(stream).await
    }

    /// An aggregate that isn't held in memory, loaded by the stock reader of postgres-es or
    /// sqlite-es, and the position of its last event. An id that was never written is the default.
    ///
    /// # Errors
    /// When an event can't be decoded, or the database can't be reached.
    pub async fn load<A: Aggregate>(&self, aggregate_id: &str) -> Result<(A, Option<Position>), ReadError> {
        self.0.reads.load(aggregate_id).await
    }

    /// The event at `position`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn event(&self, position: Position) -> Result<Option<Recorded>, ReadError> {
        Ok(self.events(&[position]).await?.pop())
    }

    /// The events at `positions`, in order of position, without those that don't exist.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn events(&self, positions: &[Position]) -> Result<Vec<Recorded>, ReadError> {
        self.0.reads.events(positions).await
    }

    /// What stands sealed beside these events and wasn't erased.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn bodies(&self, event_ids: &[Uuid]) -> Result<Vec<Body>, ReadError> {
        self.0.reads.bodies(event_ids).await
    }

    /// How many units of its budget a session has used, as of now.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn budget_used(&self, session_id: Uuid) -> Result<u64, ReadError> {
        self.0.reads.budget(session_id).await
    }

    /// What is kept of a request that was made with this key, if it hasn't expired.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn idempotent(&self, scope: &str, key: &str) -> Result<Option<StoredAnswer>, ReadError> {
        self.0.reads.idempotent(scope, key).await
    }

    /// Keeps the sealed answer of a request whose answer wasn't known when it was appended. Once
    /// there is one, it stays.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn complete_idempotent(
        &self,
        scope: &str,
        key: &str,
        answer: Vec<u8>,
    ) -> Result<(), ReadError> {
        self.0.reads.keep_answer(scope, key, &answer).await
    }

    /// The book has grown at least to here. A hint: it may lag. It goes back only when the book has
    /// lost its tail.
    pub fn wake(&self) -> watch::Receiver<Position> {
        self.0.shared.wake.subscribe()
    }

    /// Says when the book turns out to have lost its tail. Whoever keeps state that was built from
    /// the book must drop it and load it again, and then call [`Self::accept_lost_tail`]; until
    /// then no append that carries a fence is written.
    pub fn lost_tail(&self) -> watch::Receiver<Option<LostTail>> {
        self.0.shared.tail.lost()
    }

    /// The state that appends are decided on was loaded anew after `lost`.
    pub fn accept_lost_tail(&self, lost: &LostTail) {
        self.0.shared.tail.accept(lost);
    }

    /// Writes what waits, then refuses everything.
    pub async fn close(&self) {
        self.0.shared.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Journal")
    }
}

/// Clears away expired idempotency keys, off the append path: a few at a time, and between two times
/// whoever waits for the database has his turn.
async fn forget_expired(reads: Reads, every: Duration, closing: CancellationToken) {
    let forever = async {
        loop {
            sleep(every).await;
            loop {
                match reads.forget_some_expired().await {
                    Ok(0) => break,
                    Ok(_) => sleep(BETWEEN_FORGETTING).await,
                    Err(error) => {
                        tracing::warn!(%error, "expired idempotency keys cannot be forgotten");
                        break;
                    }
                }
            }
        }
    };
    closing.run_until_cancelled(forever).await;
}
