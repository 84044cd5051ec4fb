//! `/v1/workspaces/{workspace_id}/sessions`

mod create;
mod view;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use tollbook_aggregates::access::{self, Asker, Operation, Standing};
use tollbook_aggregates::{LoadoutId, Session, SessionCommand, SessionId, WorkspaceId};
use tollbook_projections::{SessionRow, Sessions, Term};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids, Query};
use super::cursor::{self, Freshness, Listing, OrderWord, Paging, order};
use super::refusals::{ReadRefusals, WriteRefusals};
use super::words::{Revoked, Revoking};
use super::written::{Page, Written, written};
use super::{owned, views};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::commands::Plan;
use crate::problem::Problem;
use view::{SessionView, State, Status, pointers};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(create::create).service(list).service(get).service(revoke);
}

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only those in this state now.
    #[param(inline)]
    status: Option<Status>,
    /// Only those on this loadout.
    loadout_id: Option<Uuid>,
    /// Only the caller's own. Members see no others in any case.
    mine: Option<bool>,
    /// `newest` when not given.
    #[param(inline)]
    order: Option<OrderWord>,
}

/// The sessions of a workspace that the caller may see.
#[utoipa::path(tag = "sessions", operation_id = "list_sessions", params(Which, Paging),
    responses((status = OK, body = Page<SessionView>), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/sessions")]
async fn list(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    listing: Listing<Which>,
) -> Result<Json<Page<SessionView>>, Problem> {
    let standing = app.commands.allow(caller.0, Some(workspace), Operation::ReadWorkspace).await?;
    if let Standing::Member { user_id, .. } = standing {
        app.commands.allow(caller.0, Some(workspace), Operation::ReadSession(user_id)).await?;
    }
    let Listing { filter, paging } = listing;
    let terms = terms(&filter, standing, sees_all(&app, caller.0, workspace));
    cursor::follow_to(&app, paging.min_position).await?;
    let at = app.clock.now();
    let state = |row: &SessionRow| app.authority.look(|live| State::of(live, row, at));
    let fits = |row: &SessionRow| filter.status.is_none_or(|status| state(row).status == status);
    let order = order(filter.order);
    let page = views::page_where::<Sessions>(&app, workspace.0, terms, order, &paging, fits).await?;
    let texts = views::texts(&app, page.rows.iter().flat_map(pointers)).await?;
    Ok(Json(page.map(|row| {
        let state = state(&row);
        SessionView::of(&row, state, &texts, &app.config.public_url)
    })))
}

/// May the caller see everybody's sessions?
fn sees_all(app: &App, caller: Asker, workspace: WorkspaceId) -> bool {
    let at = app.clock.now();
    let all = Operation::ReadAllSessions;
    app.authority.look(|live| access::may(live, caller, Some(workspace), all, at).is_ok())
}

fn terms(filter: &Which, standing: Standing, sees_all: bool) -> Vec<Term> {
    let mut terms = Vec::new();
    if let Standing::Member { user_id, .. } = standing
        && (filter.mine == Some(true) || !sees_all)
    {
        terms.push(Term::new("user", user_id));
    }
    terms.extend(filter.loadout_id.map(|id| Term::new("loadout", LoadoutId(id))));
    match filter.status {
        Some(Status::Revoked) => terms.push(Term::new("status", "revoked")),
        Some(Status::Open | Status::Expired | Status::Ended) => terms.push(Term::new("status", "unrevoked")),
        None => {}
    }
    terms
}

/// One session.
#[utoipa::path(tag = "sessions", operation_id = "get_session", params(Freshness),
    responses((status = OK, body = SessionView), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/sessions/{session_id}")]
async fn get(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, SessionId)>,
    Query(query): Query<Freshness>,
) -> Result<Json<SessionView>, Problem> {
    cursor::follow_to(&app, query.min_position).await?;
    let maker = owned::maker_of(&app, caller.0, workspace, id).await?;
    app.commands.allow(caller.0, Some(workspace), Operation::ReadSession(maker)).await?;
    let row = views::one::<Sessions>(&app, workspace.0, id.0, query.min_position).await?;
    let row = row.ok_or_else(|| Problem::not_found("session"))?;
    let texts = views::texts(&app, pointers(&row)).await?;
    let at = app.clock.now();
    let state = app.authority.look(|live| State::of(live, &row, at));
    Ok(Json(SessionView::of(&row, state, &texts, &app.config.public_url)))
}

/// Ends a session for good, at once and everywhere. Twice is harmless.
#[utoipa::path(tag = "sessions", operation_id = "revoke_session", request_body = Revoking,
    responses((status = OK, body = Written<Revoked>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/sessions/{session_id}/revoke")]
async fn revoke(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, SessionId)>,
    body: Body<Revoking>,
) -> Result<HttpResponse, Problem> {
    let maker = owned::maker_of(&app, caller.0, workspace, id).await?;
    let reason = body.reason()?;
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        let command = SessionCommand::Revoke { reason: reason.clone() };
        let events = owned::session(live, workspace, id)?.decide(command)?;
        let draft = Draft::new::<Session>(workspace.0, id.0, live.expect_session(id), &events)?;
        Ok(Plan { drafts: vec![draft], answer: json!({ "id": id, "status": "revoked" }), secret: None })
    };
    let operation = Operation::RevokeSession(maker);
    let done =
        app.commands.execute(caller.0, Some(workspace), operation, body.repeatable.as_ref(), plan).await?;
    app.upstreams.end_session(id);
    Ok(written(StatusCode::OK, done))
}
