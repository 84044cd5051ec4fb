//! `tollbook logout`: forgets what `login` kept.

use clap::Args;
use serde_json::json;
use url::Url;

use super::context::Context;
use super::failure::Failure;
use super::output::{note, plain};
use super::stores::Holder;

/// Forget the credential that is kept for a service.
#[derive(Debug, Args)]
pub(super) struct Logout {
    /// The service [default: the one that was signed in to last].
    #[arg(long, value_name = "URL")]
    server: Option<Url>,
}

impl Logout {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let service = match self.server {
            Some(url) => Some(url),
            None => context.asked_for()?,
        };
        let forgotten = context.stores()?.forget(service.as_ref())?;
        let servers: Vec<&str> = forgotten.iter().map(|(url, _)| plain(url)).collect();
        context.output.one(&json!({ "forgotten": servers }), |_| match servers.as_slice() {
            [] => "Nothing was kept.".to_owned(),
            some => format!("Signed out of {}.", some.join(", ")),
        })?;
        if !servers.is_empty() && !context.output.json {
            note("The key itself is good still, wherever else it lies: `tollbook key revoke` ends it.");
        }
        for holder in [Holder::Member, Holder::Operator] {
            if std::env::var_os(holder.variable()).is_some_and(|value| !value.is_empty()) {
                note(&format!("warning: {} is set and goes on being used; unset it", holder.variable()));
            }
        }
        Ok(())
    }
}
