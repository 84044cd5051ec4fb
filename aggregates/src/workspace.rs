//! A workspace: the tenant, and its members.

use std::collections::BTreeMap;

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{Fact, Private, Role, UserId};

/// An id that was never written loads as [`Workspace::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Workspace {
    /// Never written.
    #[default]
    Absent,
    /// Alive, with its members.
    Active {
        /// Who they are, and what.
        members: BTreeMap<UserId, Role>,
    },
}

/// What can be asked of a workspace.
#[derive(Debug, Clone)]
pub enum WorkspaceCommand {
    /// Make it.
    Create {
        /// How it is called.
        name: Private,
        /// Its first owner; nobody, when an operator makes it for others.
        owner: Option<UserId>,
    },
    /// Call it something else.
    Rename {
        /// How it is called from now on.
        name: Private,
    },
    /// Take a person in.
    AddMember {
        /// Who.
        user_id: UserId,
        /// As what.
        role: Role,
    },
    /// Give a member another role.
    ChangeRole {
        /// Who.
        user_id: UserId,
        /// The role from now on.
        role: Role,
    },
    /// End a membership, and with it all that hangs on it.
    RemoveMember {
        /// Who.
        user_id: UserId,
    },
}

/// What happened to a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceEvent {
    /// `workspace.created`
    Created {
        /// How it is called.
        #[serde(skip)]
        name: Private,
    },
    /// `workspace.renamed`
    Renamed {
        /// How it is called from now on.
        #[serde(skip)]
        name: Private,
    },
    /// `workspace.member_added`
    MemberAdded {
        /// Who.
        user_id: UserId,
        /// As what.
        role: Role,
    },
    /// `workspace.member_role_changed`
    MemberRoleChanged {
        /// Who.
        user_id: UserId,
        /// The role until now.
        from: Role,
        /// The role from now on.
        to: Role,
    },
    /// `workspace.member_removed`
    MemberRemoved {
        /// Who.
        user_id: UserId,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorkspaceError {
    /// Never written.
    #[error("the workspace does not exist")]
    Absent,
    /// The id is taken.
    #[error("the workspace exists already")]
    Exists,
    /// See [`Private::NAME_MAX`].
    #[error("`name` must have 1 to 100 characters and no control characters")]
    Name,
    /// They are in it.
    #[error("the user is a member already")]
    AlreadyMember,
    /// They are not in it.
    #[error("the user is not a member")]
    NotMember,
    /// Nobody could end it or make owners any more.
    #[error("the last owner cannot leave or step down")]
    LastOwner,
}

impl Workspace {
    /// What the person is here, if anything.
    pub fn role_of(&self, user: UserId) -> Option<Role> {
        match self {
            Self::Absent => None,
            Self::Active { members } => members.get(&user).copied(),
        }
    }

    /// Is it there, and not ended?
    pub const fn lives(&self) -> bool {
        matches!(self, Self::Active { .. })
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: WorkspaceCommand) -> Result<Vec<WorkspaceEvent>, WorkspaceError> {
        use WorkspaceCommand::{AddMember, ChangeRole, Create, RemoveMember, Rename};
        match (self, command) {
            (Self::Absent, Create { name, owner }) => create(name, owner),
            (Self::Active { .. }, Create { .. }) => Err(WorkspaceError::Exists),
            (Self::Absent, _) => Err(WorkspaceError::Absent),
            (Self::Active { .. }, Rename { name }) => {
                Ok(vec![WorkspaceEvent::Renamed { name: name.into_name().ok_or(WorkspaceError::Name)? }])
            }
            (Self::Active { members }, AddMember { user_id, role }) => {
                if members.contains_key(&user_id) {
                    return Err(WorkspaceError::AlreadyMember);
                }
                Ok(vec![WorkspaceEvent::MemberAdded { user_id, role }])
            }
            (Self::Active { members }, ChangeRole { user_id, role }) => {
                let from = *members.get(&user_id).ok_or(WorkspaceError::NotMember)?;
                if from == role {
                    return Ok(vec![]);
                }
                keep_an_owner(members, user_id)?;
                Ok(vec![WorkspaceEvent::MemberRoleChanged { user_id, from, to: role }])
            }
            (Self::Active { members }, RemoveMember { user_id }) => {
                if !members.contains_key(&user_id) {
                    return Err(WorkspaceError::NotMember);
                }
                keep_an_owner(members, user_id)?;
                Ok(vec![WorkspaceEvent::MemberRemoved { user_id }])
            }
        }
    }
}

fn create(name: Private, owner: Option<UserId>) -> Result<Vec<WorkspaceEvent>, WorkspaceError> {
    let mut events = vec![WorkspaceEvent::Created { name: name.into_name().ok_or(WorkspaceError::Name)? }];
    events.extend(owner.map(|user_id| WorkspaceEvent::MemberAdded { user_id, role: Role::Owner }));
    Ok(events)
}

fn keep_an_owner(members: &BTreeMap<UserId, Role>, leaving: UserId) -> Result<(), WorkspaceError> {
    let is_owner = members.get(&leaving) == Some(&Role::Owner);
    let others = members.iter().any(|(user, role)| *user != leaving && *role == Role::Owner);
    if is_owner && !others { Err(WorkspaceError::LastOwner) } else { Ok(()) }
}

impl Aggregate for Workspace {
    const TYPE: &'static str = "workspace";
    type Command = WorkspaceCommand;
    type Event = WorkspaceEvent;
    type Error = WorkspaceError;
    type Services = ();

    async fn handle(
        &mut self,
        command: WorkspaceCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), WorkspaceError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: WorkspaceEvent) {
        match (event, self) {
            (WorkspaceEvent::Created { .. }, state @ Self::Absent) => {
                *state = Self::Active { members: BTreeMap::new() };
            }
            // Widens only: whoever is a member already stays what they are.
            (WorkspaceEvent::MemberAdded { user_id, role }, Self::Active { members }) => {
                members.entry(user_id).or_insert(role);
            }
            (WorkspaceEvent::MemberRoleChanged { user_id, to, .. }, Self::Active { members }) => {
                members.insert(user_id, to);
            }
            (WorkspaceEvent::MemberRemoved { user_id }, Self::Active { members }) => {
                members.remove(&user_id);
            }
            (WorkspaceEvent::Renamed { .. } | WorkspaceEvent::Created { .. }, _) | (_, Self::Absent) => {}
        }
    }
}

impl DomainEvent for WorkspaceEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Created { .. } => "workspace.created",
            Self::Renamed { .. } => "workspace.renamed",
            Self::MemberAdded { .. } => "workspace.member_added",
            Self::MemberRoleChanged { .. } => "workspace.member_role_changed",
            Self::MemberRemoved { .. } => "workspace.member_removed",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for WorkspaceEvent {
    fn control(&self) -> bool {
        match self {
            Self::Renamed { .. } => false,
            Self::Created { .. }
            | Self::MemberAdded { .. }
            | Self::MemberRoleChanged { .. }
            | Self::MemberRemoved { .. } => true,
        }
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Created { .. } | Self::Renamed { .. } | Self::MemberAdded { .. } => false,
            Self::MemberRoleChanged { from, to, .. } => !to.covers(*from),
            Self::MemberRemoved { .. } => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Created { name } | Self::Renamed { name } => vec![("name", name)],
            Self::MemberAdded { .. } | Self::MemberRoleChanged { .. } | Self::MemberRemoved { .. } => vec![],
        }
    }
}

#[cfg(test)]
mod tests;
