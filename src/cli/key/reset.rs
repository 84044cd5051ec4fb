//! `tollbook key reset`

use clap::Args;
use serde_json::json;

use super::LIST;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::fields::{text_of, time_of};
use crate::cli::output::{facts, note};
use crate::cli::resolve::Rooms;

/// End the secret of somebody's key at once, and show a link by which its holder makes the next.
#[derive(Debug, Args)]
pub(super) struct Reset {
    /// The key, by device label or id.
    key: String,
}

impl Reset {
    pub(super) async fn run(self, context: &Context, rooms: &Rooms) -> Result<(), Failure> {
        let id = rooms.key(&self.key).await?;
        let reset = rooms.client.post(&rooms.path(&[LIST, &id, "reset"]), &json!({})).await?;
        rooms.client.settle(&rooms.path(&[LIST]), &reset).await;
        context.output.one(&reset, |reset| {
            facts(&[
                ("id", text_of(reset, "id")),
                ("one_time_url", text_of(reset, "one_time_url")),
                ("expires", time_of(reset, "expires_at")),
            ])
        })?;
        if !context.output.json {
            note(
                "The link is shown this once. Give it to the key's holder: it works once, for them alone, signed in in a browser.",
            );
        }
        Ok(())
    }
}
