//! From times to positions.
//!
//! The order of the book is that of positions; times are the database's clock as it was read, and a
//! clock may step back. So a time only bounds where to look, with a margin, and each event's own time is
//! compared as well.

use chrono::{DateTime, TimeDelta, Utc};
use tollbook_journal::Position;
use tollbook_projections::Search;

use crate::app::App;
use crate::problem::Problem;

/// How far a clock may have stepped back without an event being missed.
const MARGIN: TimeDelta = TimeDelta::minutes(10);

/// Narrows a search to where events of this time can stand.
pub(super) async fn bound(
    app: &App,
    search: &mut Search,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<(), Problem> {
    let too_far = || Problem::bad_request("query.malformed", "The query: a time lies too far away.");
    if let Some(since) = since {
        let at = since.checked_sub_signed(MARGIN).ok_or_else(too_far)?;
        search.from = search.from.max(Some(first_at(app, at).await?));
    }
    if let Some(until) = until {
        let at = until.checked_add_signed(MARGIN).ok_or_else(too_far)?;
        let end = first_at(app, at).await?;
        search.to = Some(search.to.map_or(end, |to| to.min(end)));
    }
    Ok(())
}

/// The first position that was recorded at this time or later, if the clock never stepped back.
async fn first_at(app: &App, at: DateTime<Utc>) -> Result<Position, Problem> {
    let (mut low, mut high) = (0, app.journal.head().await?.next.0);
    while low < high {
        let middle = low + (high - low) / 2;
        match app.journal.event(Position(middle)).await? {
            Some(event) if event.recorded_at < at => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(Position(low))
}
