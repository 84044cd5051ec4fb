//! From what a person writes to an id: the id itself, a name, or the beginning or the end of an id, where only
//! one thing fits. Of things of the same name, the one that is in force is meant, or the newest: labels are used again.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use super::fields::text_of;
use super::stores::SignedIn;

/// How many things are looked at for one that fits.
pub(super) const MOST: usize = 10_000;
/// What somebody, or a key, can be in a workspace.
pub(super) const ROLES: [&str; 4] = ["owner", "admin", "member", "auditor"];
/// The shortest beginning of an id that is taken for one.
const BEGINNING: usize = 4;
/// The shortest end, which tables show: a mistyped name must not be one by chance.
const END: usize = 6;

/// Which workspace a command works in.
#[derive(Debug, Args)]
pub(super) struct In {
    /// The workspace, by name or id (default: the one that the credential belongs to).
    #[arg(long, global = true, env = "TOLLBOOK_WORKSPACE", value_name = "WORKSPACE")]
    workspace: Option<String>,
}

impl In {
    /// The client and the workspace's rooms.
    pub(super) async fn open(&self, context: &Context) -> Result<Rooms, Failure> {
        let (client, signed_in) = context.client()?;
        let workspace = match self.workspace.as_ref().filter(|workspace| !workspace.is_empty()) {
            Some(wanted) => {
                let found = find(&client, &["v1", "workspaces"], "workspace", "name", wanted).await?;
                belongs_to(&signed_in, &found)?;
                found
            }
            None => own(&client, &signed_in).await?,
        };
        Ok(Rooms { client, workspace })
    }
}

/// A key is one workspace's: in another one there is nothing for it, and the service says no more than that.
fn belongs_to(signed_in: &SignedIn, wanted: &str) -> Result<(), Failure> {
    match &signed_in.workspace_id {
        Some(own) if own != wanted => Err(Failure::not_allowed(format!(
            "the key that is kept belongs to workspace {own}, not to {wanted}: sign in with a key of that one, `tollbook login --with-api-key`"
        ))),
        _ => Ok(()),
    }
}

/// The workspace that the credential belongs to.
async fn own(client: &Client, signed_in: &SignedIn) -> Result<String, Failure> {
    if let Some(id) = &signed_in.workspace_id {
        return Ok(id.clone());
    }
    let all = client.list(&["v1", "workspaces"], &[], 2).await?;
    match all.as_slice() {
        [one] => Ok(text_of(one, "id")),
        [] => Err(Failure::failed("this credential belongs to no workspace")),
        _ => Err(Failure::usage("there is more than one workspace: say which with --workspace")),
    }
}

/// One workspace's resources, with a client to reach them.
#[derive(Debug)]
pub(super) struct Rooms {
    /// The client.
    pub(super) client: Client,
    /// The workspace's id.
    pub(super) workspace: String,
}

impl Rooms {
    /// `/v1/workspaces/{w}` and then `rest`.
    pub(super) fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        ["v1", "workspaces", &self.workspace].into_iter().chain(rest.iter().copied()).collect()
    }

    /// The id of the tool server that `wanted` means.
    pub(super) async fn server(&self, wanted: &str) -> Result<String, Failure> {
        find(&self.client, &self.path(&["tool-servers"]), "tool server", "name", wanted).await
    }

    /// The id of the loadout that `wanted` means.
    pub(super) async fn loadout(&self, wanted: &str) -> Result<String, Failure> {
        find(&self.client, &self.path(&["loadouts"]), "loadout", "name", wanted).await
    }

    /// The id of the session that `wanted` means: its label serves as name.
    pub(super) async fn session(&self, wanted: &str) -> Result<String, Failure> {
        find(&self.client, &self.path(&["sessions"]), "session", "label", wanted).await
    }

    /// The id of the API key that `wanted` means: its device label serves as name.
    pub(super) async fn key(&self, wanted: &str) -> Result<String, Failure> {
        find(&self.client, &self.path(&["api-keys"]), "API key", "device_label", wanted).await
    }

    /// The id of the key that the client has, if the service shows it.
    pub(super) async fn own_key(&self) -> Result<Option<String>, Failure> {
        own_in(&self.client, &self.path(&["api-keys"]), &[("mine", "true")]).await
    }

    /// The id of the member that `wanted` means.
    pub(super) async fn person(&self, wanted: &str) -> Result<String, Failure> {
        if Uuid::parse_str(wanted).is_ok() {
            return Ok(wanted.to_owned());
        }
        let members = self.client.list(&self.path(&["members"]), &[], MOST).await?;
        let people: Vec<Value> = members
            .iter()
            .map(|member| json!({ "id": text_of(member, "user_id"), "name": text_of(member, "name") }))
            .collect();
        choose(&people, "member", "name", wanted)
    }

    /// How the members are called, by their ids; nobody, where the credential may not see them.
    pub(super) async fn names(&self) -> BTreeMap<String, String> {
        let members = self.client.list(&self.path(&["members"]), &[], MOST).await.unwrap_or_default();
        let named = |member: &Value| (text_of(member, "user_id"), text_of(member, "name"));
        members.iter().map(named).filter(|(_, name)| !name.is_empty()).collect()
    }
}

/// The id of the credential that the client has, in the list at `path`.
pub(super) async fn own_in(
    client: &Client,
    path: &[&str],
    query: &[(&str, &str)],
) -> Result<Option<String>, Failure> {
    let Some(prefix) = client.prefix() else { return Ok(None) };
    let all = client.list(path, query, MOST).await?;
    Ok(all.iter().find(|item| text_of(item, "prefix") == prefix).map(|item| text_of(item, "id")))
}

/// The id of the one thing in the list at `path` that `wanted` means.
pub(super) async fn find(
    client: &Client,
    path: &[&str],
    what: &str,
    name: &str,
    wanted: &str,
) -> Result<String, Failure> {
    if Uuid::parse_str(wanted).is_ok() {
        return Ok(wanted.to_owned());
    }
    let items = client.list(path, &[], MOST).await?;
    choose(&items, what, name, wanted)
}

fn choose(items: &[Value], what: &str, name: &str, wanted: &str) -> Result<String, Failure> {
    let fitting = |fits: &dyn Fn(&&Value) -> bool| -> Vec<&Value> { items.iter().filter(fits).collect() };
    let mut found = fitting(&|item| text_of(item, name) == wanted);
    if found.len() > 1 {
        found = of_the_same_name(found);
    }
    if found.is_empty() {
        let lower = wanted.to_ascii_lowercase();
        // As tables show it.
        let end = lower.trim_start_matches('…');
        found = fitting(&|item| {
            let id = text_of(item, "id");
            lower.len() >= BEGINNING && id.starts_with(&lower) || end.len() >= END && id.ends_with(end)
        });
    }
    let found: Vec<String> = found.into_iter().map(|item| text_of(item, "id")).collect();
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(Failure::failed(format!("there is no {what} `{wanted}`"))),
        [first, second, ..] => Err(Failure::failed(format!(
            "`{wanted}` is more than one {what}, {first} and {second} among them: use an id"
        ))),
    }
}

/// Those that are in force; where all have ended, the newest. Ids begin with the time at which they were drawn.
fn of_the_same_name(all: Vec<&Value>) -> Vec<&Value> {
    let (over, in_force): (Vec<&Value>, Vec<&Value>) = all.into_iter().partition(|item| is_over(item));
    if in_force.is_empty() {
        return over.into_iter().max_by_key(|item| text_of(item, "id")).into_iter().collect();
    }
    in_force
}

/// Have a session, a credential or an invitation ended for good? Other things end by being gone.
fn is_over(item: &Value) -> bool {
    matches!(text_of(item, "status").as_str(), "revoked" | "expired" | "ended" | "redeemed")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn items() -> Vec<Value> {
        vec![
            json!({ "id": "0197aaaa-0000-7000-8000-000000000001", "name": "one" }),
            json!({ "id": "0197bbbb-0000-7000-8000-000000000002", "name": "two" }),
            json!({ "id": "0197bbbb-0000-7000-8000-000000000003", "name": "two" }),
        ]
    }

    fn chosen(wanted: &str) -> Result<String, String> {
        choose(&items(), "thing", "name", wanted).map_err(|failure| failure.message().to_owned())
    }

    #[test]
    fn a_name_or_the_beginning_of_an_id_is_enough_where_one_thing_fits() {
        assert_eq!(chosen("one").unwrap(), "0197aaaa-0000-7000-8000-000000000001");
        assert_eq!(chosen("0197AAAA").unwrap(), "0197aaaa-0000-7000-8000-000000000001");
    }

    #[test]
    fn an_end_of_an_id_is_enough_with_and_without_what_tables_put_before_it() {
        assert_eq!(chosen("…00000001").unwrap(), "0197aaaa-0000-7000-8000-000000000001");
        assert_eq!(chosen("00000003").unwrap(), "0197bbbb-0000-7000-8000-000000000003");
        for none in ["…0197aaaa", "00001", "…"] {
            assert!(chosen(none).unwrap_err().contains("no thing"), "{none}");
        }
    }

    #[test]
    fn of_the_same_name_the_one_in_force_is_meant() {
        let of = |status: &[&str]| {
            let made = status.iter().enumerate();
            let items: Vec<_> = made
                .map(|(id, status)| json!({ "id": id.to_string(), "name": "ci", "status": status }))
                .collect();
            choose(&items, "thing", "name", "ci").ok()
        };
        assert_eq!(of(&["revoked", "active", "expired"]).as_deref(), Some("1"));
        assert_eq!(of(&["ended"]).as_deref(), Some("0"));
        assert_eq!(of(&["open", "open"]), None);
        assert_eq!(of(&["revoked", "expired", "ended"]).as_deref(), Some("2"), "the newest");
        assert_eq!(of(&["reset", "revoked"]).as_deref(), Some("0"));
        assert_eq!(of(&["connected", "none"]), None, "tool servers have other states");
    }

    #[test]
    fn where_two_fit_neither_is_taken() {
        assert!(chosen("two").unwrap_err().contains("more than one thing"));
        assert!(chosen("0197bbbb").unwrap_err().contains("more than one thing"));
        assert!(chosen("019").unwrap_err().contains("no thing"), "too short for an id");
        assert!(chosen("three").unwrap_err().contains("no thing"));
    }
}
