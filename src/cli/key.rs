//! `tollbook key`: API keys.

mod check;
mod create;
mod list;
mod reset;
mod revoke;
mod rotate;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::context::Context;
use super::failure::Failure;
use super::fields::{list_of, shown, text_of, time_of};
use super::output::known;
use super::resolve::In;

const LIST: &str = "api-keys";

/// API keys.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(flatten)]
    r#in: In,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(create::Create),
    Check(check::Check),
    List(list::List),
    Rotate(rotate::Rotate),
    Reset(reset::Reset),
    Revoke(revoke::Revoke),
}

impl Key {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Check(check) => check.run(context),
            Action::Create(create) => create.run(context, &self.r#in.open(context).await?).await,
            Action::List(list) => list.run(context, &self.r#in.open(context).await?).await,
            Action::Rotate(rotate) => rotate.run(context, &self.r#in.open(context).await?).await,
            Action::Reset(reset) => reset.run(context, &self.r#in.open(context).await?).await,
            Action::Revoke(revoke) => revoke.run(context, &self.r#in.open(context).await?).await,
        }
    }
}

fn people(key: &Value) -> String {
    known(&[
        ("id", text_of(key, "id")),
        ("label", text_of(key, "device_label")),
        ("key", text_of(key, "key")),
        ("prefix", text_of(key, "prefix")),
        ("role", text_of(key, "role")),
        ("narrowed to", narrowed_to(key)),
        ("status", text_of(key, "status")),
        ("expires", time_of(key, "expires_at")),
    ])
}

/// What a key is narrowed to, in few words; nothing when it is as wide as its role.
fn narrowed_to(key: &Value) -> String {
    let narrowing = key.get("narrowing").unwrap_or(&Value::Null);
    let words = |part| list_of(narrowing, part).iter().map(shown).collect::<Vec<_>>().join(" ");
    let many = |part, one: &str| match narrowing.get(part).and_then(Value::as_array).map(Vec::len) {
        None => String::new(),
        Some(1) => format!("1 {one}"),
        Some(number) => format!("{number} {one}s"),
    };
    let mut parts = vec![
        words("permissions"),
        many("tool_servers", "server"),
        many("loadouts", "loadout"),
        words("addresses"),
    ];
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_key_is_narrowed_to_is_said_in_few_words() {
        let narrowing = json!({
            "permissions": ["tools:call", "sessions:create"], "tool_servers": ["a"], "loadouts": ["b", "c"],
            "addresses": ["10.0.0.0/8"],
        });
        let told = narrowed_to(&json!({ "narrowing": narrowing }));
        assert_eq!(told, "tools:call sessions:create, 1 server, 2 loadouts, 10.0.0.0/8");
        assert_eq!(narrowed_to(&json!({ "narrowing": null })), "");
    }
}
