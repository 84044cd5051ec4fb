//! Is the service there, and has it caught up?

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, ResponseError as _, get};
use serde::Serialize;
use utoipa::ToSchema;

use super::refusals::ReadRefusals;
use crate::app::App;
use crate::authority::Following;
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

/// How far this replica has followed the book.
#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    /// Are answers from memory at most a second old?
    caught_up: bool,
    /// Every event before this position that can change a decision is known here.
    position: u64,
    /// How long ago the book was last read to its end, in milliseconds; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    head_age_ms: Option<u64>,
}

impl From<Following> for Readiness {
    fn from(following: Following) -> Self {
        Self {
            caught_up: following.caught_up(),
            position: following.next.0,
            head_age_ms: following.head_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// It can answer.
#[derive(Debug, Serialize, ToSchema)]
struct Ready {
    #[serde(flatten)]
    health: Health,
    #[serde(flatten)]
    readiness: Readiness,
}

/// It can't: a problem that says how far it has come.
#[derive(Debug, Serialize, ToSchema)]
struct NotReady {
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    readiness: Readiness,
}

/// Is the process there?
#[utoipa::path(tag = "health", security(()), responses((status = OK, body = Health)))]
#[get("/healthz")]
pub(super) async fn alive() -> Json<Health> {
    Json(health())
}

/// Has this replica caught up with the book, so that it can answer? It says how far it has come.
#[utoipa::path(tag = "health", security(()), responses((status = OK, body = Ready), ReadRefusals))]
#[get("/readyz")]
pub(super) async fn ready(app: Data<App>) -> HttpResponse {
    let fresh = app.authority.fresh().await;
    let readiness = Readiness::from(app.authority.following());
    match fresh {
        Ok(()) => HttpResponse::build(StatusCode::OK).json(Ready { health: health(), readiness }),
        Err(not_caught_up) => {
            let problem = Problem::from(not_caught_up);
            let refusal = problem.error_response();
            let body = serde_json::to_string(&NotReady { problem, readiness });
            body.map_or_else(
                |_| Problem::internal().error_response(),
                |body| refusal.set_body(body).map_into_boxed_body(),
            )
        }
    }
}

const fn health() -> Health {
    Health { status: "ok", software: SOFTWARE }
}
