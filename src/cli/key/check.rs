//! `tollbook key check`: is this a key of ours? Offline: nobody is asked, and nothing is kept.

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::fields::text_of;
use crate::cli::output::{facts, note};
use crate::cli::secret_input;
use crate::credential::{self, Description};

/// Say whether what stands on standard input is a well-formed credential of Tollbook's. Asks nobody.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[arg(hide = true)]
    given: Vec<String>,
}

impl Check {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        secret_input::refuse_arguments(&self.given, "tollbook key check")?;
        let text = secret_input::read("the credential")?;
        // The reason says nothing of what stands there.
        let told =
            credential::check(text.trim()).map_err(|malformed| Failure::failed(malformed.to_string()))?;
        let Description { kind, id, display_prefix } = told;
        let told = json!({ "well_formed": true, "kind": kind.name(), "id": id, "prefix": display_prefix });
        context.output.one(&told, |told| {
            let fact = |name| (name, text_of(told, name));
            facts(&[fact("kind"), fact("id"), fact("prefix")])
        })?;
        if !context.output.json {
            note("It is well formed. Whether it is anybody's, only the service knows.");
        }
        Ok(())
    }
}
