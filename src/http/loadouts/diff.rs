//! Where a pinned tool has changed.

use actix_web::get;
use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tollbook_aggregates::access::{Operation, World as _};
use tollbook_aggregates::{LoadoutError, LoadoutId, PinnedTool, WorkspaceId};
use tollbook_journal::Position;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::body::{Ids, Query};
use super::super::refusals::ReadRefusals;
use super::super::{cursor, owned, views};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::problem::Problem;

/// Where what a loadout pinned is no longer what its servers offer.
#[derive(Debug, Serialize, ToSchema)]
struct LoadoutDiff {
    id: Uuid,
    version: u32,
    /// The tools that differ; calls to them are refused.
    tools: Vec<ToolDiff>,
}

/// A pinned tool that has changed.
#[derive(Debug, Serialize, ToSchema)]
struct ToolDiff {
    /// The name that an agent sees.
    name: String,
    tool_server_id: Uuid,
    /// The server's own name for it.
    tool: String,
    change: Change,
    pinned: Definition,
    /// Null where there is none any more.
    current: Option<Definition>,
}

/// What happened to a pinned tool.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Change {
    /// Its server defines it differently now.
    Redefined,
    /// Its server no longer lists it.
    Gone,
    /// Its server was removed.
    ServerRemoved,
}

/// What a tool is defined as.
#[derive(Debug, Serialize, ToSchema)]
struct Definition {
    digest: String,
    /// In its server's words; null once it was erased.
    #[schema(value_type = Object)]
    definition: Option<Value>,
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The newest when not given.
    version: Option<u32>,
    /// Wait until the answer includes what was written at this position.
    min_position: Option<u64>,
}

/// A difference by the state, before the definitions are opened.
struct Differs {
    pinned: PinnedTool,
    change: Change,
    /// The digest now, and where the definition stands.
    current: Option<(String, Option<Position>)>,
}

/// What a loadout pinned and what its servers offer now, where the two differ.
#[utoipa::path(tag = "loadouts", operation_id = "diff_loadout", params(Which),
    responses((status = OK, body = LoadoutDiff), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/loadouts/{loadout_id}/diff")]
pub(super) async fn diff(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, LoadoutId)>,
    Query(which): Query<Which>,
) -> Result<Json<LoadoutDiff>, Problem> {
    cursor::follow_to(&app, which.min_position).await?;
    app.commands.allow(caller.0, Some(workspace), Operation::ReadLoadouts).await?;
    let (version, pinned_at, differing) = app.authority.look(|live| {
        let loadout = owned::loadout(live, workspace, id)?;
        let newest = loadout.newest().ok_or(LoadoutError::Removed)?;
        let version = which.version.unwrap_or(newest);
        let chosen = loadout.version(version).ok_or_else(|| Problem::not_found("version"))?;
        let differing: Vec<Differs> = chosen.tools.values().filter_map(|tool| differs(live, tool)).collect();
        Ok::<_, Problem>((version, live.pinned_by(id, version), differing))
    })?;
    let pinned =
        if differing.is_empty() { BTreeMap::new() } else { views::definitions(&app, pinned_at).await? };
    let mut tools = Vec::with_capacity(differing.len());
    let mut offered: BTreeMap<Position, BTreeMap<String, Box<RawValue>>> = BTreeMap::new();
    for differs in differing {
        if let Some((_, Some(at))) = &differs.current
            && !offered.contains_key(at)
        {
            offered.insert(*at, views::definitions(&app, Some(*at)).await?);
        }
        tools.push(show(differs, &pinned, &offered));
    }
    Ok(Json(LoadoutDiff { id: id.0, version, tools }))
}

fn differs(live: &Live, pinned: &PinnedTool) -> Option<Differs> {
    let id = pinned.tool_server_id;
    let (change, current) = match live.tool_server(id).registration() {
        None => (Change::ServerRemoved, None),
        Some(server) => match server.tools.get(&pinned.tool) {
            Some(digest) if *digest == pinned.digest => return None,
            Some(digest) => (Change::Redefined, Some((digest.clone(), live.offered_by(id)))),
            None => (Change::Gone, None),
        },
    };
    Some(Differs { pinned: pinned.clone(), change, current })
}

fn show(
    differs: Differs,
    pinned: &BTreeMap<String, Box<RawValue>>,
    offered: &BTreeMap<Position, BTreeMap<String, Box<RawValue>>>,
) -> ToolDiff {
    let Differs { pinned: PinnedTool { name, tool_server_id, tool, digest }, change, current } = differs;
    let current = current.map(|(digest, at)| {
        let definition = at.and_then(|at| offered.get(&at)?.get(&tool)).and_then(value);
        Definition { digest, definition }
    });
    let pinned = Definition { digest, definition: pinned.get(&name).and_then(value) };
    ToolDiff { name, tool_server_id: tool_server_id.0, tool, change, pinned, current }
}

#[expect(clippy::borrowed_box, reason = "what the maps hold")]
fn value(raw: &Box<RawValue>) -> Option<Value> {
    serde_json::from_str(raw.get()).ok()
}
