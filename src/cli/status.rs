//! `tollbook status`: who is signed in, where, and from which store.

use clap::Args;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use url::Url;

use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use super::fields::{text_of, time_of};
use super::output::{known, plain};
use super::resolve::{MOST, Rooms};
use super::stores::{Holder, SignedIn};
use crate::credential::{Credential, Kind};

/// Show who is signed in, where, and from which store the credential comes.
#[derive(Debug, Args)]
pub(super) struct Status;

impl Status {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut all = Vec::new();
        let mut first = None;
        for (url, signed_in) in context.everyone()? {
            let (told, failure) = tell(context, url, &signed_in).await;
            all.push(told);
            first = first.or(failure);
        }
        // A member's, and an operator's beside it.
        let mut all = all.into_iter();
        let mut told = all.next().unwrap_or_default();
        if let (Some(members), Some(operator)) = (told.as_object_mut(), all.next()) {
            members.insert("operator".to_owned(), operator);
        }
        context.output.one(&told, |told| {
            let operator = told.get("operator").map(|operator| format!("\n\n{}", people(operator)));
            format!("{}{}", people(told), operator.unwrap_or_default())
        })?;
        first.map_or(Ok(()), Err)
    }
}

/// What is known of a credential from here, and what the service says of it, or why it doesn't.
async fn tell(context: &Context, url: Url, signed_in: &SignedIn) -> (Value, Option<Failure>) {
    let (store, place) = &signed_in.store;
    let mut told = json!({ "server": plain(&url), "store": store, "place": place });
    let asked = async {
        let credential = Credential::parse(signed_in.secret.expose_secret().trim()).map_err(|malformed| {
            Failure::not_signed_in(format!("{malformed}, in {place}: [credential.malformed]"))
        })?;
        // By what it is, wherever it stands.
        let holder = if credential.kind() == Kind::Operator { Holder::Operator } else { Holder::Member };
        let known = [("kind", kind(holder)), ("credential", credential.display_prefix())];
        let known = known.map(|(name, value)| (name.to_owned(), value.into()));
        told.as_object_mut().into_iter().for_each(|members| members.extend(known.clone()));
        let client = context.client_to(url, signed_in.secret.clone())?;
        Who::ask(&client, holder, credential.display_prefix()).await
    };
    match asked.await {
        Ok(who) => {
            told.as_object_mut().into_iter().for_each(|members| members.extend(who.0.clone()));
            (told, None)
        }
        Err(failure) => (told, Some(failure)),
    }
}

fn kind(holder: Holder) -> &'static str {
    match holder {
        Holder::Member => "member",
        Holder::Operator => "operator",
    }
}

fn people(told: &Value) -> String {
    let members = [
        "server",
        "kind",
        "person",
        "user_id",
        "role",
        "workspace",
        "workspace_id",
        "credential",
        "device_label",
    ];
    let mut shown: Vec<_> = members.map(|name| (name, text_of(told, name))).into();
    shown.push(("expires", time_of(told, "expires_at")));
    shown.push(("store", format!("{} ({})", text_of(told, "store"), text_of(told, "place"))));
    known(&shown)
}

/// What the service says of a credential's holder.
pub(super) struct Who(Map<String, Value>);

impl Who {
    /// Asks the service, by reading what the credential is there for.
    pub(super) async fn ask(client: &Client, holder: Holder, prefix: &str) -> Result<Self, Failure> {
        let mut told = Map::new();
        told.insert("kind".to_owned(), kind(holder).into());
        match holder {
            Holder::Operator => {
                let all = client.list(&["v1", "operator", "credentials"], &[], MOST).await?;
                let own = all.iter().find(|credential| text_of(credential, "prefix") == prefix);
                for (name, member) in [("device_label", "label"), ("expires_at", "expires_at")] {
                    if let Some(value) = own.and_then(|own| own.get(member)) {
                        told.insert(name.to_owned(), value.clone());
                    }
                }
            }
            Holder::Member => {
                let workspaces = client.list(&["v1", "workspaces"], &[], 1).await?;
                let workspace = workspaces.first().cloned().unwrap_or_default();
                let id = text_of(&workspace, "id");
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
                let names = Rooms { client: client.clone(), workspace: id }.names().await;
                if let Some(name) = told.get("user_id").and_then(Value::as_str).and_then(|id| names.get(id)) {
                    told.insert("person".to_owned(), name.clone().into());
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
