//! `/v1/operator`: for who looks after the instance. Of a workspace it shows nothing but its id.

use std::time::Duration;

use actix_web::web::{Data, Json};
use actix_web::{get, post};
use serde::Serialize;
use tollbook_aggregates::access::Operation;
use tollbook_journal::INSTANCE;
use tollbook_projections::{Order, ProjectionStatus, RebuildError, Status, Workspaces};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids, Query};
use super::cursor::Paging;
use super::refusals::{ReadRefusals, WriteRefusals};
use super::time::Time;
use super::views;
use super::words::Nothing;
use super::written::Page;
use crate::app::App;
use crate::authn::Authenticated;
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(workspaces).service(projections).service(rebuild);
}

/// Where a version of a projection stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Projection)]
pub(super) struct ProjectionView {
    name: String,
    /// The version of its code, a dot, and how often it was built.
    #[schema(examples("1.0"))]
    version: String,
    /// Is it the one that is read?
    active: bool,
    /// The next position that it will fold.
    position: u64,
    /// How many events it is behind the book.
    lag: u64,
    /// `running`, `building`, `stopped` or `dropped`.
    #[schema(value_type = String, examples("running"))]
    status: Status,
    /// Why it stopped, if it did.
    error: Option<String>,
    /// The replica that folds it, or did last; none once it has handed it over.
    holder: Option<Uuid>,
}

/// A projection that was built again.
#[derive(Debug, Serialize, ToSchema)]
struct Rebuilt {
    name: String,
    /// The version that is read from now on.
    version: String,
    /// The next position that it will fold.
    position: u64,
}

/// A workspace, as an operator sees it.
#[derive(Debug, Serialize, ToSchema)]
struct WorkspaceListed {
    id: Uuid,
    created_at: Time,
}

impl From<ProjectionStatus> for ProjectionView {
    fn from(status: ProjectionStatus) -> Self {
        let ProjectionStatus { name, version, active, position, status, error, lag, holder } = status;
        Self { name, version: version.to_string(), active, position: position.0, lag, status, error, holder }
    }
}

/// Every workspace, by id: their names are their own.
#[utoipa::path(tag = "operator", operation_id = "list_all_workspaces", params(Paging),
    responses((status = OK, body = Page<WorkspaceListed>), ReadRefusals))]
#[get("/v1/operator/workspaces")]
async fn workspaces(
    app: Data<App>,
    caller: Authenticated,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<WorkspaceListed>>, Problem> {
    app.commands.allow(caller.0, None, Operation::OperateInstance).await?;
    let page = views::page::<Workspaces>(&app, INSTANCE, Vec::new(), Order::OldestFirst, &paging).await?;
    Ok(Json(page.map(|row| WorkspaceListed { id: row.id.0, created_at: Time(row.created_at) })))
}

/// Where each version of each projection stands. One page.
#[utoipa::path(tag = "operator", operation_id = "list_projections",
    responses((status = OK, body = Page<ProjectionView>), ReadRefusals))]
#[get("/v1/operator/projections")]
async fn projections(app: Data<App>, caller: Authenticated) -> Result<Json<Page<ProjectionView>>, Problem> {
    app.commands.allow(caller.0, None, Operation::OperateInstance).await?;
    let status = app.views.status().await.map_err(views::unreadable)?;
    Ok(Json(Page { items: status.into_iter().map(Into::into).collect(), next: None }))
}

/// Folds the whole book again beside what is read, and puts it in its place. Answers when that is done;
/// it goes on if nobody waits.
#[utoipa::path(tag = "operator", operation_id = "rebuild_projection", request_body = Nothing,
    params(("name" = String, Path, description = "Of the projection")),
    responses((status = OK, body = Rebuilt), WriteRefusals))]
#[post("/v1/operator/projections/{name}/rebuild")]
async fn rebuild(
    app: Data<App>,
    caller: Authenticated,
    Ids(name): Ids<String>,
    _: Body<Nothing>,
) -> Result<Json<Rebuilt>, Problem> {
    app.commands.allow(caller.0, None, Operation::OperateInstance).await?;
    let (rebuilder, projection) = (app.rebuilder.clone(), name.clone());
    let rebuilding = tokio::spawn(async move { rebuilder.rebuild(&projection).await });
    let rebuilt = rebuilding.await.map_err(|error| {
        tracing::error!(%error, projection = name, "a rebuild ended badly");
        Problem::internal()
    })?;
    let rebuilt = rebuilt.map_err(|error| not_rebuilt(&error))?;
    Ok(Json(Rebuilt { name, version: rebuilt.version.to_string(), position: rebuilt.position.0 }))
}

fn not_rebuilt(error: &RebuildError) -> Problem {
    match error {
        RebuildError::Unknown(_) => Problem::not_found("projection"),
        RebuildError::Stopped { .. } => {
            tracing::error!(%error, "a projection could not be rebuilt");
            Problem::conflict("projection.stopped", format!("{error}. What was read before is read still."))
        }
        RebuildError::Trouble(_) => {
            tracing::error!(%error, "a projection could not be rebuilt");
            let detail = "The rebuild was broken off. Call again, and it goes on where it stood.";
            Problem::unavailable("projection.broken_off", detail, Duration::from_secs(5))
        }
    }
}
