//! `/v1/operator/people`: erasing a person.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tollbook_aggregates::access::{Asker, Operation, Standing, World as _};
use tollbook_aggregates::{
    User, UserCommand, UserId, Workspace, WorkspaceCommand, WorkspaceError, WorkspaceId,
};
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
use crate::commands::{Done, Plan};
use crate::erasure;
use crate::problem::Problem;

/// How long the state may take to hear of the erasure.
const PATIENCE: Duration = Duration::from_secs(2);

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
    let standing = app.commands.allow(caller.0, None, Operation::ErasePerson).await?;
    let keys = keys_about(&app, user_id).await?;
    let plan = |live: &Live, _: Standing, at: DateTime<Utc>| {
        let mut drafts = Vec::new();
        let mut workspace_ids = Vec::new();
        for (id, _) in live.memberships(user_id) {
            drafts.push(removal(live, id, user_id)?);
            workspace_ids.push(id.0);
        }
        let events = live.user(user_id).decide(UserCommand::Erase { key_ids: keys.clone() })?;
        drafts.push(Draft::new::<User>(INSTANCE, user_id.0, live.expect_user(user_id), &events)?);
        // Who was erased before was so with these.
        let before = live.erased().iter().filter(|erased| erased.user_id == user_id);
        let key_ids = keys.iter().chain(before.flat_map(|erased| &erased.key_ids)).copied().collect();
        let (user_id, fields, created_at) = (user_id.0, 0, Time(at));
        let answer = object(&ErasureCertificate { user_id, key_ids, fields, workspace_ids, created_at })?;
        Ok(Plan { drafts, answer, secret: None })
    };
    let operation = Operation::ErasePerson;
    let done = app.commands.execute(caller.0, None, operation, body.repeatable.as_ref(), plan).await?;
    let done = finish(&app, caller.0, standing, user_id, done).await?;
    Ok(written(StatusCode::OK, done))
}

/// Ends what came to them between the look and the append: a workspace that they joined, a data key under which
/// something was sealed. Behind the append nothing comes any more, because it narrows: whoever decided
/// before it decides again, and there is nobody of that id then. So one more look finds all.
async fn finish(
    app: &App,
    asker: Asker,
    standing: Standing,
    user_id: UserId,
    done: Done,
) -> Result<Done, Problem> {
    app.authority.catch_up(done.position.next(), PATIENCE).await?;
    let joined: Vec<WorkspaceId> =
        app.authority.look(|live| live.memberships(user_id).map(|(id, _)| id).collect());
    let mut key_ids = members(&done.answer, "key_ids");
    let more: Vec<Uuid> = keys_about(app, user_id).await?;
    let more: Vec<Uuid> = more.into_iter().filter(|key| !key_ids.contains(key)).collect();
    let plan = |live: &Live, _: DateTime<Utc>| {
        let removals = joined.iter().map(|id| removal(live, *id, user_id));
        let mut drafts = removals.collect::<Result<Vec<_>, _>>()?;
        let events = live.user(user_id).decide(UserCommand::EraseKeys { key_ids: more.clone() })?;
        drafts.push(Draft::new::<User>(INSTANCE, user_id.0, live.expect_user(user_id), &events)?);
        Ok(drafts)
    };
    let appended = app.commands.finish(asker, standing, plan).await?;
    key_ids.extend(&more);
    let mut fields = 0;
    for key in &key_ids {
        fields += app.keys.fields_under(KeyId::from(*key)).await?;
    }
    let mut workspace_ids = members(&done.answer, "workspace_ids");
    workspace_ids.extend(joined.iter().map(|id| id.0));
    // Whoever reads next finds nothing; should it fail here, each replica does it as it follows the book.
    erasure::destroy(&app.vault, &app.last_used, &Erased { user_id, key_ids: key_ids.clone() }).await?;
    let mut answer = done.answer;
    for (name, value) in
        [("key_ids", json!(key_ids)), ("fields", json!(fields)), ("workspace_ids", json!(workspace_ids))]
    {
        if let Some(member) = answer.get_mut(name) {
            *member = value;
        }
    }
    Ok(Done::at(appended.map_or(done.position, |appended| appended.last), answer))
}

/// The data keys under which something may be sealed that is about this person.
async fn keys_about(app: &App, user_id: UserId) -> Result<Vec<Uuid>, Problem> {
    let mut keys = Vec::new();
    for pseudonym in app.authority.look(|live| live.pseudonyms(user_id)) {
        keys.extend(app.vault.live_key(pseudonym.0, Class::People).await?.map(|key| key.as_uuid()));
    }
    Ok(keys)
}

/// What ends a membership of somebody who is erased, or was.
fn removal(live: &Live, id: WorkspaceId, user_id: UserId) -> Result<Draft, Problem> {
    let command = if live.knows_user(user_id) {
        WorkspaceCommand::RemoveMember { user_id }
    } else {
        WorkspaceCommand::RemoveErased { user_id }
    };
    let events = live.workspace(id).decide(command).map_err(|error| match error {
        WorkspaceError::LastOwner => last_owner(id),
        other => other.into(),
    })?;
    Ok(Draft::new::<Workspace>(id.0, id.0, live.expect_workspace(id), &events)?)
}

fn last_owner(id: WorkspaceId) -> Problem {
    let detail = format!(
        "This person is the last owner of the workspace {id}: nobody could end it or make owners any more. They were not erased."
    );
    Problem::conflict("member.last_owner", detail).remedy(
        "Have them make another member an owner there, then erase them; where nobody else is a member, have them invite somebody as an owner first.",
        None,
    )
}

fn members(answer: &Value, name: &str) -> Vec<Uuid> {
    let listed = answer.get(name).and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(|id| id.as_str()?.parse().ok()).collect()
}
