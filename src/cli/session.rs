//! `tollbook session`: the right to call the tools of a loadout.

mod call;

pub(super) use call::answer_of;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::duration;
use super::failure::Failure;
use super::fields::{text_of, time_of, with};
use super::output::{self, Column, known, note};
use super::resolve::{In, MOST, Rooms};

const LIST: &str = "sessions";

/// Sessions: the right to call the tools of a loadout.
#[derive(Debug, Args)]
pub(super) struct Session {
    #[command(flatten)]
    r#in: In,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Open one, and show its URL and, this once, its token.
    Create(Create),
    /// Show them.
    List {
        /// Those in this state.
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
    },
    /// Show one.
    Get(Which),
    /// End it at once, everywhere.
    Revoke {
        #[command(flatten)]
        which: Which,
        /// Why, for the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Call one of its tools.
    Call(call::Call),
    /// Show the calls that were made on it.
    Calls(Which),
}

#[derive(Debug, Args)]
struct Create {
    /// The loadout, by name or id.
    #[arg(long)]
    loadout: String,
    /// What it is for.
    #[arg(long)]
    label: Option<String>,
    /// How long it lasts, such as 8h, 30m, 7d or 1h30m.
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    expires_in: Option<u64>,
    /// How many calls it permits in all.
    #[arg(long, value_name = "CALLS")]
    max_calls: Option<u64>,
    /// Print lines for a shell that set `TOLLBOOK_SESSION_URL` and `TOLLBOOK_SESSION_TOKEN`.
    #[arg(long, conflicts_with = "json")]
    env: bool,
}

#[derive(Debug, Args)]
struct Which {
    /// The session, by label or id.
    session: String,
}

const COLUMNS: [Column; 5] = [
    ("ID", |item| text_of(item, "id")),
    ("LABEL", |item| text_of(item, "label")),
    ("STATUS", |item| text_of(item, "status")),
    ("CREATED", |item| time_of(item, "created_at")),
    ("EXPIRES", |item| time_of(item, "expires_at")),
];

impl Session {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let rooms = self.r#in.open(context).await?;
        match self.action {
            Action::Create(create) => create.run(context, &rooms).await,
            Action::List { status } => {
                let query: Vec<_> = status.iter().map(|status| ("status", status.as_str())).collect();
                let items = rooms.client.list(&rooms.path(&[LIST]), &query, MOST).await?;
                context.output.list(&items, &COLUMNS)
            }
            Action::Get(which) => {
                let id = rooms.session(&which.session).await?;
                context.output.one(&rooms.client.get(&rooms.path(&[LIST, &id]), &[]).await?, people)
            }
            Action::Revoke { which, reason } => {
                let id = rooms.session(&which.session).await?;
                let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
                let revoked = rooms.client.post(&rooms.path(&[LIST, &id, "revoke"]), &body).await?;
                rooms.client.settle(&rooms.path(&[LIST]), &revoked).await;
                context.output.one(&revoked, people)
            }
            Action::Call(call) => call.run(context, &rooms).await,
            Action::Calls(which) => call::list(context, &rooms, &which.session).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context, rooms: &Rooms) -> Result<(), Failure> {
        let optional = [
            ("label", self.label.map(Value::from)),
            ("expires_in", self.expires_in.map(Value::from)),
            ("max_calls", self.max_calls.map(Value::from)),
        ];
        let body = with(json!({ "loadout_id": rooms.loadout(&self.loadout).await? }), optional);
        let created = rooms.client.post(&rooms.path(&[LIST]), &body).await?;
        rooms.client.settle(&rooms.path(&[LIST]), &created).await;
        if text_of(&created, "token").is_empty() {
            return Err(Failure::failed(format!(
                "the session {} was made, but its token went to a connection that broke: revoke it, and make another",
                text_of(&created, "id")
            )));
        }
        if self.env {
            let (url, token) = (text_of(&created, "url"), text_of(&created, "token"));
            return output::text(&format!(
                "export TOLLBOOK_SESSION_URL={}\nexport TOLLBOOK_SESSION_TOKEN={}",
                quoted(&url),
                quoted(&token)
            ));
        }
        context.output.one(&created, people)?;
        if !context.output.json {
            note("The token is shown this once: it is what the agent sends as `Authorization: Bearer`.");
        }
        Ok(())
    }
}

fn people(session: &Value) -> String {
    known(&[
        ("id", text_of(session, "id")),
        ("label", text_of(session, "label")),
        ("status", text_of(session, "status")),
        ("loadout", text_of(session, "loadout_id")),
        ("created", time_of(session, "created_at")),
        ("expires", time_of(session, "expires_at")),
        ("url", text_of(session, "url")),
        ("token", text_of(session, "token")),
    ])
}

/// As one word of a shell, whatever stands in it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_what_is_quoted_as_one_word() {
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
