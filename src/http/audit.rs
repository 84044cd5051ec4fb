//! `/v1/workspaces/{workspace_id}/audit`: the book, as a workspace may read it.

mod item;
mod moments;
mod search;

use actix_web::get;
use actix_web::web::{Data, Json};
use tollbook_aggregates::WorkspaceId;
use tollbook_aggregates::access::Operation;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::Ids;
use super::cursor::{Listing, Paging};
use super::refusals::ReadRefusals;
use super::written::Page;
use crate::app::App;
use crate::authn::Authenticated;
use crate::problem::Problem;
use item::EventView;
use search::Which;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(events);
}

/// The events of a workspace: everything that happened in it, by whom, on what occasion. Filters narrow
/// each other. Times are the database's clock as it was read; the order is that of positions.
#[utoipa::path(tag = "audit", operation_id = "list_events", params(Which, Paging),
    responses((status = OK, body = Page<EventView>), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/audit/events")]
async fn events(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    listing: Listing<Which>,
) -> Result<Json<Page<EventView>>, Problem> {
    app.commands.allow(caller.0, Some(workspace), Operation::ReadAudit).await?;
    let Listing { filter, paging } = listing;
    let (found, next) = search::find(&app, workspace, &filter, &paging).await?;
    Ok(Json(Page { items: item::views(&app, found).await?, next }))
}
