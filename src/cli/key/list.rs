//! `tollbook key list`

use clap::Args;
use serde_json::Value;

use super::{LIST, narrowed_to};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::fields::{text_of, time_of};
use crate::cli::output::Column;
use crate::cli::resolve::{MOST, Rooms};

/// Show them: whose they are, what they carry, and whether they are in force.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only your own.
    #[arg(long)]
    mine: bool,
}

const COLUMNS: [Column; 10] = [
    ("ID", |item| text_of(item, "id")),
    ("LABEL", |item| text_of(item, "device_label")),
    ("HOLDER", |item| text_of(item, "holder")),
    ("PREFIX", |item| text_of(item, "prefix")),
    ("ROLE", |item| text_of(item, "role")),
    ("NARROWED", narrowed_to),
    ("STATUS", |item| text_of(item, "status")),
    ("LAST USED", |item| time_of(item, "last_used_at")),
    ("CREATED", |item| time_of(item, "created_at")),
    ("EXPIRES", |item| time_of(item, "expires_at")),
];

impl List {
    pub(super) async fn run(self, context: &Context, rooms: &Rooms) -> Result<(), Failure> {
        let query: &[(&str, &str)] = if self.mine { &[("mine", "true")] } else { &[] };
        let mut keys = rooms.client.list(&rooms.path(&[LIST]), query, MOST).await?;
        let names = rooms.names().await;
        for key in &mut keys {
            // Somebody who left, or whom this credential may not see, has no name here.
            let holder = text_of(key, "user_id");
            let holder = names.get(&holder).unwrap_or(&holder).clone();
            if let Value::Object(members) = key {
                members.insert("holder".to_owned(), holder.into());
            }
        }
        context.output.list(&keys, &COLUMNS)
    }
}
