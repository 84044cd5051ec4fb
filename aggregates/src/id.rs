//! Ids: `UUIDv7`, one type a thing, so that a session's id can't be passed for a loadout's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::from_str(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A tenant.
    WorkspaceId
    /// A person.
    UserId
    /// An MCP server registered in a workspace.
    ToolServerId
    /// A versioned selection of tools.
    LoadoutId
    /// The right to call the tools of one loadout.
    SessionId
    /// A user's long-lived credential in one workspace.
    ApiKeyId
    /// An OAuth token that connects a tool server.
    TokenId
    /// A signed-in device.
    DeviceId
    /// An operator's credential.
    OperatorId
    /// A person's sign-in by browser.
    SignInId
    /// A one-time link.
    LinkId
    /// One tool call.
    CallId
    /// A value that the vault keeps in the table of secrets.
    SecretId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_written_as_it_is_read() {
        let text = "019aab3c-7d2e-7000-8000-000000000001";
        let id: SessionId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert!("nonsense".parse::<SessionId>().is_err());
    }
}
