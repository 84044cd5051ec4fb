//! `tollbook workspace`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::fields::{text_of, time_of};
use super::output::{Column, known};
use super::resolve::{MOST, find};

const PATH: [&str; 2] = ["v1", "workspaces"];

/// Workspaces: the tenants.
#[derive(Debug, Args)]
pub(super) struct Workspace {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show those that you may see.
    List,
    /// Show one.
    Get {
        /// By name or id.
        workspace: String,
    },
    /// Give one another name.
    Rename {
        /// By name or id.
        workspace: String,
        /// The new name.
        name: String,
    },
    /// Make one, as operator.
    Create {
        /// How it is called.
        name: String,
        /// How its first owner is called; without one, nobody can use it.
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
    },
}

impl Workspace {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::List => {
                let (client, _) = context.client()?;
                let columns: [Column; 3] = [
                    ("ID", |item| text_of(item, "id")),
                    ("NAME", |item| text_of(item, "name")),
                    ("CREATED", |item| time_of(item, "created_at")),
                ];
                context.output.list(&client.list(&PATH, &[], MOST).await?, &columns)
            }
            Action::Get { workspace } => {
                let (client, _) = context.client()?;
                let id = find(&client, &PATH, "workspace", "name", &workspace).await?;
                context.output.one(&client.get(&["v1", "workspaces", &id], &[]).await?, people)
            }
            Action::Rename { workspace, name } => {
                let (client, _) = context.client()?;
                let id = find(&client, &PATH, "workspace", "name", &workspace).await?;
                let path = ["v1", "workspaces", &id];
                let renamed = client.patch(&path, &json!({ "name": name })).await?;
                client.settle(&PATH, &renamed).await;
                context.output.one(&renamed, people)
            }
            Action::Create { name, owner } => {
                let (client, _) = context.operator()?;
                let mut body = json!({ "name": name });
                if let (Some(owner), Some(members)) = (owner, body.as_object_mut()) {
                    members.insert("owner".to_owned(), json!({ "name": owner }));
                }
                let created = client.post(&PATH, &body).await?;
                client.settle(&PATH, &created).await;
                context.output.one(&created, people)
            }
        }
    }
}

fn people(workspace: &Value) -> String {
    known(&[
        ("id", text_of(workspace, "id")),
        ("name", text_of(workspace, "name")),
        ("created", time_of(workspace, "created_at")),
        ("owner", text_of(workspace, "user_id")),
        ("api_key", text_of(workspace, "api_key")),
    ])
}
