//! `tollbook user`: people, as whoever runs the machine looks after them.
//!
//! A host command: a service that runs on this data directory is asked to do it. Without one, the book is opened
//! here.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::{host, telemetry};

use super::context::Context;
use super::failure::Failure;
use super::fields::text_of;
use super::output::{facts, note};
use super::service_file::ServiceFile;
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
        let made = match ServiceFile::running(&config.data_dir).await? {
            Some((_, client)) => client.post(&["host", "user-link"], &json!({ "user": self.user })).await?,
            None => self.make(config).await?,
        };
        context.output.one(&made, |made| {
            let fact = |name| (name, text_of(made, name));
            facts(&[fact("user_id"), fact("one_time_url"), fact("expires_at")])
        })?;
        if !context.output.json {
            note("The link signs in whoever opens it, once. It is shown this once.");
        }
        Ok(())
    }

    /// Opens the book for this one thing.
    async fn make(&self, config: Config) -> Result<Value, Failure> {
        telemetry::start("warn", config.log_json)
            .map_err(|error| Failure::failed(format!("no log can be written: {error}")))?;
        let app = App::start(config, Clock::default(), true).await?;
        let made = host::sign_in_link(&app, &self.user).await;
        app.close().await;
        Ok(json!(made?))
    }
}
