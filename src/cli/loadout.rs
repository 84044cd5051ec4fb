//! `tollbook loadout`: versioned selections of tools.

mod selection;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::fields::{list_of, text_of, time_of};
use super::output::{self, Column, known, short};
use super::resolve::{In, MOST, Rooms};
use selection::select;

const LIST: &str = "loadouts";

/// Loadouts: versioned selections of tools.
#[derive(Debug, Args)]
pub(super) struct Loadout {
    #[command(flatten)]
    r#in: In,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make one; each tool is pinned to its definition.
    Create {
        /// How it is to be called.
        name: String,
        /// A tool, and the name that agents see if it is to be another; `SERVER/*` takes all tools of a server.
        #[arg(long = "tool", value_name = "SERVER/TOOL[=AS]", required = true)]
        tools: Vec<String>,
    },
    /// Show all.
    List,
    /// Show one, with its tools.
    Get(Which),
    /// Make its next version; sessions keep the one that they were made on.
    Change {
        #[command(flatten)]
        which: Which,
        /// A tool of the next version; what isn't named is left out.
        #[arg(long = "tool", value_name = "SERVER/TOOL[=AS]", required_unless_present = "repin")]
        tools: Vec<String>,
        /// The same tools as now, pinned to their definitions of now: accepts what `diff` shows.
        #[arg(long, conflicts_with = "tools")]
        repin: bool,
    },
    /// Show which of its tools are no longer what was pinned.
    Diff(Which),
    /// Take it out, and end every session on it.
    Remove(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// The loadout, by name or id.
    loadout: String,
}

const COLUMNS: [Column; 5] = [
    ("ID", |item| text_of(item, "id")),
    ("NAME", |item| text_of(item, "name")),
    ("VERSION", |item| text_of(item, "version")),
    ("TOOLS", |item| short(&names(item), 60)),
    ("CREATED", |item| time_of(item, "created_at")),
];

impl Loadout {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let rooms = self.r#in.open(context).await?;
        match self.action {
            Action::Create { name, tools } => {
                refuse_taken(&rooms, &name).await?;
                let tools = select(&rooms, &tools).await?;
                let body = json!({ "name": name, "tools": tools });
                let created = rooms.client.post(&rooms.path(&[LIST]), &body).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &created).await;
                context.output.one(&created, people)
            }
            Action::List => {
                let items = rooms.client.list(&rooms.path(&[LIST]), &[], MOST).await?;
                context.output.list(&items, &COLUMNS)
            }
            Action::Get(which) => {
                let id = rooms.loadout(&which.loadout).await?;
                context.output.one(&rooms.client.get(&rooms.path(&[LIST, &id]), &[]).await?, people)
            }
            Action::Change { which, tools, repin } => {
                let id = rooms.loadout(&which.loadout).await?;
                let tools = if repin { as_it_is(&rooms, &id).await? } else { select(&rooms, &tools).await? };
                let path = rooms.path(&[LIST, &id, "versions"]);
                let changed = rooms.client.post(&path, &json!({ "tools": tools })).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &changed).await;
                context.output.one(&changed, people)
            }
            Action::Diff(which) => {
                let id = rooms.loadout(&which.loadout).await?;
                let diff = rooms.client.get(&rooms.path(&[LIST, &id, "diff"]), &[]).await?;
                context.output.one(&diff, difference)
            }
            Action::Remove(which) => {
                let id = rooms.loadout(&which.loadout).await?;
                let path = rooms.path(&[LIST, &id]);
                let removed = rooms.client.delete(&path).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &removed).await;
                context.output.one(&removed, people)
            }
        }
    }
}

/// Names lead to loadouts here, so the CLI gives none twice.
async fn refuse_taken(rooms: &Rooms, name: &str) -> Result<(), Failure> {
    let known = rooms.client.list(&rooms.path(&[LIST]), &[], MOST).await?;
    if !known.iter().any(|loadout| text_of(loadout, "name") == name) {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "there is a loadout `{name}`: `tollbook loadout change {} --tool …` makes its next version",
        super::session::quoted(name)
    )))
}

/// The selection of a loadout's newest version.
async fn as_it_is(rooms: &Rooms, id: &str) -> Result<Vec<Value>, Failure> {
    let loadout = rooms.client.get(&rooms.path(&[LIST, id]), &[]).await?;
    let again = |tool: &Value| {
        let (server, name) = (text_of(tool, "tool_server_id"), text_of(tool, "tool"));
        json!({ "tool_server_id": server, "tool": name, "as": text_of(tool, "name") })
    };
    Ok(list_of(&loadout, "tools").iter().map(again).collect())
}

fn names(loadout: &Value) -> String {
    list_of(loadout, "tools").iter().map(|tool| text_of(tool, "name")).collect::<Vec<_>>().join(", ")
}

fn people(loadout: &Value) -> String {
    let shown = [
        ("id", text_of(loadout, "id")),
        ("name", text_of(loadout, "name")),
        ("version", text_of(loadout, "version")),
        ("status", text_of(loadout, "status")),
        ("created", time_of(loadout, "created_at")),
    ];
    let columns: [Column; 4] = [
        ("NAME", |tool| text_of(tool, "name")),
        ("TOOL", |tool| text_of(tool, "tool")),
        ("SERVER", |tool| text_of(tool, "tool_server_id")),
        ("DIGEST", |tool| short(&text_of(tool, "digest"), 20)),
    ];
    let tools = list_of(loadout, "tools");
    let tools = if tools.is_empty() { String::new() } else { output::table(tools, &columns) };
    [known(&shown), tools].join("\n\n").trim_end().to_owned()
}

fn difference(diff: &Value) -> String {
    let digest = |tool: &Value, of: &str| text_of(tool.get(of).unwrap_or(&Value::Null), "digest");
    let rows: Vec<Value> = list_of(diff, "tools")
        .iter()
        .map(|tool| {
            let (name, change) = (text_of(tool, "name"), text_of(tool, "change"));
            json!({ "name": name, "change": change, "pinned": digest(tool, "pinned"), "now": digest(tool, "current") })
        })
        .collect();
    if rows.is_empty() {
        return "Nothing has changed: every tool is what was pinned.".to_owned();
    }
    let columns: [Column; 4] = [
        ("NAME", |tool| text_of(tool, "name")),
        ("CHANGE", |tool| text_of(tool, "change")),
        ("PINNED", |tool| short(&text_of(tool, "pinned"), 20)),
        ("NOW", |tool| short(&text_of(tool, "now"), 20)),
    ];
    output::table(&rows, &columns)
}
