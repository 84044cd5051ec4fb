//! What follows when a credential was given another secret: it is shown once, and where the CLI is signed in with that
//! credential, it keeps the new secret from now on.

use clap::Args;
use secrecy::SecretString;
use serde_json::Value;

use super::client::Client;
use super::context::Context;
use super::duration;
use super::failure::Failure;
use super::fields::{text_of, time_of};
use super::output::{known, note};
use super::stores::{Holder, Profile};

/// For how long the secret before the new one is good, too.
#[derive(Debug, Args)]
pub(super) struct Grace {
    /// How long the secret of now stays good, such as 30m, at most 7d; 0 ends it at once.
    #[arg(long = "grace", value_name = "DURATION", default_value = "24h", value_parser = duration::or_none)]
    pub(super) seconds: u64,
}

/// Shows the new secret. `own` says that it is of the credential that the CLI itself was run with.
pub(super) fn tell(
    context: &Context,
    client: &Client,
    holder: Holder,
    answer: &Value,
    own: bool,
) -> Result<(), Failure> {
    let secret = text_of(answer, "key");
    if secret.is_empty() {
        return Err(Failure::failed(
            "it has another secret now, which went to a connection that broke: rotate it once more",
        ));
    }
    if own {
        keep(context, client, holder, secret.into())?;
    }
    context.output.one(answer, |answer| {
        let shown = vec![
            ("id", text_of(answer, "id")),
            ("key", text_of(answer, "key")),
            ("prefix", text_of(answer, "prefix")),
            ("former until", time_of(answer, "former_until")),
        ];
        known(&shown)
    })?;
    if !context.output.json {
        note("The new secret is shown this once.");
    }
    Ok(())
}

fn keep(context: &Context, client: &Client, holder: Holder, secret: SecretString) -> Result<(), Failure> {
    let stores = context.stores()?;
    let Some(signed_in) = stores.find(holder, Some(client.base()))? else { return Ok(()) };
    if !signed_in.is_kept {
        note(&format!("warning: {} holds the former secret: set it to the new one", holder.variable()));
        return Ok(());
    }
    let (url, workspace_id) = (client.base().clone(), signed_in.workspace_id);
    let store = stores.keep(&Profile { url, holder, secret, workspace_id })?;
    note(&format!("The new secret is kept in {} from now on.", store.place()));
    Ok(())
}
