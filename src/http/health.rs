//! Is the service there, and has it caught up?

use actix_web::web::{Data, Json};
use actix_web::{get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::refusals::ReadRefusals;
use crate::app::App;
use crate::book::SOFTWARE;
use crate::problem::Problem;

/// A sign of life.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
    /// Name and version.
    software: &'static str,
}

/// Is the process there?
#[utoipa::path(tag = "health", security(()), responses((status = OK, body = Health)))]
#[get("/healthz")]
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: "ok", software: SOFTWARE })
}

/// Has this replica caught up with the book, so that it can answer?
#[utoipa::path(tag = "health", security(()), responses((status = OK, body = Health), ReadRefusals))]
#[get("/readyz")]
pub(super) async fn ready(app: Data<App>) -> Result<Json<Health>, Problem> {
    app.authority.fresh().await?;
    Ok(web::Json(Health { status: "ok", software: SOFTWARE }))
}
