//! Which page of a list, and how fresh it must be.

use std::time::Duration;

use serde::Deserialize;
use tollbook_journal::Position;
use utoipa::IntoParams;

use crate::app::App;
use crate::problem::Problem;

/// How long a read waits for `min_position`.
const PATIENCE: Duration = Duration::from_secs(5);
const LIMIT_MAX: usize = 200;
const LIMIT: usize = 50;

/// Which page of a list. Cursors are opaque: give back what `next` was.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// At most this many items: 1 to 200, 50 when not given.
    pub(super) limit: Option<usize>,
    /// `next` of the page before.
    pub(super) cursor: Option<String>,
    /// Wait until the answer includes what was written at this position.
    pub(super) min_position: Option<u64>,
}

/// How fresh a read must be.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Freshness {
    /// Wait until the answer includes what was written at this position.
    pub(super) min_position: Option<u64>,
}

/// How many items a page holds.
///
/// # Errors
/// 400 for what isn't 1 to 200.
pub(super) fn limit(given: Option<usize>) -> Result<usize, Problem> {
    match given {
        None => Ok(LIMIT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::bad_request("query.limit", format!("`limit` must be 1 to {LIMIT_MAX}."))),
    }
}

/// From what goes over the wire to the ordinal of the last item of the page before.
///
/// # Errors
/// 400 for what we never gave out.
pub(super) fn after(cursor: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let ordinal = cursor.strip_prefix("c1").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let malformed = || Problem::bad_request("query.cursor", "`cursor` must be `next` of the page before.");
    ordinal.map(Some).ok_or_else(malformed)
}

/// The other way.
pub(super) fn next(ordinal: u64) -> String {
    format!("c1{ordinal:x}")
}

/// Waits until the projection includes what was written at `min_position`.
///
/// # Errors
/// 503 when it doesn't within five seconds, 400 for a position that the book has not reached.
pub(super) async fn wait_for(app: &App, projection: &str, min_position: Option<u64>) -> Result<(), Problem> {
    let Some(position) = min_position.map(Position) else { return Ok(()) };
    app.projector.wait_for(projection, position, PATIENCE).await.map_err(|_| {
        let detail = format!("The read model has not reached position {position} yet.");
        Problem::unavailable("projection.behind", detail, Duration::from_secs(1))
    })
}
