//! Who may do what: the one page on which it is written.
//!
//! Two questions are answered here. [`may`]: may this caller do this operation in this workspace?
//! [`call_tool`]: may this caller call this tool on this session, now? The second returns a
//! [`Permit`], which nobody else can construct and without which nothing is forwarded.
//!
//! State is derived, not cascaded: a session lives only while its maker is a member, the key or
//! device that made it lives, its workspace lives and its loadout and tool server are there. Rights
//! are the lesser of those granted and those still held, looked up at every decision.
//!
//! Both answers are monotone: only an event whose `narrows` is true can turn a yes into a no (time
//! passing aside, which [`Permit::not_after`] hands to the book). The fence of the journal rests
//! on that, and a property test keeps it so.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::session::Route;
use crate::{
    ApiKey, ApiKeyId, Device, DeviceId, Grant, Loadout, LoadoutId, MadeWith, Operator, OperatorId,
    PinnedTool, Role, Session, SessionId, ToolServer, ToolServerId, UserId, Workspace, WorkspaceId,
};

/// What decisions are made on: the state of everything, exact up to one position of the book. An
/// unknown id is answered with the absent state.
pub trait World {
    /// The workspace of this id.
    fn workspace(&self, id: WorkspaceId) -> &Workspace;
    /// The API key of this id.
    fn api_key(&self, id: ApiKeyId) -> &ApiKey;
    /// The device of this id.
    fn device(&self, id: DeviceId) -> &Device;
    /// The operator credential of this id.
    fn operator(&self, id: OperatorId) -> &Operator;
    /// The tool server of this id.
    fn tool_server(&self, id: ToolServerId) -> &ToolServer;
    /// The loadout of this id.
    fn loadout(&self, id: LoadoutId) -> &Loadout;
    /// The session of this id.
    fn session(&self, id: SessionId) -> &Session;
}

/// Who asks: the holder of a credential whose secret was right. Whether the credential is still in
/// force is decided here, each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// An operator, who looks after the instance.
    Operator(OperatorId),
    /// A member, by one of their API keys.
    ApiKey(ApiKeyId),
    /// An agent, by a session's own token.
    Session(SessionId),
}

/// What can be asked for, apart from tool calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Make a workspace.
    CreateWorkspace,
    /// See that the workspace is there, and its name.
    ReadWorkspace,
    /// Rename it.
    ChangeWorkspace,
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
    /// Search and export the audit log.
    ReadAudit,
    /// See projections and the instance's health, and rebuild.
    OperateInstance,
}

/// Who somebody turned out to be, where they were asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An operator; no member of anything.
    Operator,
    /// A member, who may do what both roles allow.
    Member {
        /// Who.
        user_id: UserId,
        /// What they are in the workspace now.
        held: Role,
        /// What their credential carries of it.
        granted: Role,
    },
}

impl Standing {
    /// May this caller make a key that carries `role`? No key carries more than the one that made it.
    pub fn may_grant(self, role: Role) -> bool {
        match self {
            Self::Operator => false,
            Self::Member { held, granted, .. } => held.covers(role) && granted.covers(role),
        }
    }
}

/// Why something was refused; part of the record and of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// There is no such thing, or it is somebody else's: the two look the same.
    NotFound,
    /// The credential that was presented is revoked.
    CredentialRevoked,
    /// The credential that was presented has expired.
    CredentialExpired,
    /// The caller's role doesn't allow it.
    RoleTooLow,
    /// The session was revoked.
    SessionRevoked,
    /// The session has expired.
    SessionExpired,
    /// The key or device that the session was made with is revoked.
    MakerCredentialRevoked,
    /// The key that the session was made with has expired.
    MakerCredentialExpired,
    /// The session's maker is no longer a member, or may no longer call tools.
    MakerLostRight,
    /// The workspace has ended.
    WorkspaceEnded,
    /// The loadout was removed.
    LoadoutRemoved,
    /// The tool is not in the session's loadout.
    NotInLoadout,
    /// The tool server was removed.
    ToolServerRemoved,
    /// The tool's definition is no longer the one that was chosen.
    ToolChanged,
    /// The session's calls are used up.
    CallsUsedUp,
}

/// That a call may be made. Nobody but [`call_tool`] makes one, and it can't be copied.
#[derive(Debug)]
pub struct Permit {
    session_id: SessionId,
    workspace_id: WorkspaceId,
    route: Route,
    not_after: DateTime<Utc>,
    max_calls: Option<u64>,
}

impl Permit {
    /// On which session.
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// In which workspace.
    pub const fn workspace_id(&self) -> WorkspaceId {
        self.workspace_id
    }

    /// Where the call goes.
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// The first moment at which it would be refused, for the book to check by its own clock.
    pub const fn not_after(&self) -> DateTime<Utc> {
        self.not_after
    }

    /// How many calls the session permits in all, for the book to count.
    pub const fn max_calls(&self) -> Option<u64> {
        self.max_calls
    }
}

impl Operation {
    /// The OAuth scope that a caller lacks who may not do it (RFC 6750, section 3.1).
    pub const fn scope(self) -> &'static str {
        match self {
            Self::CreateWorkspace => "workspaces:create",
            Self::ReadWorkspace => "workspace:read",
            Self::ChangeWorkspace => "workspace:write",
            Self::ReadToolServers => "tool_servers:read",
            Self::ManageToolServers => "tool_servers:write",
            Self::ReadLoadouts => "loadouts:read",
            Self::ManageLoadouts => "loadouts:write",
            Self::CreateSession => "sessions:create",
            Self::ReadSession(_) | Self::ReadAllSessions => "sessions:read",
            Self::RevokeSession(_) => "sessions:revoke",
            Self::CreateApiKey => "api_keys:create",
            Self::ReadApiKey(_) | Self::ReadAllApiKeys => "api_keys:read",
            Self::RevokeApiKey(_) => "api_keys:revoke",
            Self::ReadAudit => "audit:read",
            Self::OperateInstance => "instance:operate",
        }
    }

    /// The matrix.
    fn allowed_to(self, user: UserId, role: Role) -> bool {
        use Role::{Admin, Auditor, Member, Owner};
        match self {
            Self::CreateWorkspace | Self::OperateInstance => false,
            Self::ReadWorkspace | Self::ReadToolServers | Self::ReadLoadouts => true,
            Self::ChangeWorkspace | Self::ManageToolServers | Self::ManageLoadouts => {
                matches!(role, Admin | Owner)
            }
            Self::CreateSession | Self::CreateApiKey => matches!(role, Member | Admin | Owner),
            Self::ReadAudit | Self::ReadAllSessions | Self::ReadAllApiKeys => {
                matches!(role, Auditor | Admin | Owner)
            }
            Self::ReadSession(owner) | Self::ReadApiKey(owner) => {
                user == owner || matches!(role, Auditor | Admin | Owner)
            }
            Self::RevokeSession(owner) | Self::RevokeApiKey(owner) => {
                user == owner || matches!(role, Admin | Owner)
            }
        }
    }
}

/// May `caller` do `operation` in `workspace_id` (in none, for what belongs to the instance)?
///
/// # Errors
/// The reason why not. To strangers everything is [`Denial::NotFound`].
pub fn may(
    world: &impl World,
    caller: Caller,
    workspace_id: Option<WorkspaceId>,
    operation: Operation,
    at: DateTime<Utc>,
) -> Result<Standing, Denial> {
    match caller {
        Caller::Operator(id) => {
            operator_lives(world.operator(id), at)?;
            match (workspace_id, operation) {
                (None, Operation::CreateWorkspace | Operation::OperateInstance) => Ok(Standing::Operator),
                _ => Err(Denial::NotFound),
            }
        }
        Caller::ApiKey(id) => {
            let member = member(world, id, at)?;
            match workspace_id {
                Some(workspace) if workspace != member.workspace_id => Err(Denial::NotFound),
                Some(_) if member.may(operation) => Ok(member.standing()),
                Some(_) | None => Err(Denial::RoleTooLow),
            }
        }
        // A session's token calls tools, and nothing else.
        Caller::Session(id) => match (world.session(id).grant(), workspace_id) {
            (Some(grant), Some(workspace)) if grant.workspace_id != workspace => Err(Denial::NotFound),
            (Some(_), _) => Err(Denial::RoleTooLow),
            (None, _) => Err(Denial::NotFound),
        },
    }
}

/// The workspace that a caller belongs to, and who they are there.
///
/// # Errors
/// When the credential is not in force, or is no member's.
pub fn home(
    world: &impl World,
    caller: Caller,
    at: DateTime<Utc>,
) -> Result<Option<(WorkspaceId, Standing)>, Denial> {
    match caller {
        Caller::Operator(id) => operator_lives(world.operator(id), at).map(|()| None),
        Caller::ApiKey(id) => {
            member(world, id, at).map(|member| Some((member.workspace_id, member.standing())))
        }
        Caller::Session(_) => Err(Denial::RoleTooLow),
    }
}

/// The first moment at which the caller's own credential ends by itself, if it does: the
/// `not_after` of everything that is written for them, for the book to check by its own clock.
pub fn credential_ends(world: &impl World, caller: Caller) -> Option<DateTime<Utc>> {
    match caller {
        Caller::Operator(id) => world.operator(id).grant().and_then(|grant| grant.expires_at),
        Caller::ApiKey(id) => world.api_key(id).grant().and_then(|grant| grant.expires_at),
        Caller::Session(id) => world.session(id).grant().map(|grant| grant.expires_at),
    }
}

/// May `caller` call `tool` on the session, now? [`Denial::NotFound`] is for strangers and isn't
/// recorded; every other answer is.
///
/// # Errors
/// The reason why not.
pub fn call_tool(
    world: &impl World,
    caller: Caller,
    session_id: SessionId,
    tool: &str,
    at: DateTime<Utc>,
) -> Result<Permit, Denial> {
    let (grant, not_after) = use_session(world, caller, session_id, at)?;
    let pinned = pinned(world, grant, tool)?;
    let registration = world
        .tool_server(pinned.tool_server_id)
        .registration()
        .filter(|server| server.workspace_id == grant.workspace_id)
        .ok_or(Denial::ToolServerRemoved)?;
    if registration.tools.get(&pinned.tool) != Some(&pinned.digest) {
        return Err(Denial::ToolChanged);
    }
    Ok(Permit {
        session_id,
        workspace_id: grant.workspace_id,
        route: Route {
            tool_server_id: pinned.tool_server_id,
            upstream_tool: pinned.tool.clone(),
            loadout_version: grant.loadout_version,
        },
        not_after,
        max_calls: grant.max_calls,
    })
}

/// May `caller` use the session at all, now, for instance to list its tools? Answers with what it
/// grants and the first moment at which it would no longer.
///
/// # Errors
/// The reason why not.
pub fn use_session(
    world: &impl World,
    caller: Caller,
    session_id: SessionId,
    at: DateTime<Utc>,
) -> Result<(&Grant, DateTime<Utc>), Denial> {
    let session = world.session(session_id);
    let grant = session.grant().ok_or(Denial::NotFound)?;
    let caller_ends = match caller {
        Caller::Session(own) if own == session_id => None,
        Caller::ApiKey(id) => {
            let member = member(world, id, at)?;
            if member.workspace_id != grant.workspace_id || member.user_id != grant.user_id {
                return Err(Denial::NotFound);
            }
            if !member.may_call_tools() {
                return Err(Denial::RoleTooLow);
            }
            member.expires_at
        }
        Caller::Session(_) | Caller::Operator(_) => return Err(Denial::NotFound),
    };
    match session {
        Session::Open(grant) if at < grant.expires_at => {}
        Session::Open(_) => return Err(Denial::SessionExpired),
        Session::Revoked(_) | Session::Absent => return Err(Denial::SessionRevoked),
    }
    let workspace = world.workspace(grant.workspace_id);
    if !workspace.lives() {
        return Err(Denial::WorkspaceEnded);
    }
    let held = workspace.role_of(grant.user_id).ok_or(Denial::MakerLostRight)?;
    let (granted, root_ends) = root(world, grant, at)?;
    if !(may_call_tools(held) && may_call_tools(granted)) {
        return Err(Denial::MakerLostRight);
    }
    let ends = [caller_ends, root_ends].into_iter().flatten().fold(grant.expires_at, DateTime::min);
    Ok((grant, ends))
}

const fn may_call_tools(role: Role) -> bool {
    matches!(role, Role::Member | Role::Admin | Role::Owner)
}

/// What the credential that made a session still carries, and when it ends by itself.
fn root(
    world: &impl World,
    grant: &Grant,
    at: DateTime<Utc>,
) -> Result<(Role, Option<DateTime<Utc>>), Denial> {
    match grant.made_with {
        MadeWith::ApiKey(id) => match world.api_key(id) {
            ApiKey::Active(key) if key.expires_at.is_some_and(|end| at >= end) => {
                Err(Denial::MakerCredentialExpired)
            }
            ApiKey::Active(key) => Ok((key.role, key.expires_at)),
            ApiKey::Revoked(_) | ApiKey::Absent => Err(Denial::MakerCredentialRevoked),
        },
        MadeWith::Device(id) => match world.device(id) {
            Device::SignedIn(_) => Ok((Role::Owner, None)),
            Device::Revoked(_) | Device::Absent => Err(Denial::MakerCredentialRevoked),
        },
    }
}

fn pinned<'a>(world: &'a impl World, grant: &Grant, tool: &str) -> Result<&'a PinnedTool, Denial> {
    // Another workspace's loadout, or server, is as if it weren't there: a wall of its own behind
    // the handlers' checks, because what it keeps apart are tenants.
    let loadout = world.loadout(grant.loadout_id);
    let ours = loadout.workspace_id() == Some(grant.workspace_id);
    let version = loadout.version(grant.loadout_version).filter(|_| ours).ok_or(Denial::LoadoutRemoved)?;
    version.tools.get(tool).ok_or(Denial::NotInLoadout)
}

fn operator_lives(operator: &Operator, at: DateTime<Utc>) -> Result<(), Denial> {
    match operator {
        Operator::Active(_) if operator.lives(at) => Ok(()),
        Operator::Active(_) => Err(Denial::CredentialExpired),
        Operator::Revoked(_) => Err(Denial::CredentialRevoked),
        Operator::Absent => Err(Denial::NotFound),
    }
}

/// Who a key stands for.
struct Member {
    workspace_id: WorkspaceId,
    user_id: UserId,
    held: Role,
    granted: Role,
    expires_at: Option<DateTime<Utc>>,
}

impl Member {
    /// The lesser of the rights granted and those still held. Roles are no ladder (an auditor reads
    /// what a member can't), so both must allow it.
    fn may(&self, operation: Operation) -> bool {
        operation.allowed_to(self.user_id, self.held) && operation.allowed_to(self.user_id, self.granted)
    }

    const fn may_call_tools(&self) -> bool {
        may_call_tools(self.held) && may_call_tools(self.granted)
    }

    const fn standing(&self) -> Standing {
        Standing::Member { user_id: self.user_id, held: self.held, granted: self.granted }
    }
}

fn member(world: &impl World, id: ApiKeyId, at: DateTime<Utc>) -> Result<Member, Denial> {
    let key = match world.api_key(id) {
        ApiKey::Active(key) if key.expires_at.is_some_and(|end| at >= end) => {
            return Err(Denial::CredentialExpired);
        }
        ApiKey::Active(key) => key,
        ApiKey::Revoked(_) => return Err(Denial::CredentialRevoked),
        ApiKey::Absent => return Err(Denial::NotFound),
    };
    let workspace = world.workspace(key.workspace_id);
    if !workspace.lives() {
        return Err(Denial::WorkspaceEnded);
    }
    // Whoever was removed from a workspace has no key in it any more.
    let held = workspace.role_of(key.user_id).ok_or(Denial::CredentialRevoked)?;
    Ok(Member {
        workspace_id: key.workspace_id,
        user_id: key.user_id,
        held,
        granted: key.role,
        expires_at: key.expires_at,
    })
}

#[cfg(test)]
mod tests;
