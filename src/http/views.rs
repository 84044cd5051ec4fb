//! Reading the read models, and opening the private text that their rows point to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;
use tollbook_journal::Position;
use tollbook_projections::{Listed, Order, Projection, Query, Sealed, Term, ViewError};
use uuid::Uuid;

use super::cursor::{self, Paging, wait_for};
use super::written::Page;
use crate::app::App;
use crate::authority::Live;
use crate::problem::Problem;
use crate::reveal::{Revealed, reveal, reveal_one};

/// A page of rows.
pub(super) struct RowPage<R> {
    pub(super) rows: Vec<R>,
    pub(super) next: Option<String>,
}

impl<R> RowPage<R> {
    /// The page as it is answered.
    pub(super) fn map<T>(self, show: impl FnMut(R) -> T) -> Page<T> {
        Page { items: self.rows.into_iter().map(show).collect(), next: self.next }
    }
}

/// One row of a workspace's ([`tollbook_journal::INSTANCE`] for what belongs to none), once the read
/// model has what `min_position` asks for. That there is none is said by no older state than the one
/// that let the caller in.
pub(super) async fn one<P: Projection>(
    app: &App,
    workspace: Uuid,
    id: Uuid,
    min_position: Option<u64>,
) -> Result<Option<P::Row>, Problem> {
    wait_for(app, P::NAME, min_position).await?;
    let key = id.to_string();
    let mut listed = app.views.get::<P>(workspace, &key).await.map_err(unreadable)?;
    if listed.is_none() {
        let known = app.authority.look(Live::next).0.checked_sub(1);
        wait_for(app, P::NAME, known).await?;
        listed = app.views.get::<P>(workspace, &key).await.map_err(unreadable)?;
    }
    Ok(listed.map(|listed| listed.row))
}

/// A page of a workspace's rows that have all of `terms`.
pub(super) async fn page<P: Projection>(
    app: &App,
    workspace: Uuid,
    terms: Vec<Term>,
    order: Order,
    paging: &Paging,
) -> Result<RowPage<P::Row>, Problem> {
    let limit = paging.limit()?;
    // One more, to know whether there is a next page.
    let query = Query { terms, after: paging.after()?, limit: limit + 1, order };
    wait_for(app, P::NAME, paging.min_position).await?;
    let mut listed = app.views.list::<P>(workspace, &query).await.map_err(unreadable)?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let last = listed.last().filter(|_| more).map(|last| last.ordinal);
    Ok(rows(listed, last))
}

/// As [`page`], of those rows that `keep` wants: for what no read model knows.
pub(super) async fn page_where<P: Projection>(
    app: &App,
    workspace: Uuid,
    terms: Vec<Term>,
    order: Order,
    paging: &Paging,
    keep: impl Fn(&P::Row) -> bool,
) -> Result<RowPage<P::Row>, Problem> {
    let query = Query { terms, after: paging.after()?, limit: paging.limit()?, order };
    wait_for(app, P::NAME, paging.min_position).await?;
    let (listed, last) = app.views.list_where::<P>(workspace, &query, keep).await.map_err(unreadable)?;
    Ok(rows(listed, last))
}

fn rows<R>(listed: Vec<Listed<R>>, last: Option<Position>) -> RowPage<R> {
    RowPage { rows: listed.into_iter().map(|listed| listed.row).collect(), next: last.map(cursor::next) }
}

/// What the texts behind pointers are.
pub(super) struct Texts(Revealed);

impl Texts {
    /// The text, unless it was never there or was erased.
    pub(super) fn of(&self, pointer: Option<&Sealed>) -> Option<String> {
        let pointer = pointer?;
        self.0.get(pointer.position, &pointer.field).map(ToOwned::to_owned)
    }
}

/// Opens the texts behind pointers.
pub(super) async fn texts<'a>(
    app: &App,
    pointers: impl IntoIterator<Item = Option<&'a Sealed>>,
) -> Result<Texts, Problem> {
    let mut positions: Vec<Position> = pointers.into_iter().flatten().map(|sealed| sealed.position).collect();
    positions.sort_unstable();
    positions.dedup();
    reveal(&app.journal, &app.vault, &positions).await.map(Texts).map_err(Problem::from)
}

/// The definitions that stand beside the event at `at`, by name; none where there are none, or they
/// were erased.
pub(super) async fn definitions(
    app: &App,
    at: Option<Position>,
) -> Result<BTreeMap<String, Box<RawValue>>, Problem> {
    let Some(at) = at else { return Ok(BTreeMap::new()) };
    let text = reveal_one(&app.journal, &app.vault, at, "definitions").await.map_err(Problem::from)?;
    let Some(text) = text else { return Ok(BTreeMap::new()) };
    serde_json::from_str(&text).map_err(|error| {
        tracing::error!(%error, position = %at, "definitions cannot be read");
        Problem::internal()
    })
}

/// A read model can't be read.
pub(super) fn unreadable(error: ViewError) -> Problem {
    match error {
        ViewError::Unknown(_) | ViewError::Building(_) => Problem::unavailable(
            "projection.building",
            "What is read here is being built anew.",
            Duration::from_secs(5),
        ),
        ViewError::Malformed { .. } => {
            tracing::error!(%error, "a read model cannot be read");
            Problem::internal()
        }
        ViewError::Book(error) => error.into(),
        ViewError::Unavailable(_) => {
            tracing::error!(%error, "a read model cannot be read");
            let detail = "What is read here cannot be reached for now.";
            Problem::unavailable("projection.unavailable", detail, Duration::from_secs(1))
        }
    }
}
