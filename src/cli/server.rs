//! `tollbook server`: tool servers, which are the MCP servers of a workspace.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use url::Url;

use super::context::Context;
use super::failure::Failure;
use super::fields::{list_of, text_of, time_of};
use super::output::{self, Column, known, note, printable, short};
use super::resolve::{In, MOST, Rooms};
use super::secret_input;
use super::session::quoted;

const LIST: &str = "tool-servers";

/// Tool servers: the MCP servers of a workspace.
#[derive(Debug, Args)]
pub(super) struct Server {
    #[command(flatten)]
    r#in: In,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Register an MCP server, and fetch its tools.
    Add {
        /// How it is to be called here.
        name: String,
        /// Its MCP endpoint.
        #[arg(value_name = "URL")]
        endpoint: Url,
        /// A header that authorizes every call, its value from that environment variable.
        #[arg(long, value_name = "HEADER=VARIABLE", conflicts_with = "header_stdin")]
        header: Option<String>,
        /// A header that authorizes every call, its value from standard input.
        #[arg(long, value_name = "HEADER")]
        header_stdin: Option<String>,
        /// Don't fetch its tools now.
        #[arg(long)]
        no_refresh: bool,
    },
    /// Show those that can be called.
    List,
    /// Show one.
    Get(Which),
    /// Show the tools that it listed when it was last refreshed.
    Tools(Which),
    /// Fetch its tools anew, and show what changed.
    Refresh(Which),
    /// Give it another name.
    Rename {
        #[command(flatten)]
        which: Which,
        /// The new name.
        name: String,
    },
    /// Take it out for good: calls to its tools are refused from now on.
    Remove(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// The tool server, by name or id.
    server: String,
}

impl Server {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let rooms = self.r#in.open(context).await?;
        match self.action {
            Action::Add { name, endpoint, header, header_stdin, no_refresh } => {
                let auth = auth(header.as_deref(), header_stdin)?;
                refuse_taken(&rooms, &name, Some(&endpoint)).await?;
                add(
                    context,
                    &rooms,
                    &json!({ "name": name, "url": endpoint.as_str(), "auth": auth }),
                    no_refresh,
                )
                .await
            }
            Action::List => {
                let items = rooms.client.list(&rooms.path(&[LIST]), &[], MOST).await?;
                context.output.list(&items, &COLUMNS)
            }
            Action::Get(which) => {
                let id = rooms.server(&which.server).await?;
                context.output.one(&rooms.client.get(&rooms.path(&[LIST, &id]), &[]).await?, people)
            }
            Action::Tools(which) => {
                let id = rooms.server(&which.server).await?;
                let tools = rooms.client.get(&rooms.path(&[LIST, &id, "tools"]), &[]).await?;
                context.output.list(list_of(&tools, "items"), &TOOLS)
            }
            Action::Refresh(which) => {
                let id = rooms.server(&which.server).await?;
                let refreshed = refresh(&rooms, &id).await?;
                context.output.one(&refreshed, told)
            }
            Action::Rename { which, name } => {
                let id = rooms.server(&which.server).await?;
                refuse_taken(&rooms, &name, None).await?;
                let body = json!({ "name": name });
                let renamed = rooms.client.patch(&rooms.path(&[LIST, &id]), &body).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &renamed).await;
                context.output.one(&renamed, people)
            }
            Action::Remove(which) => {
                let id = rooms.server(&which.server).await?;
                let path = rooms.path(&[LIST, &id]);
                let removed = rooms.client.delete(&path).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &removed).await;
                context.output.one(&removed, people)
            }
        }
    }
}

const COLUMNS: [Column; 6] = [
    ("ID", |item| text_of(item, "id")),
    ("NAME", |item| text_of(item, "name")),
    ("URL", |item| text_of(item, "url")),
    ("AUTH", |item| text_of(item.get("auth").unwrap_or(&Value::Null), "kind")),
    ("TOOLS", |item| text_of(item, "tool_count")),
    ("STATUS", |item| text_of(item, "status")),
];

const TOOLS: [Column; 3] = [
    ("TOOL", |tool| text_of(tool, "name")),
    ("DESCRIPTION", |tool| short(&text_of(tool, "description"), 60)),
    ("DIGEST", |tool| short(&text_of(tool, "digest"), 20)),
];

async fn add(context: &Context, rooms: &Rooms, body: &Value, no_refresh: bool) -> Result<(), Failure> {
    let mut added = rooms.client.post(&rooms.path(&[LIST]), body).await?;
    let id = text_of(&added, "id");
    let refreshed = if no_refresh { Ok(Value::Null) } else { refresh(rooms, &id).await };
    rooms.client.settle(&rooms.path(&[LIST]), &added).await;
    if let (Ok(Value::Object(refreshed)), Value::Object(added)) = (&refreshed, &mut added) {
        added.extend(refreshed.clone());
    }
    context.output.one(&added, |added| {
        let tools = list_of(added, "tools");
        let tools = if tools.is_empty() { String::new() } else { output::table(tools, &TOOLS) };
        [people(added), tools].join("\n\n").trim_end().to_owned()
    })?;
    // What was asked for stands, and trying again would register another: a server that needs to be started, or
    // connected, is an ordinary state and no failure. The next command says so again if it matters.
    if let Err(failure) = refreshed {
        let name = quoted(&text_of(&added, "name"));
        note(&printable(&format!(
            "warning: it is registered, and its tools could not be fetched: {} Then: `tollbook server refresh {name}`",
            failure.sentence()
        )));
    }
    Ok(())
}

/// Names lead to tool servers here, so the CLI gives none twice; ids do as well, and for the service names needn't be
/// unique.
async fn refuse_taken(rooms: &Rooms, name: &str, endpoint: Option<&Url>) -> Result<(), Failure> {
    let known = rooms.client.list(&rooms.path(&[LIST]), &[], MOST).await?;
    let Some(taken) = known.iter().find(|server| text_of(server, "name") == name) else { return Ok(()) };
    let shown = quoted(name);
    Err(Failure::failed(if endpoint.is_some_and(|url| text_of(taken, "url") == url.as_str()) {
        format!(
            "`{name}` is registered already, at this URL: `tollbook server refresh {shown}` fetches its tools anew"
        )
    } else {
        format!(
            "another tool server is called `{name}`: choose another name, or take that one out with `tollbook server remove {shown}`"
        )
    }))
}

async fn refresh(rooms: &Rooms, id: &str) -> Result<Value, Failure> {
    let refreshed = rooms.client.post(&rooms.path(&[LIST, id, "refresh-tools"]), &json!({})).await?;
    rooms.client.settle(&rooms.path(&[LIST]), &refreshed).await;
    Ok(refreshed)
}

fn people(server: &Value) -> String {
    known(&[
        ("id", text_of(server, "id")),
        ("name", text_of(server, "name")),
        ("url", text_of(server, "url")),
        ("auth", text_of(server.get("auth").unwrap_or(&Value::Null), "kind")),
        ("status", text_of(server, "status")),
        ("created", time_of(server, "created_at")),
        ("tools changed", time_of(server, "tools_changed_at")),
    ])
}

fn told(refreshed: &Value) -> String {
    let changed: Vec<String> = list_of(refreshed, "changed").iter().map(super::fields::shown).collect();
    let tools = output::table(list_of(refreshed, "tools"), &TOOLS);
    if changed.is_empty() {
        return tools;
    }
    let changed = output::printable(&changed.join(", "));
    format!("{tools}\n\nChanged or gone: {changed}. Loadouts that pinned them refuse calls to them.")
}

/// How calls are authorized. The value never stands in an argument, which other users could see and the
/// shell remembers.
fn auth(header: Option<&str>, header_stdin: Option<String>) -> Result<Value, Failure> {
    let (name, value) = match (header, header_stdin) {
        (None, None) => return Ok(json!({ "kind": "none" })),
        (Some(header), _) => {
            let (name, variable) = header.split_once('=').ok_or_else(|| {
                Failure::usage("--header is HEADER=VARIABLE, such as authorization=MY_TOKEN")
            })?;
            let value = std::env::var(variable);
            let value = value.map_err(|_| Failure::usage(format!("the variable `{variable}` is not set")))?;
            (name.to_owned(), value)
        }
        (None, Some(name)) => {
            let value = secret_input::read("the header's value")?;
            (name, value.to_string())
        }
    };
    Ok(json!({ "kind": "header", "name": name, "value": value }))
}
