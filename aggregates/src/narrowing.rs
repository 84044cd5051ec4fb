//! What a credential is narrowed to, below its role.
//!
//! Every part that is there must allow what is asked. A credential that is made with a narrowed one is
//! within it ([`Narrowing::covers`]); a session that is made with it looks its narrowing up at every
//! decision.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{LoadoutId, Permission, ToolServerId};

/// Parts that are absent narrow nothing; a part that is there and empty allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowing {
    /// The only operations. That the workspace is there may be seen in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<BTreeSet<Permission>>,
    /// The only tool servers whose tools are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_servers: Option<BTreeSet<ToolServerId>>,
    /// The only loadouts on which sessions are made and used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loadouts: Option<BTreeSet<LoadoutId>>,
    /// The only addresses from which it is used: ranges of IPv4 and IPv6 (RFC 4632, RFC 4291).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<IpNet>>,
}

impl Narrowing {
    /// The most that each part may list.
    pub const PART_MAX: usize = 64;

    /// Does it narrow nothing at all?
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Is any part longer than [`Self::PART_MAX`]?
    pub fn is_too_long(&self) -> bool {
        let lengths = [
            self.permissions.as_ref().map(BTreeSet::len),
            self.tool_servers.as_ref().map(BTreeSet::len),
            self.loadouts.as_ref().map(BTreeSet::len),
            self.addresses.as_ref().map(Vec::len),
        ];
        lengths.into_iter().flatten().any(|length| length > Self::PART_MAX)
    }

    /// May such operations be done?
    pub fn permits(&self, permission: Permission) -> bool {
        let listed = self.permissions.as_ref().is_none_or(|listed| listed.contains(&permission));
        // Whoever is confined to some servers or loadouts doesn't decide what these are.
        let keeps = matches!(permission, Permission::WriteToolServers | Permission::WriteLoadouts);
        let confined = self.tool_servers.is_some() || self.loadouts.is_some();
        permission == Permission::ReadWorkspace || (listed && !(keeps && confined))
    }

    /// May such operations be done to people, and to other people's keys? Whoever is confined in any way makes nobody
    /// who isn't, unless that is what they are for: it is listed by name.
    pub fn permits_on_people(&self, permission: Permission) -> bool {
        let by_name = self.permissions.as_ref().is_some_and(|listed| listed.contains(&permission));
        let confined = self.tool_servers.is_some() || self.loadouts.is_some() || self.addresses.is_some();
        by_name || (!confined && self.permits(permission))
    }

    /// May the tools of this server be called?
    pub fn reaches_server(&self, id: ToolServerId) -> bool {
        self.tool_servers.as_ref().is_none_or(|listed| listed.contains(&id))
    }

    /// May sessions on this loadout be made and used?
    pub fn reaches_loadout(&self, id: LoadoutId) -> bool {
        self.loadouts.as_ref().is_none_or(|listed| listed.contains(&id))
    }

    /// May it be used from this address? One that isn't known is in no range.
    pub fn allows_from(&self, address: Option<IpAddr>) -> bool {
        self.addresses.as_ref().is_none_or(|ranges| {
            // A v4 address is the same in its v6 form (RFC 4291, section 2.5.5.2).
            let address = address.map(|address| address.to_canonical());
            address.is_some_and(|address| ranges.iter().any(|range| range.contains(&address)))
        })
    }

    /// Is what is narrowed to `other` never wider than what is narrowed to this?
    pub fn covers(&self, other: &Self) -> bool {
        let within_ranges =
            |inner: &IpNet, ranges: &[IpNet]| ranges.iter().any(|range| range.contains(inner));
        let addresses = match (&self.addresses, &other.addresses) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ranges), Some(inner)) => inner.iter().all(|inner| within_ranges(inner, ranges)),
        };
        // What is listed by name can be more than what wasn't listed at all.
        let people = Permission::ALL
            .iter()
            .filter(|permission| permission.is_on_people())
            .all(|permission| self.permits_on_people(*permission) || !other.permits_on_people(*permission));
        people
            && subset(self.permissions.as_ref(), other.permissions.as_ref())
            && subset(self.tool_servers.as_ref(), other.tool_servers.as_ref())
            && subset(self.loadouts.as_ref(), other.loadouts.as_ref())
            && addresses
    }
}

fn subset<T: Ord>(outer: Option<&BTreeSet<T>>, inner: Option<&BTreeSet<T>>) -> bool {
    match (outer, inner) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => inner.is_subset(outer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::id;

    fn from(ranges: &[&str]) -> Narrowing {
        let addresses = Some(ranges.iter().map(|range| range.parse().unwrap()).collect());
        Narrowing { addresses, ..Narrowing::default() }
    }

    fn to(permissions: &[Permission]) -> Narrowing {
        Narrowing { permissions: Some(permissions.iter().copied().collect()), ..Narrowing::default() }
    }

    #[test]
    fn nothing_narrows_nothing() {
        let nothing = Narrowing::default();
        assert!(nothing.is_nothing() && nothing.allows_from(None) && nothing.reaches_server(id(1)));
        assert!(Permission::ALL.iter().all(|permission| nothing.permits(*permission)));
        assert_eq!(serde_json::to_string(&nothing).unwrap(), "{}");
    }

    #[test]
    fn only_listed_operations_are_permitted_and_the_workspace_is_seen() {
        let narrowed = to(&[Permission::CallTools]);
        assert!(narrowed.permits(Permission::CallTools) && narrowed.permits(Permission::ReadWorkspace));
        assert!(!narrowed.permits(Permission::ReadAudit));
        assert!(!to(&[]).permits(Permission::CallTools));
    }

    #[test]
    fn who_is_confined_to_some_servers_does_not_keep_them() {
        let confined = Narrowing { tool_servers: Some([id(1)].into()), ..Narrowing::default() };
        assert!(confined.reaches_server(id(1)) && !confined.reaches_server(id(2)));
        assert!(confined.reaches_loadout(id(9)) && confined.permits(Permission::CreateSessions));
        assert!(!confined.permits(Permission::WriteToolServers));
        assert!(!confined.permits(Permission::WriteLoadouts));
    }

    #[test]
    fn who_is_confined_in_any_way_touches_people_only_by_name() {
        let invite = Permission::CreateInvitations;
        assert!(Narrowing::default().permits_on_people(invite));
        assert!(
            to(&[invite]).permits_on_people(invite) && !to(&[invite]).permits_on_people(Permission::Leave)
        );
        for confined in [
            Narrowing { tool_servers: Some([id(1)].into()), ..Narrowing::default() },
            Narrowing { loadouts: Some([id(1)].into()), ..Narrowing::default() },
            from(&["0.0.0.0/0", "::/0"]),
        ] {
            assert!(confined.permits(invite) && !confined.permits_on_people(invite), "{confined:?}");
            let by_name = Narrowing { permissions: Some([invite].into()), ..confined };
            assert!(
                by_name.permits_on_people(invite) && !by_name.permits_on_people(Permission::WriteMembers)
            );
        }
    }

    #[test]
    fn addresses_are_those_in_a_range_of_either_family() {
        let narrowed = from(&["10.1.0.0/16", "2001:db8::/32"]);
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("2001:db8:7::1", true),
            ("2001:db9::1", false),
            ("::1", false),
        ] {
            assert_eq!(narrowed.allows_from(Some(address.parse().unwrap())), allowed, "{address}");
        }
        assert!(!narrowed.allows_from(None), "an address that isn't known is in no range");
    }

    #[test]
    fn each_part_must_cover() {
        let wide = Narrowing { loadouts: Some([id(1), id(2)].into()), ..from(&["10.0.0.0/8"]) };
        let narrow = Narrowing { loadouts: Some([id(2)].into()), ..from(&["10.1.0.0/16", "10.2.0.1/32"]) };
        assert!(wide.covers(&narrow) && wide.covers(&wide) && Narrowing::default().covers(&wide));
        assert!(!narrow.covers(&wide) && !wide.covers(&Narrowing::default()));
        assert!(!wide.covers(&Narrowing { loadouts: None, ..narrow.clone() }));
        assert!(!wide.covers(&Narrowing { addresses: None, ..narrow }));
        assert!(!from(&["10.1.0.0/16"]).covers(&from(&["10.0.0.0/8"])));
        assert!(!to(&[Permission::CallTools]).covers(&to(&[Permission::ReadAudit])));
    }

    #[test]
    fn who_is_confined_covers_nobody_who_touches_people_by_name() {
        let confined = Narrowing { loadouts: Some([id(1)].into()), ..Narrowing::default() };
        let with = |permission| Narrowing { permissions: Some([permission].into()), ..confined.clone() };
        for permission in Permission::ALL {
            assert_eq!(confined.covers(&with(*permission)), !permission.is_on_people(), "{permission:?}");
            assert!(with(*permission).covers(&with(*permission)) && !with(*permission).covers(&confined));
        }
        assert!(confined.covers(&confined));
    }

    #[test]
    fn long_lists_are_told() {
        let many = (0..=Narrowing::PART_MAX as u128).map(id).collect();
        assert!(Narrowing { loadouts: Some(many), ..Narrowing::default() }.is_too_long());
        assert!(!from(&["10.0.0.0/8"]).is_too_long());
    }
}
