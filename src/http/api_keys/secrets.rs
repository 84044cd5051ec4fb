//! Giving an API key another secret: its holder rotates it, an admin resets it by a one-time link.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Serialize;
use serde_json::json;
use tollbook_aggregates::access::{Operation, Standing};
use tollbook_aggregates::{ApiKey, ApiKeyCommand, ApiKeyId, LinkPurpose, WorkspaceId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::body::{Body, Ids};
use super::super::one_time_links::{NewLink, maker};
use super::super::owned;
use super::super::refusals::WriteRefusals;
use super::super::time::Time;
use super::super::words::{Nothing, Rotating, rotated};
use super::super::written::{Written, written};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::clock::rfc3339;
use crate::commands::Plan;
use crate::credential::{Credential, Kind};
use crate::problem::Problem;

/// An API key with another secret.
#[derive(Debug, Serialize, ToSchema)]
struct ApiKeyRotated {
    id: Uuid,
    /// The public part of the new secret.
    #[schema(examples("tbk_key_0DPiKuNIrrVm"))]
    prefix: String,
    /// Until when the one before it is good, too; null, when it ended at once.
    former_until: Option<Time>,
    /// The new secret, shown this once. Absent in the answer to a repeated request.
    #[schema(required = false, examples("tbk_key_…"))]
    key: String,
}

/// An API key that waits for its link to be redeemed.
#[derive(Debug, Serialize, ToSchema)]
struct ApiKeyReset {
    id: Uuid,
    /// The link, shown this once: give it to the key's holder, who signs in and opens it. Absent in the answer to a repeated request.
    #[schema(required = false, examples("https://tollbook.example/otl/…#…"))]
    one_time_url: String,
    /// The first moment at which the link is no longer good.
    expires_at: Time,
}

/// Gives an API key of the caller's own another secret. It stays the same key, with its sessions; for a while, both
/// secrets work. A key rotates itself, and those that it could have made: with the same rights or fewer, as narrow
/// or narrower, and ending no later. It takes the newest secret of the key that asks.
#[utoipa::path(tag = "api keys", operation_id = "rotate_api_key", request_body = Rotating,
    responses((status = OK, body = Written<ApiKeyRotated>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/api-keys/{api_key_id}/rotate")]
pub(super) async fn rotate(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, ApiKeyId)>,
    body: Body<Rotating>,
) -> Result<HttpResponse, Problem> {
    let holder = owned::holder_of(&app, caller.0, workspace, id).await?;
    let key = Credential::mint(Kind::ApiKey, app.random.as_ref()).map_err(|_| Problem::internal())?;
    let plan = |live: &Live, _: Standing, at: DateTime<Utc>| {
        let former_until = body.former_until(at);
        let command = ApiKeyCommand::Rotate { verifier: key.verifier(&app.pepper), former_until, at };
        let events = owned::api_key(live, workspace, id)?.decide(command)?;
        let draft = Draft::new::<ApiKey>(workspace.0, id.0, live.expect_api_key(id), &events)?;
        let answer = rotated(id.0, &key, former_until);
        Ok(Plan { drafts: vec![draft], answer, secret: Some("key") })
    };
    let (operation, repeatable) = (Operation::RotateApiKey { holder, key: id }, body.repeatable.as_ref());
    let done = app.commands.execute(caller.0, Some(workspace), operation, repeatable, plan).await?;
    Ok(written(StatusCode::OK, done))
}

/// Ends the secret of an API key at once, and answers with a link by which its holder, signed in, mints the next. The
/// link is good for 15 minutes, once, and only while whoever made it may reset the key. Until it is redeemed, neither
/// the key nor its sessions are in force. Resetting it again makes another link, and ends the one before. A key
/// resets those that it could have made, and never itself: it takes the newest secret of the key that asks.
#[utoipa::path(tag = "api keys", operation_id = "reset_api_key", request_body = Nothing,
    responses((status = CREATED, body = Written<ApiKeyReset>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/api-keys/{api_key_id}/reset")]
pub(super) async fn reset(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, ApiKeyId)>,
    body: Body<Nothing>,
) -> Result<HttpResponse, Problem> {
    let holder = owned::holder_of(&app, caller.0, workspace, id).await?;
    let (operation, repeatable) = (Operation::ResetApiKey { holder, key: id }, body.repeatable.as_ref());
    let link = NewLink::mint(&app)?;
    let plan = |live: &Live, standing: Standing, at: DateTime<Utc>| {
        let Standing::Member { user_id, .. } = standing else {
            return Err(Problem::insufficient_scope(operation.scope()));
        };
        let command = ApiKeyCommand::Reset { link_id: link.id, at };
        let events = owned::api_key(live, workspace, id)?.decide(command)?;
        let draft = Draft::new::<ApiKey>(workspace.0, id.0, live.expect_api_key(id), &events)?;
        let purpose = LinkPurpose::KeyReset { workspace_id: workspace, user_id: holder, api_key_id: id };
        let expires_at = (at + purpose.lasts_at_most()).trunc_subsecs(6);
        let made = (purpose, maker(caller.0.caller, user_id));
        let made = link.draft(&app.pepper, made, expires_at, None, at)?;
        let answer = json!({
            "id": id,
            "one_time_url": link.url(&app.config.public_url),
            "expires_at": rfc3339(expires_at),
        });
        Ok(Plan { drafts: vec![draft, made], answer, secret: Some("one_time_url") })
    };
    let done = app.commands.execute(caller.0, Some(workspace), operation, repeatable, plan).await?;
    Ok(written(StatusCode::CREATED, done))
}
