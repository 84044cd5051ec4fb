//! What a key is narrowed to, as it goes over the wire.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{Narrowing, Permission, WorkspaceId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::owned;
use crate::authority::Live;
use crate::problem::Problem;

/// What a key is narrowed to, below its role. Parts that are absent narrow nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Narrowing)]
pub(super) struct NarrowingView {
    /// The only operations, by their scopes; at most 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["tools:call", "sessions:create"]))]
    permissions: Option<Vec<String>>,
    /// The only tool servers whose tools are called; at most 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_servers: Option<Vec<Uuid>>,
    /// The only loadouts on which sessions are made and used; at most 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    loadouts: Option<Vec<Uuid>>,
    /// The only addresses from which it and its sessions are used; at most 64 ranges of IPv4 or IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["203.0.113.0/24", "2001:db8::/32"]))]
    addresses: Option<Vec<String>>,
}

impl From<&Narrowing> for NarrowingView {
    fn from(narrowing: &Narrowing) -> Self {
        let Narrowing { permissions, tool_servers, loadouts, addresses } = narrowing;
        let words = |set: &BTreeSet<Permission>| set.iter().map(|one| one.as_str().to_owned()).collect();
        Self {
            permissions: permissions.as_ref().map(words),
            tool_servers: tool_servers.as_ref().map(|set| set.iter().map(|id| id.0).collect()),
            loadouts: loadouts.as_ref().map(|set| set.iter().map(|id| id.0).collect()),
            addresses: addresses.as_ref().map(|ranges| ranges.iter().map(ToString::to_string).collect()),
        }
    }
}

impl NarrowingView {
    /// What was asked for, and where nothing was, what its maker is narrowed to.
    ///
    /// # Errors
    /// 400 for what is no permission or no range, 404 for what isn't in the workspace.
    pub(super) fn within(
        &self,
        live: &Live,
        workspace: WorkspaceId,
        maker: &Narrowing,
    ) -> Result<Narrowing, Problem> {
        for id in self.tool_servers.iter().flatten() {
            owned::tool_server(live, workspace, (*id).into())?;
        }
        for id in self.loadouts.iter().flatten() {
            owned::loadout(live, workspace, (*id).into())?;
        }
        let maker = maker.clone();
        Ok(Narrowing {
            permissions: self.permissions()?.or(maker.permissions),
            tool_servers: set(self.tool_servers.as_deref()).or(maker.tool_servers),
            loadouts: set(self.loadouts.as_deref()).or(maker.loadouts),
            addresses: self.addresses()?.or(maker.addresses),
        })
    }

    fn permissions(&self) -> Result<Option<BTreeSet<Permission>>, Problem> {
        let Some(words) = &self.permissions else { return Ok(None) };
        words.iter().map(|word| word.parse()).collect::<Result<_, _>>().map(Some).map_err(|_| {
            let detail = "`narrowing.permissions` must be scopes that operations name.";
            Problem::bad_request("api_key.permissions", detail)
        })
    }

    fn addresses(&self) -> Result<Option<Vec<IpNet>>, Problem> {
        let Some(ranges) = &self.addresses else { return Ok(None) };
        let parse = |range: &String| {
            // A bare address is the range of itself.
            let parsed = range.parse::<IpNet>();
            parsed.or_else(|_| range.parse::<IpAddr>().map(IpNet::from)).map(|range| range.trunc())
        };
        ranges.iter().map(parse).collect::<Result<_, _>>().map(Some).map_err(|_| {
            let detail = "`narrowing.addresses` must be ranges such as `203.0.113.0/24` or `2001:db8::/32`.";
            Problem::bad_request("api_key.addresses", detail)
        })
    }
}

fn set<T: Ord + From<Uuid>>(ids: Option<&[Uuid]>) -> Option<BTreeSet<T>> {
    ids.map(|ids| ids.iter().map(|id| T::from(*id)).collect())
}
