//! `tollbook user`: people, as whoever runs the machine looks after them.
//!
//! A host command: see [`super::on_host`].

use clap::{Args, Subcommand};
use serde_json::json;

use crate::host;

use super::context::Context;
use super::failure::Failure;
use super::fields::text_of;
use super::on_host;
use super::output::{facts, note, plain};
use super::settings::Settings;

/// People.
#[derive(Debug, Args)]
pub(super) struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a one-time link with which somebody signs in by browser. Whoever holds it is them: hand it over
    /// by a way that only they read.
    Link(Link),
}

#[derive(Debug, Args)]
struct Link {
    /// How they are called, or their id.
    #[arg(value_name = "NAME")]
    user: String,
    #[command(flatten)]
    settings: Settings,
}

impl User {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Link(link) => link.run(context).await,
        }
    }
}

impl Link {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config(&self.settings)?;
        let (data_dir, public_url) = (config.data_dir.clone(), config.public_url.clone());
        let here = async |app: &_| host::sign_in_link(app, &self.user).await;
        let body = json!({ "user": self.user });
        let made = on_host::carry_out(config, &["host", "user-link"], &body, here).await?;
        context.output.one(&made.answer, |made| {
            let fact = |name| (name, text_of(made, name));
            facts(&[fact("user_id"), fact("one_time_url"), fact("expires_at")])
        })?;
        if !context.output.json {
            note("The link signs in whoever opens it, once. It is shown this once.");
        }
        if !made.served {
            note(&format!(
                "warning: no service runs on `{}`: the link opens once one is reached at {}",
                data_dir.display(),
                plain(&public_url)
            ));
        }
        Ok(())
    }
}
