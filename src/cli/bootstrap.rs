//! `tollbook bootstrap`: the first workspace, its owner and the first operator of an empty book.
//!
//! On `SQLite` the book is open in one process only: a service that runs on the same data directory is
//! asked to do it. Without one, the book is opened here.

use clap::Args;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::host::Founded;
use crate::{founding, telemetry};

use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use super::fields::text_of;
use super::output::{facts, note};
use super::service_file::ServiceFile;
use super::settings::Settings;

/// Make the first workspace, owner and operator of an empty book.
#[derive(Debug, Args)]
pub(super) struct Bootstrap {
    /// How the first owner is called.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// How their workspace is called.
    #[arg(long, value_name = "NAME")]
    workspace: String,
    #[command(flatten)]
    settings: Settings,
}

impl Bootstrap {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config(&self.settings)?;
        let founded = match asked(&config, &self.user, &self.workspace).await? {
            Some(founded) => founded,
            None => self.found(config).await?,
        };
        context.output.one(&founded, |founded| {
            let fact = |name| (name, text_of(founded, name));
            facts(&[fact("workspace_id"), fact("user_id"), fact("api_key"), fact("operator_key")])
        })?;
        if !context.output.json {
            note(
                "The two keys are shown this once. Commands take them from TOLLBOOK_API_KEY and TOLLBOOK_OPERATOR_KEY.",
            );
        }
        Ok(())
    }

    /// Opens the book for this one thing.
    async fn found(&self, config: Config) -> Result<Value, Failure> {
        telemetry::start("warn", config.log_json)
            .map_err(|error| Failure::failed(format!("no log can be written: {error}")))?;
        let app = App::start(config, Clock::default(), true).await?;
        let founded = founding::bootstrap(&app, &self.user, &self.workspace).await;
        app.close().await;
        Ok(json!(Founded::from(founded?)))
    }
}

/// Asks the service that runs on this data directory; `None` when there isn't one.
async fn asked(config: &Config, user: &str, workspace: &str) -> Result<Option<Value>, Failure> {
    match ServiceFile::running(&config.data_dir).await? {
        Some((_, client)) => on(&client, user, workspace).await.map(Some),
        None => Ok(None),
    }
}

/// Bootstraps a running service; `client` has its host credential.
pub(super) async fn on(client: &Client, user: &str, workspace: &str) -> Result<Value, Failure> {
    client.post(&["host", "bootstrap"], &json!({ "user": user, "workspace": workspace })).await
}
