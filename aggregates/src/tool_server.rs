//! A tool server: an MCP server registered in a workspace, how it is authorized, its known tools.
//!
//! Where it lies and what its tools say of themselves is private text beside the events; the state
//! holds only what decisions need: that it lives, and the digest of each tool's definition.

use std::collections::BTreeMap;

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{Fact, Private, SecretId, WorkspaceId};

/// An id that was never written loads as [`ToolServer::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolServer {
    /// Never written.
    #[default]
    Absent,
    /// Can be called.
    Registered(Registration),
    /// Taken out for good.
    Removed(WorkspaceId),
}

/// A tool server as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// How calls to it are authorized.
    pub authorization: Authorization,
    /// Digest of each known tool's definition, by the server's own name for it.
    pub tools: BTreeMap<String, String>,
}

/// How calls to a tool server are authorized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Authorization {
    /// Not at all.
    None,
    /// A fixed header, whose value the vault keeps, bound to the server's origin.
    Header {
        /// The header's name, lower case.
        name: String,
        /// Its value.
        secret: SecretRef,
    },
}

/// A value that the vault keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// Which.
    pub secret_id: SecretId,
    /// Which version of it.
    pub version: u32,
}

/// A tool as its server last described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTool {
    /// The server's own name for it.
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits, of its definition.
    pub digest: String,
}

/// What can be asked of a tool server.
#[derive(Debug, Clone)]
pub enum ToolServerCommand {
    /// Take it in.
    Register {
        /// Where it belongs.
        workspace_id: WorkspaceId,
        /// How it is called.
        name: Private,
        /// Where it lies.
        url: Private,
        /// How calls to it are authorized.
        authorization: Authorization,
    },
    /// Call it something else.
    Rename {
        /// How it is called from now on.
        name: Private,
    },
    /// Note what it offers now.
    RefreshTools {
        /// In the order of the server's list.
        tools: Vec<KnownTool>,
        /// Their definitions, a JSON object by the tools' names.
        definitions: Private,
    },
    /// Take it out.
    Remove,
}

/// What happened to a tool server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolServerEvent {
    /// `tool_server.registered`
    Registered {
        /// Where it belongs.
        workspace_id: WorkspaceId,
        /// How calls to it are authorized.
        authorization: Authorization,
        /// How it is called.
        #[serde(skip)]
        name: Private,
        /// Where it lies.
        #[serde(skip)]
        url: Private,
    },
    /// `tool_server.renamed`
    Renamed {
        /// How it is called from now on.
        #[serde(skip)]
        name: Private,
    },
    /// `tool_server.tools_refreshed`
    ToolsRefreshed {
        /// In the order of the server's list.
        tools: Vec<KnownTool>,
        /// Names of known tools that are gone or are defined differently now.
        changed: Vec<String>,
        /// Their definitions, a JSON object by the tools' names.
        #[serde(skip)]
        definitions: Private,
    },
    /// `tool_server.removed`
    Removed {},
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ToolServerError {
    /// Never written.
    #[error("the tool server does not exist")]
    Absent,
    /// The id is taken.
    #[error("the tool server exists already")]
    Exists,
    /// It was taken out.
    #[error("the tool server was removed")]
    Removed,
    /// See [`Private::NAME_MAX`].
    #[error("`name` must have 1 to 100 characters and no control characters")]
    Name,
    /// One name, two tools.
    #[error("the server lists two tools of the same name")]
    TwiceTheSameTool,
}

impl ToolServer {
    /// As it stands, if it can be called.
    pub const fn registration(&self) -> Option<&Registration> {
        match self {
            Self::Registered(registration) => Some(registration),
            Self::Absent | Self::Removed(_) => None,
        }
    }

    /// Where it belongs, also after it was removed.
    pub const fn workspace_id(&self) -> Option<WorkspaceId> {
        match self {
            Self::Absent => None,
            Self::Registered(registration) => Some(registration.workspace_id),
            Self::Removed(workspace_id) => Some(*workspace_id),
        }
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: ToolServerCommand) -> Result<Vec<ToolServerEvent>, ToolServerError> {
        use ToolServerCommand::{RefreshTools, Register, Remove, Rename};
        match (self, command) {
            (Self::Absent, Register { workspace_id, name, url, authorization }) => {
                let name = name.into_name().ok_or(ToolServerError::Name)?;
                Ok(vec![ToolServerEvent::Registered { workspace_id, authorization, name, url }])
            }
            (_, Register { .. }) => Err(ToolServerError::Exists),
            (Self::Absent, _) => Err(ToolServerError::Absent),
            (Self::Registered(_), Rename { name }) => {
                Ok(vec![ToolServerEvent::Renamed { name: name.into_name().ok_or(ToolServerError::Name)? }])
            }
            (Self::Registered(registration), RefreshTools { tools, definitions }) => {
                registration.refresh(tools, definitions)
            }
            (Self::Registered(_), Remove) => Ok(vec![ToolServerEvent::Removed {}]),
            // A brake may be pressed twice.
            (Self::Removed(_), Remove) => Ok(vec![]),
            (Self::Removed(_), _) => Err(ToolServerError::Removed),
        }
    }
}

impl Registration {
    fn refresh(
        &self,
        tools: Vec<KnownTool>,
        definitions: Private,
    ) -> Result<Vec<ToolServerEvent>, ToolServerError> {
        let now: BTreeMap<&str, &str> =
            tools.iter().map(|tool| (tool.name.as_str(), tool.digest.as_str())).collect();
        if now.len() < tools.len() {
            return Err(ToolServerError::TwiceTheSameTool);
        }
        let same = now.len() == self.tools.len()
            && self.tools.iter().all(|(name, digest)| now.get(name.as_str()) == Some(&digest.as_str()));
        if same {
            return Ok(vec![]);
        }
        let changed = self
            .tools
            .iter()
            .filter(|(name, digest)| now.get(name.as_str()) != Some(&digest.as_str()))
            .map(|(name, _)| name.clone())
            .collect();
        Ok(vec![ToolServerEvent::ToolsRefreshed { tools, changed, definitions }])
    }
}

impl Aggregate for ToolServer {
    const TYPE: &'static str = "tool_server";
    type Command = ToolServerCommand;
    type Event = ToolServerEvent;
    type Error = ToolServerError;
    type Services = ();

    async fn handle(
        &mut self,
        command: ToolServerCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ToolServerError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ToolServerEvent) {
        match (event, self) {
            (ToolServerEvent::Registered { workspace_id, authorization, .. }, state @ Self::Absent) => {
                let tools = BTreeMap::new();
                *state = Self::Registered(Registration { workspace_id, authorization, tools });
            }
            (ToolServerEvent::ToolsRefreshed { tools, .. }, Self::Registered(registration)) => {
                registration.tools = tools.into_iter().map(|tool| (tool.name, tool.digest)).collect();
            }
            (ToolServerEvent::Removed {}, state) => {
                if let Some(workspace_id) = state.workspace_id() {
                    *state = Self::Removed(workspace_id);
                }
            }
            // Registered once, taken out once, and never back.
            (ToolServerEvent::Registered { .. } | ToolServerEvent::Renamed { .. }, _)
            | (ToolServerEvent::ToolsRefreshed { .. }, Self::Absent | Self::Removed(_)) => {}
        }
    }
}

impl DomainEvent for ToolServerEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Registered { .. } => "tool_server.registered",
            Self::Renamed { .. } => "tool_server.renamed",
            Self::ToolsRefreshed { .. } => "tool_server.tools_refreshed",
            Self::Removed {} => "tool_server.removed",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for ToolServerEvent {
    fn control(&self) -> bool {
        match self {
            Self::Renamed { .. } => false,
            Self::Registered { .. } | Self::ToolsRefreshed { .. } | Self::Removed {} => true,
        }
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Registered { .. } | Self::Renamed { .. } => false,
            // A tool that is defined differently now is quarantined until a loadout accepts it.
            Self::ToolsRefreshed { changed, .. } => !changed.is_empty(),
            Self::Removed {} => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Registered { name, url, .. } => vec![("name", name), ("url", url)],
            Self::Renamed { name } => vec![("name", name)],
            Self::ToolsRefreshed { definitions, .. } => vec![("definitions", definitions)],
            Self::Removed {} => vec![],
        }
    }
}

#[cfg(test)]
mod tests;
