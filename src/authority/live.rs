//! The state that decisions are made on, folded from the book's control events.

mod census;
mod departures;

use std::hash::Hash;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use rustc_hash::FxHashMap;
use tollbook_aggregates::access::{Caller, World};
use tollbook_aggregates::{
    ApiKey, ApiKeyEvent, ApiKeyId, Device, DeviceId, Event, Inline, Instance, LinkEvent, LinkId, Loadout,
    LoadoutEvent, LoadoutId, OneTimeLink, Operator, OperatorEvent, OperatorId, Role, Rotation, SecretNumber,
    Session, SessionEvent, SessionId, SignIn, SignInEvent, SignInId, ToolServer, ToolServerEvent,
    ToolServerId, User, UserEvent, UserId, Verifier, Workspace, WorkspaceId,
};
use tollbook_journal::{ControlEvent, Expected, Position};
use uuid::Uuid;

use super::FollowError;
use census::Census;
use departures::Departures;

/// An aggregate's state, and where its last control event stands.
#[derive(Debug, Clone)]
pub struct Kept<A> {
    /// As folded.
    pub state: A,
    /// Of its last control event.
    pub at: Position,
}

/// Everything, exact up to [`Live::next`].
///
/// The hash is quick and not made for keys that strangers choose: every id in here was drawn by this service.
#[derive(Debug, Default)]
pub struct Live {
    next: Position,
    instance: Instance,
    users: FxHashMap<UserId, Kept<User>>,
    workspaces: FxHashMap<WorkspaceId, Kept<Workspace>>,
    tool_servers: FxHashMap<ToolServerId, Kept<ToolServer>>,
    loadouts: FxHashMap<LoadoutId, Kept<Loadout>>,
    sessions: FxHashMap<SessionId, Kept<Session>>,
    api_keys: FxHashMap<ApiKeyId, Kept<ApiKey>>,
    devices: FxHashMap<DeviceId, Kept<Device>>,
    operators: FxHashMap<OperatorId, Kept<Operator>>,
    sign_ins: FxHashMap<SignInId, Kept<SignIn>>,
    links: FxHashMap<LinkId, Kept<OneTimeLink>>,
    /// By the public id of each.
    links_by_credential: FxHashMap<Inline<12>, LinkId>,
    /// Whom those that were known already were taken for when they were invited: what their inviter called them is
    /// sealed as being about that pseudonym.
    aliases: FxHashMap<UserId, Vec<UserId>>,
    /// Who was erased, in that order, with the data keys that are to be destroyed.
    erased: Vec<Erased>,
    /// By the public id of each credential.
    callers: FxHashMap<Inline<12>, Caller>,
    /// Where the events stand whose bodies hold a server's address and its newest definitions.
    addresses: FxHashMap<ToolServerId, Position>,
    offered: FxHashMap<ToolServerId, Position>,
    /// Where the events stand whose bodies hold the pinned definitions of each version.
    pinned: FxHashMap<(LoadoutId, u32), Position>,
    departures: Departures,
    census: Census,
}

/// What an event was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    /// This session and nothing else.
    Session(SessionId),
    /// What sessions may hang on.
    Other,
}

/// A person who was erased, and the data keys under which what is about them was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// Who.
    pub user_id: UserId,
    /// Which keys.
    pub key_ids: Vec<Uuid>,
}

/// States to answer unknown ids with.
mod absent {
    use super::{
        ApiKey, Device, Loadout, OneTimeLink, Operator, Session, SignIn, ToolServer, User, Workspace,
    };

    pub(super) static USER: User = User::Absent;
    pub(super) static SIGN_IN: SignIn = SignIn::Absent;
    pub(super) static LINK: OneTimeLink = OneTimeLink::Absent;

    pub(super) static WORKSPACE: Workspace = Workspace::Absent;
    pub(super) static API_KEY: ApiKey = ApiKey::Absent;
    pub(super) static DEVICE: Device = Device::Absent;
    pub(super) static OPERATOR: Operator = Operator::Absent;
    pub(super) static TOOL_SERVER: ToolServer = ToolServer::Absent;
    pub(super) static LOADOUT: Loadout = Loadout::Absent;
    pub(super) static SESSION: Session = Session::Absent;
}

fn state<'a, K: Eq + Hash, A>(kept: &'a FxHashMap<K, Kept<A>>, id: &K, absent: &'a A) -> &'a A {
    kept.get(id).map_or(absent, |kept| &kept.state)
}

impl World for Live {
    fn user(&self, id: UserId) -> &User {
        state(&self.users, &id, &absent::USER)
    }

    fn sign_in(&self, id: SignInId) -> &SignIn {
        state(&self.sign_ins, &id, &absent::SIGN_IN)
    }

    fn one_time_link(&self, id: LinkId) -> &OneTimeLink {
        state(&self.links, &id, &absent::LINK)
    }

    fn workspace(&self, id: WorkspaceId) -> &Workspace {
        state(&self.workspaces, &id, &absent::WORKSPACE)
    }

    fn api_key(&self, id: ApiKeyId) -> &ApiKey {
        state(&self.api_keys, &id, &absent::API_KEY)
    }

    fn device(&self, id: DeviceId) -> &Device {
        state(&self.devices, &id, &absent::DEVICE)
    }

    fn operator(&self, id: OperatorId) -> &Operator {
        state(&self.operators, &id, &absent::OPERATOR)
    }

    fn tool_server(&self, id: ToolServerId) -> &ToolServer {
        state(&self.tool_servers, &id, &absent::TOOL_SERVER)
    }

    fn loadout(&self, id: LoadoutId) -> &Loadout {
        state(&self.loadouts, &id, &absent::LOADOUT)
    }

    fn session(&self, id: SessionId) -> &Session {
        state(&self.sessions, &id, &absent::SESSION)
    }
}

fn fold<K: Eq + Hash, A: Aggregate>(kept: &mut FxHashMap<K, Kept<A>>, id: K, event: A::Event, at: Position) {
    let entry = kept.entry(id).or_insert_with(|| Kept { state: A::default(), at });
    entry.state.apply(event);
    entry.at = at;
}

fn expected<K: Eq + Hash, A>(kept: &FxHashMap<K, Kept<A>>, id: &K) -> Expected {
    kept.get(id).map_or(Expected::NoStream, |kept| Expected::At(kept.at))
}

impl Live {
    /// The next position that isn't in it: what an append gives as its fence.
    pub const fn next(&self) -> Position {
        self.next
    }

    /// The instance itself.
    pub const fn instance(&self) -> Instance {
        self.instance
    }

    /// How many sessions are held.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Is this a known user, and not an erased one?
    pub fn knows_user(&self, id: UserId) -> bool {
        self.user(id).is_known()
    }

    /// Who was erased so far, in that order.
    pub fn erased(&self) -> &[Erased] {
        &self.erased
    }

    /// A person, and the pseudonyms under which something may be sealed that is about them.
    pub fn pseudonyms(&self, user_id: UserId) -> Vec<UserId> {
        let aliases = self.aliases.get(&user_id).into_iter().flatten().copied();
        std::iter::once(user_id).chain(aliases).collect()
    }

    /// The workspaces that a person is a member of, and as what.
    pub fn memberships(&self, user_id: UserId) -> impl Iterator<Item = (WorkspaceId, Role)> {
        self.workspaces.iter().filter_map(move |(id, kept)| Some((*id, kept.state.role_of(user_id)?)))
    }

    /// The API keys and sign-ins that a person ever had, in no order.
    pub fn credentials_of(&self, user_id: UserId) -> impl Iterator<Item = Uuid> {
        let theirs = move |holder: Option<UserId>| holder == Some(user_id);
        let keys =
            self.api_keys.iter().filter(move |(_, kept)| theirs(kept.state.grant().map(|key| key.user_id)));
        keys.map(|(id, _)| id.0).chain(self.census.sign_ins(user_id).map(|id| id.0))
    }

    /// Every operator credential that there ever was.
    pub fn operators(&self) -> impl Iterator<Item = (OperatorId, &Operator)> {
        self.operators.iter().map(|(id, kept)| (*id, &kept.state))
    }

    /// The link of this public id, and what its secret is checked with.
    pub fn link(&self, credential_id: &str) -> Option<(LinkId, &Verifier)> {
        let id = *self.links_by_credential.get(&Inline::new(credential_id)?)?;
        Some((id, &self.one_time_link(id).grant()?.verifier))
    }

    /// Whose credential has this public id, which of its secrets it is, and what that is checked with.
    pub fn credential(&self, credential_id: &str) -> Option<(Caller, Option<SecretNumber>, &Verifier)> {
        let caller = *self.callers.get(&Inline::new(credential_id)?)?;
        let (secret, verifier) = match caller {
            Caller::ApiKey(id) => {
                let (number, verifier) = self.api_key(id).secret(credential_id)?;
                (Some(number), verifier)
            }
            Caller::Operator(id) => {
                let (number, verifier) = self.operator(id).secret(credential_id)?;
                (Some(number), verifier)
            }
            Caller::Session(id) => (None, &self.session(id).grant()?.verifier),
            Caller::SignIn(id) => (None, &self.sign_in(id).grant()?.verifier),
        };
        Some((caller, secret, verifier))
    }

    /// The event whose body holds where a tool server lies.
    pub fn address_of(&self, id: ToolServerId) -> Option<Position> {
        self.addresses.get(&id).copied()
    }

    /// The event whose body holds what a tool server's tools are, as last fetched.
    pub fn offered_by(&self, id: ToolServerId) -> Option<Position> {
        self.offered.get(&id).copied()
    }

    /// The event whose body holds the definitions that a loadout's version pinned.
    pub fn pinned_by(&self, id: LoadoutId, version: u32) -> Option<Position> {
        self.pinned.get(&(id, version)).copied()
    }

    /// Workspaces that live.
    pub fn workspaces(&self) -> impl Iterator<Item = WorkspaceId> {
        self.workspaces.iter().filter(|(_, kept)| kept.state.lives()).map(|(id, _)| *id)
    }

    /// What an append to this workspace's stream expects.
    pub fn expect_workspace(&self, id: WorkspaceId) -> Expected {
        expected(&self.workspaces, &id)
    }

    /// What an append to this tool server's stream expects.
    pub fn expect_tool_server(&self, id: ToolServerId) -> Expected {
        expected(&self.tool_servers, &id)
    }

    /// What an append to this loadout's stream expects.
    pub fn expect_loadout(&self, id: LoadoutId) -> Expected {
        expected(&self.loadouts, &id)
    }

    /// What an append to this session's stream expects.
    pub fn expect_session(&self, id: SessionId) -> Expected {
        expected(&self.sessions, &id)
    }

    /// What an append to this API key's stream expects.
    pub fn expect_api_key(&self, id: ApiKeyId) -> Expected {
        expected(&self.api_keys, &id)
    }

    /// What an append to this user's stream expects.
    pub fn expect_user(&self, id: UserId) -> Expected {
        expected(&self.users, &id)
    }

    /// What an append to this operator credential's stream expects.
    pub fn expect_operator(&self, id: OperatorId) -> Expected {
        expected(&self.operators, &id)
    }

    /// What an append to this sign-in's stream expects.
    pub fn expect_sign_in(&self, id: SignInId) -> Expected {
        expected(&self.sign_ins, &id)
    }

    /// What an append to this link's stream expects.
    pub fn expect_link(&self, id: LinkId) -> Expected {
        expected(&self.links, &id)
    }

    /// Has the state caught up to where the book ended?
    pub(super) fn advance(&mut self, next: Position) {
        self.next = self.next.max(next);
    }

    /// Takes in the next control event.
    pub(super) fn apply(&mut self, recorded: &ControlEvent<'_>) -> Result<Applied, FollowError> {
        let (event, id) = decode(recorded)?;
        let at = recorded.position;
        self.next = at.next();
        let event = match event {
            Event::Session(event) => {
                self.apply_to_session(id.into(), event, at, recorded.recorded_at);
                return Ok(Applied::Session(id.into()));
            }
            event => event,
        };
        if self.has_left(&event, id) {
            return Ok(Applied::Other);
        }
        self.index(&event, id, at);
        self.count(&event, id, recorded.recorded_at);
        match event {
            Event::Instance(event) => self.instance.apply(event),
            Event::User(event) => fold(&mut self.users, id.into(), event, at),
            Event::Workspace(event) => fold(&mut self.workspaces, id.into(), event, at),
            Event::ToolServer(event) => fold(&mut self.tool_servers, id.into(), event, at),
            Event::Loadout(event) => fold(&mut self.loadouts, id.into(), event, at),
            Event::ApiKey(event) => fold(&mut self.api_keys, id.into(), event, at),
            Event::Device(event) => fold(&mut self.devices, id.into(), event, at),
            Event::Operator(event) => fold(&mut self.operators, id.into(), event, at),
            Event::SignIn(event) => fold(&mut self.sign_ins, id.into(), event, at),
            Event::OneTimeLink(event) => fold(&mut self.links, id.into(), event, at),
            // No decision looks at tokens yet; sessions went another way.
            Event::Token(_) | Event::Session(_) => {}
        }
        Ok(Applied::Other)
    }

    /// Is it about a link or a sign-in that isn't held? It has left: what happens to it doesn't bring it back.
    fn has_left(&self, event: &Event, id: Uuid) -> bool {
        match event {
            Event::OneTimeLink(LinkEvent::Created { .. }) | Event::SignIn(SignInEvent::Created { .. }) => {
                false
            }
            Event::OneTimeLink(_) => !self.links.contains_key(&id.into()),
            Event::SignIn(_) => !self.sign_ins.contains_key(&id.into()),
            _ => false,
        }
    }

    /// A session that isn't held has left, or never came: what happens to it doesn't bring it back.
    fn apply_to_session(
        &mut self,
        id: SessionId,
        event: SessionEvent,
        at: Position,
        recorded_at: DateTime<Utc>,
    ) {
        self.departures.heard_of(id);
        match &event {
            SessionEvent::Created { grant, .. } => {
                if !self.departures.await_expiry(id, grant.expires_at) {
                    return;
                }
                self.remember(&grant.verifier, Caller::Session(id));
            }
            _ if !self.sessions.contains_key(&id) => return,
            SessionEvent::Revoked { .. } => self.departures.await_end(id, recorded_at),
            _ => {}
        }
        fold(&mut self.sessions, id, event, at);
    }

    fn index(&mut self, event: &Event, id: Uuid, at: Position) {
        match event {
            Event::ApiKey(ApiKeyEvent::Created { grant, .. }) => {
                self.remember(&grant.verifier, Caller::ApiKey(id.into()));
            }
            Event::ApiKey(ApiKeyEvent::Rotated { verifier, .. }) => {
                let key = self.api_key(id.into()).key();
                self.forget(key.and_then(|key| forgotten_next(&key.rotation)));
                self.remember(verifier, Caller::ApiKey(id.into()));
            }
            Event::Operator(OperatorEvent::CredentialCreated { grant, .. }) => {
                self.remember(&grant.verifier, Caller::Operator(id.into()));
            }
            Event::Operator(OperatorEvent::CredentialRotated { verifier, .. }) => {
                let credential = self.operator(id.into()).credential();
                self.forget(credential.and_then(|credential| forgotten_next(&credential.rotation)));
                self.remember(verifier, Caller::Operator(id.into()));
            }
            Event::SignIn(SignInEvent::Created { grant, .. }) => {
                self.remember(&grant.verifier, Caller::SignIn(id.into()));
            }
            Event::OneTimeLink(LinkEvent::Created { grant, .. }) => {
                self.links_by_credential.insert(grant.verifier.credential_id, id.into());
            }
            Event::OneTimeLink(LinkEvent::Redeemed { user_id }) => {
                let newcomer = self.one_time_link(id.into()).grant().and_then(|grant| grant.newcomer);
                if let Some(newcomer) = newcomer.filter(|newcomer| newcomer != user_id) {
                    self.aliases.entry(*user_id).or_default().push(newcomer);
                }
            }
            Event::User(UserEvent::Erased { key_ids }) => {
                self.erased.push(Erased { user_id: id.into(), key_ids: key_ids.clone() });
            }
            Event::ToolServer(ToolServerEvent::Registered { .. }) => {
                self.addresses.insert(id.into(), at);
            }
            Event::ToolServer(ToolServerEvent::ToolsRefreshed { .. }) => {
                self.offered.insert(id.into(), at);
            }
            Event::Loadout(LoadoutEvent::Created { .. }) => {
                self.pinned.insert((id.into(), 1), at);
            }
            Event::Loadout(LoadoutEvent::VersionCreated { version, .. }) => {
                self.pinned.insert((id.into(), *version), at);
            }
            _ => {}
        }
    }

    fn remember(&mut self, verifier: &Verifier, caller: Caller) {
        self.callers.insert(verifier.credential_id, caller);
    }

    fn forget(&mut self, credential_id: Option<Inline<12>>) {
        if let Some(id) = credential_id {
            self.callers.remove(&id);
        }
    }
}

/// The secret that nobody is told about any more once there is another one.
fn forgotten_next(rotation: &Rotation) -> Option<Inline<12>> {
    rotation.forgets_next().map(|verifier| verifier.credential_id)
}

fn decode(recorded: &ControlEvent<'_>) -> Result<(Event, Uuid), FollowError> {
    let undecodable = |reason: String| FollowError::Undecodable { position: recorded.position, reason };
    let ControlEvent { aggregate_type, event_type, event_version, payload, .. } = *recorded;
    let event = Event::decode(aggregate_type, event_type, event_version, payload);
    let id = Uuid::parse_str(recorded.aggregate_id).map_err(|error| undecodable(error.to_string()))?;
    Ok((event.map_err(|error| undecodable(error.to_string()))?, id))
}
