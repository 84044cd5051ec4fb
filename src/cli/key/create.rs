//! `tollbook key create`

use clap::Args;
use serde_json::{Map, Value, json};

use super::{LIST, people};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::fields::with;
use crate::cli::output::note;
use crate::cli::resolve::{ROLES, Rooms};

/// Make one of your own, and show it this once.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Where it will be used, such as "build server".
    #[arg(long, value_name = "LABEL")]
    device_label: String,
    /// What it carries of your role (default: all of it).
    #[arg(long, value_parser = ROLES)]
    role: Option<String>,
    /// The moment from which on it is no longer good, such as 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Narrow it to this operation, such as `tools:call`; again for another.
    #[arg(long = "permission", value_name = "SCOPE")]
    permissions: Vec<String>,
    /// Narrow it to tools of this server, by name or id; again for another.
    #[arg(long = "server", value_name = "SERVER")]
    servers: Vec<String>,
    /// Narrow it to sessions on this loadout, by name or id; again for another.
    #[arg(long = "loadout", value_name = "LOADOUT")]
    loadouts: Vec<String>,
    /// Narrow it to being used from this address or network, such as 10.0.0.0/8; again for another.
    #[arg(long = "address", value_name = "RANGE")]
    addresses: Vec<String>,
}

impl Create {
    pub(super) async fn run(self, context: &Context, rooms: &Rooms) -> Result<(), Failure> {
        let optional = [
            ("narrowing", self.narrowing(rooms).await?),
            ("role", self.role.map(Value::from)),
            ("expires_at", self.expires_at.map(Value::from)),
        ];
        let body = with(json!({ "device_label": self.device_label }), optional);
        let created = rooms.client.post(&rooms.path(&[LIST]), &body).await?;
        rooms.client.settle(&rooms.path(&[LIST]), &created).await;
        context.output.one(&created, people)?;
        if !context.output.json {
            note("The key is shown this once.");
        }
        Ok(())
    }

    /// What it is narrowed to, if to anything.
    async fn narrowing(&self, rooms: &Rooms) -> Result<Option<Value>, Failure> {
        let mut servers = Vec::new();
        for server in &self.servers {
            servers.push(rooms.server(server).await?);
        }
        let mut loadouts = Vec::new();
        for loadout in &self.loadouts {
            loadouts.push(rooms.loadout(loadout).await?);
        }
        let parts = [
            ("permissions", self.permissions.clone()),
            ("tool_servers", servers),
            ("loadouts", loadouts),
            ("addresses", self.addresses.clone()),
        ];
        let given = parts.into_iter().filter(|(_, values)| !values.is_empty());
        let narrowing: Map<String, Value> =
            given.map(|(name, values)| (name.to_owned(), json!(values))).collect();
        Ok((!narrowing.is_empty()).then_some(Value::Object(narrowing)))
    }
}
