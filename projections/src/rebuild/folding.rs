//! Folding one build: pages in, rows in memory, and out in bulk with the checkpoint.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;
use tollbook_journal::{Journal, Position, ReadError};

use super::feed::{Chunk, Feed};
use super::memory::Memory;
use crate::advance::Trouble;
use crate::happening::Happening;
use crate::model::{Model, Stored};
use crate::store::{Claim, Step, Store, Work, is_about_data};

/// How many events are read and folded together.
const PAGE: usize = 5_000;
/// How many events are folded while everybody else is held off.
const TAIL: usize = 2_000;

/// How far a build came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// As far as was asked for, or as long.
    Far,
    /// An event can't be folded: the tables say which and why.
    Stopped,
    /// Somebody else folds it, or it has gone.
    Moved,
}

/// A build that is being folded.
pub(super) struct Folding {
    feed: Feed,
    store: Store,
    model: Arc<dyn Model>,
    build: i32,
    memory: Memory,
    /// Folded up to here.
    position: Position,
    /// In the tables up to here: both rows and checkpoint.
    written: Position,
    /// Where the event stands that was folded last.
    newest: Position,
    page: usize,
    began: Instant,
    began_at: Position,
}

type Ahead = AbortOnDropHandle<Result<Chunk, ReadError>>;

impl Folding {
    /// Goes on where the tables say that it stands.
    pub(super) fn new(
        journal: &Journal,
        store: &Store,
        model: &Arc<dyn Model>,
        build: i32,
        position: Position,
    ) -> Self {
        Self {
            feed: Feed { journal: journal.clone(), events: model.events() },
            store: store.clone(),
            model: Arc::clone(model),
            build,
            memory: Memory::new(position > Position(0)),
            position,
            written: position,
            newest: position,
            page: PAGE,
            began: Instant::now(),
            began_at: position,
        }
    }

    /// How far it is.
    pub(super) const fn position(&self) -> Position {
        self.position
    }

    /// Events of the book passed a second, since it was begun or went on.
    pub(super) fn rate(&self) -> u64 {
        let passed = u128::from(self.position.0 - self.began_at.0);
        let rate = passed * 1_000_000 / self.began.elapsed().as_micros().max(1);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// Folds up to `until`, for about so long, and writes what was folded.
    pub(super) async fn go(&mut self, until: Position, within: Duration) -> Result<Came, Trouble> {
        let (end, wake) = (Instant::now() + within, self.feed.journal.wake());
        let mut ahead: Option<Ahead> = None;
        while self.position < until && Instant::now() < end {
            let (began, head) = (Instant::now(), *wake.borrow());
            let chunk = match ahead.take() {
                Some(reading) => {
                    reading.await.map_err(|error| ReadError::Unavailable(error.to_string()))??
                }
                None => self.feed.read(self.position, until, self.page).await?,
            };
            if chunk.from != self.position {
                // It went back meanwhile, to go on in smaller steps.
                continue;
            }
            if chunk.poison.is_none() && chunk.next == self.position {
                break;
            }
            if chunk.poison.is_none() && chunk.next < until {
                ahead = Some(self.read_ahead(chunk.next, until));
            }
            match self.take(chunk).await? {
                Came::Far => {}
                other => return Ok(other),
            }
            // Appends come first: while there are any, it rests as long as it worked.
            if *wake.borrow() > head {
                sleep(began.elapsed()).await;
            }
        }
        self.write(None).await
    }

    /// Folds what is left up to `until` (to the end of the book, if it isn't said) within a transaction
    /// in which nothing else moves. Answers whether it came there: it doesn't try if that is far.
    pub(super) async fn go_within(
        &mut self,
        work: &mut Work,
        until: Option<Position>,
    ) -> Result<bool, Trouble> {
        if work.hold_beside(self.build).await? != Some(self.written) {
            return Ok(false);
        }
        let until = match until {
            Some(until) => until,
            None => {
                self.feed.journal.read(self.position, 0, &tollbook_journal::Filter::default()).await?.head
            }
        };
        if until.0.saturating_sub(self.position.0) > TAIL as u64 {
            return Ok(false);
        }
        while self.position < until {
            let chunk = self.feed.read(self.position, until, TAIL).await?;
            if chunk.poison.is_some() || chunk.next == self.position {
                return Ok(false);
            }
            let keys = self.model.keys(&chunk.events);
            let unknown = self.memory.unknown(&keys);
            let found = load(work, self.claim(), unknown).await?;
            if self.fold(&chunk, &keys, found).is_some() {
                return Ok(false);
            }
        }
        self.write_within(work, None).await?;
        Ok(true)
    }

    fn read_ahead(&self, from: Position, until: Position) -> Ahead {
        let (feed, page) = (self.feed.clone(), self.page);
        AbortOnDropHandle::new(tokio::spawn(async move { feed.read(from, until, page).await }))
    }

    async fn take(&mut self, chunk: Chunk) -> Result<Came, Trouble> {
        let keys = self.model.keys(&chunk.events);
        let unknown = self.memory.unknown(&keys);
        let found = if unknown.is_empty() {
            Vec::new()
        } else {
            let mut work = self.store.begin().await?;
            load(&mut work, self.claim(), unknown).await?
        };
        let poison = self.fold(&chunk, &keys, found).or(chunk.poison);
        if poison.is_some() || self.memory.is_full() || self.page < PAGE {
            return self.write(poison).await;
        }
        Ok(Came::Far)
    }

    /// Folds the events into memory; answers with why it could not go past the event that it stands at.
    fn fold(&mut self, chunk: &Chunk, keys: &[String], found: Vec<Stored>) -> Option<String> {
        self.memory.learn(found);
        self.newest = chunk.events.last().map_or(self.newest, Happening::position);
        let mut folded = self.model.fold(&chunk.events, self.memory.rows(keys));
        let poison = folded.poison.take();
        self.memory.absorb(folded);
        self.position = poison.as_ref().map_or(chunk.next, |(position, _)| *position);
        poison.map(|(_, error)| error)
    }

    async fn write(&mut self, poison: Option<String>) -> Result<Came, Trouble> {
        if self.position == self.written && poison.is_none() {
            return Ok(Came::Far);
        }
        let mut work = self.store.begin().await?;
        if work.hold_beside(self.build).await? != Some(self.written) {
            return Ok(Came::Moved);
        }
        let stopped = poison.is_some();
        let (position, one) = (self.position, self.page == 1);
        match self.write_within(&mut work, poison).await {
            Ok(()) => work.commit().await?,
            Err(error) if is_about_data(&error) && one => {
                // It is this event alone that the database refuses.
                drop(work);
                return self.stop_at_newest(error.to_string()).await;
            }
            Err(error) if is_about_data(&error) => {
                drop(work);
                self.again_in_smaller_steps();
                return Ok(Came::Far);
            }
            Err(error) => return Err(error.into()),
        }
        tracing::debug!(projection = self.model.name(), %position, "built");
        Ok(if stopped { Came::Stopped } else { Came::Far })
    }

    async fn write_within(&mut self, work: &mut Work, poison: Option<String>) -> Result<(), sqlx::Error> {
        let mut folded = self.memory.drain();
        if let Some(error) = &poison {
            let (projection, position) = (self.model.name(), self.position);
            tracing::error!(projection, %position, error, "a build has stopped");
        }
        folded.poison = poison.map(|error| (self.position, error));
        work.write(&[Step { claim: self.claim(), folded, next: self.position }]).await?;
        self.written = self.position;
        Ok(())
    }

    /// The database refused something of what was folded since it was last written to: from there on in
    /// smaller steps, until the one event is found.
    fn again_in_smaller_steps(&mut self) {
        self.page = (self.page / 8).max(1);
        self.memory = Memory::new(true);
        self.position = self.written;
    }

    /// It is the one event that was folded since then.
    async fn stop_at_newest(&mut self, error: String) -> Result<Came, Trouble> {
        self.memory = Memory::new(true);
        self.position = self.newest;
        self.write_alone(error).await
    }

    async fn write_alone(&mut self, error: String) -> Result<Came, Trouble> {
        let mut work = self.store.begin().await?;
        if work.hold_beside(self.build).await? != Some(self.written) {
            return Ok(Came::Moved);
        }
        self.write_within(&mut work, Some(error)).await?;
        work.commit().await?;
        Ok(Came::Stopped)
    }

    const fn claim(&self) -> Claim {
        Claim { build: self.build, expected: self.written }
    }
}

/// The rows of these keys, as the tables have them.
async fn load(work: &mut Work, claim: Claim, keys: Vec<String>) -> Result<Vec<Stored>, sqlx::Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    Ok(work.load(&[(claim, keys)]).await?.pop().unwrap_or_default())
}
