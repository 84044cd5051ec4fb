//! Who may do what: the one page on which it is written.
//!
//! Three questions are answered here. [`may`]: may this caller do this operation in this workspace?
//! [`call_tool`]: may this caller call this tool on this session, now? The second returns a
//! [`Permit`], which nobody else can construct and without which nothing is forwarded.
//! [`redeem_link`]: may the holder of this one-time link redeem it? Who may do which operation is the
//! matrix in `operation.rs`.
//!
//! No credential mints what it doesn't cover: whoever makes a key, or gives one its next secret, may
//! hold that secret afterwards. So what they came with must carry the key's role, be as wide as it is
//! narrowed, and last as long ([`Bounds`]). A key may always rotate itself. And a secret that was
//! followed by a newer one only serves out its time: it makes no key, gives none another secret and
//! nobody a role, and the sessions that it makes end with it. A key that is confined to tool servers, loadouts or
//! addresses touches people, and other people's keys, only where its permissions say so by name.
//!
//! State is derived, not cascaded: a session lives only while its maker is a member, the key or
//! device that made it lives, its workspace lives and its loadout and tool server are there. Rights
//! are the lesser of those granted and those still held, looked up at every decision; so is what a key
//! is narrowed to, also for the sessions that were made with it.
//!
//! Both answers are monotone: only an event whose `narrows` is true can turn a yes into a no (time
//! passing aside, which [`Permit::not_after`] hands to the book). The fence of the journal rests
//! on that, and a property test keeps it so.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::session::Route;
use crate::{
    ApiKey, ApiKeyId, Device, DeviceId, Grant, KeyGrant, LinkId, Loadout, LoadoutId, MadeWith, Narrowing,
    OneTimeLink, Operator, OperatorId, Permission, Role, Session, SessionId, SignIn, SignInGrant, SignInId,
    ToolServer, ToolServerId, User, UserId, Workspace, WorkspaceId,
};

mod asker;
mod link;
mod operation;
mod usable;

pub use asker::{Asker, Caller};
pub use link::{LinkRefused, Redeemable, redeem_link};
pub use operation::Operation;
pub use usable::Usable;

/// What decisions are made on: the state of everything, exact up to one position of the book. An
/// unknown id is answered with the absent state.
pub trait World {
    /// The person of this id.
    fn user(&self, id: UserId) -> &User;
    /// The sign-in of this id.
    fn sign_in(&self, id: SignInId) -> &SignIn;
    /// The one-time link of this id.
    fn one_time_link(&self, id: LinkId) -> &OneTimeLink;
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

/// Who somebody turned out to be, where they were asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An operator; no member of anything.
    Operator,
    /// A person, signed in, asked about themselves and no workspace.
    Person {
        /// Who.
        user_id: UserId,
    },
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
            Self::Operator | Self::Person { .. } => false,
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
    /// The secret that was presented was followed by a newer one of its credential, and has ended.
    SecretReplaced,
    /// So was this one, and the time for which both were good is over.
    SecretExpired,
    /// The API key that was presented was reset: its next secret comes by a link.
    KeyReset,
    /// The secret that was presented is still good, and was followed by a newer one: what outlasts it is
    /// done with that.
    FormerSecret,
    /// What it is about carries more than the caller's credential does, is wider, or lasts longer.
    NotCovered,
    /// The key that was to be reset is the one that asks: it would end in the asker's hands.
    OwnKey,
    /// It would show another operator's secret.
    AnotherOperators,
    /// The credential that was presented, or that the session was made with, isn't for this address.
    AddressRefused,
    /// The caller's role doesn't allow it, or their key is narrowed to other operations.
    RoleTooLow,
    /// The caller's key, or the one that the session was made with, is narrowed to other tool servers or
    /// loadouts.
    OutsideNarrowing,
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

impl Denial {
    /// Is it that the caller's own credential, whose right secret they hold, is no longer in force?
    pub const fn ends_credential(self) -> bool {
        match self {
            Self::CredentialRevoked
            | Self::CredentialExpired
            | Self::SecretReplaced
            | Self::SecretExpired
            | Self::KeyReset => true,
            Self::NotFound
            | Self::FormerSecret
            | Self::NotCovered
            | Self::OwnKey
            | Self::AnotherOperators
            | Self::AddressRefused
            | Self::RoleTooLow
            | Self::OutsideNarrowing
            | Self::SessionRevoked
            | Self::SessionExpired
            | Self::MakerCredentialRevoked
            | Self::MakerCredentialExpired
            | Self::MakerLostRight
            | Self::WorkspaceEnded
            | Self::LoadoutRemoved
            | Self::NotInLoadout
            | Self::ToolServerRemoved
            | Self::ToolChanged
            | Self::CallsUsedUp => false,
        }
    }
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

/// May `asker` do `operation` in `workspace_id` (in none, for what belongs to the instance or to a person)?
///
/// # Errors
/// The reason why not. To strangers everything is [`Denial::NotFound`].
pub fn may(
    world: &impl World,
    asker: impl Into<Asker>,
    workspace_id: Option<WorkspaceId>,
    operation: Operation,
    at: DateTime<Utc>,
) -> Result<Standing, Denial> {
    let asker = asker.into();
    match asker.caller {
        Caller::Operator(id) => {
            let secret_ends = operator_lives(world, asker, id, at)?;
            match (workspace_id, operation) {
                (None, Operation::RotateOperator(other)) if other != id => Err(Denial::AnotherOperators),
                (None, Operation::RotateOperator(_)) if secret_ends.is_some() => Err(Denial::FormerSecret),
                (None, _) if operation.is_operators() => Ok(Standing::Operator),
                _ => Err(Denial::NotFound),
            }
        }
        Caller::ApiKey(id) => {
            let member = member(world, asker, id, at)?;
            member.at(asker)?;
            match workspace_id {
                Some(workspace) if workspace != member.workspace_id => Err(Denial::NotFound),
                Some(_) => member.may(world, operation).map(|()| member.standing()),
                None => Err(Denial::RoleTooLow),
            }
        }
        Caller::SignIn(id) => {
            let user_id = signed_in(world, id, at)?.user_id;
            match (workspace_id, operation) {
                (Some(workspace), _) => {
                    let member = held_role(world, workspace, user_id).ok_or(Denial::NotFound)?;
                    member.may(world, operation).map(|()| member.standing())
                }
                (None, Operation::ReadSignIns(whose) | Operation::EndSignIn(whose)) if whose == user_id => {
                    Ok(Standing::Person { user_id })
                }
                (None, _) => Err(Denial::RoleTooLow),
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

/// The one workspace that a caller's credential belongs to, and who they are there. None for operators, and
/// for people who are signed in: they have as many as they are members of.
///
/// # Errors
/// When the credential is not in force, or is no member's.
pub fn home(
    world: &impl World,
    asker: impl Into<Asker>,
    at: DateTime<Utc>,
) -> Result<Option<(WorkspaceId, Standing)>, Denial> {
    let asker = asker.into();
    match asker.caller {
        Caller::Operator(id) => operator_lives(world, asker, id, at).map(|_| None),
        Caller::SignIn(id) => signed_in(world, id, at).map(|_| None),
        Caller::ApiKey(id) => {
            let member = member(world, asker, id, at)?;
            member.at(asker)?;
            Ok(Some((member.workspace_id, member.standing())))
        }
        Caller::Session(_) => Err(Denial::RoleTooLow),
    }
}

/// The first moment at which the caller's own credential (or the secret of it that they came with) ends by
/// itself, if it does: the `not_after` of everything that is written for them, for the book to check
/// by its own clock.
pub fn credential_ends(world: &impl World, asker: impl Into<Asker>) -> Option<DateTime<Utc>> {
    let asker = asker.into();
    let expires_at = match asker.caller {
        Caller::Operator(id) => world.operator(id).grant().and_then(|grant| grant.expires_at),
        Caller::ApiKey(id) => world.api_key(id).grant().and_then(|grant| grant.expires_at),
        Caller::Session(id) => world.session(id).grant().map(|grant| grant.expires_at),
        Caller::SignIn(id) => world.sign_in(id).grant().map(|grant| grant.expires_at),
    };
    [expires_at, secret_ends(world, asker)].into_iter().flatten().min()
}

/// The first moment at which the secret that somebody came with is no longer good, where a newer one follows it.
fn secret_ends(world: &impl World, Asker { caller, secret, .. }: Asker) -> Option<DateTime<Utc>> {
    let rotation = match caller {
        Caller::Operator(id) => &world.operator(id).credential()?.rotation,
        Caller::ApiKey(id) => &world.api_key(id).key()?.rotation,
        Caller::Session(_) | Caller::SignIn(_) => return None,
    };
    rotation.good(secret, DateTime::<Utc>::MIN_UTC).ok()?
}

/// When what the caller makes ends, if they want it to end then, and it hangs on their credential: that is looked
/// at in every decision, but not which of its secrets made it. So it ends with that secret at the latest.
pub fn lasts_until(world: &impl World, asker: impl Into<Asker>, wanted: DateTime<Utc>) -> DateTime<Utc> {
    secret_ends(world, asker.into()).map_or(wanted, |end| end.min(wanted))
}

/// Who a person is in a workspace, by a sign-in and not by a credential of theirs there.
///
/// # Errors
/// When the sign-in is no longer in force.
pub fn signed_in(world: &impl World, id: SignInId, at: DateTime<Utc>) -> Result<&SignInGrant, Denial> {
    match world.sign_in(id) {
        SignIn::Open(grant) if *world.user(grant.user_id) == User::Erased => Err(Denial::CredentialRevoked),
        SignIn::Open(grant) if at < grant.expires_at => Ok(grant),
        SignIn::Open(_) => Err(Denial::CredentialExpired),
        SignIn::Ended(_) => Err(Denial::CredentialRevoked),
        SignIn::Absent => Err(Denial::NotFound),
    }
}

/// May the caller make this API key? No key carries more than the credential that makes it: not its role, nor
/// anything that it is narrowed away from, nor a longer time.
pub fn may_make_key(world: &impl World, asker: impl Into<Asker>, standing: Standing, key: &KeyGrant) -> bool {
    let asker = asker.into();
    match asker.caller {
        Caller::ApiKey(_) | Caller::SignIn(_) => bounds(world, asker).cover(standing, key),
        Caller::Operator(_) | Caller::Session(_) => false,
    }
}

/// May an operator make a credential with this end? None outlasts the one that makes it.
pub fn may_make_operator(
    world: &impl World,
    asker: impl Into<Asker>,
    expires_at: Option<DateTime<Utc>>,
) -> bool {
    let asker = asker.into();
    matches!(asker.caller, Caller::Operator(_)) && bounds(world, asker).outlast(expires_at)
}

/// May the caller make a session on this loadout, as far as their credential is narrowed?
pub fn reaches_loadout(world: &impl World, caller: Caller, loadout_id: LoadoutId) -> bool {
    match caller {
        Caller::ApiKey(id) => {
            world.api_key(id).grant().is_some_and(|key| narrowing_of(key).reaches_loadout(loadout_id))
        }
        Caller::SignIn(_) => true,
        Caller::Operator(_) | Caller::Session(_) => false,
    }
}

/// May `asker` call `tool` on the session, now? [`Denial::NotFound`] is for strangers and isn't
/// recorded; every other answer is.
///
/// # Errors
/// The reason why not.
pub fn call_tool(
    world: &impl World,
    asker: impl Into<Asker>,
    session_id: SessionId,
    tool: &str,
    at: DateTime<Utc>,
) -> Result<Permit, Denial> {
    let usable = usable(world, asker.into(), session_id, at)?;
    let (grant, pinned) = (usable.grant, usable.tool(world, tool)?);
    Ok(Permit {
        session_id,
        workspace_id: grant.workspace_id,
        route: Route {
            tool_server_id: pinned.tool_server_id,
            upstream_tool: pinned.tool.clone(),
            loadout_version: grant.loadout_version,
        },
        not_after: usable.ends,
        max_calls: grant.max_calls,
    })
}

/// May `asker` use the session at all, now, for instance to list its tools?
///
/// # Errors
/// The reason why not.
pub fn use_session(
    world: &impl World,
    asker: impl Into<Asker>,
    session_id: SessionId,
    at: DateTime<Utc>,
) -> Result<Usable<'_>, Denial> {
    usable(world, asker.into(), session_id, at)
}

/// Is the session in force, whoever asks and from wherever?
///
/// # Errors
/// The reason why not.
pub fn session_lives(world: &impl World, session_id: SessionId, at: DateTime<Utc>) -> Result<(), Denial> {
    lives(world, session_id, at).map(drop)
}

fn usable(
    world: &impl World,
    asker: Asker,
    session_id: SessionId,
    at: DateTime<Utc>,
) -> Result<Usable<'_>, Denial> {
    let grant = world.session(session_id).grant().ok_or(Denial::NotFound)?;
    let caller = match asker.caller {
        Caller::Session(own) if own == session_id => None,
        Caller::ApiKey(id) => {
            let member = member(world, asker, id, at)?;
            if member.workspace_id != grant.workspace_id || member.user_id != grant.user_id {
                return Err(Denial::NotFound);
            }
            if !member.may_call_tools() {
                return Err(Denial::RoleTooLow);
            }
            Some(member)
        }
        Caller::Session(_) | Caller::Operator(_) | Caller::SignIn(_) => return Err(Denial::NotFound),
    };
    let usable = lives(world, session_id, at)?;
    let callers = caller.as_ref().and_then(|member| member.narrowing);
    let ends = caller.and_then(|member| member.ends).map_or(usable.ends, |end| end.min(usable.ends));
    let usable = Usable { ends, callers, ..usable };
    if !usable.narrowings().all(|narrowing| narrowing.allows_from(asker.address)) {
        return Err(Denial::AddressRefused);
    }
    if !usable.narrowings().all(|narrowing| narrowing.reaches_loadout(grant.loadout_id)) {
        return Err(Denial::OutsideNarrowing);
    }
    Ok(usable)
}

fn lives(world: &impl World, session_id: SessionId, at: DateTime<Utc>) -> Result<Usable<'_>, Denial> {
    let grant = match world.session(session_id) {
        Session::Open(grant) if at < grant.expires_at => grant,
        Session::Open(_) => return Err(Denial::SessionExpired),
        Session::Revoked(_) => return Err(Denial::SessionRevoked),
        Session::Absent => return Err(Denial::NotFound),
    };
    let workspace = world.workspace(grant.workspace_id);
    let Some(ended) = workspace.ended() else { return Err(Denial::WorkspaceEnded) };
    let held = role_of(world, grant.workspace_id, grant.user_id).ok_or(Denial::MakerLostRight)?;
    if ended.membership(grant.user_id, grant.epoch) {
        return Err(Denial::MakerLostRight);
    }
    let Root { granted, ends, narrowing } = root(world, grant, at)?;
    let narrowed = narrowing.is_some_and(|narrowing| !narrowing.permits(Permission::CallTools));
    if narrowed || !(may_call_tools(held) && may_call_tools(granted)) {
        return Err(Denial::MakerLostRight);
    }
    let ends = ends.map_or(grant.expires_at, |end| end.min(grant.expires_at));
    Ok(Usable { grant, ends, callers: None, makers: narrowing })
}

const fn may_call_tools(role: Role) -> bool {
    matches!(role, Role::Member | Role::Admin | Role::Owner)
}

/// What the credential that made a session still carries, and when it ends by itself.
struct Root<'a> {
    granted: Role,
    ends: Option<DateTime<Utc>>,
    narrowing: Option<&'a Narrowing>,
}

fn root<'a>(world: &'a impl World, grant: &Grant, at: DateTime<Utc>) -> Result<Root<'a>, Denial> {
    match grant.made_with {
        MadeWith::ApiKey(id) => {
            let key = key_stands(world, id, at).map_err(|denial| match denial {
                Denial::CredentialExpired => Denial::MakerCredentialExpired,
                _ => Denial::MakerCredentialRevoked,
            })?;
            let narrowing = key.narrowing.as_deref();
            Ok(Root { granted: key.role, ends: key.expires_at, narrowing })
        }
        MadeWith::Device(id) => match world.device(id) {
            Device::SignedIn(_) => Ok(Root { granted: Role::Owner, ends: None, narrowing: None }),
            Device::Revoked(_) | Device::Absent => Err(Denial::MakerCredentialRevoked),
        },
    }
}

/// Answers with when the secret that the operator came with ends, if it does.
fn operator_lives(
    world: &impl World,
    asker: Asker,
    id: OperatorId,
    at: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Denial> {
    match world.operator(id) {
        Operator::Active(credential) if credential.grant.expires_at.is_none_or(|end| at < end) => {
            credential.rotation.good(asker.secret, at)
        }
        Operator::Active(_) => Err(Denial::CredentialExpired),
        Operator::Revoked(_) => Err(Denial::CredentialRevoked),
        Operator::Absent => Err(Denial::NotFound),
    }
}

/// Is the key in force, whichever of its secrets somebody came with? Its workspace and membership aside.
///
/// # Errors
/// Why not.
pub fn key_stands(world: &impl World, id: ApiKeyId, at: DateTime<Utc>) -> Result<&KeyGrant, Denial> {
    let (grant, is_reset) = match world.api_key(id) {
        ApiKey::Active(key) => (&key.grant, false),
        ApiKey::Reset { key, .. } => (&key.grant, true),
        ApiKey::Revoked(_) => return Err(Denial::CredentialRevoked),
        ApiKey::Absent => return Err(Denial::NotFound),
    };
    // What ended for good is told first: no link brings that back.
    if ended_in_bulk(world, id, grant) {
        return Err(Denial::CredentialRevoked);
    }
    if grant.expires_at.is_some_and(|end| at >= end) {
        return Err(Denial::CredentialExpired);
    }
    if is_reset { Err(Denial::KeyReset) } else { Ok(grant) }
}

/// Has the key ended with others: all of its workspace, of its holder, of its label, or with its holder's
/// membership?
fn ended_in_bulk(world: &impl World, id: ApiKeyId, key: &KeyGrant) -> bool {
    let ended = world.workspace(key.workspace_id).ended();
    ended.is_some_and(|ended| ended.api_key(id, key.user_id, key.epoch))
}

/// What bounds all that a credential makes, beside its role.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// What it is narrowed to.
    pub narrowing: &'a Narrowing,
    /// When it, or the secret of it that somebody came with, ends by itself, if it does.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Bounds<'_> {
    /// Is this key no more than what somebody of this standing holds, with a credential of these bounds?
    fn cover(self, standing: Standing, key: &KeyGrant) -> bool {
        standing.may_grant(key.role)
            && self.narrowing.covers(narrowing_of(key))
            && self.outlast(key.expires_at)
    }

    /// Does it last at least as long as what ends then?
    fn outlast(self, end: Option<DateTime<Utc>>) -> bool {
        self.expires_at.is_none_or(|own| end.is_some_and(|end| end <= own))
    }
}

/// What bounds the credentials that this caller makes. A sign-in bounds none: it is the person themselves.
pub fn bounds(world: &impl World, asker: impl Into<Asker>) -> Bounds<'_> {
    let asker = asker.into();
    let narrowing = match asker.caller {
        Caller::ApiKey(id) => world.api_key(id).grant().map_or(&NOTHING, narrowing_of),
        Caller::Operator(_) => &NOTHING,
        Caller::Session(_) | Caller::SignIn(_) => return Bounds { narrowing: &NOTHING, expires_at: None },
    };
    Bounds { narrowing, expires_at: credential_ends(world, asker) }
}

static NOTHING: Narrowing =
    Narrowing { permissions: None, tool_servers: None, loadouts: None, addresses: None };

fn narrowing_of(key: &KeyGrant) -> &Narrowing {
    key.narrowing.as_deref().unwrap_or(&NOTHING)
}

/// What a person is in a workspace; nothing, once they were erased.
fn role_of(world: &impl World, workspace_id: WorkspaceId, user_id: UserId) -> Option<Role> {
    world.workspace(workspace_id).role_of(user_id).filter(|_| *world.user(user_id) != User::Erased)
}

/// Who a credential stands for in a workspace.
struct Member<'a> {
    workspace_id: WorkspaceId,
    user_id: UserId,
    /// Their key; none, when they are here themselves.
    key: Option<ApiKeyId>,
    /// Did they come with a secret that is followed by a newer one?
    is_former: bool,
    held: Role,
    granted: Role,
    narrowing: Option<&'a Narrowing>,
    ends: Option<DateTime<Utc>>,
}

impl Member<'_> {
    /// The lesser of the rights granted and those still held. Roles are no ladder (an auditor reads
    /// what a member can't), so both must allow it.
    fn may(&self, world: &impl World, operation: Operation) -> Result<(), Denial> {
        let operation = operation.by(self.user_id);
        let both = |allows: &dyn Fn(Role) -> bool| allows(self.held) && allows(self.granted);
        let narrowing = self.narrowing.unwrap_or(&NOTHING);
        let permission = operation.permission();
        let permitted = if operation.is_on_people(self.user_id) {
            narrowing.permits_on_people(permission)
        } else {
            narrowing.permits(permission)
        };
        if !permitted || !both(&|role| operation.allowed_to(self.user_id, role)) {
            return Err(Denial::RoleTooLow);
        }
        if let Some(reached) = operation.reaches() {
            let theirs = role_of(world, self.workspace_id, reached).ok_or(Denial::NotFound)?;
            if !both(&|role| role.covers(theirs)) {
                return Err(Denial::RoleTooLow);
            }
        }
        if operation.grants().is_some_and(|given| !both(&|role| role.covers(given))) {
            return Err(Denial::RoleTooLow);
        }
        if self.is_former && operation.outlasts_its_secret() {
            return Err(Denial::FormerSecret);
        }
        match operation {
            // It ends all that somebody has here, and so takes a credential that carries all of it.
            Operation::Leave if !self.granted.covers(self.held) => Err(Denial::RoleTooLow),
            Operation::RotateApiKey { key, .. } if self.key == Some(key) => Ok(()),
            Operation::ResetApiKey { key, .. } if self.key == Some(key) => Err(Denial::OwnKey),
            Operation::RotateApiKey { holder, key } | Operation::ResetApiKey { holder, key } => {
                self.may_mint(world.api_key(key).grant().filter(|grant| grant.user_id == holder))
            }
            _ => Ok(()),
        }
    }

    /// Does the credential cover this key, whose next secret comes of what is asked?
    fn may_mint(&self, key: Option<&KeyGrant>) -> Result<(), Denial> {
        let key = key.filter(|key| key.workspace_id == self.workspace_id).ok_or(Denial::NotFound)?;
        let bounds = Bounds { narrowing: self.narrowing.unwrap_or(&NOTHING), expires_at: self.ends };
        if bounds.cover(self.standing(), key) { Ok(()) } else { Err(Denial::NotCovered) }
    }

    /// Is the credential for the address that it is used from?
    fn at(&self, asker: Asker) -> Result<(), Denial> {
        let allowed = self.narrowing.is_none_or(|narrowing| narrowing.allows_from(asker.address));
        if allowed { Ok(()) } else { Err(Denial::AddressRefused) }
    }

    fn may_call_tools(&self) -> bool {
        let narrowed = self.narrowing.is_some_and(|narrowing| !narrowing.permits(Permission::CallTools));
        !narrowed && may_call_tools(self.held) && may_call_tools(self.granted)
    }

    const fn standing(&self) -> Standing {
        Standing::Member { user_id: self.user_id, held: self.held, granted: self.granted }
    }
}

/// A person in a workspace by what they hold there alone.
fn held_role<'a>(world: &impl World, workspace_id: WorkspaceId, user_id: UserId) -> Option<Member<'a>> {
    let held = role_of(world, workspace_id, user_id)?;
    let (key, is_former, granted) = (None, false, Role::Owner);
    Some(Member { workspace_id, user_id, key, is_former, held, granted, narrowing: None, ends: None })
}

/// A person in a workspace by one of their keys, from wherever.
fn member(world: &impl World, asker: Asker, id: ApiKeyId, at: DateTime<Utc>) -> Result<Member<'_>, Denial> {
    let grant = key_stands(world, id, at)?;
    if !world.workspace(grant.workspace_id).lives() {
        return Err(Denial::WorkspaceEnded);
    }
    // Whoever was removed from a workspace has no key in it any more.
    let held = role_of(world, grant.workspace_id, grant.user_id).ok_or(Denial::CredentialRevoked)?;
    let rotation = world.api_key(id).key().map(|key| &key.rotation).ok_or(Denial::NotFound)?;
    let secret_ends = rotation.good(asker.secret, at)?;
    Ok(Member {
        workspace_id: grant.workspace_id,
        user_id: grant.user_id,
        key: Some(id),
        is_former: secret_ends.is_some(),
        held,
        granted: grant.role,
        narrowing: grant.narrowing.as_deref(),
        ends: [grant.expires_at, secret_ends].into_iter().flatten().min(),
    })
}

#[cfg(test)]
mod tests;
