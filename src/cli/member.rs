//! `tollbook member`: the people of a workspace.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::fields::{text_of, time_of};
use super::output::{Column, known, note};
use super::resolve::{In, MOST, ROLES, Rooms};

const LIST: &str = "members";

/// The people of a workspace.
#[derive(Debug, Args)]
pub(super) struct Member {
    #[command(flatten)]
    r#in: In,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show who is in it, and as what.
    List,
    /// Make somebody something else, for all their keys and sessions at once.
    Role {
        /// By name or id.
        person: String,
        /// What they are from now on.
        #[arg(value_parser = ROLES)]
        role: String,
    },
    /// Remove somebody: their keys, sessions and links here end at once, and don't come back with them.
    Remove {
        /// By name or id.
        person: String,
    },
    /// Leave it yourself, with all your keys and sessions here.
    Leave,
}

const COLUMNS: [Column; 4] = [
    ("ID", |item| text_of(item, "user_id")),
    ("NAME", |item| text_of(item, "name")),
    ("ROLE", |item| text_of(item, "role")),
    ("SINCE", |item| time_of(item, "since")),
];

impl Member {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let rooms = self.r#in.open(context).await?;
        match self.action {
            Action::List => {
                let items = rooms.client.list(&rooms.path(&[LIST]), &[], MOST).await?;
                context.output.list(&items, &COLUMNS)
            }
            Action::Role { person, role } => {
                let id = rooms.person(&person).await?;
                let path = rooms.path(&[LIST, &id]);
                let changed = rooms.client.patch(&path, &json!({ "role": role })).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &changed).await;
                context.output.one(&changed, people)
            }
            Action::Remove { person } => {
                let id = rooms.person(&person).await?;
                let removed = rooms.client.delete(&rooms.path(&[LIST, &id])).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &removed).await;
                context.output.one(&removed, people)
            }
            Action::Leave => {
                let id = own_person(&rooms).await?;
                let left = rooms.client.delete(&rooms.path(&[LIST, &id])).await?;
                context.output.one(&left, people)?;
                note(
                    "The keys that you had here are good no longer: `tollbook logout` forgets the one that is kept.",
                );
                Ok(())
            }
        }
    }
}

/// Whose credential the client has: whoever holds its keys.
async fn own_person(rooms: &Rooms) -> Result<String, Failure> {
    let own = rooms.client.list(&rooms.path(&["api-keys"]), &[("mine", "true")], 1).await?;
    let id = own.first().map(|key| text_of(key, "user_id"));
    id.ok_or_else(|| {
        Failure::failed("the service doesn't say who you are: `tollbook member remove` takes your id")
    })
}

fn people(member: &Value) -> String {
    known(&[
        ("id", text_of(member, "user_id")),
        ("role", text_of(member, "role")),
        ("status", text_of(member, "status")),
    ])
}
