//! Which events are asked for.

use clap::Args;

use super::Query;
use crate::cli::failure::Failure;
use crate::cli::resolve::Rooms;

/// What events are about. Filters narrow each other.
#[derive(Debug, Args)]
pub(super) struct Filters {
    /// Of this type, such as `session.tool_denied`.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// That happened to this session, by label or id, its calls among them.
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// On tools of this server, by name or id.
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,
    /// That happened to this thing, such as `loadout:ID`.
    #[arg(long, value_name = "KIND:ID")]
    stream: Option<String>,
    /// That this one did, such as `user:ID` or `system`.
    #[arg(long, value_name = "KIND:ID")]
    actor: Option<String>,
    /// That were done with this, such as `api_key:ID`.
    #[arg(long, value_name = "KIND:ID")]
    credential: Option<String>,
    /// That came with this request.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// On this tool call.
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// Decisions on this tool, by the name that the agent wrote.
    #[arg(long)]
    tool: Option<String>,
    /// `permit`, `authorize` or `deny`.
    #[arg(long)]
    decision: Option<String>,
    /// Why a call was refused, such as `not_in_loadout`.
    #[arg(long)]
    reason: Option<String>,
    /// How a call ended, such as `completed`.
    #[arg(long)]
    outcome: Option<String>,
}

/// When.
#[derive(Debug, Args)]
pub(super) struct Span {
    /// At this position or behind it.
    #[arg(long, value_name = "POSITION")]
    from: Option<u64>,
    /// Before this position.
    #[arg(long, value_name = "POSITION")]
    to: Option<u64>,
    /// Recorded at this time or later, such as 2026-11-22T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Recorded before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Filters {
    /// As the service takes them.
    pub(super) async fn query(self, rooms: &Rooms) -> Result<Query, Failure> {
        let session = match self.session {
            Some(session) => Some(rooms.session(&session).await?),
            None => None,
        };
        let server = match self.server {
            Some(server) => Some(rooms.server(&server).await?),
            None => None,
        };
        let all = [
            ("type", self.kind),
            ("session_id", session),
            ("tool_server_id", server),
            ("stream", self.stream),
            ("actor", self.actor),
            ("credential", self.credential),
            ("request_id", self.request),
            ("call_id", self.call),
            ("tool", self.tool),
            ("decision", self.decision),
            ("reason", self.reason),
            ("outcome", self.outcome),
        ];
        Ok(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

impl Span {
    /// As the service takes it.
    pub(super) fn query(self) -> Query {
        let position = |position: Option<u64>| position.map(|position| position.to_string());
        let all = [
            ("from", position(self.from)),
            ("to", position(self.to)),
            ("since", self.since),
            ("until", self.until),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
