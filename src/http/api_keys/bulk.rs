//! Ending many API keys at once: one event, and everything that hangs on them ends with it.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{Operation, Standing, World as _};
use tollbook_aggregates::{ApiKeyId, UserId, WhichKeys, Workspace, WorkspaceCommand, WorkspaceId};
use tollbook_journal::Position;
use tollbook_projections::{ApiKeys, Order, Projection as _, Query, Term};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::body::{Body, Ids};
use super::super::refusals::WriteRefusals;
use super::super::words::reason;
use super::super::written::{Written, written};
use super::super::{cursor, views};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::commands::Plan;
use crate::problem::Problem;

/// How many keys are looked through at once.
const PAGE: usize = 200;

/// Which API keys are to end: all of a person, all of a label (of a person, or of everybody), or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RevokingMany {
    /// All of this person's.
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
    /// Which, where they were found by their label.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_ids: Option<Vec<Uuid>>,
}

/// Ends many API keys for good, at once and everywhere, and every session that was made with them: all of a
/// person, all of a label, or all of the workspace, as far as they were made before. A key that is narrowed to tool
/// servers, loadouts or addresses does so only where its permissions list it, too.
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
    let (which, api_key_ids) = match (user_id, &body.device_label, body.all) {
        (Some(user_id), None, false) => (WhichKeys::Of(user_id), None),
        (None, None, true) => (WhichKeys::All, None),
        (_, Some(label), false) => {
            app.commands.allow(caller.0, Some(workspace), operation).await?;
            let ids = labelled(&app, workspace, user_id, label).await?;
            (WhichKeys::These(ids.clone()), Some(ids))
        }
        _ => {
            let detail = "Say which: `user_id`, `device_label` (of a `user_id`, or of everybody), or `all`.";
            return Err(Problem::bad_request("api_key.which", detail));
        }
    };
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        // Whoever is no member has no key in force here; that they are known elsewhere is nobody's business.
        if user_id.is_some_and(|user_id| live.workspace(workspace).role_of(user_id).is_none()) {
            return Err(Problem::not_found("member"));
        }
        let command = WorkspaceCommand::RevokeApiKeys { which: which.clone(), reason: reason.clone() };
        let events = live.workspace(workspace).decide(command)?;
        let expected = live.expect_workspace(workspace);
        let draft = Draft::new::<Workspace>(workspace.0, workspace.0, expected, &events)?;
        let answer = match &api_key_ids {
            Some(ids) => json!({ "status": "revoked", "api_key_ids": ids }),
            None => json!({ "status": "revoked" }),
        };
        Ok(Plan { drafts: vec![draft], answer, secret: None })
    };
    let done =
        app.commands.execute(caller.0, Some(workspace), operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::OK, done))
}

/// The keys of a label that weren't revoked one by one, as of now. Labels are sealed: they are opened and compared.
async fn labelled(
    app: &App,
    workspace: WorkspaceId,
    user_id: Option<UserId>,
    label: &str,
) -> Result<Vec<ApiKeyId>, Problem> {
    let known: Option<u64> = app.authority.look(Live::next).0.checked_sub(1);
    cursor::wait_for(app, ApiKeys::NAME, known).await?;
    let terms: Vec<Term> = user_id.iter().map(|user_id| Term::new("user", user_id)).collect();
    let (mut found, mut after): (_, Option<Position>) = (Vec::new(), None);
    loop {
        let query = Query { terms: terms.clone(), after, limit: PAGE, order: Order::OldestFirst };
        let page = app.views.list::<ApiKeys>(workspace.0, &query).await.map_err(views::unreadable)?;
        let texts = views::texts(app, page.iter().map(|listed| listed.row.device_label.as_ref())).await?;
        let live = page.iter().map(|listed| &listed.row).filter(|row| row.revoked_at.is_none());
        found.extend(
            live.filter(|row| texts.of(row.device_label.as_ref()).as_deref() == Some(label))
                .map(|row| row.id),
        );
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.ordinal),
            _ => return Ok(found),
        }
    }
}
