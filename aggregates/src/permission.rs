//! What a credential can be narrowed to: the scopes of operations (RFC 6749, section 3.3).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal)*) => {
        /// The right to do one kind of operation. Its words are those of OAuth scopes and of events:
        /// never change one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Permission {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it is written in events, answers and challenges.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

permissions! {
    /// Call the tools of sessions.
    CallTools = "tools:call"
    /// Make workspaces.
    CreateWorkspaces = "workspaces:create"
    /// See that the workspace is there, and its name. Every key of it may.
    ReadWorkspace = "workspace:read"
    /// Rename it.
    WriteWorkspace = "workspace:write"
    /// See who is in it.
    ReadMembers = "members:read"
    /// Change roles and remove members.
    WriteMembers = "members:write"
    /// Leave it.
    Leave = "members:leave"
    /// Invite people.
    CreateInvitations = "invitations:create"
    /// See invitations.
    ReadInvitations = "invitations:read"
    /// Take invitations back.
    RevokeInvitations = "invitations:revoke"
    /// See tool servers and their tools.
    ReadToolServers = "tool_servers:read"
    /// Keep them.
    WriteToolServers = "tool_servers:write"
    /// See loadouts.
    ReadLoadouts = "loadouts:read"
    /// Keep them.
    WriteLoadouts = "loadouts:write"
    /// Make sessions.
    CreateSessions = "sessions:create"
    /// See sessions.
    ReadSessions = "sessions:read"
    /// End sessions.
    RevokeSessions = "sessions:revoke"
    /// Make API keys.
    CreateApiKeys = "api_keys:create"
    /// See API keys.
    ReadApiKeys = "api_keys:read"
    /// End API keys.
    RevokeApiKeys = "api_keys:revoke"
    /// Give an API key another secret.
    RotateApiKeys = "api_keys:rotate"
    /// End a key's secret and let its holder mint another.
    ResetApiKeys = "api_keys:reset"
    /// Search and export the audit log.
    ReadAudit = "audit:read"
    /// See one's sign-ins.
    ReadSignIns = "sign_ins:read"
    /// End them.
    EndSignIns = "sign_ins:end"
    /// Look after the instance.
    OperateInstance = "instance:operate"
    /// Make, rotate and revoke operator credentials.
    WriteOperators = "operators:write"
    /// Erase people.
    ErasePeople = "people:erase"
}

impl Permission {
    /// Is it, or can it be, about people and other people's keys?
    pub const fn is_on_people(self) -> bool {
        matches!(
            self,
            Self::WriteMembers
                | Self::Leave
                | Self::CreateInvitations
                | Self::RevokeApiKeys
                | Self::ResetApiKeys
        )
    }
}

/// No such permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no permission")]
pub struct UnknownPermission(String);

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        let found = Self::ALL.iter().find(|permission| permission.as_str() == text);
        found.copied().ok_or_else(|| UnknownPermission(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_is_read_as_it_is_written() {
        for permission in Permission::ALL {
            let text = permission.as_str();
            assert_eq!(text.parse(), Ok(*permission));
            assert_eq!(serde_json::to_string(permission).unwrap(), format!("\"{text}\""));
            let fits = |character: char| character.is_ascii_lowercase() || matches!(character, '_' | ':');
            assert!(text.chars().all(fits), "{text}");
        }
        assert!("tools:forge".parse::<Permission>().is_err());
    }
}
