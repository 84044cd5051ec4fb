//! `/v1/workspaces/{workspace_id}/sessions/{session_id}/tool-calls`

mod call;

use actix_web::get;
use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::access::{Denial, Operation};
use tollbook_aggregates::{SessionId, WorkspaceId};
use tollbook_projections::{Decision, Outcome, Term, ToolCallRow, ToolCalls};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::Ids;
use super::cursor::{self, Listing, OrderWord, Paging, order};
use super::refusals::ReadRefusals;
use super::time::Time;
use super::written::Page;
use super::{owned, views};
use crate::app::App;
use crate::authn::Authenticated;
use crate::problem::Problem;

pub(super) use call::{denied_at, fits, question};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(call::call).service(list);
}

/// A tool call that was decided.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolCall)]
struct ToolCallView {
    call_id: Uuid,
    session_id: Uuid,
    /// Who asked: `user:` and an id.
    actor: Option<String>,
    /// With what: `api_key:` or `session:`, and an id.
    credential: Option<String>,
    /// The tool's name as the agent wrote it.
    tool: String,
    /// Whose tool it is, where it was permitted.
    tool_server_id: Option<Uuid>,
    /// The server's own name for it, where it was permitted.
    upstream_tool: Option<String>,
    decision: DecisionWord,
    /// Why it was refused: stable and for programs.
    #[schema(value_type = Option<String>, examples("not_in_loadout"))]
    reason: Option<Denial>,
    decided_at: Time,
    /// The size of the arguments.
    argument_bytes: u64,
    /// How it ended, where that is known by now. None follows a denial or an authorization.
    outcome: Option<OutcomeWord>,
    /// Stable and for programs, of a failure, or of why it wasn't forwarded.
    code: Option<String>,
    /// Did the tool say that it failed?
    tool_error: bool,
    ended_at: Option<Time>,
    /// From the permit to the end.
    duration_ms: Option<u64>,
    /// The size of the answer.
    response_bytes: Option<u64>,
    /// Of the newest event about it.
    position: u64,
}

/// What was decided.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Decision)]
pub(super) enum DecisionWord {
    /// Permitted, and forwarded by Tollbook.
    Permit,
    /// Permitted; whoever asked carries it out.
    Authorize,
    /// Refused.
    Deny,
}

/// How a permitted call ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Outcome)]
pub(super) enum OutcomeWord {
    /// The server answered.
    Completed,
    /// The server refused, or couldn't be reached or understood.
    Failed,
    /// The client went away, or the session ended.
    Cancelled,
    /// The server didn't answer in time.
    TimedOut,
    /// It was permitted, but too late when it was to be forwarded.
    NotForwarded,
    /// The service died between permit and outcome.
    Unknown,
}

/// Which calls.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only those that were decided so.
    #[param(inline)]
    decision: Option<DecisionWord>,
    /// Only those that ended so.
    #[param(inline)]
    outcome: Option<OutcomeWord>,
    /// Only those of this tool, by the name that the agent wrote.
    tool: Option<String>,
    /// `newest` when not given.
    #[param(inline)]
    order: Option<OrderWord>,
}

impl From<Decision> for DecisionWord {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Permit => Self::Permit,
            Decision::Authorize => Self::Authorize,
            Decision::Deny => Self::Deny,
        }
    }
}

impl From<DecisionWord> for Decision {
    fn from(word: DecisionWord) -> Self {
        match word {
            DecisionWord::Permit => Self::Permit,
            DecisionWord::Authorize => Self::Authorize,
            DecisionWord::Deny => Self::Deny,
        }
    }
}

impl From<Outcome> for OutcomeWord {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Failed => Self::Failed,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::TimedOut => Self::TimedOut,
            Outcome::NotForwarded => Self::NotForwarded,
            Outcome::Unknown => Self::Unknown,
        }
    }
}

impl From<OutcomeWord> for Outcome {
    fn from(word: OutcomeWord) -> Self {
        match word {
            OutcomeWord::Completed => Self::Completed,
            OutcomeWord::Failed => Self::Failed,
            OutcomeWord::Cancelled => Self::Cancelled,
            OutcomeWord::TimedOut => Self::TimedOut,
            OutcomeWord::NotForwarded => Self::NotForwarded,
            OutcomeWord::Unknown => Self::Unknown,
        }
    }
}

impl From<ToolCallRow> for ToolCallView {
    fn from(row: ToolCallRow) -> Self {
        Self {
            call_id: row.call_id.0,
            session_id: row.session_id.0,
            actor: row.actor,
            credential: row.credential,
            tool: row.tool,
            tool_server_id: row.tool_server_id.map(|id| id.0),
            upstream_tool: row.upstream_tool,
            decision: row.decision.into(),
            reason: row.reason,
            decided_at: Time(row.decided_at),
            argument_bytes: row.argument_bytes,
            outcome: row.outcome.map(Into::into),
            code: row.code,
            tool_error: row.tool_error,
            ended_at: row.ended_at.map(Time),
            duration_ms: row.duration_ms,
            response_bytes: row.response_bytes,
            position: row.position.0,
        }
    }
}

/// The calls of a session, refused ones included, each with how it ended.
#[utoipa::path(tag = "tool calls", operation_id = "list_tool_calls", params(Which, Paging),
    responses((status = OK, body = Page<ToolCallView>), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/sessions/{session_id}/tool-calls")]
async fn list(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, session)): Ids<(WorkspaceId, SessionId)>,
    listing: Listing<Which>,
) -> Result<Json<Page<ToolCallView>>, Problem> {
    let Listing { filter, paging } = listing;
    cursor::follow_to(&app, paging.min_position).await?;
    let maker = owned::maker_of(&app, caller.0, workspace, session).await?;
    app.commands.allow(caller.0, Some(workspace), Operation::ReadSession(maker)).await?;
    let mut terms = vec![Term::new("session", session)];
    terms.extend(filter.tool.map(|tool| Term::new("tool", tool)));
    terms.extend(filter.decision.map(|word| Term::new("decision", Decision::from(word).as_str())));
    terms.extend(filter.outcome.map(|word| Term::new("outcome", Outcome::from(word).as_str())));
    let order = order(filter.order);
    let page = views::page::<ToolCalls>(&app, workspace.0, terms, order, &paging).await?;
    Ok(Json(page.map(Into::into)))
}
