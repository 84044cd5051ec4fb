//! `/v1/operator`: for who looks after the instance. Of a workspace it shows nothing but its id.

mod projections;

use actix_web::get;
use actix_web::web::{Data, Json};
use serde::Serialize;
use tollbook_aggregates::access::Operation;
use tollbook_journal::INSTANCE;
use tollbook_projections::{Order, ProjectionStatus, Status, Workspaces};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::Query;
use super::cursor::Paging;
use super::refusals::ReadRefusals;
use super::time::Time;
use super::views;
use super::written::Page;
use crate::app::App;
use crate::authn::Authenticated;
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(workspaces).configure(projections::configure);
}

/// Where a version of a projection stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectionVersion)]
pub(super) struct VersionView {
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
    /// `running`, `stopped`, `building`, `beside` (built, and waits to be swapped), `kept` (for a rollback)
    /// or `dropped`.
    #[schema(value_type = String, examples("running"))]
    status: Status,
    /// Why it stopped, if it did.
    error: Option<String>,
    /// The replica that folds it, or did last; none once it has handed it over.
    holder: Option<Uuid>,
}

/// A workspace, as an operator sees it.
#[derive(Debug, Serialize, ToSchema)]
struct WorkspaceListed {
    id: Uuid,
    created_at: Time,
}

impl From<ProjectionStatus> for VersionView {
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
