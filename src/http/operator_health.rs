//! `/v1/operator/health`: what `tollbook doctor` finds, for who looks after the instance from elsewhere.

use actix_web::get;
use actix_web::web::{Data, Json};
use serde::Serialize;
use tollbook_aggregates::access::Operation;
use tollbook_journal::Database;
use utoipa::ToSchema;

use super::operator::VersionView;
use super::refusals::ReadRefusals;
use super::views;
use crate::app::App;
use crate::authn::Authenticated;
use crate::book::SOFTWARE;
use crate::doctor::{Finding, State};
use crate::problem::Problem;

/// How the instance is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InstanceHealth {
    /// `ok` while nothing that was looked at has failed; `degraded` else.
    status: String,
    /// Name and version.
    software: String,
    /// `postgres` or `sqlite`.
    database: String,
    /// The next position that the book will assign.
    head: u64,
    /// How long ago this replica last read the book to its end, in milliseconds.
    follower_age_ms: u64,
    projections: Vec<VersionView>,
    /// What was looked at, in the order in which it explains each other. At most a second old.
    findings: Vec<Finding>,
}

/// How the instance is, in detail: each finding with its state, what was found, and what to do about it. Quick:
/// of the book only the newest positions are counted. `tollbook doctor --deep` counts all of them.
#[utoipa::path(tag = "operator", operation_id = "instance_health",
    responses((status = OK, body = InstanceHealth), ReadRefusals))]
#[get("/v1/operator/health")]
pub(super) async fn health(app: Data<App>, caller: Authenticated) -> Result<Json<InstanceHealth>, Problem> {
    app.commands.allow(caller.0, None, Operation::OperateInstance).await?;
    let head = app.journal.head().await?.next.0;
    let status = app.views.status().await.map_err(views::unreadable)?;
    let report = app.doctor.glance().await;
    Ok(Json(InstanceHealth {
        status: if report.state == State::Failed { "degraded" } else { "ok" }.to_owned(),
        software: SOFTWARE.to_owned(),
        database: match app.journal.database() {
            Database::Postgres(_) => "postgres",
            Database::Sqlite(_) => "sqlite",
        }
        .to_owned(),
        head,
        follower_age_ms: u64::try_from(app.authority.age().as_millis()).unwrap_or(u64::MAX),
        projections: status.into_iter().map(Into::into).collect(),
        findings: report.findings.clone(),
    }))
}
