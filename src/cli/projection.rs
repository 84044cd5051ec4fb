//! `tollbook projection`: the read models, for operators.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::fields::{list_of, text_of};
use super::output::{Column, facts};

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
    /// Build one anew from the book, beside the one that is read.
    Rebuild {
        /// As `list` names it.
        name: String,
    },
}

const COLUMNS: [Column; 8] = [
    ("NAME", |item| text_of(item, "name")),
    ("VERSION", |item| text_of(item, "version")),
    ("READ", |item| text_of(item, "active")),
    ("STATUS", |item| text_of(item, "status")),
    ("POSITION", |item| text_of(item, "position")),
    ("LAG", |item| text_of(item, "lag")),
    ("REPLICA", |item| text_of(item, "holder")),
    ("ERROR", |item| text_of(item, "error")),
];

impl Projection {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, _) = context.operator()?;
        match self.action {
            Action::List => {
                let all = client.get(&["v1", "operator", "projections"], &[]).await?;
                context.output.list(list_of(&all, "items"), &COLUMNS)
            }
            Action::Rebuild { name } => {
                let path = ["v1", "operator", "projections", &name, "rebuild"];
                let rebuilt = client.patient().post(&path, &json!({})).await?;
                context.output.one(&rebuilt, people)
            }
        }
    }
}

fn people(rebuilt: &Value) -> String {
    let fact = |name| (name, text_of(rebuilt, name));
    facts(&[fact("name"), fact("version"), fact("position")])
}
