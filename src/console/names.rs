//! How people, workspaces and keys are called: their names stand sealed beside events, and read models point to them.

use std::collections::HashMap;
use std::time::Duration;

use tollbook_aggregates::{ApiKeyId, UserId, WorkspaceId};
use tollbook_journal::{INSTANCE, Position};
use tollbook_projections::{ApiKeyRow, ApiKeys, Projection, Sealed, Users, ViewError, Workspaces};
use uuid::Uuid;

use crate::app::App;
use crate::authority::Live;
use crate::problem::Problem;
use crate::reveal::{RevealError, reveal};

/// How long a page may wait for a read model that is behind.
const PATIENCE: Duration = Duration::from_secs(5);
/// What stands where a name was erased.
pub(super) const ERASED: &str = "(name erased)";

/// How this person is called.
///
/// # Errors
/// When the read model, the book or the vault can't be used.
pub(super) async fn person(app: &App, id: UserId) -> Result<String, Problem> {
    let mut names = names::<Users, UserId>(app, INSTANCE, &[id], |row| (row.id, row.name.clone())).await?;
    Ok(names.remove(&id).unwrap_or_else(|| ERASED.to_owned()))
}

/// How these workspaces are called.
///
/// # Errors
/// As [`person`].
pub(super) async fn workspaces(
    app: &App,
    ids: &[WorkspaceId],
) -> Result<HashMap<WorkspaceId, String>, Problem> {
    names::<Workspaces, WorkspaceId>(app, INSTANCE, ids, |row| (row.id, row.name.clone())).await
}

/// How this workspace is called.
///
/// # Errors
/// As [`person`].
pub(super) async fn workspace(app: &App, id: WorkspaceId) -> Result<String, Problem> {
    Ok(workspaces(app, &[id]).await?.remove(&id).unwrap_or_else(|| ERASED.to_owned()))
}

/// Where this API key is used, by its label.
///
/// # Errors
/// As [`person`].
pub(super) async fn api_key(app: &App, workspace: WorkspaceId, id: ApiKeyId) -> Result<String, Problem> {
    let label = |row: &ApiKeyRow| (row.id, row.device_label.clone());
    let mut labels = names::<ApiKeys, ApiKeyId>(app, workspace.0, &[id], label).await?;
    Ok(labels.remove(&id).unwrap_or_else(|| ERASED.to_owned()))
}

/// What `of` points to in the rows of these ids.
async fn names<P, Id>(
    app: &App,
    workspace: Uuid,
    ids: &[Id],
    of: impl Fn(&P::Row) -> (Id, Option<Sealed>),
) -> Result<HashMap<Id, String>, Problem>
where
    P: Projection,
    Id: Copy + Eq + std::hash::Hash + std::fmt::Display,
{
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut rows = app.views.get_many::<P>(workspace, &keys).await.map_err(|error| unreadable(&error))?;
    if rows.len() < keys.len() {
        // Whoever has just been made known is looked for in a read model that has them.
        up_to_date::<P>(app).await?;
        rows = app.views.get_many::<P>(workspace, &keys).await.map_err(|error| unreadable(&error))?;
    }
    let found: Vec<(Id, Sealed)> =
        rows.iter().map(|listed| of(&listed.row)).filter_map(|(id, pointer)| Some((id, pointer?))).collect();
    let positions: Vec<Position> = found.iter().map(|(_, pointer)| pointer.position).collect();
    let texts = reveal(&app.journal, &app.vault, &positions).await.map_err(|error| sealed(&error))?;
    let text = |pointer: &Sealed| texts.get(pointer.position, &pointer.field).unwrap_or(ERASED).to_owned();
    Ok(found.into_iter().map(|(id, pointer)| (id, text(&pointer))).collect())
}

/// Waits until a read model has everything that this replica knows of.
///
/// # Errors
/// When that takes too long, or it can't be read.
pub(super) async fn up_to_date<P: Projection>(app: &App) -> Result<(), Problem> {
    let known = Position(app.authority.look(Live::next).0.saturating_sub(1));
    let waited = app.views.wait_for(P::NAME, known, PATIENCE).await.map_err(|error| unreadable(&error))?;
    waited.map(drop).map_err(|error| {
        tracing::warn!(%error, "a page waited in vain");
        behind()
    })
}

fn behind() -> Problem {
    let detail = "What this page shows is being read in. Load it again in a moment.";
    Problem::unavailable("projection.behind", detail, Duration::from_secs(1))
}

/// A read model can't be read for now.
pub(super) fn unreadable(error: &ViewError) -> Problem {
    tracing::error!(%error, "a read model cannot be read");
    behind()
}

/// What stands sealed can't be opened for now.
pub(super) fn sealed(error: &RevealError) -> Problem {
    tracing::error!(%error, "what is sealed cannot be read");
    let detail = "Names cannot be read for now. Load the page again in a moment.";
    Problem::unavailable("vault.unavailable", detail, Duration::from_secs(5))
}
