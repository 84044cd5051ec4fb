//! `/v1/workspaces`

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, patch, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{Operation, Standing, World as _};
use tollbook_aggregates::{Private, UserId, Workspace, WorkspaceCommand, WorkspaceId};
use tollbook_journal::{Expected, Position};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::{Body, Ids, Query};
use super::cursor::{Freshness, Paging, wait_for};
use super::refusals::{ReadRefusals, WriteRefusals};
use super::written::{Page, object, written};
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
    name: String,
    /// Its first owner; without one, nobody can use it.
    owner: Option<NewOwner>,
}

/// A workspace's first owner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOwner {
    /// How they are called.
    name: String,
}

/// A workspace that was made.
#[derive(Debug, Serialize, ToSchema)]
struct WorkspaceCreated {
    id: WorkspaceId,
    name: String,
    created_at: DateTime<Utc>,
    /// The first owner, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    /// The first owner's key, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    /// Where it stands in the book.
    position: Position,
}

/// A workspace.
#[derive(Debug, Serialize, ToSchema)]
struct WorkspaceView {
    id: WorkspaceId,
    /// Absent once it was erased.
    name: Option<String>,
    created_at: DateTime<Utc>,
    /// Of its last change.
    position: Position,
}

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Renaming {
    /// 1 to 100 characters, no control characters.
    name: String,
}

/// Makes a workspace. Operators only: a workspace's API key never makes another.
#[utoipa::path(tag = "workspaces", request_body = NewWorkspace,
    responses((status = CREATED, body = WorkspaceCreated), WriteRefusals))]
#[post("/v1/workspaces")]
async fn create(app: Data<App>, caller: Authenticated, body: Body<NewWorkspace>) -> Result<HttpResponse, Problem> {
    let id: WorkspaceId = Clock::fresh_id();
    let owner = match &body.owner {
        Some(owner) => Some((&owner.name, Founder::mint(app.random.as_ref()).map_err(|_| Problem::internal())?)),
        None => None,
    };
    let plan = |_: &Live, _: Standing, at: DateTime<Utc>| {
        let (user_id, api_key) = match &owner {
            Some((_, founder)) => (Some(founder.user_id), Some(founder.credential.expose().to_owned())),
            None => (None, None),
        };
        let drafts = match &owner {
            Some((name, founder)) => founder.found(id, &body.name, name, &app.pepper, at)?,
            None => {
                let create = WorkspaceCommand::Create { name: Private::from(body.name.as_str()), owner: None };
                let events = Workspace::default().decide(create)?;
                vec![Draft::new::<Workspace>(id.0, id.0, Expected::NoStream, &events)?]
            }
        };
        let answer = object(&WorkspaceCreated { id, name: body.name.clone(), created_at: at, user_id, api_key, position: Position(0) })?;
        Ok(Plan { drafts, answer, secret: Some("api_key") })
    };
    let done = app.commands.execute(caller.0, None, Operation::CreateWorkspace, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::CREATED, done))
}

/// The workspaces that the caller may see.
#[utoipa::path(tag = "workspaces", params(Paging), responses((status = OK, body = Page<WorkspaceView>), ReadRefusals))]
#[get("/v1/workspaces")]
async fn list(app: Data<App>, caller: Authenticated, paging: Query<Paging>) -> Result<Json<Page<WorkspaceView>>, Problem> {
    todo_list(app, caller, paging).await
}

/// One workspace.
#[utoipa::path(tag = "workspaces", params(Freshness), responses((status = OK, body = WorkspaceView), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}")]
async fn get(
    app: Data<App>,
    caller: Authenticated,
    Ids(id): Ids<WorkspaceId>,
    query: Query<Freshness>,
) -> Result<Json<WorkspaceView>, Problem> {
    app.commands.allow(caller.0, Some(id), Operation::ReadWorkspace).await?;
    wait_for(&app, "workspace", query.0.min_position).await?;
    todo_get(app, id).await
}

/// Gives a workspace another name.
#[utoipa::path(tag = "workspaces", request_body = Renaming, responses((status = OK, body = WorkspaceView), WriteRefusals))]
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
