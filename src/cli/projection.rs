//! `tollbook projection`: the read models, for operators.

mod watch;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use super::fields::{list_of, number_of, text_of};
use super::output::{Column, Output, facts, pretty, printable, table};
use watch::{build_of, watch};

/// Read models, for operators.
#[derive(Debug, Args)]
pub(super) struct Projection {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show how far each is, and whether it works.
    List,
    /// Build one anew from the book, beside the one that is read, and swap it if it is the same.
    ///
    /// The service does the work: it goes on if this command is ended, and the same command attaches to
    /// it again. A build that differs from what is read isn't swapped: `swap` does that.
    Rebuild {
        /// As `list` names it.
        name: String,
    },
    /// Fold one again, and show where what is read differs. Changes nothing.
    Verify {
        /// As `list` names it.
        name: String,
    },
    /// Let be read what a rebuild made, although it differs.
    Swap {
        /// As `list` names it.
        name: String,
    },
    /// Let be read what was read before, at once.
    Rollback {
        /// As `list` names it.
        name: String,
    },
}

const COLUMNS: [Column; 8] = [
    ("NAME", |item| text_of(item, "name")),
    ("VERSION", |item| text_of(item, "version")),
    ("STATUS", |item| text_of(item, "status")),
    ("POSITION", |item| text_of(item, "position")),
    ("LAG", |item| text_of(item, "lag")),
    ("REPLICA", |item| text_of(item, "holder")),
    ("BESIDE", beside),
    ("ERROR", |item| text_of(item, "error")),
];

const DIFFERENCES: [Column; 4] = [
    ("KEY", |item| text_of(item, "key")),
    ("WHAT", |item| text_of(item, "what")),
    ("STANDS", |item| one_line(item, "stands")),
    ("FOLDED", |item| one_line(item, "folded")),
];

/// The versions that aren't read, and what they do.
fn beside(item: &Value) -> String {
    let others = list_of(item, "versions").iter().filter(|one| text_of(one, "active") != "true");
    let others: Vec<String> =
        others.map(|one| format!("{} {}", text_of(one, "version"), text_of(one, "status"))).collect();
    others.join(", ")
}

fn one_line(item: &Value, name: &str) -> String {
    item.get(name).filter(|value| !value.is_null()).map_or_else(|| "-".to_owned(), Value::to_string)
}

impl Projection {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, _) = context.operator()?;
        let output = context.output;
        match self.action {
            Action::List => {
                let all = client.get(&["v1", "operator", "projections"], &[]).await?;
                output.list(list_of(&all, "items"), &COLUMNS)
            }
            Action::Rebuild { name } => rebuild(&client, output, &name).await,
            Action::Verify { name } => verify(&client, output, &name).await,
            Action::Swap { name } => flip(&client, output, &name, "swap").await,
            Action::Rollback { name } => flip(&client, output, &name, "rollback").await,
        }
    }
}

async fn rebuild(client: &Client, output: Output, name: &str) -> Result<(), Failure> {
    let ended = order_and_watch(client, name, "rebuild").await?;
    let build = build_of(&ended);
    match text_of(build, "state").as_str() {
        "swapped" => output.one(&ended, |_| outcome(&ended, "rebuilt, and read from now on")),
        "differs" => {
            output.one(&ended, |_| differences(build))?;
            Err(Failure::failed(format!(
                "{} of `{name}` differ from what is read: it was not swapped. `tollbook projection swap {name}` does it all the same",
                counted(build)
            )))
        }
        _ => Err(not_ended(name, build)),
    }
}

async fn verify(client: &Client, output: Output, name: &str) -> Result<(), Failure> {
    let ended = order_and_watch(client, name, "verify").await?;
    let build = build_of(&ended);
    match (text_of(build, "state").as_str(), build.get("differences").and_then(Value::as_u64)) {
        ("verified", Some(0)) => output.one(&ended, |_| outcome(&ended, "as the book makes it")),
        ("verified", _) => {
            output.one(&ended, |_| differences(build))?;
            let at = text_of(build, "compared_at");
            Err(Failure::failed(format!("{} of `{name}` differ at position {at}", counted(build))))
        }
        _ => Err(not_ended(name, build)),
    }
}

async fn flip(client: &Client, output: Output, name: &str, order: &str) -> Result<(), Failure> {
    client.post(&["v1", "operator", "projections", name, order], &json!({})).await?;
    let now = client.get(&["v1", "operator", "projections", name], &[]).await?;
    output.one(&now, |_| outcome(&now, "read from now on"))
}

/// Gives the order, or finds it given, and watches it to its end.
async fn order_and_watch(client: &Client, name: &str, order: &str) -> Result<Value, Failure> {
    let path = ["v1", "operator", "projections", name, order];
    let ordered = client.post(&path, &json!({})).await?;
    watch(client, name, number_of(&ordered, "position")).await
}

fn outcome(projection: &Value, what: &str) -> String {
    let fact = |name| (name, text_of(projection, name));
    facts(&[fact("name"), fact("version"), fact("position"), ("outcome", what.to_owned())])
}

fn counted(build: &Value) -> String {
    match build.get("differences").and_then(Value::as_u64) {
        Some(1) => "1 row".to_owned(),
        Some(count) => format!("{count} rows"),
        None => "rows".to_owned(),
    }
}

fn differences(build: &Value) -> String {
    table(list_of(build, "examples"), &DIFFERENCES)
}

fn not_ended(name: &str, build: &Value) -> Failure {
    let error = text_of(build, "error");
    if error.is_empty() {
        return Failure::failed(format!("the build of `{name}` was replaced: {}", printable(&pretty(build))));
    }
    let at = text_of(build, "position");
    Failure::failed(format!(
        "the build of `{name}` stopped at position {at}: {error}. What was read before is read still"
    ))
}
