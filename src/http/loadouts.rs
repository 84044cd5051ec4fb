//! `/v1/workspaces/{workspace_id}/loadouts`

mod choose;
mod diff;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, delete, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{Operation, Standing};
use tollbook_aggregates::{Loadout, LoadoutCommand, LoadoutId, PinnedTool, Private, WorkspaceId};
use tollbook_journal::Expected;
use tollbook_projections::{LoadoutRow, Loadouts, Order, Term};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids, Query};
use super::cursor::{Freshness, Listing, Paging};
use super::owned;
use super::refusals::{ReadRefusals, WriteRefusals};
use super::strict::Strict;
use super::time::Time;
use super::views::{self, Texts};
use super::written::{Page, Written, object, written};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::clock::Clock;
use crate::commands::Plan;
use crate::problem::Problem;
use choose::{Chosen, WantedTool, choosing};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(create).service(list).service(get).service(change).service(remove).service(diff::diff);
}

/// A loadout to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLoadout {
    /// 1 to 100 characters, no control characters.
    #[schema(min_length = 1, max_length = 100, examples("Research"))]
    name: String,
    /// 1 to 500 tools.
    #[schema(min_items = 1, max_items = 500, value_type = Vec<WantedTool>)]
    tools: Vec<Strict<WantedTool>>,
}

/// A loadout's next version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewVersion {
    /// 1 to 500 tools.
    #[schema(min_items = 1, max_items = 500, value_type = Vec<WantedTool>)]
    tools: Vec<Strict<WantedTool>>,
}

/// A loadout, as its newest version stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Loadout)]
struct LoadoutView {
    id: Uuid,
    /// Null once it was erased.
    name: Option<String>,
    /// The newest version's number, from 1.
    version: u32,
    /// Of the newest version.
    tools: Vec<PinnedView>,
    status: LoadoutStatus,
    created_at: Time,
    /// When the newest version was made.
    changed_at: Time,
    /// When it was removed, if it was.
    removed_at: Option<Time>,
}

/// A loadout, or a version of it, that was made.
#[derive(Debug, Serialize, ToSchema)]
struct LoadoutMade {
    id: Uuid,
    /// Absent where a version was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    version: u32,
    /// In the order chosen.
    tools: Vec<PinnedView>,
    created_at: Time,
}

/// A tool, pinned to the definition that it was chosen by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PinnedTool)]
struct PinnedView {
    /// The name that an agent sees.
    name: String,
    tool_server_id: Uuid,
    /// The server's own name for it.
    tool: String,
    /// Of the definition that it is pinned to.
    digest: String,
}

/// Can sessions be made on it?
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LoadoutStatus {
    /// Sessions can be made on it.
    Live,
    /// It was taken out for good, and every session on it ended.
    Removed,
}

/// Which loadouts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// `live` when not given.
    #[param(inline)]
    status: Option<LoadoutStatus>,
}

/// A loadout that was taken out.
#[derive(Debug, Serialize, ToSchema)]
struct LoadoutRemoved {
    id: Uuid,
    status: LoadoutStatus,
}

impl From<PinnedTool> for PinnedView {
    fn from(pinned: PinnedTool) -> Self {
        let PinnedTool { name, tool_server_id, tool, digest } = pinned;
        Self { name, tool_server_id: tool_server_id.0, tool, digest }
    }
}

impl LoadoutView {
    fn of(row: LoadoutRow, texts: &Texts) -> Self {
        Self {
            id: row.id.0,
            name: texts.of(row.name.as_ref()),
            version: row.version,
            tools: row.tools.into_iter().map(Into::into).collect(),
            status: match row.removed_at {
                None => LoadoutStatus::Live,
                Some(_) => LoadoutStatus::Removed,
            },
            created_at: Time(row.created_at),
            changed_at: Time(row.changed_at),
            removed_at: row.removed_at.map(Time),
        }
    }
}

/// Makes a loadout, each of its tools pinned to the definition that its server last gave.
///
/// A tool keeps its own name where that is unique in the loadout; where two would be called the same,
/// each is prefixed with its server's name. `as` asks for a name.
#[utoipa::path(tag = "loadouts", operation_id = "create_loadout", request_body = NewLoadout,
    responses((status = CREATED, body = Written<LoadoutMade>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/loadouts")]
async fn create(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    body: Body<NewLoadout>,
) -> Result<HttpResponse, Problem> {
    let id: LoadoutId = Clock::fresh_id();
    let plan = |_: &Live, at: DateTime<Utc>, chosen: Chosen| {
        let events = Loadout::default().decide(LoadoutCommand::Create {
            workspace_id: workspace,
            name: Private::from(body.name.as_str()),
            tools: chosen.tools.clone(),
            definitions: Private::from(chosen.definitions),
        })?;
        let draft = Draft::new::<Loadout>(workspace.0, id.0, Expected::NoStream, &events)?;
        let answer = object(&LoadoutMade {
            id: id.0,
            name: Some(body.name.clone()),
            version: 1,
            tools: chosen.tools.into_iter().map(Into::into).collect(),
            created_at: Time(at),
        })?;
        Ok(Plan { drafts: vec![draft], answer, secret: None })
    };
    let done = choosing(&app, caller.0, workspace, body.repeatable.as_ref(), &body.tools, plan).await?;
    Ok(written(StatusCode::CREATED, done))
}

/// Makes the next version of a loadout. Sessions keep the version that they were made on.
#[utoipa::path(tag = "loadouts", operation_id = "create_loadout_version", request_body = NewVersion,
    responses((status = CREATED, body = Written<LoadoutMade>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/loadouts/{loadout_id}/versions")]
async fn change(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, LoadoutId)>,
    body: Body<NewVersion>,
) -> Result<HttpResponse, Problem> {
    let plan = |live: &Live, at: DateTime<Utc>, chosen: Chosen| {
        let loadout = owned::loadout(live, workspace, id)?;
        let version = loadout.newest().map_or(1, |newest| newest + 1);
        let definitions = Private::from(chosen.definitions);
        let events = loadout.decide(LoadoutCommand::Change { tools: chosen.tools.clone(), definitions })?;
        let draft = Draft::new::<Loadout>(workspace.0, id.0, live.expect_loadout(id), &events)?;
        let tools = chosen.tools.into_iter().map(Into::into).collect();
        let answer = object(&LoadoutMade { id: id.0, name: None, version, tools, created_at: Time(at) })?;
        Ok(Plan { drafts: vec![draft], answer, secret: None })
    };
    let done = choosing(&app, caller.0, workspace, body.repeatable.as_ref(), &body.tools, plan).await?;
    Ok(written(StatusCode::CREATED, done))
}

/// The loadouts of a workspace, in the order in which they were made.
#[utoipa::path(tag = "loadouts", operation_id = "list_loadouts", params(Which, Paging),
    responses((status = OK, body = Page<LoadoutView>), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/loadouts")]
async fn list(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    listing: Listing<Which>,
) -> Result<Json<Page<LoadoutView>>, Problem> {
    app.commands.allow(caller.0, Some(workspace), Operation::ReadLoadouts).await?;
    let status = match listing.filter.status {
        None | Some(LoadoutStatus::Live) => "live",
        Some(LoadoutStatus::Removed) => "removed",
    };
    let page = views::page::<Loadouts>(
        &app,
        workspace.0,
        vec![Term::new("status", status)],
        Order::OldestFirst,
        &listing.paging,
    )
    .await?;
    let texts = views::texts(&app, page.rows.iter().map(|row| row.name.as_ref())).await?;
    Ok(Json(page.map(|row| LoadoutView::of(row, &texts))))
}

/// One loadout, removed or not, as its newest version stands.
#[utoipa::path(tag = "loadouts", operation_id = "get_loadout", params(Freshness),
    responses((status = OK, body = LoadoutView), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/loadouts/{loadout_id}")]
async fn get(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, LoadoutId)>,
    Query(query): Query<Freshness>,
) -> Result<Json<LoadoutView>, Problem> {
    app.commands.allow(caller.0, Some(workspace), Operation::ReadLoadouts).await?;
    let row = views::one::<Loadouts>(&app, workspace.0, id.0, query.min_position).await?;
    let row = row.ok_or_else(|| Problem::not_found("loadout"))?;
    let texts = views::texts(&app, [row.name.as_ref()]).await?;
    Ok(Json(LoadoutView::of(row, &texts)))
}

/// Takes a loadout out for good, and ends every session on it at once.
#[utoipa::path(tag = "loadouts", operation_id = "remove_loadout",
    responses((status = OK, body = Written<LoadoutRemoved>), WriteRefusals))]
#[delete("/v1/workspaces/{workspace_id}/loadouts/{loadout_id}")]
async fn remove(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, LoadoutId)>,
) -> Result<HttpResponse, Problem> {
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        let events = owned::loadout(live, workspace, id)?.decide(LoadoutCommand::Remove)?;
        let draft = Draft::new::<Loadout>(workspace.0, id.0, live.expect_loadout(id), &events)?;
        Ok(Plan { drafts: vec![draft], answer: json!({ "id": id, "status": "removed" }), secret: None })
    };
    let operation = Operation::ManageLoadouts;
    let done = app.commands.execute(caller.0, Some(workspace), operation, None, plan).await?;
    Ok(written(StatusCode::OK, done))
}
