//! Choosing tools: from what somebody wants to what a loadout pins.
//!
//! Names and definitions are private text and have to be opened before anything can be decided. What
//! was opened is checked against the state that is decided on; when a server's tools were refreshed in
//! between, it is opened again.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use tollbook_aggregates::access::{Asker, Operation, World as _};
use tollbook_aggregates::{Candidate, Loadout, PinnedTool, ToolServerId, WorkspaceId, agent_names};
use tollbook_journal::Position;
use tollbook_projections::ToolServers;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::cursor::PATIENCE;
use super::super::strict::Strict;
use super::super::{owned, views};
use crate::app::App;
use crate::authority::Live;
use crate::commands::{Done, Plan, Repeatable};
use crate::problem::Problem;

/// How often definitions are opened again because a server's tools were refreshed meanwhile.
const TRIES: usize = 4;

/// A tool that somebody wants in a loadout.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedTool {
    tool_server_id: Uuid,
    /// The server's own name for it.
    tool: String,
    /// The name that an agent is to see: 1 to 60 characters of `A-Za-z0-9_-`.
    #[serde(rename = "as")]
    #[schema(min_length = 1, max_length = 60, pattern = "^[A-Za-z0-9_-]+$")]
    name: Option<String>,
}

/// What is pinned.
pub(super) struct Chosen {
    /// In the order wanted.
    pub(super) tools: Vec<PinnedTool>,
    /// A JSON object of their definitions, by the names that an agent sees.
    pub(super) definitions: String,
}

/// What was opened of one tool server.
struct Opened {
    name: String,
    /// Where the definitions stand.
    at: Option<Position>,
    definitions: BTreeMap<String, Box<RawValue>>,
}

type Servers = HashMap<ToolServerId, Opened>;

/// Carries out what `plan` decides on the tools that were wanted.
pub(super) async fn choosing(
    app: &App,
    caller: Asker,
    workspace: WorkspaceId,
    repeatable: Option<&Repeatable>,
    wanted: &[Strict<WantedTool>],
    plan: impl Fn(&Live, DateTime<Utc>, Chosen) -> Result<Plan, Problem>,
) -> Result<Done, Problem> {
    let operation = Operation::ManageLoadouts;
    app.commands.allow(caller, Some(workspace), operation).await?;
    if wanted.is_empty() || wanted.len() > Loadout::TOOLS_MAX {
        return Err(tollbook_aggregates::LoadoutError::HowMany.into());
    }
    for _ in 0..TRIES {
        let servers = open(app, workspace, wanted).await?;
        let outdated = Cell::new(false);
        let decide = |live: &Live, _, at| {
            outdated.set(servers.iter().any(|(id, opened)| live.offered_by(*id) != opened.at));
            plan(live, at, choose(live, workspace, wanted, &servers)?)
        };
        match app.commands.execute(caller, Some(workspace), operation, repeatable, decide).await {
            Err(_) if outdated.get() => {}
            done => return done,
        }
    }
    let detail = "The tools of a server changed again and again meanwhile. Try again.";
    Err(Problem::conflict("conflict.concurrent_change", detail))
}

/// Opens the names and the newest definitions of the servers that are named.
async fn open(app: &App, workspace: WorkspaceId, wanted: &[Strict<WantedTool>]) -> Result<Servers, Problem> {
    let mut servers = Servers::new();
    for (index, tool) in wanted.iter().enumerate() {
        let id = ToolServerId(tool.tool_server_id);
        if servers.contains_key(&id) {
            continue;
        }
        let known = |live: &Live| {
            owned::registration(live, workspace, id)?;
            Ok((live.address_of(id), live.offered_by(id)))
        };
        if app.authority.look(known).is_err() {
            // It may be younger than this replica's state.
            app.authority.catch_up_with_head(PATIENCE).await?;
        }
        let known = app.authority.look(known);
        let (registered_at, offered_at) = known.map_err(|problem: Problem| at_tool(index, problem))?;
        let min_position = registered_at.map(|position| position.0);
        let row = views::one::<ToolServers>(app, workspace.0, id.0, min_position).await?;
        let name = row.and_then(|row| row.name);
        let texts = views::texts(app, [name.as_ref()]).await?;
        let name = texts.of(name.as_ref()).unwrap_or_default();
        let definitions = views::definitions(app, offered_at).await?;
        servers.insert(id, Opened { name, at: offered_at, definitions });
    }
    Ok(servers)
}

/// Says which of the tools wanted a problem is about.
fn at_tool(index: usize, mut problem: Problem) -> Problem {
    problem.detail = format!("`tools[{index}].tool_server_id`: {}", problem.detail);
    problem
}

fn choose(
    live: &Live,
    workspace: WorkspaceId,
    wanted: &[Strict<WantedTool>],
    servers: &Servers,
) -> Result<Chosen, Problem> {
    let names = agent_names(&candidates(wanted, servers))
        .map_err(|error| Problem::bad_request("loadout.tool_name", format!("`tools`: {error}.")))?;
    let (mut tools, mut definitions) = (Vec::with_capacity(wanted.len()), BTreeMap::new());
    for (index, (tool, name)) in wanted.iter().zip(names).enumerate() {
        let tool_server_id = ToolServerId(tool.tool_server_id);
        owned::registration(live, workspace, tool_server_id).map_err(|problem| at_tool(index, problem))?;
        let registration = live.tool_server(tool_server_id).registration();
        let digest = registration.and_then(|registration| registration.tools.get(&tool.tool));
        let definition = servers.get(&tool_server_id).and_then(|opened| opened.definitions.get(&tool.tool));
        let (Some(digest), Some(definition)) = (digest, definition) else {
            return Err(unknown_tool(index, &tool.tool));
        };
        definitions.insert(name.clone(), definition);
        tools.push(PinnedTool { name, tool_server_id, tool: tool.tool.clone(), digest: digest.clone() });
    }
    let definitions = serde_json::to_string(&definitions).map_err(|_| Problem::internal())?;
    Ok(Chosen { tools, definitions })
}

fn candidates<'a>(wanted: &'a [Strict<WantedTool>], servers: &'a Servers) -> Vec<Candidate<'a>> {
    let candidate = |tool: &'a Strict<WantedTool>| Candidate {
        server: servers.get(&ToolServerId(tool.tool_server_id)).map_or("", |opened| opened.name.as_str()),
        tool: &tool.tool,
        wanted: tool.name.as_deref(),
    };
    wanted.iter().map(candidate).collect()
}

fn unknown_tool(index: usize, tool: &str) -> Problem {
    let shown: String = tool.chars().take(100).collect();
    let detail = format!("`tools[{index}].tool`: the server is not known to offer `{shown}`.");
    Problem::conflict("loadout.unknown_tool", detail).remedy(
        "Refresh the server's tools, and choose one of those.",
        Some("tollbook server refresh TOOL_SERVER"),
    )
}
