//! `tollbook key revoke`

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::{LIST, people};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::fields::{list_of, shown as shown_text, text_of};
use crate::cli::output::known;
use crate::cli::resolve::Rooms;

/// End one at once, or many, and every session that was made with them.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["key", "all", "label", "user"]))]
pub(super) struct Revoke {
    /// The key, by device label or id.
    #[arg(conflicts_with_all = ["all", "label", "user"])]
    key: Option<String>,
    /// All of the workspace, the one that this command is run with among them.
    #[arg(long, conflicts_with_all = ["label", "user"])]
    all: bool,
    /// All with this device label; with --user, of that person.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// All of this person, by name or id.
    #[arg(long, value_name = "PERSON")]
    user: Option<String>,
    /// Why, for the record.
    #[arg(long)]
    reason: Option<String>,
}

impl Revoke {
    pub(super) async fn run(self, context: &Context, rooms: &Rooms) -> Result<(), Failure> {
        let mut body = Map::new();
        if let Some(reason) = &self.reason {
            body.insert("reason".to_owned(), reason.clone().into());
        }
        if let Some(key) = &self.key {
            let id = rooms.key(key).await?;
            let revoked = rooms.client.post(&rooms.path(&[LIST, &id, "revoke"]), &body).await?;
            rooms.client.settle(&rooms.path(&[LIST]), &revoked).await;
            return context.output.one(&revoked, people);
        }
        if self.all {
            body.insert("all".to_owned(), json!(true));
        }
        if let Some(label) = self.label {
            body.insert("device_label".to_owned(), label.into());
        }
        if let Some(user) = &self.user {
            body.insert("user_id".to_owned(), rooms.person(user).await?.into());
        }
        let revoked = rooms.client.post(&rooms.path(&[LIST, "revoke"]), &body).await?;
        rooms.client.settle(&rooms.path(&[LIST]), &revoked).await;
        context.output.one(&revoked, many)
    }
}

fn many(revoked: &Value) -> String {
    let ids = list_of(revoked, "api_key_ids");
    // However they were meant, or those that were found by their label.
    let count = Some(text_of(revoked, "count")).filter(|count| !count.is_empty());
    let count = count.or_else(|| (!ids.is_empty()).then(|| ids.len().to_string()));
    let mut shown = vec![("status", text_of(revoked, "status")), ("keys", count.unwrap_or_default())];
    shown.extend(ids.iter().map(|id| ("id", shown_text(id))));
    known(&shown)
}
