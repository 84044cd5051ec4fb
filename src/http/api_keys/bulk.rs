//! Ending many API keys at once: one event, and everything that hangs on them ends with it.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{Operation, Standing, World as _};
use tollbook_aggregates::{UserId, WhichKeys, Workspace, WorkspaceCommand, WorkspaceId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::body::{Body, Ids};
use super::super::refusals::WriteRefusals;
use super::super::words::reason;
use super::super::written::{Written, written};
use super::sweep::{Label, Sweep};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::commands::Plan;
use crate::problem::Problem;

/// Which API keys are to end: all of a person, all of a label (of a person, or of everybody), or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RevokingMany {
    /// All of this member's.
    user_id: Option<Uuid>,
    /// All with exactly this label.
    device_label: Option<String>,
    /// All of the workspace; the caller's own among them.
    #[serde(default)]
    all: bool,
    /// For the record, in words: at most 500 characters.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// API keys that were ended.
#[derive(Debug, Serialize, ToSchema)]
struct RevokedMany {
    /// Always `revoked`.
    status: String,
    /// How many were in force until then.
    count: usize,
    /// Which, where they were found by their label.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_ids: Option<Vec<Uuid>>,
}

/// Ends many API keys for good, at once and everywhere, and every session that was made with them: all of a
/// member, all of a label, or all of the workspace, as far as they were made before. By a label, it is looked
/// again until none is left that was made before the answer's position. If some were being made meanwhile, none is
/// made for some seconds (409 `api_key.paused`); where that doesn't help, 409 `api_key.label_not_finished`.
/// A key that is narrowed to tool servers, loadouts or addresses does so only where its permissions list it, too.
#[utoipa::path(tag = "api keys", operation_id = "revoke_api_keys", request_body = RevokingMany,
    responses((status = OK, body = Written<RevokedMany>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/api-keys/revoke")]
pub(super) async fn revoke_many(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    body: Body<RevokingMany>,
) -> Result<HttpResponse, Problem> {
    let reason = reason(body.reason.as_deref())?;
    let user_id = body.user_id.map(UserId);
    let operation = user_id.map_or(Operation::RevokeAllApiKeys, Operation::RevokeApiKeysOf);
    let which = match (user_id, &body.device_label, body.all) {
        (Some(user_id), None, false) => WhichKeys::Of(user_id),
        (None, None, true) => WhichKeys::All,
        (_, Some(text), false) => {
            let standing = app.commands.allow(caller.0, Some(workspace), operation).await?;
            app.authority.look(|live| known(live, workspace, user_id))?;
            let sweep = Sweep::new(&app, Label { workspace, user_id, text }, reason);
            let repeatable = body.repeatable.as_ref();
            let done = sweep.run(caller.0, standing, operation, repeatable).await?;
            return Ok(written(StatusCode::OK, done));
        }
        _ => {
            let detail = "Say which: `user_id`, `device_label` (of a `user_id`, or of everybody), or `all`.";
            return Err(Problem::bad_request("api_key.which", detail));
        }
    };
    let plan = |live: &Live, _: Standing, at: DateTime<Utc>| {
        known(live, workspace, user_id)?;
        let count = live.standing_keys(workspace, user_id, at).count();
        let revoke = WorkspaceCommand::RevokeApiKeys { which: which.clone(), reason: reason.clone() };
        let draft = decided(live, workspace, [revoke])?;
        Ok(Plan { drafts: vec![draft], answer: json!({ "status": "revoked", "count": count }), secret: None })
    };
    let done =
        app.commands.execute(caller.0, Some(workspace), operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::OK, done))
}

/// What these commands to a workspace come to. None of them looks at what the others do.
///
/// # Errors
/// When the workspace has ended.
pub(super) fn decided<const N: usize>(
    live: &Live,
    workspace: WorkspaceId,
    commands: [WorkspaceCommand; N],
) -> Result<Draft, Problem> {
    let mut events = Vec::new();
    for command in commands {
        events.extend(live.workspace(workspace).decide(command)?);
    }
    Ok(Draft::new::<Workspace>(workspace.0, workspace.0, live.expect_workspace(workspace), &events)?)
}

/// The person is a member here, if one is named. Whoever is none has no key in force; that they are known elsewhere is
/// nobody's business.
fn known(live: &Live, workspace: WorkspaceId, user_id: Option<UserId>) -> Result<(), Problem> {
    let known = user_id.is_none_or(|user_id| live.workspace(workspace).role_of(user_id).is_some());
    if known { Ok(()) } else { Err(Problem::not_found("member")) }
}
