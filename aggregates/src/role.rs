//! What a person is in a workspace.

use serde::{Deserialize, Serialize};

/// What each may do stands in [`crate::access`]. Roles are no ladder, and so they have no order: an
/// auditor reads what a member doesn't, a member calls what an auditor doesn't. Ask [`Role::covers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything, the audit log included; changes nothing and calls nothing.
    Auditor,
    /// Makes sessions and keys of their own, and calls tools.
    Member,
    /// Keeps tool servers, loadouts, members and everybody's sessions and keys.
    Admin,
    /// An admin who may also end the workspace and make owners.
    Owner,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auditor, Self::Member, Self::Admin, Self::Owner];

    /// May this role do all that `other` may? Whoever goes from `other` to such a role loses nothing.
    pub const fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Owner, _)
            | (Self::Admin, Self::Admin | Self::Member | Self::Auditor)
            | (Self::Member, Self::Member)
            | (Self::Auditor, Self::Auditor) => true,
            (Self::Admin, Self::Owner)
            | (Self::Member, Self::Owner | Self::Admin | Self::Auditor)
            | (Self::Auditor, Self::Owner | Self::Admin | Self::Member) => false,
        }
    }

    /// As it is written in events and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}
