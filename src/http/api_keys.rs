//! `/v1/workspaces/{workspace_id}/api-keys`

mod bulk;
mod narrowing;
mod secrets;
mod sweep;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{self, Operation, Standing};
use tollbook_aggregates::{ApiKeyId, WorkspaceId};
use tollbook_projections::{ApiKeyRow, ApiKeys, Order, Sealed, Term};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids, Query};
use super::cursor::{Freshness, Listing, Paging};
use super::refusals::{ReadRefusals, WriteRefusals};
use super::time::Time;
use super::views::Texts;
use super::words::{Revoked, Revoking, RoleWord};
use super::written::{Page, Written, object, written};
use super::{owned, views};
use crate::api_keys::{self, NewKey, Status, Wanted};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::commands::Plan;
use crate::problem::Problem;
use narrowing::NarrowingView;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(create).service(list).service(bulk::revoke_many).service(get).service(revoke);
    config.service(secrets::rotate).service(secrets::reset);
}

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// Where it is used: 1 to 64 characters, no control characters.
    #[schema(min_length = 1, max_length = 64, examples("build machine"))]
    device_label: String,
    /// The first moment at which it is no longer valid; when the caller's key ends, when absent.
    expires_at: Option<Time>,
    /// The most that it carries of its holder's rights; what the caller's key carries, when absent.
    role: Option<RoleWord>,
    /// What it is narrowed to, below its role. It is never wider than the caller's key, and neither are its
    /// sessions.
    narrowing: Option<NarrowingView>,
}

/// An API key. Its secret is never shown again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct ApiKeyView {
    id: Uuid,
    /// The public part of the credential.
    #[schema(examples("tbk_key_0DPiKuNIrrVm"))]
    prefix: String,
    /// Where it is used; null once it was erased.
    device_label: Option<String>,
    /// Whose rights it carries.
    user_id: Uuid,
    /// The most that it carries of them.
    role: RoleWord,
    /// What it is narrowed to, below its role; null, when to nothing.
    narrowing: Option<NarrowingView>,
    status: Status,
    created_at: Time,
    /// The first moment at which it is no longer valid, if there is one.
    expires_at: Option<Time>,
    /// When it was revoked, if it was.
    revoked_at: Option<Time>,
    /// Why it was revoked, in somebody's words.
    reason: Option<String>,
    /// When it was last given another secret, if it was.
    rotated_at: Option<Time>,
    /// Until when the secret before its newest is good, too.
    former_until: Option<Time>,
    /// When it was last used, to within a second; uses at another replica show some seconds late. A use is a request
    /// that it let in: with the right secret, while it was in force, from an address that it is for. A try that was
    /// refused, as with a revoked key, isn't one. Null, when it never was used, and once its holder was erased.
    last_used_at: Option<Time>,
}

/// An API key that was made.
#[derive(Debug, Serialize, ToSchema)]
struct ApiKeyCreated {
    #[serde(flatten)]
    api_key: ApiKeyView,
    /// The key itself, shown this once. Absent in the answer to a repeated request.
    #[schema(required = false, examples("tbk_key_…"))]
    key: String,
}

/// Which API keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only the caller's own. Members see no others in any case.
    mine: Option<bool>,
}

impl ApiKeyView {
    fn of(row: &ApiKeyRow, status: Status, texts: &Texts, last_used: Option<DateTime<Utc>>) -> Self {
        Self {
            id: row.id.0,
            prefix: api_keys::prefix(row),
            device_label: texts.of(row.device_label.as_ref()),
            user_id: row.user_id.0,
            role: row.role.into(),
            narrowing: row.narrowing.as_deref().map(Into::into),
            status,
            created_at: Time(row.created_at),
            expires_at: row.expires_at.map(Time),
            revoked_at: row.revoked_at.map(Time),
            reason: texts.of(row.revoked_because.as_ref()),
            rotated_at: row.rotated_at.map(Time),
            former_until: row.former_until.map(Time),
            last_used_at: last_used.map(Time),
        }
    }
}

fn pointers(row: &ApiKeyRow) -> [Option<&Sealed>; 2] {
    [row.device_label.as_ref(), row.revoked_because.as_ref()]
}

/// Makes an API key for the caller. No key carries more than the one that made it. It takes the newest secret of that
/// key. A person has at most 100 keys in force in a workspace, and a workspace 10,000: beyond that, 409
/// `api_key.limit_reached`.
#[utoipa::path(tag = "api keys", operation_id = "create_api_key", request_body = NewApiKey,
    responses((status = CREATED, body = Written<ApiKeyCreated>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/api-keys")]
async fn create(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    body: Body<NewApiKey>,
) -> Result<HttpResponse, Problem> {
    let new = NewKey::mint(app.random.as_ref())?;
    let plan = |live: &Live, standing: Standing, at: DateTime<Utc>| {
        let bounds = access::bounds(live, caller.0);
        let asked = body.narrowing.as_ref();
        let narrowing = asked.map(|asked| asked.within(live, workspace, bounds.narrowing)).transpose()?;
        let wanted = Wanted {
            workspace,
            device_label: &body.device_label,
            role: body.role.map(Into::into),
            expires_at: body.expires_at.map(|end| end.0),
            narrowing,
        };
        let (grant, draft) = new.draft(live, &app.pepper, (caller.0, standing), wanted, at)?;
        let api_key = ApiKeyView {
            id: new.id.0,
            prefix: new.credential.display_prefix().to_owned(),
            device_label: Some(body.device_label.clone()),
            user_id: grant.user_id.0,
            role: grant.role.into(),
            narrowing: grant.narrowing.as_deref().map(Into::into),
            status: Status::Active,
            created_at: Time(at),
            expires_at: grant.expires_at.map(Time),
            revoked_at: None,
            reason: None,
            rotated_at: None,
            former_until: None,
            last_used_at: None,
        };
        let answer = object(&ApiKeyCreated { api_key, key: new.credential.expose().to_owned() })?;
        Ok(Plan { drafts: vec![draft], answer, secret: Some("key") })
    };
    let operation = Operation::CreateApiKey;
    let done =
        app.commands.execute(caller.0, Some(workspace), operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::CREATED, done))
}

/// The API keys of a workspace that the caller may see, in the order in which they were made.
#[utoipa::path(tag = "api keys", operation_id = "list_api_keys", params(Which, Paging),
    responses((status = OK, body = Page<ApiKeyView>), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/api-keys")]
async fn list(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    listing: Listing<Which>,
) -> Result<Json<Page<ApiKeyView>>, Problem> {
    let standing = app.commands.allow(caller.0, Some(workspace), Operation::ReadWorkspace).await?;
    if let Standing::Member { user_id, .. } = standing {
        app.commands.allow(caller.0, Some(workspace), Operation::ReadApiKey(user_id)).await?;
    }
    let (at, all) = (app.clock.now(), Operation::ReadAllApiKeys);
    let sees_all = app.authority.look(|live| access::may(live, caller.0, Some(workspace), all, at).is_ok());
    let mut terms = Vec::new();
    if let Standing::Member { user_id, .. } = standing
        && (listing.filter.mine == Some(true) || !sees_all)
    {
        terms.push(Term::new("user", user_id));
    }
    let page = views::page::<ApiKeys>(&app, workspace.0, terms, Order::OldestFirst, &listing.paging).await?;
    let texts = views::texts(&app, page.rows.iter().flat_map(pointers)).await?;
    let last_used = app.last_used.of(page.rows.iter().map(|row| row.id.0)).await?;
    Ok(Json(page.map(|row| {
        let status = app.authority.look(|live| Status::of(live, &row, at));
        ApiKeyView::of(&row, status, &texts, last_used.get(&row.id.0).copied())
    })))
}

/// One API key.
#[utoipa::path(tag = "api keys", operation_id = "get_api_key", params(Freshness),
    responses((status = OK, body = ApiKeyView), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/api-keys/{api_key_id}")]
async fn get(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, ApiKeyId)>,
    Query(query): Query<Freshness>,
) -> Result<Json<ApiKeyView>, Problem> {
    super::cursor::follow_to(&app, query.min_position).await?;
    let holder = owned::holder_of(&app, caller.0, workspace, id).await?;
    app.commands.allow(caller.0, Some(workspace), Operation::ReadApiKey(holder)).await?;
    let row = views::one::<ApiKeys>(&app, workspace.0, id.0, query.min_position).await?;
    let row = row.ok_or_else(|| Problem::not_found("API key"))?;
    let texts = views::texts(&app, pointers(&row)).await?;
    let last_used = app.last_used.of([id.0]).await?;
    let at = app.clock.now();
    let status = app.authority.look(|live| Status::of(live, &row, at));
    Ok(Json(ApiKeyView::of(&row, status, &texts, last_used.get(&id.0).copied())))
}

/// Ends an API key for good, at once and everywhere, and every session that was made with it. Twice is
/// harmless. A key may revoke itself.
#[utoipa::path(tag = "api keys", operation_id = "revoke_api_key", request_body = Revoking,
    responses((status = OK, body = Written<Revoked>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/api-keys/{api_key_id}/revoke")]
async fn revoke(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, ApiKeyId)>,
    body: Body<Revoking>,
) -> Result<HttpResponse, Problem> {
    let holder = owned::holder_of(&app, caller.0, workspace, id).await?;
    let reason = body.reason()?;
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        let draft = api_keys::revoke(live, (workspace, holder, id), reason.clone())?;
        Ok(Plan { drafts: vec![draft], answer: json!({ "id": id, "status": "revoked" }), secret: None })
    };
    let operation = Operation::RevokeApiKey(holder);
    let done =
        app.commands.execute(caller.0, Some(workspace), operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::OK, done))
}
