//! A workspace: the tenant, and its members.
//!
//! What is ended in bulk (a member leaves; all keys of a person, of a label, of the workspace are
//! revoked) is ended by one event and by derivation: things that are made in a workspace carry its
//! epoch, which rises with every such event. So a member who comes back finds nothing of what they had.
//! No clock is in it: the fence keeps what was decided in an earlier epoch out of the book.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, Fact, Private, Role, UserId};

mod ended;

pub use ended::{Ended, Epoch};

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
        /// What was ended in bulk.
        ended: Ended,
    },
}

/// Which keys are ended in bulk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichKeys {
    /// All of the workspace.
    All,
    /// All of a person.
    Of(UserId),
    /// These: all of a label, say. The label itself isn't told, nor anything by which it could be tried
    /// out once it is erased.
    These(Vec<ApiKeyId>),
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
    /// End a membership, and with it all that hangs on it. Also when somebody leaves by themselves.
    RemoveMember {
        /// Who.
        user_id: UserId,
    },
    /// End what is left of the membership of a person who was erased: nobody is kept for being the last owner
    /// who isn't anybody any more.
    RemoveErased {
        /// Whose pseudonym.
        user_id: UserId,
    },
    /// Let nobody make API keys for a moment: while those of a label are found, that they can't become more.
    PauseApiKeys {
        /// Only this person; everybody, when absent.
        user_id: Option<UserId>,
        /// The first moment at which keys can be made again.
        until: DateTime<Utc>,
    },
    /// End API keys, and with them all that hangs on them.
    RevokeApiKeys {
        /// Which of those that there are.
        which: WhichKeys,
        /// As somebody put it.
        reason: Option<Private>,
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
    /// `workspace.member_removed`: everything of theirs here has ended, and stays so if they come back.
    MemberRemoved {
        /// Who.
        user_id: UserId,
    },
    /// `workspace.api_keys_paused`: none is made until then.
    ApiKeysPaused {
        /// By this person; by anybody, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<UserId>,
        /// The first moment at which keys can be made again.
        until: DateTime<Utc>,
    },
    /// `workspace.api_keys_revoked`: of those that were made before.
    ApiKeysRevoked {
        /// Which.
        which: WhichKeys,
        /// As somebody put it.
        #[serde(skip)]
        reason: Option<Private>,
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
    /// See [`Workspace::MEMBERS_MAX`].
    #[error("the workspace has 10000 members, and no room for more")]
    Full,
    /// They are not in it.
    #[error("the user is not a member")]
    NotMember,
    /// Nobody could end it or make owners any more.
    #[error("the last owner cannot leave or step down")]
    LastOwner,
}

impl Workspace {
    /// The most members that there may be.
    pub const MEMBERS_MAX: usize = 10_000;

    /// The most keys that one event lists; more are told by several.
    pub const KEYS_LISTED_MAX: usize = 1_000;

    /// What the person is here, if anything.
    pub fn role_of(&self, user: UserId) -> Option<Role> {
        match self {
            Self::Absent => None,
            Self::Active { members, .. } => members.get(&user).copied(),
        }
    }

    /// Who is in it, and as what.
    pub fn members(&self) -> impl Iterator<Item = (UserId, Role)> {
        let members = match self {
            Self::Absent => None,
            Self::Active { members, .. } => Some(members),
        };
        members.into_iter().flatten().map(|(user, role)| (*user, *role))
    }

    /// What is made in it now carries this.
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Absent => Epoch::FIRST,
            Self::Active { ended, .. } => ended.epoch(),
        }
    }

    /// Until when this person can't make API keys, if they can't.
    pub fn keys_paused(&self, user_id: UserId, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.ended()?.paused(user_id).filter(|until| at < *until)
    }

    /// What was ended in bulk; nothing, where there is no workspace.
    pub(crate) const fn ended(&self) -> Option<&Ended> {
        match self {
            Self::Absent => None,
            Self::Active { ended, .. } => Some(ended),
        }
    }

    /// Is it there, and not ended?
    pub const fn lives(&self) -> bool {
        matches!(self, Self::Active { .. })
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: WorkspaceCommand) -> Result<Vec<WorkspaceEvent>, WorkspaceError> {
        use WorkspaceCommand::{
            AddMember, ChangeRole, Create, PauseApiKeys, RemoveErased, RemoveMember, Rename, RevokeApiKeys,
        };
        match (self, command) {
            (Self::Absent, Create { name, owner }) => create(name, owner),
            (Self::Active { .. }, Create { .. }) => Err(WorkspaceError::Exists),
            (Self::Absent, _) => Err(WorkspaceError::Absent),
            (Self::Active { .. }, Rename { name }) => {
                Ok(vec![WorkspaceEvent::Renamed { name: name.into_name().ok_or(WorkspaceError::Name)? }])
            }
            (Self::Active { members, .. }, AddMember { user_id, role }) => {
                if members.contains_key(&user_id) {
                    return Err(WorkspaceError::AlreadyMember);
                }
                if members.len() >= Self::MEMBERS_MAX {
                    return Err(WorkspaceError::Full);
                }
                Ok(vec![WorkspaceEvent::MemberAdded { user_id, role }])
            }
            (Self::Active { members, .. }, ChangeRole { user_id, role }) => {
                let from = *members.get(&user_id).ok_or(WorkspaceError::NotMember)?;
                if from == role {
                    return Ok(vec![]);
                }
                keep_an_owner(members, user_id)?;
                Ok(vec![WorkspaceEvent::MemberRoleChanged { user_id, from, to: role }])
            }
            (Self::Active { members, .. }, RemoveMember { user_id }) => {
                if !members.contains_key(&user_id) {
                    return Err(WorkspaceError::NotMember);
                }
                keep_an_owner(members, user_id)?;
                Ok(vec![WorkspaceEvent::MemberRemoved { user_id }])
            }
            (Self::Active { members, .. }, RemoveErased { user_id }) => {
                let left = members.contains_key(&user_id);
                Ok(left.then_some(WorkspaceEvent::MemberRemoved { user_id }).into_iter().collect())
            }
            (Self::Active { .. }, PauseApiKeys { user_id, until }) => {
                Ok(vec![WorkspaceEvent::ApiKeysPaused { user_id, until }])
            }
            (Self::Active { .. }, RevokeApiKeys { which, reason }) => Ok(revoke_keys(which, reason.as_ref())),
        }
    }
}

fn create(name: Private, owner: Option<UserId>) -> Result<Vec<WorkspaceEvent>, WorkspaceError> {
    let mut events = vec![WorkspaceEvent::Created { name: name.into_name().ok_or(WorkspaceError::Name)? }];
    events.extend(owner.map(|user_id| WorkspaceEvent::MemberAdded { user_id, role: Role::Owner }));
    Ok(events)
}

fn revoke_keys(which: WhichKeys, reason: Option<&Private>) -> Vec<WorkspaceEvent> {
    let event = |which| WorkspaceEvent::ApiKeysRevoked { which, reason: reason.cloned() };
    match which {
        WhichKeys::These(keys) => {
            let parts = keys.chunks(Workspace::KEYS_LISTED_MAX);
            parts.map(|part| event(WhichKeys::These(part.to_vec()))).collect()
        }
        WhichKeys::All | WhichKeys::Of(_) => vec![event(which)],
    }
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
                *state = Self::Active { members: BTreeMap::new(), ended: Ended::default() };
            }
            // Widens only: whoever is a member already stays what they are.
            (WorkspaceEvent::MemberAdded { user_id, role }, Self::Active { members, .. }) => {
                members.entry(user_id).or_insert(role);
            }
            (WorkspaceEvent::MemberRoleChanged { user_id, to, .. }, Self::Active { members, .. }) => {
                members.insert(user_id, to);
            }
            (WorkspaceEvent::MemberRemoved { user_id }, Self::Active { members, ended }) => {
                members.remove(&user_id);
                ended.member_left(user_id);
            }
            (WorkspaceEvent::ApiKeysPaused { user_id, until }, Self::Active { ended, .. }) => {
                ended.keys_paused(user_id, until);
            }
            (WorkspaceEvent::ApiKeysRevoked { which, .. }, Self::Active { ended, .. }) => {
                ended.keys_revoked(which);
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
            Self::ApiKeysPaused { .. } => "workspace.api_keys_paused",
            Self::ApiKeysRevoked { .. } => "workspace.api_keys_revoked",
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
            | Self::MemberRemoved { .. }
            | Self::ApiKeysPaused { .. }
            | Self::ApiKeysRevoked { .. } => true,
        }
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Created { .. } | Self::Renamed { .. } | Self::MemberAdded { .. } => false,
            // Who becomes more is out of others' reach, and keys that carried all of their role no longer do.
            Self::MemberRoleChanged { .. }
            | Self::MemberRemoved { .. }
            | Self::ApiKeysPaused { .. }
            | Self::ApiKeysRevoked { .. } => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Created { name } | Self::Renamed { name } => vec![("name", name)],
            Self::ApiKeysRevoked { reason, .. } => reason.iter().map(|reason| ("reason", reason)).collect(),
            Self::MemberAdded { .. }
            | Self::MemberRoleChanged { .. }
            | Self::MemberRemoved { .. }
            | Self::ApiKeysPaused { .. } => vec![],
        }
    }
}

#[cfg(test)]
mod tests;
