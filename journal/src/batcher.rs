//! One task that writes what all callers append, a batch at a time.
//!
//! It takes what waits, with no artificial delay: while one batch is under way the next one gathers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::append::{Appended, Refused};
use crate::backend::{Backend, Failure, Verdict, Written};
use crate::batch;
use crate::event::{Position, Recorded, SealedField};
use crate::queue::{Answer, Item, unavailable};
use crate::settings::Settings;
use crate::tail::{LOST_TAIL, Tail};

/// How often a request is tried again where it is sure that it wasn't written.
const MAX_ATTEMPTS: u8 = 3;
/// How often others are let in before a batch at most.
const MAX_YIELDS: u8 = 8;
/// How long it rests when the database can't be reached.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(50);

/// See the module.
pub(crate) struct Batcher<B> {
    backend: B,
    inbox: mpsc::Receiver<Item>,
    waiting: VecDeque<Item>,
    settings: Settings,
    shared: Shared,
}

/// What the batcher tells the rest of the journal.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) tail: Arc<Tail>,
    pub(crate) wake: watch::Sender<Position>,
    pub(crate) closing: CancellationToken,
}

impl Shared {
    /// The book reaches at least to `head`.
    pub(crate) fn grew_to(&self, head: Position) {
        self.wake.send_if_modified(|known| {
            let news = *known < head;
            *known = head.max(*known);
            news
        });
    }
}

impl<B: Backend> Batcher<B> {
    pub(crate) fn new(backend: B, inbox: mpsc::Receiver<Item>, settings: Settings, shared: Shared) -> Self {
        Self { backend, inbox, waiting: VecDeque::new(), settings, shared }
    }

    /// Runs until the journal is closed and the queue is empty.
    pub(crate) async fn run(mut self) {
        loop {
            self.let_others_in().await;
            if !self.gather().await {
                return;
            }
            self.drop_stale();
            self.drop_fenced_if_lost();
            let batch = batch::cut(&mut self.waiting, &self.settings);
            if !batch.is_empty() {
                self.write(batch).await;
            }
        }
    }

    /// Lets tasks run that are ready to: those that were just answered often have their next request
    /// at hand, and it costs one sync to disk less if it comes with those that wait already. No
    /// delay: where nobody is ready this is over at once.
    async fn let_others_in(&self) {
        let mut quiet = 0;
        for _ in 0..MAX_YIELDS {
            let before = self.inbox.len();
            yield_now().await;
            quiet = if self.inbox.len() > before { 0 } else { quiet + 1 };
            if quiet == 2 {
                return;
            }
        }
    }

    /// Waits until there is something to do. `false` when there never will be.
    async fn gather(&mut self) -> bool {
        if self.shared.closing.is_cancelled() {
            self.inbox.close();
        }
        let room = self.settings.batch.saturating_sub(self.waiting.len());
        if !self.waiting.is_empty() {
            for _ in 0..room {
                let Ok(item) = self.inbox.try_recv() else { break };
                self.waiting.push_back(item);
            }
            return true;
        }
        let mut items = Vec::with_capacity(room);
        let received = tokio::select! {
            biased;
            received = self.inbox.recv_many(&mut items, room) => received,
            () = self.shared.closing.cancelled(), if !self.inbox.is_closed() => return true,
        };
        self.waiting.extend(items);
        received > 0
    }

    /// What waited too long is refused before it is written, not after.
    fn drop_stale(&mut self) {
        let now = Instant::now();
        let (stale, fresh) = self.waiting.drain(..).partition(|item| item.is_stale(now));
        self.waiting = fresh;
        refuse_all(stale, "it waited too long in the queue");
    }

    /// A fence of a book that lost its tail says nothing: what was narrowed may have been lost too.
    fn drop_fenced_if_lost(&mut self) {
        if self.shared.tail.is_lost() {
            let fenced = |item: &Item| item.append.fence.is_some();
            let (fenced, others): (VecDeque<_>, _) = self.waiting.drain(..).partition(fenced);
            self.waiting = others;
            refuse_all(fenced, LOST_TAIL);
        }
    }

    /// Writes a batch; in halves, and halves of halves, where some of it can't be stored.
    async fn write(&mut self, batch: Vec<Item>) {
        let mut work = vec![batch];
        while let Some(mut batch) = work.pop() {
            let Some(due) = batch.iter().map(|item| item.due).min_by_key(|due| due.lock) else { continue };
            let begun = std::time::Instant::now();
            match self.backend.write(&batch, due.lock, due.answer).await {
                Ok(written) => self.settle(batch, written, begun),
                Err(Failure::Data(reason)) if batch.len() <= 1 => {
                    answer_all(batch, &Refused::Invalid(reason));
                }
                Err(Failure::Data(_)) => {
                    let later = batch.split_off(batch.len() / 2);
                    work.extend([later, batch]);
                }
                Err(Failure::NotWritten(reason)) => {
                    tracing::warn!(requests = batch.len(), reason, "a batch was not written");
                    self.try_again(batch, &reason);
                }
                Err(Failure::Unreachable(reason)) => {
                    tracing::warn!(requests = batch.len(), reason, "the book cannot be reached");
                    refuse_all(batch, &reason);
                    // Refusals needn't wait for a connection each.
                    sleep(UNREACHABLE_PAUSE).await;
                }
                Err(Failure::NoRoom(reason)) => {
                    refuse_all(batch, &reason);
                    sleep(UNREACHABLE_PAUSE).await;
                }
                Err(Failure::Unknown(reason)) => {
                    tracing::warn!(requests = batch.len(), reason, "a batch may have been written: looking");
                    self.resolve(batch, begun).await;
                }
            }
        }
    }

    /// Answers each request.
    fn settle(&mut self, batch: Vec<Item>, written: Written, begun: std::time::Instant) {
        self.note(&batch, &written);
        let mut late = Vec::new();
        for (item, verdict) in batch.into_iter().zip(written.verdicts) {
            let answer = match verdict {
                Verdict::Late => {
                    late.push(item);
                    continue;
                }
                verdict => answer(verdict, written.recorded_at, begun),
            };
            let committed = answer.is_ok();
            if !item.answer(answer) && committed {
                tracing::warn!("an event was recorded after its writer had gone");
            }
        }
        self.try_again(late, "the append lock was had too late");
    }

    /// Remembers how far the book reaches now, and its last event.
    fn note(&self, batch: &[Item], written: &Written) {
        let verdicts = batch.iter().zip(&written.verdicts).rev();
        let mut committed = verdicts.filter_map(|(item, verdict)| match verdict {
            Verdict::Committed { last, .. } => Some((item, *last)),
            _ => None,
        });
        let Some((item, last)) = committed.next() else { return };
        if let Some(event) =
            written.tail.and_then(|sequence| last_event(item, last, sequence, written.recorded_at))
        {
            self.shared.tail.note(&event);
        }
        self.shared.grew_to(last.next());
    }

    /// Finds out what became of a batch. Nothing else is written before that is known; what waits
    /// meanwhile is refused, and the batch's own callers give up when their time has come.
    async fn resolve(&mut self, batch: Vec<Item>, begun: std::time::Instant) {
        let mut pause = Duration::from_millis(50);
        loop {
            let found = timeout(self.settings.deadline / 4, self.backend.find(&batch)).await;
            let error = match found.unwrap_or_else(|_| Err("no answer in time".into())) {
                Ok(found) => return self.settle_found(batch, found, begun),
                Err(error) => error,
            };
            tracing::warn!(requests = batch.len(), error, "what became of a batch is not known yet");
            self.refuse_waiting(&error);
            if self.shared.closing.is_cancelled() {
                tracing::error!(requests = batch.len(), "closing without knowing what became of a batch");
                return refuse_all(batch, &error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    fn settle_found(&mut self, batch: Vec<Item>, found: Vec<Option<Appended>>, begun: std::time::Instant) {
        let mut missing = Vec::new();
        for (item, found) in batch.into_iter().zip(found) {
            let Some(appended) = found else {
                missing.push(item);
                continue;
            };
            self.shared.grew_to(appended.last.next());
            if !item.answer(Ok((appended, begun))) {
                tracing::warn!(
                    position = appended.first.0,
                    "recorded, though its writer was told that it may not be"
                );
            }
        }
        self.try_again(missing, "the connection was lost");
    }

    fn refuse_waiting(&mut self, reason: &str) {
        while let Ok(item) = self.inbox.try_recv() {
            self.waiting.push_back(item);
        }
        refuse_all(self.waiting.drain(..), reason);
    }

    /// Back to the front of the queue, or refused if it is too late for that.
    fn try_again(&mut self, batch: Vec<Item>, reason: &str) {
        let now = Instant::now();
        let over = |item: &Item| item.is_stale(now) || item.attempts >= MAX_ATTEMPTS;
        let (over, again): (Vec<_>, Vec<_>) = batch.into_iter().partition(over);
        refuse_all(over, reason);
        for mut item in again.into_iter().rev() {
            item.attempts += 1;
            self.waiting.push_front(item);
        }
    }
}

fn refuse_all(items: impl IntoIterator<Item = Item>, reason: &str) {
    answer_all(items, &unavailable(reason));
}

fn answer_all(items: impl IntoIterator<Item = Item>, refused: &Refused) {
    for item in items {
        // Whoever has gone away needs no answer.
        let _ = item.answer(Err(refused.clone()));
    }
}

fn answer(verdict: Verdict, recorded_at: DateTime<Utc>, begun: std::time::Instant) -> Answer {
    match verdict {
        Verdict::Committed { first, last } => Ok((Appended { first, last, recorded_at }, begun)),
        Verdict::Stale(position) => Err(Refused::Stale { position }),
        Verdict::Conflict(stream) => Err(Refused::Conflict { stream }),
        Verdict::Expired => Err(Refused::Expired),
        Verdict::Exhausted => Err(Refused::Exhausted),
        Verdict::Duplicate { position, same_request, answer } => {
            Err(Refused::Duplicate { position, same_request, answer })
        }
        Verdict::Late => Err(unavailable("the append lock was had too late")),
        Verdict::Ahead => Err(unavailable("the caller knows more of the book than there is of it")),
    }
}

/// A request's last event as it now stands in the book.
fn last_event(
    item: &Item,
    position: Position,
    workspace_sequence: u64,
    at: DateTime<Utc>,
) -> Option<Recorded> {
    let write = item.append.writes.iter().rfind(|write| !write.events.is_empty())?;
    let event = write.events.last()?;
    let commitment = |field: &SealedField| (field.field.to_string(), field.commitment);
    Some(Recorded {
        position,
        event_id: event.event_id,
        stream: write.stream.clone(),
        sequence: position.next().0,
        event_type: event.event_type.to_string(),
        event_version: event.event_version.to_string(),
        payload: event.payload.clone(),
        metadata: event.metadata.clone(),
        workspace_id: write.workspace_id,
        workspace_sequence,
        control: event.control,
        narrows: event.narrows,
        commitments: event.sealed.iter().map(commitment).collect(),
        recorded_at: at,
    })
}
