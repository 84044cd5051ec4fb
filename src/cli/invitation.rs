//! `tollbook invitation`: one-time links by which people become members.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::duration;
use super::failure::Failure;
use super::fields::{text_of, time_of, with};
use super::output::{Column, known, note};
use super::resolve::{In, MOST, ROLES, find};

const LIST: &str = "invitations";

/// One-time links by which people become members of a workspace.
#[derive(Debug, Args)]
pub(super) struct Invitation {
    #[command(flatten)]
    r#in: In,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Invite somebody, and show the link this once.
    Create(Create),
    /// Show them, and what became of each.
    List,
    /// Take one back: its link is no longer good.
    Revoke {
        /// By whom it is for, or its id.
        invitation: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What they are to be here.
    #[arg(long, value_parser = ROLES)]
    role: String,
    /// Whom it is for, as you call them.
    #[arg(long = "for", value_name = "NAME")]
    label: Option<String>,
    /// The id of somebody who is known to this service: nobody else can use the link then.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// How long the link is good, such as 24h, at most 7d (default: 3d).
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    expires_in: Option<u64>,
}

const COLUMNS: [Column; 6] = [
    ("ID", |item| text_of(item, "id")),
    ("FOR", |item| text_of(item, "label")),
    ("ROLE", |item| text_of(item, "role")),
    ("STATUS", |item| text_of(item, "status")),
    ("CREATED", |item| time_of(item, "created_at")),
    ("EXPIRES", |item| time_of(item, "expires_at")),
];

impl Invitation {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let rooms = self.r#in.open(context).await?;
        let list = rooms.path(&[LIST]);
        match self.action {
            Action::Create(create) => {
                let created = rooms.client.post(&list, &create.body()).await?;
                rooms.client.settle(&list, &created).await;
                context.output.one(&created, people)?;
                if !context.output.json {
                    note(
                        "The link is shown this once. Whoever opens it can become a member: hand it over by a way that only they read.",
                    );
                }
                Ok(())
            }
            Action::List => context.output.list(&rooms.client.list(&list, &[], MOST).await?, &COLUMNS),
            Action::Revoke { invitation } => {
                let id = find(&rooms.client, &list, "invitation", "label", &invitation).await?;
                let revoked = rooms.client.post(&rooms.path(&[LIST, &id, "revoke"]), &json!({})).await?;
                rooms.client.settle(&list, &revoked).await;
                context.output.one(&revoked, people)
            }
        }
    }
}

impl Create {
    fn body(self) -> Value {
        let optional = [
            ("label", self.label.map(Value::from)),
            ("user_id", self.user.map(Value::from)),
            ("expires_in", self.expires_in.map(Value::from)),
        ];
        with(json!({ "role": self.role }), optional)
    }
}

fn people(invitation: &Value) -> String {
    known(&[
        ("id", text_of(invitation, "id")),
        ("for", text_of(invitation, "label")),
        ("role", text_of(invitation, "role")),
        ("one_time_url", text_of(invitation, "one_time_url")),
        ("status", text_of(invitation, "status")),
        ("expires", time_of(invitation, "expires_at")),
    ])
}
