//! `tollbook key`: API keys.

mod check;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::fields::{text_of, time_of};
use super::output::{Column, facts, note};
use super::resolve::{In, MOST};

const LIST: &str = "api-keys";

/// API keys.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(flatten)]
    r#in: In,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make one of your own, and show it this once.
    Create {
        /// Where it will be used, such as "build server".
        #[arg(long, value_name = "LABEL")]
        device_label: String,
        /// What it carries of your role: auditor, member, admin or owner (default: all of it).
        #[arg(long)]
        role: Option<String>,
        /// The moment from which on it is no longer good, such as 2027-01-01T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    Check(check::Check),
    /// Show them.
    List,
    /// End one at once, and every session that was made with it.
    Revoke {
        /// The key, by device label or id.
        key: String,
        /// Why, for the record.
        #[arg(long)]
        reason: Option<String>,
    },
}

const COLUMNS: [Column; 8] = [
    ("ID", |item| text_of(item, "id")),
    ("LABEL", |item| text_of(item, "device_label")),
    ("PREFIX", |item| text_of(item, "prefix")),
    ("ROLE", |item| text_of(item, "role")),
    ("STATUS", |item| text_of(item, "status")),
    ("CREATED", |item| time_of(item, "created_at")),
    ("LAST USED", |item| time_of(item, "last_used_at")),
    ("EXPIRES", |item| time_of(item, "expires_at")),
];

impl Key {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        if let Action::Check(check) = &self.action {
            return check.run(context);
        }
        let rooms = self.r#in.open(context).await?;
        match self.action {
            // Done above: it needs no service.
            Action::Check(_) => Ok(()),
            Action::Create { device_label, role, expires_at } => {
                let mut body = json!({ "device_label": device_label });
                if let Some(members) = body.as_object_mut() {
                    let optional = [("role", role), ("expires_at", expires_at)];
                    members.extend(
                        optional
                            .into_iter()
                            .filter_map(|(name, value)| Some((name.to_owned(), value?.into()))),
                    );
                }
                let created = rooms.client.post(&rooms.path(&[LIST]), &body).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &created).await;
                context.output.one(&created, people)?;
                if !context.output.json {
                    note("The key is shown this once.");
                }
                Ok(())
            }
            Action::List => {
                let items = rooms.client.list(&rooms.path(&[LIST]), &[], MOST).await?;
                context.output.list(&items, &COLUMNS)
            }
            Action::Revoke { key, reason } => {
                let id = rooms.key(&key).await?;
                let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
                let revoked = rooms.client.post(&rooms.path(&[LIST, &id, "revoke"]), &body).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &revoked).await;
                context.output.one(&revoked, people)
            }
        }
    }
}

fn people(key: &Value) -> String {
    let mut shown = vec![
        ("id", text_of(key, "id")),
        ("label", text_of(key, "device_label")),
        ("key", text_of(key, "key")),
        ("prefix", text_of(key, "prefix")),
        ("role", text_of(key, "role")),
        ("status", text_of(key, "status")),
        ("expires", time_of(key, "expires_at")),
    ];
    shown.retain(|(_, value)| !value.is_empty());
    facts(&shown)
}
