//! `tollbook operator`: what only whoever looks after the instance may do.

mod credential;
mod erase;

use clap::{Args, Subcommand};

use super::context::Context;
use super::failure::Failure;

/// Looking after the instance, as operator.
#[derive(Debug, Args)]
pub(super) struct Operator {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Credential(credential::Credential),
    Erase(erase::Erase),
}

impl Operator {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Credential(credential) => credential.run(context).await,
            Action::Erase(erase) => erase.run(context).await,
        }
    }
}
