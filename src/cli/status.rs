//! `tollbook status`: who is signed in, where, and from which store.

use clap::Args;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use super::fields::{text_of, time_of};
use super::output::{facts, plain};
use super::resolve::MOST;
use super::stores::Holder;
use crate::credential::Credential;

/// Show who is signed in, where, and from which store the credential comes.
#[derive(Debug, Args)]
pub(super) struct Status;

impl Status {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, signed_in, holder) = context.whoever()?;
        let prefix = signed_in.prefix().ok_or_else(|| {
            Failure::not_signed_in(format!("what stands in {} is no credential", signed_in.store.1))
        })?;
        let who = Who::ask(&client, holder, &prefix).await?;
        let (store, place) = &signed_in.store;
        let mut told = json!({
            "server": plain(client.base()), "store": store, "place": place, "credential": prefix,
        });
        if let Some(members) = told.as_object_mut() {
            members.extend(who.0);
        }
        context.output.one(&told, people)
    }
}

fn people(told: &Value) -> String {
    let mut shown: Vec<_> =
        ["server", "kind", "user_id", "role", "workspace", "workspace_id", "credential", "device_label"]
            .map(|name| (name, text_of(told, name)))
            .into();
    shown.push(("expires", time_of(told, "expires_at")));
    shown.push(("store", format!("{} ({})", text_of(told, "store"), text_of(told, "place"))));
    shown.retain(|(_, value)| !value.is_empty());
    facts(&shown)
}

/// What the service says of a credential's holder.
pub(super) struct Who(Map<String, Value>);

impl Who {
    /// Asks the service, by reading what the credential is there for.
    pub(super) async fn ask(client: &Client, holder: Holder, prefix: &str) -> Result<Self, Failure> {
        let mut told = Map::new();
        match holder {
            Holder::Operator => {
                client.get(&["v1", "operator", "health"], &[]).await?;
                told.insert("kind".to_owned(), "operator".into());
            }
            Holder::Member => {
                let workspaces = client.list(&["v1", "workspaces"], &[], 1).await?;
                let workspace = workspaces.first().cloned().unwrap_or_default();
                let id = text_of(&workspace, "id");
                told.insert("kind".to_owned(), "member".into());
                told.insert("workspace_id".to_owned(), id.clone().into());
                told.insert("workspace".to_owned(), text_of(&workspace, "name").into());
                let keys =
                    client.list(&["v1", "workspaces", &id, "api-keys"], &[("mine", "true")], MOST).await;
                // A key that may not see keys has nothing more to say of itself.
                let own = keys.unwrap_or_default().into_iter().find(|key| text_of(key, "prefix") == prefix);
                for name in ["user_id", "role", "device_label", "expires_at"] {
                    if let Some(value) = own.as_ref().and_then(|own| own.get(name)) {
                        told.insert(name.to_owned(), value.clone());
                    }
                }
            }
        }
        Ok(Self(told))
    }

    /// The workspace that it belongs to.
    pub(super) fn workspace_id(&self) -> Option<String> {
        self.text("workspace_id")
    }

    /// What that is called.
    pub(super) fn workspace(&self) -> Option<String> {
        self.text("workspace")
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
    }
}

impl super::stores::SignedIn {
    /// The public part of the credential.
    fn prefix(&self) -> Option<String> {
        use secrecy::ExposeSecret as _;
        let credential = Credential::parse(self.secret.expose_secret().trim()).ok()?;
        Some(credential.display_prefix().to_owned())
    }
}
