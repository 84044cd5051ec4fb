//! The state that decisions are made on, folded from the book's control events.

use std::collections::HashMap;
use std::hash::Hash;

use cqrs_es::Aggregate;
use tollbook_aggregates::access::{Caller, World};
use tollbook_aggregates::{
    ApiKey, ApiKeyId, Device, DeviceId, Event, Inline, Instance, Loadout, LoadoutEvent, LoadoutId, Operator,
    OperatorId, Session, SessionId, ToolServer, ToolServerEvent, ToolServerId, User, UserId, Verifier,
    Workspace, WorkspaceId,
};
use tollbook_journal::{Expected, Position, Recorded};
use uuid::Uuid;

use super::FollowError;

/// An aggregate's state, and where its last control event stands.
#[derive(Debug, Clone)]
pub struct Kept<A> {
    /// As folded.
    pub state: A,
    /// Of its last control event.
    pub at: Position,
}

/// Everything, exact up to [`Live::next`].
#[derive(Debug, Default)]
pub struct Live {
    next: Position,
    instance: Instance,
    users: HashMap<UserId, Kept<User>>,
    workspaces: HashMap<WorkspaceId, Kept<Workspace>>,
    tool_servers: HashMap<ToolServerId, Kept<ToolServer>>,
    loadouts: HashMap<LoadoutId, Kept<Loadout>>,
    sessions: HashMap<SessionId, Kept<Session>>,
    api_keys: HashMap<ApiKeyId, Kept<ApiKey>>,
    devices: HashMap<DeviceId, Kept<Device>>,
    operators: HashMap<OperatorId, Kept<Operator>>,
    /// By the public id of each credential.
    callers: HashMap<Inline<12>, Caller>,
    /// Where the events stand whose bodies hold a server's address and its newest definitions.
    addresses: HashMap<ToolServerId, Position>,
    offered: HashMap<ToolServerId, Position>,
    /// Where the events stand whose bodies hold the pinned definitions of each version.
    pinned: HashMap<(LoadoutId, u32), Position>,
}

/// States to answer unknown ids with.
mod absent {
    use super::{ApiKey, Device, Loadout, Operator, Session, ToolServer, Workspace};

    pub(super) static WORKSPACE: Workspace = Workspace::Absent;
    pub(super) static API_KEY: ApiKey = ApiKey::Absent;
    pub(super) static DEVICE: Device = Device::Absent;
    pub(super) static OPERATOR: Operator = Operator::Absent;
    pub(super) static TOOL_SERVER: ToolServer = ToolServer::Absent;
    pub(super) static LOADOUT: Loadout = Loadout::Absent;
    pub(super) static SESSION: Session = Session::Absent;
}

fn state<'a, K: Eq + Hash, A>(kept: &'a HashMap<K, Kept<A>>, id: &K, absent: &'a A) -> &'a A {
    kept.get(id).map_or(absent, |kept| &kept.state)
}

impl World for Live {
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

fn fold<K: Eq + Hash, A: Aggregate>(kept: &mut HashMap<K, Kept<A>>, id: K, event: A::Event, at: Position) {
    let entry = kept.entry(id).or_insert_with(|| Kept { state: A::default(), at });
    entry.state.apply(event);
    entry.at = at;
}

fn expected<K: Eq + Hash, A>(kept: &HashMap<K, Kept<A>>, id: &K) -> Expected {
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

    /// Is this a known user?
    pub fn knows_user(&self, id: UserId) -> bool {
        self.users.contains_key(&id)
    }

    /// Whose credential has this public id, and what its secret is checked with.
    pub fn credential(&self, credential_id: &str) -> Option<(Caller, &Verifier)> {
        let caller = *self.callers.get(&Inline::new(credential_id)?)?;
        let verifier = match caller {
            Caller::ApiKey(id) => &self.api_key(id).grant()?.verifier,
            Caller::Session(id) => &self.session(id).grant()?.verifier,
            Caller::Operator(id) => &self.operator(id).grant()?.verifier,
        };
        Some((caller, verifier))
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

    /// Has the state caught up to where the book ended?
    pub(super) fn advance(&mut self, next: Position) {
        self.next = self.next.max(next);
    }

    /// Takes in the next control event.
    pub(super) fn apply(&mut self, recorded: &Recorded) -> Result<(), FollowError> {
        let undecodable = |reason: String| FollowError::Undecodable { position: recorded.position, reason };
        let event = Event::decode(
            &recorded.stream.aggregate_type,
            &recorded.event_type,
            &recorded.event_version,
            &recorded.payload,
        )
        .map_err(|error| undecodable(error.to_string()))?;
        let id =
            Uuid::parse_str(&recorded.stream.aggregate_id).map_err(|error| undecodable(error.to_string()))?;
        let at = recorded.position;
        self.index(&event, id, at);
        match event {
            Event::Instance(event) => self.instance.apply(event),
            Event::User(event) => fold(&mut self.users, id.into(), event, at),
            Event::Workspace(event) => fold(&mut self.workspaces, id.into(), event, at),
            Event::ToolServer(event) => fold(&mut self.tool_servers, id.into(), event, at),
            Event::Loadout(event) => fold(&mut self.loadouts, id.into(), event, at),
            Event::Session(event) => fold(&mut self.sessions, id.into(), event, at),
            Event::ApiKey(event) => fold(&mut self.api_keys, id.into(), event, at),
            Event::Device(event) => fold(&mut self.devices, id.into(), event, at),
            Event::Operator(event) => fold(&mut self.operators, id.into(), event, at),
            // No decision looks at tokens yet.
            Event::Token(_) => {}
        }
        self.next = at.next();
        Ok(())
    }

    fn index(&mut self, event: &Event, id: Uuid, at: Position) {
        use tollbook_aggregates::{ApiKeyEvent, OperatorEvent, SessionEvent};
        match event {
            Event::ApiKey(ApiKeyEvent::Created { grant, .. }) => {
                self.remember(&grant.verifier, Caller::ApiKey(id.into()));
            }
            Event::Session(SessionEvent::Created { grant, .. }) => {
                self.remember(&grant.verifier, Caller::Session(id.into()));
            }
            Event::Operator(OperatorEvent::CredentialCreated { grant, .. }) => {
                self.remember(&grant.verifier, Caller::Operator(id.into()));
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
}
