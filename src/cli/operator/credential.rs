//! `tollbook operator credential`: the operators' own.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::fields::{text_of, time_of, with};
use crate::cli::on_host;
use crate::cli::output::{Column, known, note};
use crate::cli::resolve::{MOST, find, own_in};
use crate::cli::rotated::{self, Grace};
use crate::cli::settings::Settings;
use crate::cli::stores::Holder;
use crate::host;

const LIST: [&str; 3] = ["v1", "operator", "credentials"];

/// The operators' credentials.
#[derive(Debug, Args)]
pub(super) struct Credential {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make another, and show it this once.
    Create(Box<Create>),
    /// Show them, and whether they are in force.
    List,
    /// Give this command's own credential another secret, and show it this once.
    Rotate {
        /// By label or id; no other than the one that this command is run with (default: that).
        credential: Option<String>,
        #[command(flatten)]
        grace: Grace,
    },
    /// End one at once. The last one in force stays.
    Revoke {
        /// By label or id.
        credential: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// Whose or what for.
    label: String,
    /// The moment from which on it is no longer good, such as 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "on_host")]
    expires_at: Option<String>,
    /// By whoever runs the machine, on the book in the data directory, without a credential: for when the last one is
    /// lost. The book says that it was made so.
    #[arg(long)]
    on_host: bool,
    #[command(flatten)]
    settings: Settings,
}

const COLUMNS: [Column; 7] = [
    ("ID", |item| text_of(item, "id")),
    ("LABEL", |item| text_of(item, "label")),
    ("PREFIX", |item| text_of(item, "prefix")),
    ("STATUS", |item| text_of(item, "status")),
    ("LAST USED", |item| time_of(item, "last_used_at")),
    ("CREATED", |item| time_of(item, "created_at")),
    ("EXPIRES", |item| time_of(item, "expires_at")),
];

impl Credential {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        if let Action::Create(create) = self.action {
            return create.run(context).await;
        }
        let (client, _) = context.operator()?;
        match self.action {
            // Done above: on the host it needs no service.
            Action::Create(_) => Ok(()),
            Action::List => context.output.list(&client.list(&LIST, &[], MOST).await?, &COLUMNS),
            Action::Rotate { credential, grace } => rotate(context, &client, credential, &grace).await,
            Action::Revoke { credential } => {
                let id = find(&client, &LIST, "operator credential", "label", &credential).await?;
                let revoked = client.post(&at(&id, "revoke"), &json!({})).await?;
                client.settle(&LIST, &revoked).await;
                context.output.one(&revoked, people)
            }
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let created = if self.on_host {
            let config = context.config(&self.settings)?;
            let here = async |app: &_| host::operator_credential(app, &self.label).await;
            let body = json!({ "label": self.label });
            on_host::carry_out(config, &["host", "operator-credential"], &body, here).await?.answer
        } else {
            let (client, _) = context.operator()?;
            let body =
                with(json!({ "label": self.label }), [("expires_at", self.expires_at.map(Value::from))]);
            let created = client.post(&LIST, &body).await?;
            client.settle(&LIST, &created).await;
            created
        };
        context.output.one(&created, people)?;
        if !context.output.json {
            note(
                "The credential is shown this once. Commands take it from TOLLBOOK_OPERATOR_KEY, or by `tollbook login --with-api-key`.",
            );
        }
        Ok(())
    }
}

async fn rotate(
    context: &Context,
    client: &Client,
    credential: Option<String>,
    grace: &Grace,
) -> Result<(), Failure> {
    let own = own_in(client, &LIST, &[]).await?;
    let id = match credential {
        Some(credential) => find(client, &LIST, "operator credential", "label", &credential).await?,
        None => own.clone().ok_or_else(|| {
            Failure::usage(
                "say which credential: the service doesn't show the one that this command is run with",
            )
        })?,
    };
    let rotated = client.post(&at(&id, "rotate"), &json!({ "grace_seconds": grace.seconds })).await?;
    rotated::tell(context, client, Holder::Operator, &rotated, own.as_ref() == Some(&id))?;
    client.settle(&LIST, &rotated).await;
    Ok(())
}

fn at<'a>(id: &'a str, action: &'a str) -> [&'a str; 5] {
    let [v1, operator, credentials] = LIST;
    [v1, operator, credentials, id, action]
}

fn people(credential: &Value) -> String {
    known(&[
        ("id", text_of(credential, "id")),
        ("label", text_of(credential, "label")),
        ("key", text_of(credential, "key")),
        ("prefix", text_of(credential, "prefix")),
        ("status", text_of(credential, "status")),
        ("expires", time_of(credential, "expires_at")),
    ])
}
