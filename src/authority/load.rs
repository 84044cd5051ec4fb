//! The state as of the start: every control event of the book, as fast as it can be read.
//!
//! One task reads the next page while this one decodes and folds the last. Positions are in order
//! because the book's are; a session that is over at the start isn't taken in at all.

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::task;
use tollbook_journal::{ControlPage, Filter, Journal, Position, ReadError};

use super::{FollowError, Live};

/// How many control events are read at once. With two pages under way, some 30 MB.
const PAGE: usize = 20_000;

/// Everything before the head as it is now; the rest is for whoever follows the book.
pub(super) async fn load(journal: &Journal, now: DateTime<Utc>) -> Result<Live, FollowError> {
    let head = journal.head().await?.next;
    let (pages, mut read) = mpsc::channel(1);
    let reader = journal.clone();
    task::spawn(async move { read_all(&reader, head, &pages).await });
    let mut live = Live::default();
    live.set_horizon(now);
    let mut more = true;
    while more {
        let ended = || ReadError::Unavailable("the reader ended before the book did".into());
        let page = read.recv().await.ok_or_else(ended)??;
        more = page.next(PAGE).is_some();
        live = fold(live, page).await?;
    }
    live.advance(head);
    live.depart(now);
    // By the last event the journal notices later that the book has lost its tail.
    if let Some(last) = head.0.checked_sub(1) {
        journal.read(Position(last), 1, &Filter::default()).await?;
    }
    Ok(live)
}

/// Sends page after page, and an error as the last, if there is one.
async fn read_all(journal: &Journal, head: Position, pages: &mpsc::Sender<Result<ControlPage, ReadError>>) {
    let mut from = Position(0);
    loop {
        let page = journal.control(from, head, PAGE).await;
        let next = page.as_ref().ok().and_then(|page| page.next(PAGE));
        if pages.send(page).await.is_err() {
            return;
        }
        match next {
            Some(next) => from = next,
            None => return,
        }
    }
}

/// Off the threads that serve: a page is tens of milliseconds of work.
async fn fold(mut live: Live, page: ControlPage) -> Result<Live, FollowError> {
    let folded = task::spawn_blocking(move || {
        for event in page.events() {
            live.apply(&event?)?;
        }
        Ok(live)
    });
    folded.await.map_err(|error| ReadError::Unavailable(error.to_string()))?
}
