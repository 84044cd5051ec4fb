//! `tollbook operator erase`

use std::io::{BufRead as _, IsTerminal as _};

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::fields::{list_of, shown, text_of, time_of};
use crate::cli::output::{facts, note, printable};
use crate::cli::resolve::In;

/// Erase a person: their names and labels are unreadable from then on, in every copy of the book. What they did stays,
/// as their id's. Shows the certificate. It can't be undone.
#[derive(Debug, Args)]
pub(super) struct Erase {
    #[command(flatten)]
    r#in: In,
    /// Their id, or their name in the workspace that you are signed in to as a member.
    person: String,
    /// Don't ask.
    #[arg(long, short)]
    yes: bool,
}

impl Erase {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, _) = context.operator()?;
        let id = match Uuid::parse_str(&self.person) {
            Ok(id) => id.to_string(),
            Err(_) => self.r#in.open(context).await?.person(&self.person).await?,
        };
        if !self.yes {
            confirm(&self.person, &id)?;
        }
        let path = ["v1", "operator", "people", &id, "erase"];
        let certificate = client.post(&path, &json!({})).await?;
        context.output.one(&certificate, people)
    }
}

/// Lets somebody at a terminal think again.
fn confirm(person: &str, id: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("erasing can't be undone: say --yes where nobody can be asked"));
    }
    let who = if person == id { id.to_owned() } else { format!("{person} ({id})") };
    note(&format!("Erase {}? It can't be undone. Type `erase`, and press Enter.", printable(&who)));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
    if answer.trim() == "erase" { Ok(()) } else { Err(Failure::failed("nobody was erased")) }
}

fn people(certificate: &Value) -> String {
    let all = |member| list_of(certificate, member).iter().map(shown).collect::<Vec<_>>().join(" ");
    facts(&[
        ("erased", text_of(certificate, "user_id")),
        ("at", time_of(certificate, "created_at")),
        ("position", text_of(certificate, "position")),
        ("keys destroyed", all("key_ids")),
        ("fields unreadable", text_of(certificate, "fields")),
        ("removed from", all("workspace_ids")),
    ])
}
