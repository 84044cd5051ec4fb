//! `/v1/operator/credentials`: the operators' own.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{self, Denial, Operation, Standing, World as _};
use tollbook_aggregates::{Operator, OperatorCommand, OperatorGrant, OperatorId, Private};
use tollbook_journal::{Expected, INSTANCE};
use tollbook_projections::{OperatorCredentialRow, OperatorCredentials, Order};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids, Query};
use super::cursor::Paging;
use super::refusals::{ReadRefusals, WriteRefusals};
use super::time::Time;
use super::views::{self, Texts};
use super::words::{Nothing, Revoked, Rotating, rotated};
use super::written::{Page, Written, object, written};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::bounds;
use crate::clock::Clock;
use crate::commands::Plan;
use crate::credential::{Credential, Kind};
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(create).service(list).service(rotate).service(revoke);
}

/// An operator's credential to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOperatorCredential {
    /// Whose or what for: 1 to 100 characters, no control characters.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// The first moment at which it is no longer valid; when the caller's own ends, when absent.
    expires_at: Option<Time>,
}

/// An operator's credential. Its secret is never shown again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorCredential)]
struct CredentialView {
    id: Uuid,
    /// The public part of its newest secret.
    #[schema(examples("tbk_opr_0DPiKuNIrrVm"))]
    prefix: String,
    /// Whose or what for.
    label: Option<String>,
    status: Status,
    created_at: Time,
    /// The first moment at which it is no longer valid, if there is one.
    expires_at: Option<Time>,
    /// When it was last given another secret, if it was.
    rotated_at: Option<Time>,
    /// When it was revoked, if it was.
    revoked_at: Option<Time>,
    /// When it was last used, to within a second; uses at another replica show some seconds late. A use is a request
    /// that it let in: with the right secret, while it was in force. A try that was refused, as with a revoked one,
    /// isn't one. Null, when it never was used.
    last_used_at: Option<Time>,
}

/// Is a credential valid?
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OperatorCredentialStatus)]
enum Status {
    /// It is.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody revoked it.
    Revoked,
}

/// An operator's credential that was made.
#[derive(Debug, Serialize, ToSchema)]
struct OperatorCredentialCreated {
    #[serde(flatten)]
    credential: CredentialView,
    /// The credential itself, shown this once. Absent in the answer to a repeated request.
    #[schema(required = false, examples("tbk_opr_…"))]
    key: String,
}

/// An operator's credential with another secret.
#[derive(Debug, Serialize, ToSchema)]
struct OperatorCredentialRotated {
    id: Uuid,
    /// The public part of the new secret.
    prefix: String,
    /// Until when the one before it is good, too; null, when it ended at once.
    former_until: Option<Time>,
    /// The new secret, shown this once. Absent in the answer to a repeated request.
    #[schema(required = false, examples("tbk_opr_…"))]
    key: String,
}

impl CredentialView {
    fn of(
        row: &OperatorCredentialRow,
        texts: &Texts,
        last_used: Option<DateTime<Utc>>,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            id: row.id.0,
            prefix: format!("tbk_{}_{}", Kind::Operator.letters(), row.credential_id),
            label: texts.of(row.label.as_ref()),
            status: match (row.revoked_at, row.expires_at) {
                (Some(_), _) => Status::Revoked,
                (None, Some(end)) if at >= end => Status::Expired,
                (None, _) => Status::Active,
            },
            created_at: Time(row.created_at),
            expires_at: row.expires_at.map(Time),
            rotated_at: row.rotated_at.map(Time),
            revoked_at: row.revoked_at.map(Time),
            last_used_at: last_used.map(Time),
        }
    }
}

fn mint(app: &App) -> Result<Credential, Problem> {
    Credential::mint(Kind::Operator, app.random.as_ref()).map_err(|_| Problem::internal())
}

/// Makes another operator's credential. None lasts longer than the one that makes it. At most 100 are in force: beyond
/// that, 409 `operator.limit_reached`.
#[utoipa::path(tag = "operator", operation_id = "create_operator_credential",
    request_body = NewOperatorCredential,
    responses((status = CREATED, body = Written<OperatorCredentialCreated>), WriteRefusals))]
#[post("/v1/operator/credentials")]
async fn create(
    app: Data<App>,
    caller: Authenticated,
    body: Body<NewOperatorCredential>,
) -> Result<HttpResponse, Problem> {
    let (id, key): (OperatorId, _) = (Clock::fresh_id(), mint(&app)?);
    let plan = |live: &Live, _: Standing, at: DateTime<Utc>| {
        bounds::another_operator(live, at)?;
        let own_end = access::bounds(live, caller.0).expires_at;
        let expires_at = body.expires_at.map(|end| end.0.trunc_subsecs(6)).or(own_end);
        if !access::may_make_operator(live, caller.0, expires_at) {
            return Err(Problem::denied(Denial::NotCovered, ""));
        }
        let grant = OperatorGrant { verifier: key.verifier(&app.pepper), expires_at };
        let label = Private::from(body.label.as_str());
        let events = Operator::default().decide(OperatorCommand::Create { grant, label, at })?;
        let draft = Draft::new::<Operator>(INSTANCE, id.0, Expected::NoStream, &events)?;
        let credential = CredentialView {
            id: id.0,
            prefix: key.display_prefix().to_owned(),
            label: Some(body.label.clone()),
            status: Status::Active,
            created_at: Time(at),
            expires_at: expires_at.map(Time),
            rotated_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        let answer = object(&OperatorCredentialCreated { credential, key: key.expose().to_owned() })?;
        Ok(Plan { drafts: vec![draft], answer, secret: Some("key") })
    };
    let operation = Operation::ManageOperators;
    let done = app.commands.execute(caller.0, None, operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::CREATED, done))
}

/// The operators' credentials, in the order in which they were made.
#[utoipa::path(tag = "operator", operation_id = "list_operator_credentials", params(Paging),
    responses((status = OK, body = Page<CredentialView>), ReadRefusals))]
#[get("/v1/operator/credentials")]
async fn list(
    app: Data<App>,
    caller: Authenticated,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<CredentialView>>, Problem> {
    app.commands.allow(caller.0, None, Operation::ManageOperators).await?;
    let at = app.clock.now();
    let page =
        views::page::<OperatorCredentials>(&app, INSTANCE, Vec::new(), Order::OldestFirst, &paging).await?;
    let texts = views::texts(&app, page.rows.iter().map(|row| row.label.as_ref())).await?;
    let last_used = app.last_used.of(page.rows.iter().map(|row| row.id.0)).await?;
    Ok(Json(page.map(|row| CredentialView::of(&row, &texts, last_used.get(&row.id.0).copied(), at))))
}

/// Gives the caller's own credential another secret. For a while, both work. It takes the newest secret; another
/// operator's credential is revoked, and a new one made.
#[utoipa::path(tag = "operator", operation_id = "rotate_operator_credential", request_body = Rotating,
    responses((status = OK, body = Written<OperatorCredentialRotated>), WriteRefusals))]
#[post("/v1/operator/credentials/{operator_id}/rotate")]
async fn rotate(
    app: Data<App>,
    caller: Authenticated,
    Ids(id): Ids<OperatorId>,
    body: Body<Rotating>,
) -> Result<HttpResponse, Problem> {
    let key = mint(&app)?;
    let plan = |live: &Live, _: Standing, at: DateTime<Utc>| {
        let former_until = body.former_until(at);
        let verifier = key.verifier(&app.pepper);
        let events = live.operator(id).decide(OperatorCommand::Rotate { verifier, former_until, at })?;
        let draft = Draft::new::<Operator>(INSTANCE, id.0, live.expect_operator(id), &events)?;
        let answer = rotated(id.0, &key, former_until);
        Ok(Plan { drafts: vec![draft], answer, secret: Some("key") })
    };
    let operation = Operation::RotateOperator(id);
    let done = app.commands.execute(caller.0, None, operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::OK, done))
}

/// Ends an operator's credential for good, at once and everywhere. Twice is harmless. One that no other in force
/// outlasts can't be revoked: nobody could make another.
#[utoipa::path(tag = "operator", operation_id = "revoke_operator_credential", request_body = Nothing,
    responses((status = OK, body = Written<Revoked>), WriteRefusals))]
#[post("/v1/operator/credentials/{operator_id}/revoke")]
async fn revoke(
    app: Data<App>,
    caller: Authenticated,
    Ids(id): Ids<OperatorId>,
    body: Body<Nothing>,
) -> Result<HttpResponse, Problem> {
    let plan = |live: &Live, _: Standing, at: DateTime<Utc>| {
        let outlasts = |operator: &Operator| operator.outlasts(live.operator(id), at);
        let others = live.operators().any(|(other, operator)| other != id && outlasts(operator));
        let events = live.operator(id).decide(OperatorCommand::Revoke { others })?;
        let draft = Draft::new::<Operator>(INSTANCE, id.0, live.expect_operator(id), &events)?;
        Ok(Plan { drafts: vec![draft], answer: json!({ "id": id, "status": "revoked" }), secret: None })
    };
    let operation = Operation::ManageOperators;
    let done = app.commands.execute(caller.0, None, operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::OK, done))
}
