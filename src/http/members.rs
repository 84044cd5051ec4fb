//! `/v1/workspaces/{workspace_id}/members`

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, delete, get, patch};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{self, Operation, Standing, World as _};
use tollbook_aggregates::{UserId, Workspace, WorkspaceCommand, WorkspaceId};
use tollbook_journal::INSTANCE;
use tollbook_projections::{Members, Order, Projection as _, Sealed, Users};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids, Query};
use super::cursor::{self, Paging};
use super::refusals::{ReadRefusals, WriteRefusals};
use super::time::Time;
use super::views;
use super::words::RoleWord;
use super::written::{Page, Written, written};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::commands::Plan;
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list).service(change_role).service(remove);
}

/// A person in a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
struct MemberView {
    user_id: Uuid,
    /// How they are called; null once they were erased.
    name: Option<String>,
    role: RoleWord,
    /// Since when they are a member.
    since: Time,
}

/// What somebody is from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleChange {
    role: RoleWord,
}

/// A member with another role.
#[derive(Debug, Serialize, ToSchema)]
struct RoleChanged {
    user_id: Uuid,
    role: RoleWord,
}

/// Somebody who is a member no longer.
#[derive(Debug, Serialize, ToSchema)]
struct MemberRemoved {
    user_id: Uuid,
    /// Always `removed`.
    status: String,
}

/// Who is in a workspace, and as what, in the order in which they came.
#[utoipa::path(tag = "members", operation_id = "list_members", params(Paging),
    responses((status = OK, body = Page<MemberView>), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/members")]
async fn list(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<MemberView>>, Problem> {
    app.commands.allow(caller.0, Some(workspace), Operation::ReadMembers).await?;
    let page = views::page::<Members>(&app, workspace.0, Vec::new(), Order::OldestFirst, &paging).await?;
    cursor::wait_for(&app, Users::NAME, paging.min_position).await?;
    let names = names(&app, page.rows.iter().map(|row| row.user_id)).await?;
    let texts = views::texts(&app, names.values().map(Some)).await?;
    Ok(Json(page.map(|row| MemberView {
        user_id: row.user_id.0,
        name: texts.of(names.get(&row.user_id)),
        role: row.role.into(),
        since: Time(row.since),
    })))
}

/// Where the names of people stand.
async fn names(app: &App, people: impl Iterator<Item = UserId>) -> Result<HashMap<UserId, Sealed>, Problem> {
    let keys: Vec<String> = people.map(|user_id| user_id.to_string()).collect();
    let listed = app.views.get_many::<Users>(INSTANCE, &keys).await.map_err(views::unreadable)?;
    Ok(listed.into_iter().filter_map(|listed| Some((listed.row.id, listed.row.name?))).collect())
}

/// Makes a member something else. Nobody makes others more than they are themselves, and nobody touches those
/// who are more. The last owner can't step down.
#[utoipa::path(tag = "members", operation_id = "change_member_role", request_body = RoleChange,
    responses((status = OK, body = Written<RoleChanged>), WriteRefusals))]
#[patch("/v1/workspaces/{workspace_id}/members/{user_id}")]
async fn change_role(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, user_id)): Ids<(WorkspaceId, UserId)>,
    body: Body<RoleChange>,
) -> Result<HttpResponse, Problem> {
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        let command = WorkspaceCommand::ChangeRole { user_id, role: body.role.into() };
        let draft = decide(live, workspace, command)?;
        Ok(Plan {
            drafts: vec![draft],
            answer: json!({ "user_id": user_id, "role": body.role }),
            secret: None,
        })
    };
    let operation = Operation::ChangeRole { member: user_id, to: body.role.into() };
    let done =
        app.commands.execute(caller.0, Some(workspace), operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::OK, done))
}

/// Removes a member, and ends their keys, sessions and links in this workspace at once; they don't come back with
/// them. With one's own id: leaves, by a key that carries all of one's role. The last owner can't.
#[utoipa::path(tag = "members", operation_id = "remove_member",
    responses((status = OK, body = Written<MemberRemoved>), WriteRefusals))]
#[delete("/v1/workspaces/{workspace_id}/members/{user_id}")]
async fn remove(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, user_id)): Ids<(WorkspaceId, UserId)>,
) -> Result<HttpResponse, Problem> {
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        let draft = decide(live, workspace, WorkspaceCommand::RemoveMember { user_id })?;
        let answer = json!({ "user_id": user_id, "status": "removed" });
        Ok(Plan { drafts: vec![draft], answer, secret: None })
    };
    // The law sees the same in both; what is refused is called as it is meant.
    let home = app.authority.look(|live| access::home(live, caller.0, app.clock.now()));
    let operation = match home {
        Ok(Some((_, Standing::Member { user_id: own, .. }))) if own == user_id => Operation::Leave,
        _ => Operation::RemoveMember(user_id),
    };
    let done = app.commands.execute(caller.0, Some(workspace), operation, None, plan).await?;
    Ok(written(StatusCode::OK, done))
}

fn decide(live: &Live, id: WorkspaceId, command: WorkspaceCommand) -> Result<Draft, Problem> {
    let events = live.workspace(id).decide(command)?;
    Ok(Draft::new::<Workspace>(id.0, id.0, live.expect_workspace(id), &events)?)
}
