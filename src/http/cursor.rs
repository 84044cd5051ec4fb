//! Which page of a list, in which order, and how fresh it must be.

use std::time::Duration;

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures::future::{Ready, ready};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tollbook_journal::Position;
use tollbook_projections::Order;
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

use super::body::malformed_query;
use super::views::unreadable;
use crate::app::App;
use crate::problem::Problem;

/// How long a read waits for what it must include.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const LIMIT_MAX: usize = 200;
const LIMIT: usize = 50;

/// Which page of a list. Cursors are opaque: give back what `next` was.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// At most this many items: 1 to 200, 50 when not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
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

/// In which order.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Order)]
pub(super) enum OrderWord {
    /// The newest comes first.
    Newest,
    /// The oldest comes first.
    Oldest,
}

/// The newest first, when nobody says.
pub(super) const fn order(word: Option<OrderWord>) -> Order {
    match word {
        None | Some(OrderWord::Newest) => Order::NewestFirst,
        Some(OrderWord::Oldest) => Order::OldestFirst,
    }
}

impl Paging {
    /// How many items a page holds.
    ///
    /// # Errors
    /// 400 for what isn't 1 to 200.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(LIMIT),
            Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
            Some(_) => Err(Problem::bad_request("query.limit", format!("`limit` must be 1 to {LIMIT_MAX}."))),
        }
    }

    /// The ordinal of the last item of the page before.
    ///
    /// # Errors
    /// 400 for what we never gave out.
    pub(super) fn after(&self) -> Result<Option<Position>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let ordinal = cursor.strip_prefix("c1").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let given_out = ordinal.map(Position).filter(|ordinal| next(*ordinal) == *cursor);
        given_out.map(Some).ok_or_else(|| {
            Problem::bad_request("query.cursor", "`cursor` must be `next` of the page before.")
        })
    }
}

/// The cursor for what comes behind this ordinal.
pub(super) fn next(ordinal: Position) -> String {
    format!("c1{:x}", ordinal.0)
}

/// The query of a list: what is filtered by, and which page.
#[derive(Debug)]
pub(super) struct Listing<F> {
    pub(super) filter: F,
    pub(super) paging: Paging,
}

/// The parameters of [`Paging`].
const PAGING: [&str; 3] = ["limit", "cursor", "min_position"];

impl<F: DeserializeOwned + 'static> FromRequest for Listing<F> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(split(request.query_string()))
    }
}

fn split<F: DeserializeOwned>(query: &str) -> Result<Listing<F>, Problem> {
    let (mut paging, mut filter) =
        (form_urlencoded::Serializer::new(String::new()), form_urlencoded::Serializer::new(String::new()));
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let part = if PAGING.contains(&name.as_ref()) { &mut paging } else { &mut filter };
        part.append_pair(&name, &value);
    }
    let malformed = |error| malformed_query(&error);
    let paging = web::Query::<Paging>::from_query(&paging.finish()).map_err(malformed)?.into_inner();
    let filter = web::Query::<F>::from_query(&filter.finish()).map_err(malformed)?.into_inner();
    Ok(Listing { filter, paging })
}

/// Waits until the projection includes what was written at `min_position`.
///
/// # Errors
/// 503 when it doesn't within five seconds, 400 for a position that the book has not reached.
pub(super) async fn wait_for(app: &App, projection: &str, min_position: Option<u64>) -> Result<(), Problem> {
    let Some(position) = reached(app, min_position).await? else { return Ok(()) };
    let waited = app.views.wait_for(projection, position, PATIENCE).await.map_err(unreadable)?;
    waited.map(drop).map_err(|error| {
        tracing::warn!(%error, "a read waited in vain");
        let detail = format!("What is read here does not include position {position} yet.");
        Problem::unavailable("projection.behind", detail, Duration::from_secs(1))
    })
}

/// Waits until this replica's live state includes what was written at `min_position`.
///
/// # Errors
/// As [`wait_for`].
pub(super) async fn follow_to(app: &App, min_position: Option<u64>) -> Result<(), Problem> {
    match reached(app, min_position).await? {
        Some(position) => Ok(app.authority.catch_up(position.next(), PATIENCE).await?),
        None => Ok(()),
    }
}

/// Waits until what is read includes `min_position`: a projection, or the book itself.
///
/// # Errors
/// As [`wait_for`].
pub(super) async fn reach(
    app: &App,
    projection: Option<&str>,
    min_position: Option<u64>,
) -> Result<(), Problem> {
    match projection {
        Some(projection) => wait_for(app, projection, min_position).await,
        None => reached(app, min_position).await.map(drop),
    }
}

/// A position that the book has reached: nobody waits for what may never be written.
async fn reached(app: &App, min_position: Option<u64>) -> Result<Option<Position>, Problem> {
    let Some(position) = min_position.map(Position) else { return Ok(None) };
    if position < *app.journal.wake().borrow() || position < app.journal.head().await?.next {
        return Ok(Some(position));
    }
    let detail = format!("`min_position`: the book has not reached position {position}.");
    Err(Problem::bad_request("query.min_position", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Colour {
        colour: Option<String>,
    }

    #[test]
    fn filter_and_page_stand_in_one_query() {
        let listing = split::<Colour>("limit=7&colour=a%26b&cursor=c1ff").unwrap();
        assert_eq!(listing.filter.colour.as_deref(), Some("a&b"));
        assert_eq!(listing.paging.limit().unwrap(), 7);
        assert_eq!(listing.paging.after().unwrap(), Some(Position(255)));
    }

    #[test]
    fn what_no_list_knows_is_refused() {
        for query in ["size=1", "limit=x", "limit=1&limit=2", "colour=a&colour=b", "min_position=-1"] {
            assert_eq!(split::<Colour>(query).unwrap_err().code, "query.malformed", "{query}");
        }
    }

    #[test]
    fn limits_and_cursors_that_were_never_offered_are_refused() {
        for limit in ["0", "201", "18446744073709551615"] {
            let listing = split::<Colour>(&format!("limit={limit}")).unwrap();
            assert_eq!(listing.paging.limit().unwrap_err().code, "query.limit", "{limit}");
        }
        for cursor in ["", "c1", "c2ff", "c1FF", "c10ff", "c1%2Bff", "c1fffffffffffffffff", "7"] {
            let listing = split::<Colour>(&format!("cursor={cursor}")).unwrap();
            assert_eq!(listing.paging.after().unwrap_err().code, "query.cursor", "{cursor}");
        }
    }

    #[test]
    fn cursor_is_read_as_it_was_given() {
        for ordinal in [0, 1, 255, u64::MAX] {
            let paging = Paging { cursor: Some(next(Position(ordinal))), ..Paging::default() };
            assert_eq!(paging.after().unwrap(), Some(Position(ordinal)));
        }
    }
}
