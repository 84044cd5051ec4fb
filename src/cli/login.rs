//! `tollbook login`: keeps a credential, once the service has said that it is good.

use clap::Args;
use serde_json::json;
use url::Url;

use super::context::Context;
use super::failure::Failure;
use super::fields::text_of;
use super::output::{known, note, plain};
use super::secret_input;
use super::status::Who;
use super::stores::{Holder, Profile};
use crate::credential::{Credential, Kind};

/// Sign in to a service, for the commands that follow.
#[derive(Debug, Args)]
pub(super) struct Login {
    /// With an API key (or an operator's credential), read from standard input.
    #[arg(long, required = true)]
    with_api_key: bool,
    /// The service [default: as for every command].
    #[arg(long, value_name = "URL")]
    server: Option<Url>,
    #[arg(hide = true)]
    given: Vec<String>,
}

impl Login {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        secret_input::refuse_arguments(&self.given, "tollbook login --with-api-key")?;
        debug_assert!(self.with_api_key);
        let url = context.service(self.server)?;
        context.may_send_to(&url)?;
        let text = secret_input::read("the API key")?;
        let credential = Credential::parse(text.trim())
            .map_err(|malformed| Failure::not_signed_in(format!("{malformed}; nothing was kept")))?;
        let holder = match credential.kind() {
            Kind::ApiKey => Holder::Member,
            Kind::Operator => Holder::Operator,
            other => {
                let name = other.name();
                return Err(Failure::usage(format!(
                    "this is a {name}; sign in with an API key or an operator credential"
                )));
            }
        };
        let secret = secrecy::SecretString::from(credential.expose());
        let client = context.client_to(url.clone(), secret.clone())?;
        let who = Who::ask(&client, holder, credential.display_prefix()).await?;
        let workspace_id = who.workspace_id();
        let stores = context.stores()?;
        let store = stores.keep(&Profile { url: url.clone(), holder, secret, workspace_id })?;
        let told = json!({
            "server": plain(&url), "store": store.name(), "place": store.place(), "credential": credential.display_prefix(),
            "workspace_id": who.workspace_id(), "workspace": who.workspace(),
        });
        context.output.one(&told, |told| {
            let shown: Vec<_> =
                ["server", "workspace", "credential", "place"].map(|name| (name, text_of(told, name))).into();
            known(&shown)
        })?;
        if store.is_plain_text() && !context.output.json {
            note("It is kept in plain text, readable by you alone. This version knows no keychain.");
        }
        if std::env::var_os(holder.variable()).is_some_and(|value| !value.is_empty()) {
            note(&format!("warning: {} is set and goes before what is kept", holder.variable()));
        }
        Ok(())
    }
}
