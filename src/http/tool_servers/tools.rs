//! What a tool server offers.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tollbook_aggregates::access::{Operation, Standing};
use tollbook_aggregates::{
    KnownTool, Private, ToolServer, ToolServerCommand, ToolServerEvent, ToolServerId, WorkspaceId,
};
use utoipa::ToSchema;

use super::super::body::{Body, Ids, Query};
use super::super::cursor::Freshness;
use super::super::owned;
use super::super::problems;
use super::super::refusals::{ReadRefusals, UpstreamRefusals, WriteRefusals};
use super::super::views;
use super::super::words::Nothing;
use super::super::written::{Written, object, written};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::commands::Plan;
use crate::problem::Problem;
use crate::upstream::{ToolDefinition, UpstreamError};

/// How large all definitions of a server may be together, in bytes: they stand in one event's body.
const DEFINITIONS_MAX: usize = 6 << 20;

/// A tool as its server describes it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tool)]
struct ToolView {
    /// The server's own name for it.
    name: String,
    /// In the server's words.
    description: Option<String>,
    /// The JSON Schema of its arguments.
    #[schema(value_type = Object)]
    input_schema: Option<Value>,
    /// What a loadout pins it by: `sha256:` and 64 hexadecimal digits, of its whole definition.
    digest: String,
}

/// What a tool server offers now.
#[derive(Debug, Serialize, ToSchema)]
struct ToolsRefreshed {
    /// In the server's order.
    tools: Vec<ToolView>,
    /// Names of tools that were known before and are gone or defined differently now. Loadouts that
    /// pinned them refuse calls to them until a new version accepts the change.
    changed: Vec<String>,
}

/// What a tool server offered when it was last refreshed.
#[derive(Debug, Serialize, ToSchema)]
struct Tools {
    /// In the server's order.
    items: Vec<ToolView>,
    /// Always null: a server's tools are answered in one page.
    next: Option<String>,
}

impl ToolView {
    fn of(name: &str, digest: &str, definition: &RawValue) -> Self {
        let read = ToolDefinition { name: name.to_owned(), raw: definition.to_owned() };
        Self {
            name: name.to_owned(),
            description: read.description(),
            input_schema: read.input_schema().and_then(|schema| serde_json::from_str(schema.get()).ok()),
            digest: digest.to_owned(),
        }
    }
}

/// Asks the server which tools it offers now, and records what changed.
#[utoipa::path(tag = "tool servers", operation_id = "refresh_tools", request_body = Nothing,
    responses((status = OK, body = Written<ToolsRefreshed>), WriteRefusals, UpstreamRefusals))]
#[post("/v1/workspaces/{workspace_id}/tool-servers/{tool_server_id}/refresh-tools")]
pub(super) async fn refresh(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, ToolServerId)>,
    body: Body<Nothing>,
) -> Result<HttpResponse, Problem> {
    let operation = Operation::ManageToolServers;
    let repeatable = body.repeatable.as_ref();
    app.commands.allow(caller.0, Some(workspace), operation).await?;
    // A repetition doesn't ask the server again.
    if let Some(repeatable) = repeatable
        && let Some(done) = app.commands.answered_before(caller.0, Some(workspace), repeatable).await?
    {
        return Ok(written(StatusCode::OK, done));
    }
    app.authority.look(|live| owned::registration(live, workspace, id).map(drop))?;
    let target = app.calls.target(id).await.map_err(problems::target)?;
    let tools = app.upstreams.list_tools(&target).await.map_err(|error| problems::upstream(id, &error))?;
    let definitions = definitions(&tools).ok_or_else(|| problems::upstream(id, &UpstreamError::TooLarge))?;
    let known: Vec<KnownTool> =
        tools.iter().map(|tool| KnownTool { name: tool.name.clone(), digest: tool.digest() }).collect();
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        let server = owned::tool_server(live, workspace, id)?;
        let definitions = Private::from(definitions.as_str());
        let events = server.decide(ToolServerCommand::RefreshTools { tools: known.clone(), definitions })?;
        let changed = match events.first() {
            Some(ToolServerEvent::ToolsRefreshed { changed, .. }) => changed.clone(),
            _ => Vec::new(),
        };
        let draft = Draft::new::<ToolServer>(workspace.0, id.0, live.expect_tool_server(id), &events)?;
        let shown =
            tools.iter().zip(&known).map(|(tool, known)| ToolView::of(&tool.name, &known.digest, &tool.raw));
        let answer = object(&ToolsRefreshed { tools: shown.collect(), changed })?;
        Ok(Plan { drafts: vec![draft], answer, secret: None })
    };
    let done = app.commands.execute(caller.0, Some(workspace), operation, repeatable, plan).await?;
    Ok(written(StatusCode::OK, done))
}

/// A JSON object of all definitions by the tools' names, each as its server wrote it.
fn definitions(tools: &[ToolDefinition]) -> Option<String> {
    let by_name: BTreeMap<&str, &RawValue> =
        tools.iter().map(|tool| (tool.name.as_str(), tool.raw.as_ref())).collect();
    serde_json::to_string(&by_name).ok().filter(|text| text.len() <= DEFINITIONS_MAX)
}

/// The tools that the server offered when it was last refreshed.
#[utoipa::path(tag = "tool servers", operation_id = "list_tools", params(Freshness),
    responses((status = OK, body = Tools), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/tool-servers/{tool_server_id}/tools")]
pub(super) async fn list(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, ToolServerId)>,
    Query(query): Query<Freshness>,
) -> Result<Json<Tools>, Problem> {
    app.commands.allow(caller.0, Some(workspace), Operation::ReadToolServers).await?;
    let row = super::row(&app, workspace, id, query.min_position).await?;
    let definitions =
        views::definitions(&app, row.definitions.as_ref().map(|sealed| sealed.position)).await?;
    let items = row
        .tools
        .iter()
        .filter_map(|tool| Some(ToolView::of(&tool.name, &tool.digest, definitions.get(&tool.name)?)));
    Ok(Json(Tools { items: items.collect(), next: None }))
}
