//! Which events are asked for.

use serde::Deserialize;
use tollbook_aggregates::WorkspaceId;
use tollbook_aggregates::access::Denial;
use tollbook_journal::{Position, Recorded};
use tollbook_projections::{AuditSearch, Decision, Index as _, Order, Outcome, Search, Term, Views};
use utoipa::IntoParams;
use uuid::Uuid;

use super::super::cursor::{self, OrderWord, Paging, order};
use super::super::time::Time;
use super::super::tool_calls::{DecisionWord, OutcomeWord};
use super::super::views::unreadable;
use super::moments;
use crate::app::App;
use crate::problem::Problem;

/// How many events one request looks at for those whose time is the one asked for.
const LOOKED_AT: usize = 5_000;

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this type, such as `session.tool_called`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// That happened to this thing: its type and id, such as `tool_server:019a…`.
    stream: Option<String>,
    /// That this one did: `user:019a…`, `operator:019a…` or `system`.
    actor: Option<String>,
    /// That were done with this: `api_key:019a…`, `session:019a…` or `operator:019a…`.
    credential: Option<String>,
    /// That came with this request.
    request_id: Option<String>,
    /// That happened to this session, its calls among them.
    session_id: Option<Uuid>,
    /// On this tool call.
    call_id: Option<Uuid>,
    /// Decisions on this tool, by the name that the agent wrote.
    tool: Option<String>,
    /// Decisions on, and selections of, tools of this server.
    tool_server_id: Option<Uuid>,
    /// Calls that were decided so.
    #[param(inline)]
    decision: Option<DecisionWord>,
    /// Why a call was refused, such as `not_in_loadout`.
    #[param(value_type = Option<String>)]
    reason: Option<Denial>,
    /// How a call ended.
    #[param(inline)]
    outcome: Option<OutcomeWord>,
    /// At this position or behind it.
    from: Option<u64>,
    /// Before this position.
    to: Option<u64>,
    /// Recorded at this time or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
    /// Recorded before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// `newest` when not given.
    #[param(inline)]
    order: Option<OrderWord>,
}

impl Which {
    /// The rarest first.
    fn terms(&self) -> Vec<Term> {
        let mut terms = Vec::new();
        terms.extend(self.reason.map(AuditSearch::refused));
        let mut add = |kind: &str, value: Option<String>| {
            terms.extend(value.map(|value| Term::new(kind, value)));
        };
        add("call", self.call_id.map(|id| id.to_string()));
        add("request", self.request_id.clone());
        add("stream", self.session_id.map(|id| format!("session:{id}")));
        add("stream", self.stream.clone());
        add("outcome", self.outcome.map(|word| Outcome::from(word).as_str().to_owned()));
        add("tool", self.tool.clone());
        add("credential", self.credential.clone());
        add("actor", self.actor.clone());
        add("tool_server", self.tool_server_id.map(|id| id.to_string()));
        add("type", self.kind.clone());
        add("decision", self.decision.map(|word| Decision::from(word).as_str().to_owned()));
        terms
    }

    fn in_time(&self, event: &Recorded) -> bool {
        self.since.is_none_or(|since| event.recorded_at >= since.0)
            && self.until.is_none_or(|until| event.recorded_at < until.0)
    }
}

/// A page of what is found, in the order asked for, and the cursor of the next.
pub(super) async fn find(
    app: &App,
    workspace: WorkspaceId,
    which: &Which,
    paging: &Paging,
) -> Result<(Vec<Recorded>, Option<String>), Problem> {
    let (limit, terms) = (paging.limit()?, which.terms());
    if terms.len() > Views::TERMS_MAX {
        let detail = format!("At most {} of these filters at once.", Views::TERMS_MAX);
        return Err(Problem::bad_request("query.too_many_filters", detail));
    }
    if [which.from, which.to].into_iter().flatten().any(|position| i64::try_from(position).is_err()) {
        return Err(Problem::bad_request("query.malformed", "The query: no position is so large."));
    }
    let mut search = Search {
        from: which.from.map(Position),
        to: which.to.map(Position),
        after: paging.after()?,
        // One more, to know whether there is a next page.
        limit: limit + 1,
        order: order(which.order),
        terms,
    };
    // Without terms the book itself is asked, which is never behind.
    let projection = if search.terms.is_empty() { None } else { Some(AuditSearch::NAME) };
    cursor::reach(app, projection, paging.min_position).await?;
    moments::bound(app, &mut search, which.since.map(|at| at.0), which.until.map(|at| at.0)).await?;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    loop {
        let page = page(app, workspace, &search).await?;
        let exhausted = page.len() < search.limit;
        for event in page {
            if found.len() == limit || looked_at == LOOKED_AT {
                return Ok((found, search.after.map(cursor::next)));
            }
            looked_at += 1;
            search.after = Some(event.position);
            if which.in_time(&event) {
                found.push(event);
            }
        }
        if exhausted {
            return Ok((found, None));
        }
    }
}

async fn page(app: &App, workspace: WorkspaceId, search: &Search) -> Result<Vec<Recorded>, Problem> {
    let positions = app.views.search::<AuditSearch>(workspace.0, search).await.map_err(unreadable)?;
    let mut events = app.journal.events(&positions).await?;
    if search.order == Order::NewestFirst {
        events.reverse();
    }
    Ok(events)
}
