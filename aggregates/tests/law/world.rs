//! Everything that decisions are made on, and every decision that can be asked of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use tollbook_aggregates::access::{Caller, Operation, World, call_tool, home, may};
use tollbook_aggregates::*;
use uuid::Uuid;

/// So few of each that histories meet.
pub(crate) const EACH: u128 = 3;
pub(crate) const TOOLS: [&str; 3] = ["search", "fetch", "grep"];

pub(crate) fn id<T: From<Uuid>>(number: u128) -> T {
    Uuid::from_u128(number).into()
}

/// The states of all aggregates.
#[derive(Default)]
pub(crate) struct Everything {
    workspaces: BTreeMap<Uuid, Workspace>,
    keys: BTreeMap<Uuid, ApiKey>,
    devices: BTreeMap<Uuid, Device>,
    operators: BTreeMap<Uuid, Operator>,
    servers: BTreeMap<Uuid, ToolServer>,
    loadouts: BTreeMap<Uuid, Loadout>,
    sessions: BTreeMap<Uuid, Session>,
    tokens: BTreeMap<Uuid, Token>,
}

impl Everything {
    /// Folds what was written to the stream of this id.
    pub(crate) fn apply(&mut self, id: Uuid, event: Event) {
        match event {
            Event::Workspace(event) => self.workspaces.entry(id).or_default().apply(event),
            Event::ApiKey(event) => self.keys.entry(id).or_default().apply(event),
            Event::Device(event) => self.devices.entry(id).or_default().apply(event),
            Event::Operator(event) => self.operators.entry(id).or_default().apply(event),
            Event::ToolServer(event) => self.servers.entry(id).or_default().apply(event),
            Event::Loadout(event) => self.loadouts.entry(id).or_default().apply(event),
            Event::Session(event) => self.sessions.entry(id).or_default().apply(event),
            Event::Token(event) => self.tokens.entry(id).or_default().apply(event),
            Event::User(_) | Event::Instance(_) => {}
        }
    }

    pub(crate) fn token(&self, id: TokenId) -> &Token {
        self.tokens.get(&id.0).unwrap_or(&Token::Absent)
    }

    /// The name of every question that is answered with yes at this moment.
    pub(crate) fn permitted(&self, at: DateTime<Utc>) -> BTreeSet<String> {
        let mut yes = BTreeSet::new();
        for caller in callers() {
            if home(self, caller, at).is_ok() {
                yes.insert(format!("{caller:?} home"));
            }
            for place in (1..=EACH).map(|number| Some(id(number))).chain([None]) {
                for operation in operations() {
                    let Ok(standing) = may(self, caller, place, operation, at) else { continue };
                    yes.insert(format!("{caller:?} {place:?} {operation:?}"));
                    for role in Role::ALL.into_iter().filter(|role| standing.may_grant(*role)) {
                        yes.insert(format!("{caller:?} {place:?} {operation:?} grants {role:?}"));
                    }
                }
            }
            for session in 1..=EACH {
                for tool in TOOLS {
                    if let Ok(permit) = call_tool(self, caller, id(session), tool, at) {
                        let (route, end) = (permit.route(), permit.not_after());
                        yes.insert(format!("{caller:?} calls {session} {tool} {route:?} until {end}"));
                    }
                }
            }
        }
        yes
    }
}

fn callers() -> Vec<Caller> {
    (1..=EACH)
        .flat_map(|n| [Caller::Operator(id(n)), Caller::ApiKey(id(n)), Caller::Session(id(n))])
        .collect()
}

fn operations() -> Vec<Operation> {
    use Operation::*;
    let plain = [
        CreateWorkspace,
        OperateInstance,
        ReadWorkspace,
        ChangeWorkspace,
        ReadToolServers,
        ManageToolServers,
        ReadLoadouts,
        ManageLoadouts,
        CreateSession,
        ReadAllSessions,
        CreateApiKey,
        ReadAllApiKeys,
        ReadAudit,
    ];
    let owned = |n| [ReadSession(id(n)), RevokeSession(id(n)), ReadApiKey(id(n)), RevokeApiKey(id(n))];
    plain.into_iter().chain((1..=EACH).flat_map(owned)).collect()
}

impl World for Everything {
    fn workspace(&self, id: WorkspaceId) -> &Workspace {
        self.workspaces.get(&id.0).unwrap_or(&Workspace::Absent)
    }
    fn api_key(&self, id: ApiKeyId) -> &ApiKey {
        self.keys.get(&id.0).unwrap_or(&ApiKey::Absent)
    }
    fn device(&self, id: DeviceId) -> &Device {
        self.devices.get(&id.0).unwrap_or(&Device::Absent)
    }
    fn operator(&self, id: OperatorId) -> &Operator {
        self.operators.get(&id.0).unwrap_or(&Operator::Absent)
    }
    fn tool_server(&self, id: ToolServerId) -> &ToolServer {
        self.servers.get(&id.0).unwrap_or(&ToolServer::Absent)
    }
    fn loadout(&self, id: LoadoutId) -> &Loadout {
        self.loadouts.get(&id.0).unwrap_or(&Loadout::Absent)
    }
    fn session(&self, id: SessionId) -> &Session {
        self.sessions.get(&id.0).unwrap_or(&Session::Absent)
    }
}
