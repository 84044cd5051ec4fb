//! A loadout: a versioned selection of tools, each pinned to its definition.
//!
//! Versions are never changed. A session keeps the version that it was made on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{Fact, Private, ToolServerId, WorkspaceId};

/// An id that was never written loads as [`Loadout::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loadout {
    /// Never written.
    #[default]
    Absent,
    /// Sessions can be made on its newest version.
    Active {
        /// Where it belongs.
        workspace_id: WorkspaceId,
        /// By number, from 1.
        versions: BTreeMap<u32, Arc<LoadoutVersion>>,
    },
    /// Taken out for good.
    Removed {
        /// Where it belonged.
        workspace_id: WorkspaceId,
    },
}

/// One version of a loadout: its tools by the name that an agent sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadoutVersion {
    /// By the name that an agent sees.
    pub tools: BTreeMap<String, PinnedTool>,
}

/// A tool, pinned to the definition that somebody chose it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedTool {
    /// The name that an agent sees.
    pub name: String,
    /// Whose tool it is.
    pub tool_server_id: ToolServerId,
    /// The server's own name for it.
    pub tool: String,
    /// `sha256:` and 64 hexadecimal digits, of its definition.
    pub digest: String,
}

/// What can be asked of a loadout.
#[derive(Debug, Clone)]
pub enum LoadoutCommand {
    /// Make it, with version 1.
    Create {
        /// Where it belongs.
        workspace_id: WorkspaceId,
        /// How it is called.
        name: Private,
        /// In the order chosen.
        tools: Vec<PinnedTool>,
        /// Their definitions, a JSON object by the names that an agent sees.
        definitions: Private,
    },
    /// Make its next version.
    Change {
        /// In the order chosen.
        tools: Vec<PinnedTool>,
        /// Their definitions, a JSON object by the names that an agent sees.
        definitions: Private,
    },
    /// Take it out, and end every session on it.
    Remove,
}

/// What happened to a loadout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadoutEvent {
    /// `loadout.created`
    Created {
        /// Where it belongs.
        workspace_id: WorkspaceId,
        /// Of version 1, in the order chosen.
        tools: Vec<PinnedTool>,
        /// How it is called.
        #[serde(skip)]
        name: Private,
        /// A JSON object of definitions, by the names that an agent sees.
        #[serde(skip)]
        definitions: Private,
    },
    /// `loadout.version_created`
    VersionCreated {
        /// Its number.
        version: u32,
        /// In the order chosen.
        tools: Vec<PinnedTool>,
        /// Names that the version before it had, and this one hasn't, or has for another tool.
        dropped: Vec<String>,
        /// A JSON object of definitions, by the names that an agent sees.
        #[serde(skip)]
        definitions: Private,
    },
    /// `loadout.removed`
    Removed {},
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoadoutError {
    /// Never written.
    #[error("the loadout does not exist")]
    Absent,
    /// The id is taken.
    #[error("the loadout exists already")]
    Exists,
    /// It was taken out.
    #[error("the loadout was removed")]
    Removed,
    /// See [`Private::NAME_MAX`].
    #[error("`name` must have 1 to 100 characters and no control characters")]
    Name,
    /// See [`Loadout::TOOLS_MAX`].
    #[error("a loadout has 1 to 500 tools")]
    HowMany,
    /// One name, two tools.
    #[error("two tools of the loadout have the same name")]
    SameName,
}

impl Loadout {
    /// The most tools in one version.
    pub const TOOLS_MAX: usize = 500;

    /// A version, while the loadout lives.
    pub fn version(&self, version: u32) -> Option<&Arc<LoadoutVersion>> {
        match self {
            Self::Active { versions, .. } => versions.get(&version),
            Self::Absent | Self::Removed { .. } => None,
        }
    }

    /// The newest version's number, while the loadout lives.
    pub fn newest(&self) -> Option<u32> {
        match self {
            Self::Active { versions, .. } => versions.last_key_value().map(|(version, _)| *version),
            Self::Absent | Self::Removed { .. } => None,
        }
    }

    /// Where it belongs, also after it was removed.
    pub const fn workspace_id(&self) -> Option<WorkspaceId> {
        match self {
            Self::Absent => None,
            Self::Active { workspace_id, .. } | Self::Removed { workspace_id } => Some(*workspace_id),
        }
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: LoadoutCommand) -> Result<Vec<LoadoutEvent>, LoadoutError> {
        use LoadoutCommand::{Change, Create, Remove};
        match (self, command) {
            (Self::Absent, Create { workspace_id, name, tools, definitions }) => {
                let (name, tools) = (name.into_name().ok_or(LoadoutError::Name)?, distinct(tools)?);
                Ok(vec![LoadoutEvent::Created { workspace_id, tools, name, definitions }])
            }
            (_, Create { .. }) => Err(LoadoutError::Exists),
            (Self::Absent, _) => Err(LoadoutError::Absent),
            (Self::Active { versions, .. }, Change { tools, definitions }) => {
                let tools = distinct(tools)?;
                let (version, before) = versions
                    .last_key_value()
                    .map_or((1, None), |(version, before)| (version.saturating_add(1), Some(before)));
                let dropped = before.map_or_else(Vec::new, |before| dropped(before, &tools));
                Ok(vec![LoadoutEvent::VersionCreated { version, tools, dropped, definitions }])
            }
            (Self::Active { .. }, Remove) => Ok(vec![LoadoutEvent::Removed {}]),
            // A brake may be pressed twice.
            (Self::Removed { .. }, Remove) => Ok(vec![]),
            (Self::Removed { .. }, _) => Err(LoadoutError::Removed),
        }
    }
}

fn distinct(tools: Vec<PinnedTool>) -> Result<Vec<PinnedTool>, LoadoutError> {
    if tools.is_empty() || tools.len() > Loadout::TOOLS_MAX {
        return Err(LoadoutError::HowMany);
    }
    let names: BTreeSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    if names.len() < tools.len() { Err(LoadoutError::SameName) } else { Ok(tools) }
}

fn dropped(before: &LoadoutVersion, tools: &[PinnedTool]) -> Vec<String> {
    let stays = |old: &PinnedTool| tools.iter().any(|new| new == old);
    before.tools.values().filter(|old| !stays(old)).map(|old| old.name.clone()).collect()
}

fn version_of(tools: Vec<PinnedTool>) -> Arc<LoadoutVersion> {
    Arc::new(LoadoutVersion { tools: tools.into_iter().map(|tool| (tool.name.clone(), tool)).collect() })
}

impl Aggregate for Loadout {
    const TYPE: &'static str = "loadout";
    type Command = LoadoutCommand;
    type Event = LoadoutEvent;
    type Error = LoadoutError;
    type Services = ();

    async fn handle(
        &mut self,
        command: LoadoutCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), LoadoutError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: LoadoutEvent) {
        match (event, self) {
            (LoadoutEvent::Created { workspace_id, tools, .. }, state @ Self::Absent) => {
                *state = Self::Active { workspace_id, versions: [(1, version_of(tools))].into() };
            }
            (LoadoutEvent::VersionCreated { version, tools, .. }, Self::Active { versions, .. }) => {
                // A version never changes.
                versions.entry(version).or_insert_with(|| version_of(tools));
            }
            (LoadoutEvent::Removed {}, state) => {
                if let Some(workspace_id) = state.workspace_id() {
                    *state = Self::Removed { workspace_id };
                }
            }
            // Made once, taken out once, and never back.
            (LoadoutEvent::Created { .. } | LoadoutEvent::VersionCreated { .. }, _) => {}
        }
    }
}

impl DomainEvent for LoadoutEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Created { .. } => "loadout.created",
            Self::VersionCreated { .. } => "loadout.version_created",
            Self::Removed {} => "loadout.removed",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for LoadoutEvent {
    fn control(&self) -> bool {
        true
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Created { .. } => false,
            Self::VersionCreated { dropped, .. } => !dropped.is_empty(),
            Self::Removed {} => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Created { name, definitions, .. } => vec![("name", name), ("definitions", definitions)],
            Self::VersionCreated { definitions, .. } => vec![("definitions", definitions)],
            Self::Removed {} => vec![],
        }
    }
}

#[cfg(test)]
mod tests;
