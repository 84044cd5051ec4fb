//! One step: a page of the book, folded into all projections that stand where it begins.

use std::sync::Arc;

use tollbook_journal::{Filter, Journal, Position, ReadError};
use uuid::Uuid;

use crate::happening::Happening;
use crate::model::{Folded, Model};
use crate::store::{Claim, Step, Store, is_about_data};

/// A version of a projection that is being folded.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) model: Arc<dyn Model>,
    /// What its rows are known by in the tables.
    pub(crate) build: i32,
    /// The next position to read.
    pub(crate) position: Position,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advanced {
    /// A page was folded, and there may be more at once.
    More,
    /// A page was folded, and it reached the head.
    Caught,
    /// There was nothing to fold.
    Idle,
    /// Some projection isn't where it was believed to be (somebody else moved it, it stopped, it was
    /// replaced): look again.
    Moved,
}

/// Why a step failed: for now, and through no fault of an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the projections' tables cannot be written: {0}")]
    Write(#[from] sqlx::Error),
}

/// Events from one position on, and why they end, if it isn't the page's size.
struct Batch {
    from: Position,
    events: Vec<Happening>,
    /// The event behind the last one can be folded by nobody.
    poison: Option<String>,
    full: bool,
}

/// Folds one page of at most `limit` events into all of `targets`, which stand at one position and whose
/// leases are the holder's. A projection that can't go on is stopped in the tables; the others aren't held up by it.
pub(crate) async fn advance(
    journal: &Journal,
    store: &Store,
    holder: Uuid,
    targets: &mut [Target],
    limit: usize,
) -> Result<Advanced, Trouble> {
    let Some(from) = targets.first().map(|target| target.position) else { return Ok(Advanced::Idle) };
    let Some(batch) = batch(journal, from, limit).await? else { return Ok(Advanced::Idle) };
    let full = batch.full;
    let moved = write(store, holder, targets, &batch).await?;
    Ok(if moved {
        Advanced::Moved
    } else if full {
        Advanced::More
    } else {
        Advanced::Caught
    })
}

async fn batch(journal: &Journal, from: Position, limit: usize) -> Result<Option<Batch>, Trouble> {
    let nothing = |poison: String| Batch { from, events: Vec::new(), poison: Some(poison), full: false };
    let page = match journal.read(from, limit, &Filter::default()).await {
        Ok(page) => page,
        // What lies before it can still be read.
        Err(ReadError::Hole(at) | ReadError::Undecodable { position: at, .. }) if at > from => {
            let before = usize::try_from(at.0 - from.0).unwrap_or(limit);
            journal.read(from, before.min(limit), &Filter::default()).await?
        }
        Err(error @ (ReadError::Hole(_) | ReadError::Undecodable { .. })) => {
            return Ok(Some(nothing(error.to_string())));
        }
        Err(error) => return Err(error.into()),
    };
    if page.next < from {
        return Ok(Some(nothing(format!("the book ends at {}: its tail was lost; rebuild", page.next))));
    }
    if page.events.is_empty() {
        return Ok(None);
    }
    let full = page.next < page.head;
    let (mut events, mut poison) = (Vec::with_capacity(page.events.len()), None);
    for recorded in page.events {
        match Happening::decode(recorded) {
            Ok(happening) => events.push(happening),
            Err(error) => {
                poison = Some(error.to_string());
                break;
            }
        }
    }
    Ok(Some(Batch { from, events, poison, full }))
}

impl Batch {
    /// Only so many of its events: what comes behind them is left for later.
    fn shorter(&self, events: usize) -> Self {
        let events = self.events.iter().take(events).cloned().collect();
        Self { from: self.from, events, poison: None, full: true }
    }
}

/// Writes the batch for all targets at once; where the database refuses the data, finds out whose it
/// was. Answers whether somebody has to look again.
async fn write(store: &Store, holder: Uuid, targets: &mut [Target], batch: &Batch) -> Result<bool, Trouble> {
    match attempt(store, holder, targets, batch).await {
        Err(error) if is_about_data(&error) => {}
        result => return Ok(result?),
    }
    for target in targets {
        write_alone(store, holder, target, batch).await?;
    }
    // Not all have come equally far.
    Ok(true)
}

/// Halves the batch until the one event that the database refuses is found.
async fn write_alone(store: &Store, holder: Uuid, target: &mut Target, batch: &Batch) -> Result<(), Trouble> {
    let mut batch = batch.shorter(batch.events.len());
    loop {
        match attempt(store, holder, std::slice::from_mut(target), &batch).await {
            Err(error) if is_about_data(&error) => match batch.events.len() {
                0 => return Err(error.into()),
                1 => batch = Batch { poison: Some(error.to_string()), ..batch.shorter(0) },
                many => batch = batch.shorter(many / 2),
            },
            result => return Ok(result.map(drop)?),
        }
    }
}

/// One transaction: hold the checkpoints, load the rows, fold, write. Answers whether somebody has to
/// look again, because nothing was written or something stopped.
async fn attempt(
    store: &Store,
    holder: Uuid,
    targets: &mut [Target],
    batch: &Batch,
) -> Result<bool, sqlx::Error> {
    let claims: Vec<Claim> = targets.iter().map(Target::claim).collect();
    let mut work = store.begin().await?;
    if !work.claim(&claims, holder).await? {
        return Ok(true);
    }
    let keys: Vec<_> =
        targets.iter().map(|target| (target.claim(), target.model.keys(&batch.events))).collect();
    let rows = work.load(&keys).await?;
    let steps: Vec<Step> = targets
        .iter()
        .zip(rows)
        .map(|(target, rows)| step(target.claim(), target.model.fold(&batch.events, rows), batch))
        .collect();
    work.write(&steps).await?;
    work.commit().await?;
    for (target, step) in targets.iter_mut().zip(&steps) {
        target.position = step.next;
        if let Some((position, error)) = &step.folded.poison {
            tracing::error!(projection = target.model.name(), %position, error, "a projection has stopped");
        }
    }
    Ok(steps.iter().any(|step| step.folded.poison.is_some()))
}

fn step(claim: Claim, mut folded: Folded, batch: &Batch) -> Step {
    let end = batch.events.last().map_or(batch.from, |last| last.position().next());
    if folded.poison.is_none() {
        folded.poison = batch.poison.clone().map(|error| (end, error));
    }
    let next = folded.poison.as_ref().map_or(end, |(position, _)| *position);
    Step { claim, folded, next }
}

impl Target {
    fn claim(&self) -> Claim {
        Claim { build: self.build, expected: self.position }
    }
}
