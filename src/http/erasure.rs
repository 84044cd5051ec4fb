//! `/v1/operator/people`: erasing a person.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tollbook_aggregates::access::{Operation, Standing, World as _};
use tollbook_aggregates::{User, UserCommand, UserId, Workspace, WorkspaceCommand};
use tollbook_journal::INSTANCE;
use tollbook_vault::{Class, KeyId};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids};
use super::refusals::WriteRefusals;
use super::time::Time;
use super::words::Nothing;
use super::written::{Written, object, written};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::{Erased, Live};
use crate::book::Draft;
use crate::commands::Plan;
use crate::erasure;
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(erase);
}

/// That a person was erased, and what was destroyed with them.
#[derive(Debug, Serialize, ToSchema)]
struct ErasureCertificate {
    /// Their pseudonym from now on: what they did stays in the book as this id's.
    user_id: Uuid,
    /// The data keys that were destroyed, by their public names.
    key_ids: Vec<Uuid>,
    /// How many fields of events were sealed under them, and are unreadable now, in every copy.
    fields: u64,
    /// The workspaces that they were removed from.
    workspace_ids: Vec<Uuid>,
    /// When, by the book's clock.
    created_at: Time,
}

/// Erases a person: their names, addresses and labels are unreadable from now on, in every copy of the book, and
/// nothing of theirs is in force any more. What they did stays in the book, as their id's. The last owner of a
/// workspace hands it over before. Answers with a certificate.
#[utoipa::path(tag = "operator", operation_id = "erase_person", request_body = Nothing,
    responses((status = OK, body = Written<ErasureCertificate>), WriteRefusals))]
#[post("/v1/operator/people/{user_id}/erase")]
async fn erase(
    app: Data<App>,
    caller: Authenticated,
    Ids(user_id): Ids<UserId>,
    body: Body<Nothing>,
) -> Result<HttpResponse, Problem> {
    app.commands.allow(caller.0, None, Operation::ErasePerson).await?;
    let key = app.vault.live_key(user_id.0, Class::People).await?;
    let fields = match key {
        Some(key) => app.keys.fields_under(key).await?,
        None => 0,
    };
    let key_ids: Vec<Uuid> = key.iter().map(KeyId::as_uuid).collect();
    let plan = |live: &Live, _: Standing, at: DateTime<Utc>| {
        let mut drafts = Vec::new();
        let mut workspace_ids = Vec::new();
        for (id, _) in live.memberships(user_id) {
            let events = live.workspace(id).decide(WorkspaceCommand::RemoveMember { user_id })?;
            drafts.push(Draft::new::<Workspace>(id.0, id.0, live.expect_workspace(id), &events)?);
            workspace_ids.push(id.0);
        }
        let events = live.user(user_id).decide(UserCommand::Erase { key_ids: key_ids.clone() })?;
        drafts.push(Draft::new::<User>(INSTANCE, user_id.0, live.expect_user(user_id), &events)?);
        let key_ids = key_ids.clone();
        let user_id = user_id.0;
        let answer =
            object(&ErasureCertificate { user_id, key_ids, fields, workspace_ids, created_at: Time(at) })?;
        Ok(Plan { drafts, answer, secret: None })
    };
    let operation = Operation::ErasePerson;
    let done = app.commands.execute(caller.0, None, operation, body.repeatable.as_ref(), plan).await?;
    // Whoever reads next finds nothing; should it fail here, each replica does it as it follows the book.
    erasure::destroy(&app.vault, &app.last_used, &Erased { user_id, key_ids }).await?;
    Ok(written(StatusCode::OK, done))
}
