//! What can be asked for, apart from tool calls; and the matrix.

use crate::{ApiKeyId, OperatorId, Permission, Role, UserId};

/// What can be asked for, apart from tool calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Make a workspace.
    CreateWorkspace,
    /// See that the workspace is there, and its name.
    ReadWorkspace,
    /// Rename it.
    ChangeWorkspace,
    /// See who is in it.
    ReadMembers,
    /// Make a member something else.
    ChangeRole {
        /// Who.
        member: UserId,
        /// What.
        to: Role,
    },
    /// Remove this member. Who removes themselves leaves.
    RemoveMember(UserId),
    /// Leave.
    Leave,
    /// Invite somebody as this.
    Invite(Role),
    /// See invitations.
    ReadInvitations,
    /// Take an invitation back.
    RevokeInvitation,
    /// See tool servers and their tools.
    ReadToolServers,
    /// Register, change, refresh and remove them.
    ManageToolServers,
    /// See loadouts.
    ReadLoadouts,
    /// Make, change and remove them.
    ManageLoadouts,
    /// Make a session of one's own.
    CreateSession,
    /// See a session of this maker.
    ReadSession(UserId),
    /// See everybody's sessions.
    ReadAllSessions,
    /// Revoke a session of this maker.
    RevokeSession(UserId),
    /// Make an API key of one's own.
    CreateApiKey,
    /// See an API key of this user.
    ReadApiKey(UserId),
    /// See everybody's API keys.
    ReadAllApiKeys,
    /// Revoke an API key of this user.
    RevokeApiKey(UserId),
    /// Revoke all API keys of this user, or all with a label.
    RevokeApiKeysOf(UserId),
    /// Revoke everybody's API keys.
    RevokeAllApiKeys,
    /// Give an API key another secret, and see it.
    RotateApiKey {
        /// Whose.
        holder: UserId,
        /// Which.
        key: ApiKeyId,
    },
    /// End the secrets of an API key, and make the link by which its holder mints the next.
    ResetApiKey {
        /// Whose.
        holder: UserId,
        /// Which.
        key: ApiKeyId,
    },
    /// Search and export the audit log.
    ReadAudit,
    /// See this person's sign-ins.
    ReadSignIns(UserId),
    /// End a sign-in of this person.
    EndSignIn(UserId),
    /// See projections and the instance's health, and rebuild.
    OperateInstance,
    /// Make, see and revoke operator credentials.
    ManageOperators,
    /// Give this operator credential another secret, and see it.
    RotateOperator(OperatorId),
    /// Erase a person.
    ErasePerson,
}

impl Operation {
    /// What a credential must not be narrowed away from.
    pub const fn permission(self) -> Permission {
        match self {
            Self::CreateWorkspace => Permission::CreateWorkspaces,
            Self::ReadWorkspace => Permission::ReadWorkspace,
            Self::ChangeWorkspace => Permission::WriteWorkspace,
            Self::ReadMembers => Permission::ReadMembers,
            Self::ChangeRole { .. } | Self::RemoveMember(_) => Permission::WriteMembers,
            Self::Leave => Permission::Leave,
            Self::Invite(_) => Permission::CreateInvitations,
            Self::ReadInvitations => Permission::ReadInvitations,
            Self::RevokeInvitation => Permission::RevokeInvitations,
            Self::ReadToolServers => Permission::ReadToolServers,
            Self::ManageToolServers => Permission::WriteToolServers,
            Self::ReadLoadouts => Permission::ReadLoadouts,
            Self::ManageLoadouts => Permission::WriteLoadouts,
            Self::CreateSession => Permission::CreateSessions,
            Self::ReadSession(_) | Self::ReadAllSessions => Permission::ReadSessions,
            Self::RevokeSession(_) => Permission::RevokeSessions,
            Self::CreateApiKey => Permission::CreateApiKeys,
            Self::ReadApiKey(_) | Self::ReadAllApiKeys => Permission::ReadApiKeys,
            Self::RevokeApiKey(_) | Self::RevokeApiKeysOf(_) | Self::RevokeAllApiKeys => {
                Permission::RevokeApiKeys
            }
            Self::RotateApiKey { .. } => Permission::RotateApiKeys,
            Self::ResetApiKey { .. } => Permission::ResetApiKeys,
            Self::ReadAudit => Permission::ReadAudit,
            Self::ReadSignIns(_) => Permission::ReadSignIns,
            Self::EndSignIn(_) => Permission::EndSignIns,
            Self::OperateInstance => Permission::OperateInstance,
            Self::ManageOperators | Self::RotateOperator(_) => Permission::WriteOperators,
            Self::ErasePerson => Permission::ErasePeople,
        }
    }

    /// The OAuth scope that a caller lacks who may not do it (RFC 6750, section 3.1).
    pub const fn scope(self) -> &'static str {
        self.permission().as_str()
    }

    /// Is it an operator's, and about the instance?
    pub(super) const fn is_operators(self) -> bool {
        matches!(
            self,
            Self::CreateWorkspace
                | Self::OperateInstance
                | Self::ManageOperators
                | Self::RotateOperator(_)
                | Self::ErasePerson
        )
    }

    /// The matrix: may `user` do it in a workspace in which they are this?
    pub(super) fn allowed_to(self, user: UserId, role: Role) -> bool {
        use Role::{Admin, Auditor, Member, Owner};
        match self {
            Self::CreateWorkspace
            | Self::OperateInstance
            | Self::ManageOperators
            | Self::RotateOperator(_)
            | Self::ErasePerson
            | Self::ReadSignIns(_)
            | Self::EndSignIn(_) => false,
            Self::ReadWorkspace
            | Self::ReadMembers
            | Self::Leave
            | Self::ReadToolServers
            | Self::ReadLoadouts => true,
            Self::ChangeWorkspace
            | Self::ManageToolServers
            | Self::ManageLoadouts
            | Self::RevokeInvitation
            | Self::RevokeAllApiKeys => matches!(role, Admin | Owner),
            Self::CreateSession | Self::CreateApiKey => matches!(role, Member | Admin | Owner),
            Self::ReadAudit | Self::ReadAllSessions | Self::ReadAllApiKeys | Self::ReadInvitations => {
                matches!(role, Auditor | Admin | Owner)
            }
            Self::ReadSession(owner) | Self::ReadApiKey(owner) => {
                user == owner || matches!(role, Auditor | Admin | Owner)
            }
            Self::RevokeSession(owner) | Self::RevokeApiKey(owner) | Self::RevokeApiKeysOf(owner) => {
                user == owner || matches!(role, Admin | Owner)
            }
            // Shows the secret: it is nobody else's business.
            Self::RotateApiKey { holder, .. } => user == holder,
            Self::RemoveMember(member) => user == member || matches!(role, Admin | Owner),
            Self::ChangeRole { .. } | Self::Invite(_) | Self::ResetApiKey { .. } => {
                matches!(role, Admin | Owner)
            }
        }
    }

    /// What it is when `user` asks for it.
    pub(super) fn by(self, user: UserId) -> Self {
        match self {
            Self::RemoveMember(member) if member == user => Self::Leave,
            _ => self,
        }
    }

    /// Is it about people, or other people's keys, when `user` asks for it? That is no business of a key that is
    /// confined to a part of the workspace.
    pub(super) fn is_on_people(self, user: UserId) -> bool {
        match self {
            Self::RemoveMember(_)
            | Self::Leave
            | Self::ChangeRole { .. }
            | Self::Invite(_)
            | Self::ResetApiKey { .. }
            | Self::RevokeApiKeysOf(_)
            | Self::RevokeAllApiKeys => true,
            Self::RevokeApiKey(owner) => owner != user,
            _ => false,
        }
    }

    /// The member whose own role the caller's must cover: nobody touches those who are more.
    pub(super) const fn reaches(self) -> Option<UserId> {
        match self {
            Self::RemoveMember(member)
            | Self::ChangeRole { member, .. }
            | Self::ResetApiKey { holder: member, .. } => Some(member),
            _ => None,
        }
    }

    /// The role that is given away by it: nobody grants more than they hold.
    pub(super) const fn grants(self) -> Option<Role> {
        match self {
            Self::ChangeRole { to, .. } | Self::Invite(to) => Some(to),
            _ => None,
        }
    }

    /// Does it leave behind what a secret's end doesn't end: another secret, or somebody's role?
    pub(super) const fn outlasts_its_secret(self) -> bool {
        let mints = matches!(self, Self::CreateApiKey | Self::RotateApiKey { .. } | Self::ResetApiKey { .. });
        mints || self.grants().is_some()
    }
}
