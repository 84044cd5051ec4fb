//! What belongs to a workspace: somebody else's is as if it weren't there.

use std::time::Duration;

use tollbook_aggregates::access::{Asker, Operation, World as _};
use tollbook_aggregates::{
    ApiKey, ApiKeyId, Loadout, LoadoutId, Registration, Session, SessionId, ToolServer, ToolServerId, UserId,
    WorkspaceId,
};

use crate::app::App;
use crate::authority::Live;
use crate::problem::Problem;

/// How long a question about an unknown id may wait for the head of the book.
const PATIENCE: Duration = Duration::from_secs(2);

/// A tool server of this workspace, removed or not.
pub(super) fn tool_server(
    live: &Live,
    workspace: WorkspaceId,
    id: ToolServerId,
) -> Result<&ToolServer, Problem> {
    let server = live.tool_server(id);
    let ours = server.workspace_id() == Some(workspace);
    ours.then_some(server).ok_or_else(|| Problem::not_found("tool server"))
}

/// A tool server of this workspace that can be called.
pub(super) fn registration(
    live: &Live,
    workspace: WorkspaceId,
    id: ToolServerId,
) -> Result<&Registration, Problem> {
    let server = tool_server(live, workspace, id)?;
    server.registration().ok_or_else(|| tollbook_aggregates::ToolServerError::Removed.into())
}

/// A loadout of this workspace, removed or not.
pub(super) fn loadout(live: &Live, workspace: WorkspaceId, id: LoadoutId) -> Result<&Loadout, Problem> {
    let loadout = live.loadout(id);
    let ours = loadout.workspace_id() == Some(workspace);
    ours.then_some(loadout).ok_or_else(|| Problem::not_found("loadout"))
}

/// A session of this workspace, ended or not.
pub(super) fn session(live: &Live, workspace: WorkspaceId, id: SessionId) -> Result<&Session, Problem> {
    let session = live.session(id);
    let ours = session.grant().is_some_and(|grant| grant.workspace_id == workspace);
    ours.then_some(session).ok_or_else(|| Problem::not_found("session"))
}

/// An API key of this workspace, ended or not.
pub(super) fn api_key(live: &Live, workspace: WorkspaceId, id: ApiKeyId) -> Result<&ApiKey, Problem> {
    let key = live.api_key(id);
    let ours = key.grant().is_some_and(|grant| grant.workspace_id == workspace);
    ours.then_some(key).ok_or_else(|| Problem::not_found("API key"))
}

/// Whose session it is.
pub(super) async fn maker_of(
    app: &App,
    caller: Asker,
    workspace: WorkspaceId,
    id: SessionId,
) -> Result<UserId, Problem> {
    let whose =
        |live: &Live| session(live, workspace, id)?.grant().map(|grant| grant.user_id).ok_or_else(gone);
    if app.authority.look(|live| live.knows_session(id)) {
        return find(app, caller, workspace, whose).await;
    }
    // It may have ended long ago; strangers don't have it looked for.
    app.commands.allow(caller, Some(workspace), Operation::ReadWorkspace).await?;
    app.authority.acquaint(id, PATIENCE).await?;
    app.authority.look(whose)
}

/// Whose API key it is.
pub(super) async fn holder_of(
    app: &App,
    caller: Asker,
    workspace: WorkspaceId,
    id: ApiKeyId,
) -> Result<UserId, Problem> {
    let whose =
        |live: &Live| api_key(live, workspace, id)?.grant().map(|grant| grant.user_id).ok_or_else(gone);
    find(app, caller, workspace, whose).await
}

fn gone() -> Problem {
    Problem::not_found("resource")
}

/// Looks for what an operation is about before it is known what the caller may do with it. It may be
/// younger than this replica's state; and strangers learn nothing but that they are strangers.
async fn find<T>(
    app: &App,
    caller: Asker,
    workspace: WorkspaceId,
    look: impl Fn(&Live) -> Result<T, Problem>,
) -> Result<T, Problem> {
    if let Ok(found) = app.authority.look(&look) {
        return Ok(found);
    }
    app.commands.allow(caller, Some(workspace), Operation::ReadWorkspace).await?;
    app.authority.catch_up_with_head(PATIENCE).await?;
    app.authority.look(&look)
}
