//! `/v1/operator/projections`: how each read model is, and orders about it.
//!
//! Every order is written into the book, in the name of the operator who gave it, before it is carried
//! out; and it is carried out once, however often its request is repeated.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, post};
use serde::Serialize;
use serde_json::Value;
use tollbook_aggregates::access::Operation;
use tollbook_aggregates::{Instance, InstanceCommand, ProjectionOrder};
use tollbook_journal::{Expected, INSTANCE, Position};
use tollbook_projections::{Asked, Build, BuildState, Difference, Overview, Purpose, RebuildError, Status};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::super::body::{Body, Ids};
use super::super::refusals::{ReadRefusals, WriteRefusals};
use super::super::time::Time;
use super::super::words::Nothing;
use super::super::written::{Page, Written, object, written};
use super::VersionView;
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::commands::{Done, Plan};
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list).service(get_one).service(rebuild).service(verify).service(swap).service(rollback);
}

/// A read model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Projection)]
struct ProjectionView {
    name: String,
    /// The version that is read: of its code, a dot, and how often it was built.
    #[schema(examples("1.0"))]
    version: Option<String>,
    /// Of the version that is read: the next position that it will fold.
    position: u64,
    /// How many events it is behind the book.
    lag: u64,
    /// Of the version that is read: `running` or `stopped`.
    #[schema(value_type = String, examples("running"))]
    status: Status,
    /// Why it stopped, if it did.
    error: Option<String>,
    /// The incarnation of the replica that folds it; null while nobody does.
    holder: Option<Uuid>,
    /// Every version that there is.
    versions: Vec<VersionView>,
    /// The newest build beside the version that is read, whatever became of it.
    build: Option<BuildView>,
}

/// A build of a read model, beside the version that is read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectionBuild)]
struct BuildView {
    version: String,
    /// `rebuild` (to take the place of what is read), `verify` (to be compared with it, and to go) or
    /// `renew` (what is read was built by older code).
    #[schema(value_type = String, examples("rebuild"))]
    purpose: Purpose,
    /// `building`, `comparing`, `swapped`, `differs` (it waits for a swap), `verified`, `stopped` (at an
    /// event that it can't fold) or `rolled_back`.
    #[schema(value_type = String, examples("building"))]
    state: BuildState,
    /// The next position that it will fold.
    position: u64,
    /// Where the book ended when it was last looked at.
    target: u64,
    /// Events of the book that it passes, per second.
    events_per_second: u64,
    /// How many seconds there are left, by that.
    seconds_left: Option<u64>,
    began_at: Option<Time>,
    ended_at: Option<Time>,
    /// At which position it was compared with the version that was read.
    compared_at: Option<u64>,
    /// In how many rows (of an index: events) the two differed. No more than 100,000 are counted.
    differences: Option<u64>,
    /// Some of them.
    examples: Vec<DifferenceView>,
    /// Where the newest order stands that was carried out.
    ordered_at: Option<u64>,
    /// Why it stopped, if it did.
    error: Option<String>,
}

/// Where what is read is not what the book makes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectionDifference)]
struct DifferenceView {
    /// Of the row; of an index, the position of the event.
    key: String,
    /// `row`, or the `terms` that it is found by (which are stored as hashes).
    what: String,
    /// What stands; null, where there is nothing.
    stands: Option<Value>,
    /// What was folded anew; null, where nothing should be.
    folded: Option<Value>,
}

/// An order about a read model that was taken.
#[derive(Debug, Serialize, ToSchema)]
struct Ordered {
    name: String,
    /// `rebuild`, `verify`, `swap` or `rollback`.
    order: String,
}

impl From<Overview> for ProjectionView {
    fn from(overview: Overview) -> Self {
        let Overview { name, head, versions, build } = overview;
        let read = versions.iter().find(|one| one.active);
        Self {
            name,
            version: read.map(|one| one.version.to_string()),
            position: read.map_or(0, |one| one.position.0),
            lag: read.map_or(head.0, |one| one.lag),
            status: read.map_or(Status::Stopped, |one| one.status),
            error: read.and_then(|one| one.error.clone()),
            holder: read.and_then(|one| one.holder),
            versions: versions.into_iter().map(Into::into).collect(),
            build: build.map(Into::into),
        }
    }
}

impl From<Build> for BuildView {
    fn from(build: Build) -> Self {
        Self {
            version: build.version.to_string(),
            purpose: build.purpose,
            state: build.state,
            position: build.position.0,
            target: build.target.0,
            events_per_second: build.events_per_second,
            seconds_left: build.seconds_left,
            began_at: build.began_at.map(Time),
            ended_at: build.ended_at.map(Time),
            compared_at: build.compared_at.map(|position| position.0),
            differences: build.differences,
            examples: build.examples.into_iter().map(Into::into).collect(),
            ordered_at: build.ordered_at.map(|position| position.0),
            error: build.error,
        }
    }
}

impl From<Difference> for DifferenceView {
    fn from(Difference { key, what, stands, folded }: Difference) -> Self {
        Self { key, what, stands, folded }
    }
}

/// How each read model is, its versions and its newest build among it. One page.
#[utoipa::path(tag = "operator", operation_id = "list_projections",
    responses((status = OK, body = Page<ProjectionView>), ReadRefusals))]
#[get("/v1/operator/projections")]
async fn list(app: Data<App>, caller: Authenticated) -> Result<Json<Page<ProjectionView>>, Problem> {
    app.commands.allow(caller.0, None, Operation::OperateInstance).await?;
    let all = app.rebuilder.overviews().await.map_err(|error| refused(&error))?;
    Ok(Json(Page { items: all.into_iter().map(Into::into).collect(), next: None }))
}

/// How one read model is.
#[utoipa::path(tag = "operator", operation_id = "get_projection",
    params(("name" = String, Path, description = "Of the projection")),
    responses((status = OK, body = ProjectionView), ReadRefusals))]
#[get("/v1/operator/projections/{name}")]
async fn get_one(
    app: Data<App>,
    caller: Authenticated,
    Ids(name): Ids<String>,
) -> Result<Json<ProjectionView>, Problem> {
    app.commands.allow(caller.0, None, Operation::OperateInstance).await?;
    let overview = app.rebuilder.overview(&name).await.map_err(|error| refused(&error))?;
    Ok(Json(overview.into()))
}

/// Folds the whole book again beside what is read. Is it the same in the end, it takes its place, and what
/// was read before is kept for a rollback; else it waits for a swap. Answers at once: the work is done in
/// the background, and goes on after a crash. While one is under way, this answers with its order.
#[utoipa::path(tag = "operator", operation_id = "rebuild_projection", request_body = Nothing,
    params(("name" = String, Path, description = "Of the projection")),
    responses((status = ACCEPTED, body = Written<Ordered>), WriteRefusals))]
#[post("/v1/operator/projections/{name}/rebuild")]
async fn rebuild(
    app: Data<App>,
    caller: Authenticated,
    Ids(name): Ids<String>,
    body: Body<Nothing>,
) -> Result<HttpResponse, Problem> {
    let done = order(&app, caller, &name, &body, ProjectionOrder::Rebuild).await?;
    Ok(written(StatusCode::ACCEPTED, done))
}

/// Folds the whole book again, compares the result with what is read, at one position, and lets it go.
/// Answers at once: what came of it is told in `build` of the projection.
#[utoipa::path(tag = "operator", operation_id = "verify_projection", request_body = Nothing,
    params(("name" = String, Path, description = "Of the projection")),
    responses((status = ACCEPTED, body = Written<Ordered>), WriteRefusals))]
#[post("/v1/operator/projections/{name}/verify")]
async fn verify(
    app: Data<App>,
    caller: Authenticated,
    Ids(name): Ids<String>,
    body: Body<Nothing>,
) -> Result<HttpResponse, Problem> {
    let done = order(&app, caller, &name, &body, ProjectionOrder::Verify).await?;
    Ok(written(StatusCode::ACCEPTED, done))
}

/// Lets be read what was built and differs from what is read. What was read before is kept for a rollback.
#[utoipa::path(tag = "operator", operation_id = "swap_projection", request_body = Nothing,
    params(("name" = String, Path, description = "Of the projection")),
    responses((status = OK, body = Written<Ordered>), WriteRefusals))]
#[post("/v1/operator/projections/{name}/swap")]
async fn swap(
    app: Data<App>,
    caller: Authenticated,
    Ids(name): Ids<String>,
    body: Body<Nothing>,
) -> Result<HttpResponse, Problem> {
    Ok(written(StatusCode::OK, order(&app, caller, &name, &body, ProjectionOrder::Swap).await?))
}

/// Lets be read what was read before, at once: it has been kept up to date. A second rollback undoes it.
#[utoipa::path(tag = "operator", operation_id = "roll_back_projection", request_body = Nothing,
    params(("name" = String, Path, description = "Of the projection")),
    responses((status = OK, body = Written<Ordered>), WriteRefusals))]
#[post("/v1/operator/projections/{name}/rollback")]
async fn rollback(
    app: Data<App>,
    caller: Authenticated,
    Ids(name): Ids<String>,
    body: Body<Nothing>,
) -> Result<HttpResponse, Problem> {
    Ok(written(StatusCode::OK, order(&app, caller, &name, &body, ProjectionOrder::Rollback).await?))
}

const fn word(order: ProjectionOrder) -> &'static str {
    match order {
        ProjectionOrder::Rebuild => "rebuild",
        ProjectionOrder::Verify => "verify",
        ProjectionOrder::Swap => "swap",
        ProjectionOrder::Rollback => "rollback",
    }
}

/// Writes the order down, and has it carried out.
async fn order(
    app: &App,
    caller: Authenticated,
    name: &str,
    body: &Body<Nothing>,
    order: ProjectionOrder,
) -> Result<Done, Problem> {
    app.commands.allow(caller.0, None, Operation::OperateInstance).await?;
    let answer = object(&Ordered { name: name.to_owned(), order: word(order).to_owned() })?;
    let before = match &body.repeatable {
        Some(repeatable) => app.commands.answered_before(caller.0, None, repeatable).await?,
        None => None,
    };
    let done = if let Some(done) = before {
        done
    } else {
        if let Asked::UnderWay(at) = app.rebuilder.may(name, order).await.map_err(|error| refused(&error))? {
            return Ok(under_way(answer, at));
        }
        let plan = |_: &Live, _, _| {
            let command = InstanceCommand::Order { order, projection: name.to_owned() };
            let events = Instance::Bootstrapped.decide(command)?;
            let draft = Draft::new::<Instance>(INSTANCE, Uuid::nil(), Expected::Any, &events)?;
            Ok(Plan { drafts: vec![draft], answer: answer.clone(), secret: None })
        };
        let repeatable = body.repeatable.as_ref();
        app.commands.execute(caller.0, None, Operation::OperateInstance, repeatable, plan).await?
    };
    let (rebuilder, name, at) = (app.rebuilder.clone(), name.to_owned(), done.position);
    // Carried out also when nobody waits for the answer any more.
    let carried_out = tokio::spawn(async move { rebuilder.carry_out(&name, order, at).await }).await;
    let carried_out = carried_out.map_err(|error| {
        tracing::error!(%error, "an order about a projection ended badly");
        Problem::internal()
    })?;
    carried_out.map(|()| done).map_err(|error| refused(&error))
}

/// What is answered while the same thing is being done already: its own order.
fn under_way(mut answer: Value, ordered_at: Option<Position>) -> Done {
    let position = ordered_at.unwrap_or(Position(0));
    if let Some(members) = answer.as_object_mut() {
        members.insert("position".to_owned(), position.0.into());
    }
    Done { answer, position }
}

fn refused(error: &RebuildError) -> Problem {
    let conflict = |code: &str| Problem::conflict(code, format!("{}.", capital(&error.to_string())));
    match error {
        RebuildError::Unknown(_) => Problem::not_found("projection"),
        RebuildError::Busy { .. } => conflict("projection.busy"),
        RebuildError::NothingBuilt(_) => conflict("projection.nothing_built"),
        RebuildError::NothingKept(_) => conflict("projection.nothing_kept"),
        RebuildError::Stopped { .. } => conflict("projection.stopped"),
        RebuildError::Trouble(_) => {
            tracing::error!(%error, "an order about a projection could not be carried out");
            let detail = "The read models cannot be reached for now. What was read before is read still.";
            Problem::unavailable("projection.unavailable", detail, Duration::from_secs(5))
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>()).unwrap_or_default();
    first + letters.as_str()
}
