//! `tollbook key rotate`

use clap::Args;
use serde_json::json;

use super::LIST;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::resolve::Rooms;
use crate::cli::rotated::{self, Grace};
use crate::cli::stores::Holder;

/// Give one of your own another secret, and show it this once. It stays the same key, with its sessions.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The key, by device label or id (default: the one that this command is run with).
    key: Option<String>,
    #[command(flatten)]
    grace: Grace,
}

impl Rotate {
    pub(super) async fn run(self, context: &Context, rooms: &Rooms) -> Result<(), Failure> {
        let own = rooms.own_key().await?;
        let id = match &self.key {
            Some(key) => rooms.key(key).await?,
            None => own.clone().ok_or_else(|| {
                Failure::usage(
                    "say which key: the service doesn't show the one that this command is run with",
                )
            })?,
        };
        let body = json!({ "grace_seconds": self.grace.seconds });
        let answer = rooms.client.post(&rooms.path(&[LIST, &id, "rotate"]), &body).await?;
        rotated::tell(context, &rooms.client, Holder::Member, &answer, own.as_ref() == Some(&id))?;
        rooms.client.settle(&rooms.path(&[LIST]), &answer).await;
        Ok(())
    }
}
