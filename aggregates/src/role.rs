//! What a person is in a workspace.

use serde::{Deserialize, Serialize};

/// What each may do stands in [`crate::access`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// All of them, narrowest first.
    pub const ALL: [Self; 4] = [Self::Auditor, Self::Member, Self::Admin, Self::Owner];

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
