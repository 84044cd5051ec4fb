//! `/v1/workspaces`

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, patch, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{self, Operation, Standing, World as _};
use tollbook_aggregates::{Private, Workspace, WorkspaceCommand, WorkspaceId};
use tollbook_journal::{Expected, INSTANCE};
use tollbook_projections::{WorkspaceRow, Workspaces};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids, Query};
use super::cursor::{self, Freshness, Paging};
use super::refusals::{ReadRefusals, WriteRefusals};
use super::strict::Strict;
use super::time::Time;
use super::views::{self, Texts};
use super::words::{Renamed, Renaming};
use super::written::{Page, Written, object, written};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::clock::Clock;
use crate::commands::Plan;
use crate::founding::Founder;
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(create).service(list).service(get).service(rename);
}

/// A workspace to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWorkspace {
    /// How it is called: 1 to 100 characters, no control characters.
    #[schema(min_length = 1, max_length = 100, examples("Acme"))]
    name: String,
    /// Its first owner; without one, nobody can use it.
    #[schema(value_type = Option<NewOwner>)]
    owner: Option<Strict<NewOwner>>,
}

/// A workspace's first owner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOwner {
    /// How they are called.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// A workspace that was made.
#[derive(Debug, Serialize, ToSchema)]
struct WorkspaceCreated {
    id: Uuid,
    name: String,
    created_at: Time,
    /// The first owner, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
    /// The first owner's key, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
}

/// A workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workspace)]
struct WorkspaceView {
    id: Uuid,
    /// Null once it was erased.
    name: Option<String>,
    created_at: Time,
}

impl WorkspaceView {
    fn of(row: &WorkspaceRow, texts: &Texts) -> Self {
        Self { id: row.id.0, name: texts.of(row.name.as_ref()), created_at: Time(row.created_at) }
    }
}

/// Makes a workspace. Operators only: a workspace's API key never makes another.
#[utoipa::path(tag = "workspaces", operation_id = "create_workspace", request_body = NewWorkspace,
    responses((status = CREATED, body = Written<WorkspaceCreated>), WriteRefusals))]
#[post("/v1/workspaces")]
async fn create(
    app: Data<App>,
    caller: Authenticated,
    body: Body<NewWorkspace>,
) -> Result<HttpResponse, Problem> {
    let id: WorkspaceId = Clock::fresh_id();
    let owner = match &body.owner {
        Some(owner) => {
            Some((&owner.name, Founder::mint(app.random.as_ref()).map_err(|_| Problem::internal())?))
        }
        None => None,
    };
    let plan = |_: &Live, _: Standing, at: DateTime<Utc>| {
        let drafts = match &owner {
            Some((name, founder)) => founder.found(id, &body.name, name, &app.pepper, at)?,
            None => unowned(id, &body.name)?,
        };
        let founder = owner.as_ref().map(|(_, founder)| founder);
        let answer = object(&WorkspaceCreated {
            id: id.0,
            name: body.name.clone(),
            created_at: Time(at),
            user_id: founder.map(|founder| founder.user_id.0),
            api_key: founder.map(|founder| founder.credential.expose().to_owned()),
        })?;
        Ok(Plan { drafts, answer, secret: Some("api_key") })
    };
    let operation = Operation::CreateWorkspace;
    let done = app.commands.execute(caller.0, None, operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::CREATED, done))
}

fn unowned(id: WorkspaceId, name: &str) -> Result<Vec<Draft>, Problem> {
    let command = WorkspaceCommand::Create { name: Private::from(name), owner: None };
    let events = Workspace::default().decide(command)?;
    Ok(vec![Draft::new::<Workspace>(id.0, id.0, Expected::NoStream, &events)?])
}

/// The workspaces that the caller may see: an API key's own. An operator sees none here, but their ids
/// at `/v1/operator/workspaces`.
#[utoipa::path(tag = "workspaces", operation_id = "list_workspaces", params(Paging),
    responses((status = OK, body = Page<WorkspaceView>), ReadRefusals))]
#[get("/v1/workspaces")]
async fn list(
    app: Data<App>,
    caller: Authenticated,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<WorkspaceView>>, Problem> {
    paging.limit()?;
    paging.after()?;
    cursor::reach(&app, None, paging.min_position).await?;
    app.authority.fresh().await?;
    let at = app.clock.now();
    let home = app.authority.look(|live| access::home(live, caller.0, at));
    let home = home.map_err(|denial| Problem::denied(denial, Operation::ReadWorkspace.scope()))?;
    let items = match home {
        Some((id, _)) if paging.cursor.is_none() => vec![view(&app, id, paging.min_position).await?],
        _ => Vec::new(),
    };
    Ok(Json(Page { items, next: None }))
}

/// One workspace.
#[utoipa::path(tag = "workspaces", operation_id = "get_workspace", params(Freshness),
    responses((status = OK, body = WorkspaceView), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}")]
async fn get(
    app: Data<App>,
    caller: Authenticated,
    Ids(id): Ids<WorkspaceId>,
    Query(query): Query<Freshness>,
) -> Result<Json<WorkspaceView>, Problem> {
    app.commands.allow(caller.0, Some(id), Operation::ReadWorkspace).await?;
    Ok(Json(view(&app, id, query.min_position).await?))
}

async fn view(app: &App, id: WorkspaceId, min_position: Option<u64>) -> Result<WorkspaceView, Problem> {
    let row = views::one::<Workspaces>(app, INSTANCE, id.0, min_position).await?;
    let row = row.ok_or_else(|| Problem::not_found("workspace"))?;
    let texts = views::texts(app, [row.name.as_ref()]).await?;
    Ok(WorkspaceView::of(&row, &texts))
}

/// Gives a workspace another name.
#[utoipa::path(tag = "workspaces", operation_id = "rename_workspace", request_body = Renaming,
    responses((status = OK, body = Written<Renamed>), WriteRefusals))]
#[patch("/v1/workspaces/{workspace_id}")]
async fn rename(
    app: Data<App>,
    caller: Authenticated,
    Ids(id): Ids<WorkspaceId>,
    body: Body<Renaming>,
) -> Result<HttpResponse, Problem> {
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        let command = WorkspaceCommand::Rename { name: Private::from(body.name.as_str()) };
        let events = live.workspace(id).decide(command)?;
        let draft = Draft::new::<Workspace>(id.0, id.0, live.expect_workspace(id), &events)?;
        Ok(Plan { drafts: vec![draft], answer: json!({ "id": id, "name": body.name }), secret: None })
    };
    let repeatable = body.repeatable.as_ref();
    let done = app.commands.execute(caller.0, Some(id), Operation::ChangeWorkspace, repeatable, plan).await?;
    Ok(written(StatusCode::OK, done))
}
