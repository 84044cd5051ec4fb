//! `tollbook migrate`: brings the schema up to this version, as the owner of the tables.

use clap::Args;
use tollbook_journal::migrate;

use crate::app::{StartError, make_private_dir, open_database};

use super::context::Context;
use super::failure::Failure;
use super::output;
use super::patience::patiently;
use super::settings::Settings;

/// Bring the database's schema up to this version.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    settings: Settings,
}

impl Migrate {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config(&self.settings)?;
        make_private_dir(&config.data_dir)?;
        let migrating = async {
            let database = open_database(&config).await?;
            let migrated = migrate(&database, config.migrate_database_url.as_ref()).await;
            database.close().await;
            migrated.map_err(StartError::from)
        };
        patiently("migrating", migrating).await?;
        if context.output.json {
            return output::json(&serde_json::json!({ "status": "up_to_date" }));
        }
        output::text("The schema is up to date.")
    }
}
