//! `/v1/workspaces/{workspace_id}/tool-servers`

mod header;
mod register;
mod tools;

use std::cell::Cell;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, delete, get, patch};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{Operation, Standing};
use tollbook_aggregates::{
    Authorization, Private, SecretRef, ToolServer, ToolServerCommand, ToolServerId, WorkspaceId,
};
use tollbook_projections::{Order, Sealed, Term, ToolServerRow, ToolServers};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids, Query};
use super::cursor::{Freshness, Listing, Paging};
use super::owned;
use super::refusals::{ReadRefusals, WriteRefusals};
use super::time::Time;
use super::views::{self, Texts};
use super::words::Renaming;
use super::written::{Page, Written, written};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::commands::Plan;
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(register::register)
        .service(list)
        .service(get)
        .service(rename)
        .service(remove)
        .service(tools::refresh)
        .service(tools::list);
}

/// A tool server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolServer)]
struct ToolServerView {
    id: Uuid,
    /// Null once it was erased.
    name: Option<String>,
    /// Its MCP endpoint; null once it was erased.
    url: Option<String>,
    auth: AuthView,
    status: ToolServerStatus,
    /// How many tools it listed when it was last refreshed.
    tool_count: usize,
    /// When what it lists last changed; null before its first refresh.
    tools_changed_at: Option<Time>,
    created_at: Time,
    /// When it was removed, if it was.
    removed_at: Option<Time>,
}

/// How calls to a tool server are authorized. A header's value is never shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = ToolServerAuth)]
enum AuthView {
    /// Not at all.
    None,
    /// By a fixed header, whose value is sealed for the server's origin.
    Header {
        /// The header's name.
        name: String,
    },
}

/// Can it be called?
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ToolServerStatus {
    /// It can be called.
    Live,
    /// It was taken out for good.
    Removed,
}

/// Which tool servers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// `live` when not given.
    #[param(inline)]
    status: Option<ToolServerStatus>,
}

/// A tool server that was taken out.
#[derive(Debug, Serialize, ToSchema)]
struct ToolServerRemoved {
    id: Uuid,
    status: ToolServerStatus,
}

impl From<Authorization> for AuthView {
    fn from(authorization: Authorization) -> Self {
        match authorization {
            Authorization::None => Self::None,
            Authorization::Header { name, .. } => Self::Header { name },
        }
    }
}

impl ToolServerView {
    fn of(row: ToolServerRow, texts: &Texts) -> Self {
        Self {
            id: row.id.0,
            name: texts.of(row.name.as_ref()),
            url: texts.of(row.url.as_ref()),
            auth: row.authorization.into(),
            status: match row.removed_at {
                None => ToolServerStatus::Live,
                Some(_) => ToolServerStatus::Removed,
            },
            tool_count: row.tools.len(),
            tools_changed_at: row.tools_changed_at.map(Time),
            created_at: Time(row.created_at),
            removed_at: row.removed_at.map(Time),
        }
    }
}

/// The pointers to what a view shows.
fn pointers(row: &ToolServerRow) -> [Option<&Sealed>; 2] {
    [row.name.as_ref(), row.url.as_ref()]
}

/// The tool servers of a workspace, in the order in which they were registered.
#[utoipa::path(tag = "tool servers", operation_id = "list_tool_servers", params(Which, Paging),
    responses((status = OK, body = Page<ToolServerView>), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/tool-servers")]
async fn list(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    listing: Listing<Which>,
) -> Result<Json<Page<ToolServerView>>, Problem> {
    app.commands.allow(caller.0, Some(workspace), Operation::ReadToolServers).await?;
    let status = match listing.filter.status {
        None | Some(ToolServerStatus::Live) => "live",
        Some(ToolServerStatus::Removed) => "removed",
    };
    let page = views::page::<ToolServers>(
        &app,
        workspace.0,
        vec![Term::new("status", status)],
        Order::OldestFirst,
        &listing.paging,
    )
    .await?;
    let texts = views::texts(&app, page.rows.iter().flat_map(pointers)).await?;
    Ok(Json(page.map(|row| ToolServerView::of(row, &texts))))
}

/// One tool server, removed or not.
#[utoipa::path(tag = "tool servers", operation_id = "get_tool_server", params(Freshness),
    responses((status = OK, body = ToolServerView), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/tool-servers/{tool_server_id}")]
async fn get(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, ToolServerId)>,
    Query(query): Query<Freshness>,
) -> Result<Json<ToolServerView>, Problem> {
    app.commands.allow(caller.0, Some(workspace), Operation::ReadToolServers).await?;
    let row = row(&app, workspace, id, query.min_position).await?;
    let texts = views::texts(&app, pointers(&row)).await?;
    Ok(Json(ToolServerView::of(row, &texts)))
}

/// A tool server of this workspace as the read model has it.
async fn row(
    app: &App,
    workspace: WorkspaceId,
    id: ToolServerId,
    min_position: Option<u64>,
) -> Result<ToolServerRow, Problem> {
    let row = views::one::<ToolServers>(app, workspace.0, id.0, min_position).await?;
    row.ok_or_else(|| Problem::not_found("tool server"))
}

/// Gives a tool server another name. Where it lies can't be changed: register another one.
#[utoipa::path(tag = "tool servers", operation_id = "rename_tool_server", request_body = Renaming,
    responses((status = OK, body = Written<super::words::Renamed>), WriteRefusals))]
#[patch("/v1/workspaces/{workspace_id}/tool-servers/{tool_server_id}")]
async fn rename(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, ToolServerId)>,
    body: Body<Renaming>,
) -> Result<HttpResponse, Problem> {
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        let server = owned::tool_server(live, workspace, id)?;
        let events = server.decide(ToolServerCommand::Rename { name: Private::from(body.name.as_str()) })?;
        let draft = Draft::new::<ToolServer>(workspace.0, id.0, live.expect_tool_server(id), &events)?;
        Ok(Plan { drafts: vec![draft], answer: json!({ "id": id, "name": body.name }), secret: None })
    };
    let operation = Operation::ManageToolServers;
    let done =
        app.commands.execute(caller.0, Some(workspace), operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::OK, done))
}

/// Takes a tool server out for good, and destroys the header that was kept for it. Loadouts keep naming
/// it; calls to its tools are refused from now on.
#[utoipa::path(tag = "tool servers", operation_id = "remove_tool_server",
    responses((status = OK, body = Written<ToolServerRemoved>), WriteRefusals))]
#[delete("/v1/workspaces/{workspace_id}/tool-servers/{tool_server_id}")]
async fn remove(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, ToolServerId)>,
) -> Result<HttpResponse, Problem> {
    // Noted while it is decided: afterwards the state no longer names it.
    let secret = Cell::new(None);
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        secret.set(secret_of(live, workspace, id));
        let events = owned::tool_server(live, workspace, id)?.decide(ToolServerCommand::Remove)?;
        let draft = Draft::new::<ToolServer>(workspace.0, id.0, live.expect_tool_server(id), &events)?;
        Ok(Plan { drafts: vec![draft], answer: json!({ "id": id, "status": "removed" }), secret: None })
    };
    let done =
        app.commands.execute(caller.0, Some(workspace), Operation::ManageToolServers, None, plan).await?;
    if let Some(secret) = secret.get()
        && let Err(error) = app.keys.destroy_secret(secret).await
    {
        // It opens for this server's calls alone, and there are none any more.
        tracing::warn!(%error, tool_server = %id, "the header of a removed tool server could not be destroyed");
    }
    app.upstreams.forget(id).await;
    Ok(written(StatusCode::OK, done))
}

fn secret_of(live: &Live, workspace: WorkspaceId, id: ToolServerId) -> Option<SecretRef> {
    match owned::registration(live, workspace, id).ok()?.authorization {
        Authorization::None => None,
        Authorization::Header { secret, .. } => Some(secret),
    }
}
