//! Everything that decisions are made on, and every decision that can be asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use tollbook_aggregates::access::{
    Asker, Caller, Denial, Operation, World, call_tool, home, may, may_make_key, redeem_link, session_lives,
    use_session,
};
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
    users: BTreeMap<Uuid, User>,
    sign_ins: BTreeMap<Uuid, SignIn>,
    links: BTreeMap<Uuid, OneTimeLink>,
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
            Event::User(event) => self.users.entry(id).or_default().apply(event),
            Event::SignIn(event) => self.sign_ins.entry(id).or_default().apply(event),
            Event::OneTimeLink(event) => self.links.entry(id).or_default().apply(event),
            Event::Instance(_) => {}
        }
    }

    pub(crate) fn token(&self, id: TokenId) -> &Token {
        self.tokens.get(&id.0).unwrap_or(&Token::Absent)
    }

    /// Which links may be redeemed, and signed in as whom.
    fn links_redeemable(&self, at: DateTime<Utc>) -> BTreeSet<String> {
        let mut yes = BTreeSet::new();
        for link in 1..=EACH {
            for sign_in in (1..=EACH).map(|number| Some(id(number))).chain([None]) {
                if let Ok(redeemable) = redeem_link(self, id(link), sign_in, at) {
                    let end = redeemable.not_after();
                    yes.insert(format!("link {link} is redeemable by {sign_in:?} until {end}"));
                }
            }
        }
        yes
    }

    /// For each caller and each session that they may use: the tools that are listed, those that may be called,
    /// and whether one is neither because a credential is narrowed away from its server.
    pub(crate) fn listings(&self, at: DateTime<Utc>) -> Vec<(Vec<String>, Vec<String>, bool)> {
        let mut listings = Vec::new();
        for (caller, session) in
            callers().into_iter().flat_map(|caller| (1..=EACH).map(move |id| (caller, id)))
        {
            let Ok(usable) = use_session(self, caller, id(session), at) else { continue };
            let listed = usable.tools(self).map(|pinned| pinned.name.clone()).collect();
            let call = |tool: &&str| call_tool(self, caller, id(session), tool, at).map(drop);
            let mut callable: Vec<_> =
                TOOLS.iter().filter(|tool| call(tool) == Ok(())).map(|tool| (*tool).to_owned()).collect();
            callable.sort();
            let outside = TOOLS.iter().any(|tool| call(tool) == Err(Denial::OutsideNarrowing));
            listings.push((listed, callable, outside));
        }
        listings
    }

    /// The name of every question that is answered with yes at this moment.
    pub(crate) fn permitted(&self, at: DateTime<Utc>) -> BTreeSet<String> {
        let mut yes = self.links_redeemable(at);
        for session in 1..=EACH {
            if session_lives(self, id(session), at).is_ok() {
                yes.insert(format!("session {session} lives"));
            }
        }
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
                        if operation == Operation::CreateApiKey
                            && may_make_key(self, caller, standing, &widest_key(role))
                        {
                            yes.insert(format!("{caller:?} {place:?} makes a key for {role:?}"));
                        }
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

fn widest_key(role: Role) -> KeyGrant {
    KeyGrant {
        workspace_id: id(1),
        user_id: id(1),
        verifier: Verifier::default(),
        role,
        expires_at: None,
        narrowing: None,
        epoch: Epoch::FIRST,
    }
}

/// From an address of the ranges that keys of the histories are narrowed to, and from another.
const ADDRESSES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))];

/// Each by the first of its secrets; and what addresses narrow from elsewhere, too.
fn callers() -> Vec<Asker> {
    let [inside, outside] = ADDRESSES;
    let asker = |caller, secret: Option<u32>, address| Asker {
        caller,
        secret: secret.map(SecretNumber),
        address: Some(address),
    };
    let of = |n| {
        let (operator, key, session) =
            (Caller::Operator(id(n)), Caller::ApiKey(id(n)), Caller::Session(id(n)));
        [
            asker(operator, Some(0), inside),
            asker(operator, Some(1), inside),
            asker(key, Some(0), inside),
            asker(key, Some(1), inside),
            asker(key, Some(0), outside),
            asker(session, None, inside),
            asker(session, None, outside),
            asker(Caller::SignIn(id(n)), None, inside),
        ]
    };
    (1..=EACH).flat_map(of).collect()
}

fn operations() -> Vec<Operation> {
    use Operation::*;
    let plain = [
        CreateWorkspace,
        OperateInstance,
        ManageOperators,
        ErasePerson,
        ReadWorkspace,
        ChangeWorkspace,
        ReadMembers,
        ReadInvitations,
        RevokeInvitation,
        ReadToolServers,
        ManageToolServers,
        ReadLoadouts,
        ManageLoadouts,
        CreateSession,
        ReadAllSessions,
        CreateApiKey,
        ReadAllApiKeys,
        RevokeAllApiKeys,
        Leave,
        ReadAudit,
    ];
    let owned = |n| {
        let of = [ReadSession, RevokeSession, ReadApiKey, RevokeApiKey, RevokeApiKeysOf];
        let more = [RemoveMember(id(n)), ReadSignIns(id(n)), EndSignIn(id(n)), RotateOperator(id(n))];
        let roles = Role::ALL.map(|to| ChangeRole { member: id(n), to });
        let holder = id(n);
        let keys =
            (1..=EACH).map(id).flat_map(|key| [RotateApiKey { holder, key }, ResetApiKey { holder, key }]);
        let of = of.map(|operation| operation(holder)).into_iter();
        of.chain(more).chain(roles).chain(keys).collect::<Vec<_>>()
    };
    plain.into_iter().chain(Role::ALL.map(Invite)).chain((1..=EACH).flat_map(owned)).collect()
}

impl World for Everything {
    fn user(&self, id: UserId) -> &User {
        self.users.get(&id.0).unwrap_or(&User::Absent)
    }
    fn sign_in(&self, id: SignInId) -> &SignIn {
        self.sign_ins.get(&id.0).unwrap_or(&SignIn::Absent)
    }
    fn one_time_link(&self, id: LinkId) -> &OneTimeLink {
        self.links.get(&id.0).unwrap_or(&OneTimeLink::Absent)
    }
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
