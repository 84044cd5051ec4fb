//! Each denial, from the smallest change that leads to it; the matrix of roles; how long a permit is good.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::sample::{hours, id, noon, verifier};
use crate::{
    Authorization, DeviceGrant, Ended, Epoch, Key, KeyGrant, LoadoutVersion, OperatorCredential,
    OperatorGrant, PinnedTool, Registration, Rotation, called,
};

mod covering;
mod links;
mod matrix;
mod narrowed;

/// A small world in which everything is in order: Ada, a member of workspace 1, made session 1 with
/// key 1 on version 1 of loadout 1, which has the tool `search` of server 1.
struct Small {
    users: BTreeMap<UserId, User>,
    sign_ins: BTreeMap<SignInId, SignIn>,
    links: BTreeMap<LinkId, OneTimeLink>,
    workspaces: BTreeMap<WorkspaceId, Workspace>,
    keys: BTreeMap<ApiKeyId, ApiKey>,
    devices: BTreeMap<DeviceId, Device>,
    operators: BTreeMap<OperatorId, Operator>,
    servers: BTreeMap<ToolServerId, ToolServer>,
    loadouts: BTreeMap<LoadoutId, Loadout>,
    sessions: BTreeMap<SessionId, Session>,
}

const ADA: u128 = 1;
const BOB: u128 = 2;

impl World for Small {
    fn user(&self, id: UserId) -> &User {
        self.users.get(&id).unwrap_or(&User::Absent)
    }
    fn sign_in(&self, id: SignInId) -> &SignIn {
        self.sign_ins.get(&id).unwrap_or(&SignIn::Absent)
    }
    fn one_time_link(&self, id: LinkId) -> &OneTimeLink {
        self.links.get(&id).unwrap_or(&OneTimeLink::Absent)
    }
    fn workspace(&self, id: WorkspaceId) -> &Workspace {
        self.workspaces.get(&id).unwrap_or(&Workspace::Absent)
    }
    fn api_key(&self, id: ApiKeyId) -> &ApiKey {
        self.keys.get(&id).unwrap_or(&ApiKey::Absent)
    }
    fn device(&self, id: DeviceId) -> &Device {
        self.devices.get(&id).unwrap_or(&Device::Absent)
    }
    fn operator(&self, id: OperatorId) -> &Operator {
        self.operators.get(&id).unwrap_or(&Operator::Absent)
    }
    fn tool_server(&self, id: ToolServerId) -> &ToolServer {
        self.servers.get(&id).unwrap_or(&ToolServer::Absent)
    }
    fn loadout(&self, id: LoadoutId) -> &Loadout {
        self.loadouts.get(&id).unwrap_or(&Loadout::Absent)
    }
    fn session(&self, id: SessionId) -> &Session {
        self.sessions.get(&id).unwrap_or(&Session::Absent)
    }
}

fn key(user: u128, role: Role, expires_at: Option<DateTime<Utc>>) -> KeyGrant {
    KeyGrant {
        workspace_id: id(1),
        user_id: id(user),
        verifier: verifier(),
        role,
        expires_at,
        narrowing: None,
        epoch: Epoch::FIRST,
    }
}

fn made(grant: KeyGrant) -> Key {
    Key { grant, rotation: Rotation::default() }
}

fn sign_in(user: u128) -> SignIn {
    let how = crate::How::OneTimeLink(id(1));
    SignIn::Open(SignInGrant { user_id: id(user), verifier: verifier(), expires_at: hours(4), how })
}

fn workspace(members: &[(u128, Role)]) -> Workspace {
    let members = members.iter().map(|(user, role)| (id(*user), *role)).collect();
    Workspace::Active { members, ended: Ended::default() }
}

fn grant() -> Grant {
    Grant {
        workspace_id: id(1),
        user_id: id(ADA),
        made_with: MadeWith::ApiKey(id(1)),
        loadout_id: id(1),
        loadout_version: 1,
        verifier: verifier(),
        expires_at: hours(8),
        max_calls: Some(9),
        epoch: Epoch::FIRST,
    }
}

fn pin(server: u128) -> PinnedTool {
    PinnedTool { name: "search".into(), tool_server_id: id(server), tool: "find".into(), digest: "d".into() }
}

fn loadout(workspace: u128, tool: PinnedTool) -> Loadout {
    let version = LoadoutVersion { tools: [(tool.name.clone(), tool)].into() };
    Loadout::Active { workspace_id: id(workspace), versions: [(1, Arc::new(version))].into() }
}

fn server(workspace: u128, digest: &str) -> ToolServer {
    let tools = [("find".to_owned(), digest.to_owned())].into();
    ToolServer::Registered(Registration {
        workspace_id: id(workspace),
        authorization: Authorization::None,
        tools,
    })
}

impl Small {
    fn new() -> Self {
        let operator = OperatorGrant { verifier: verifier(), expires_at: Some(hours(2)) };
        let operator = OperatorCredential { grant: operator, rotation: Rotation::default() };
        let mut small = Self {
            users: [(id(ADA), User::Registered), (id(BOB), User::Registered)].into(),
            sign_ins: [(id(1), sign_in(ADA))].into(),
            links: BTreeMap::new(),
            workspaces: BTreeMap::new(),
            keys: [(id(1), ApiKey::Active(made(key(ADA, Role::Owner, None))))].into(),
            devices: BTreeMap::new(),
            operators: [(id(1), Operator::Active(operator))].into(),
            servers: [(id(1), server(1, "d"))].into(),
            loadouts: [(id(1), loadout(1, pin(1)))].into(),
            sessions: [(id(1), Session::Open(grant()))].into(),
        };
        small.members(&[(ADA, Role::Member)]);
        small
    }

    fn members(&mut self, members: &[(u128, Role)]) {
        self.workspaces.insert(id(1), workspace(members));
    }

    fn key(&mut self, number: u128, grant: KeyGrant) {
        self.keys.insert(id(number), ApiKey::Active(made(grant)));
    }

    fn call(&self, caller: Caller) -> Result<Permit, Denial> {
        call_tool(self, caller, id(1), "search", noon())
    }

    /// Why the session's own token may not call the tool.
    #[track_caller]
    fn refuses(&self, denial: Denial) {
        assert_eq!(self.call(token()).unwrap_err(), denial);
    }

    #[track_caller]
    fn permits(&self) -> Permit {
        self.call(token()).unwrap()
    }
}

fn token() -> Caller {
    Caller::Session(id(1))
}

fn by_key(number: u128) -> Caller {
    Caller::ApiKey(id(number))
}

#[test]
fn permit_says_where_the_call_goes() {
    let small = Small::new();
    for caller in [token(), by_key(1)] {
        let permit = small.call(caller).unwrap();
        assert_eq!((permit.session_id(), permit.workspace_id()), (id(1), id(1)));
        let route = Route { tool_server_id: id(1), upstream_tool: "find".into(), loadout_version: 1 };
        assert_eq!(permit.route(), &route);
        assert_eq!((permit.max_calls(), permit.not_after()), (Some(9), hours(8)));
    }
}

#[test]
fn permit_is_recorded_with_its_route() {
    let call = crate::ToolCall {
        call_id: id(5),
        tool: "search".into(),
        jsonrpc_id: None,
        argument_bytes: 2,
        argument_digest: None,
        self_declared_client: None,
    };
    let permit = Ok(Small::new().permits());
    let route = Route { tool_server_id: id(1), upstream_tool: "find".into(), loadout_version: 1 };
    let event = crate::SessionEvent::ToolCalled { call: call.clone(), route: route.clone() };
    assert_eq!(called(call.clone(), permit.as_ref().map_err(|denial| *denial)), event);
    let enforced_by = crate::EnforcedBy::External;
    let event = crate::SessionEvent::ToolAuthorized { call: call.clone(), route, enforced_by };
    assert_eq!(crate::authorized(call, permit.as_ref().map_err(|denial| *denial)), event);
}

#[test]
fn unknown_session_is_not_found() {
    let mut small = Small::new();
    small.sessions.clear();
    small.refuses(Denial::NotFound);
    assert_eq!(small.call(by_key(1)).unwrap_err(), Denial::NotFound);
}

#[test]
fn somebody_elses_session_is_not_found() {
    let mut small = Small::new();
    small.members(&[(ADA, Role::Member), (BOB, Role::Owner)]);
    small.key(2, key(BOB, Role::Owner, None));
    small.key(3, KeyGrant { workspace_id: id(2), ..key(ADA, Role::Owner, None) });
    small.workspaces.insert(id(2), workspace(&[(ADA, Role::Owner)]));
    let other = Grant { user_id: id(BOB), made_with: MadeWith::ApiKey(id(2)), ..grant() };
    small.sessions.insert(id(2), Session::Open(other));
    for stranger in [by_key(2), by_key(3), Caller::Session(id(2)), Caller::Operator(id(1))] {
        assert_eq!(small.call(stranger).unwrap_err(), Denial::NotFound, "{stranger:?}");
    }
}

#[test]
fn callers_own_credential_must_be_in_force() {
    let mut small = Small::new();
    small.key(2, key(ADA, Role::Owner, Some(noon())));
    small.keys.insert(id(3), ApiKey::Revoked(made(key(ADA, Role::Owner, None))));
    assert_eq!(small.call(by_key(2)).unwrap_err(), Denial::CredentialExpired);
    assert_eq!(small.call(by_key(3)).unwrap_err(), Denial::CredentialRevoked);
    assert_eq!(small.call(by_key(4)).unwrap_err(), Denial::NotFound);
}

#[test]
fn callers_own_key_must_carry_the_right_to_call() {
    let mut small = Small::new();
    small.key(2, key(ADA, Role::Auditor, None));
    assert_eq!(small.call(by_key(2)).unwrap_err(), Denial::RoleTooLow);
}

#[test]
fn revoked_session_is_told_so() {
    let mut small = Small::new();
    small.sessions.insert(id(1), Session::Revoked(grant()));
    small.refuses(Denial::SessionRevoked);
}

#[test]
fn the_moment_of_expiry_is_already_too_late() {
    let small = Small::new();
    let just_before = hours(8) - chrono::TimeDelta::microseconds(1);
    assert!(call_tool(&small, token(), id(1), "search", just_before).is_ok());
    let late = call_tool(&small, token(), id(1), "search", hours(8));
    assert_eq!(late.unwrap_err(), Denial::SessionExpired);
}

#[test]
fn session_ends_with_the_key_that_made_it() {
    let mut small = Small::new();
    small.keys.insert(id(1), ApiKey::Revoked(made(key(ADA, Role::Owner, None))));
    small.refuses(Denial::MakerCredentialRevoked);
    small.keys.clear();
    small.refuses(Denial::MakerCredentialRevoked);
    small.key(1, key(ADA, Role::Owner, Some(noon())));
    small.refuses(Denial::MakerCredentialExpired);
}

#[test]
fn session_ends_with_the_device_that_made_it() {
    let mut small = Small::new();
    small.sessions.insert(id(1), Session::Open(Grant { made_with: MadeWith::Device(id(1)), ..grant() }));
    small.refuses(Denial::MakerCredentialRevoked);
    let sign_in = DeviceGrant { user_id: id(ADA), verifier: verifier() };
    small.devices.insert(id(1), Device::SignedIn(sign_in.clone()));
    assert_eq!(small.permits().not_after(), hours(8));
    small.devices.insert(id(1), Device::Revoked(sign_in));
    small.refuses(Denial::MakerCredentialRevoked);
}

#[test]
fn session_ends_with_its_makers_right_to_call() {
    let mut small = Small::new();
    for members in [&[][..], &[(BOB, Role::Member)], &[(ADA, Role::Auditor)]] {
        small.members(members);
        small.refuses(Denial::MakerLostRight);
    }
    let mut small = Small::new();
    small.key(1, key(ADA, Role::Auditor, None));
    small.refuses(Denial::MakerLostRight);
}

#[test]
fn session_ends_with_its_workspace() {
    let mut small = Small::new();
    small.workspaces.clear();
    small.refuses(Denial::WorkspaceEnded);
    assert_eq!(small.call(by_key(1)).unwrap_err(), Denial::WorkspaceEnded);
}

#[test]
fn session_ends_with_its_loadout() {
    let mut small = Small::new();
    small.loadouts.insert(id(1), Loadout::Removed { workspace_id: id(1) });
    small.refuses(Denial::LoadoutRemoved);
}

#[test]
fn tool_outside_the_loadout_is_refused() {
    let small = Small::new();
    for tool in ["find", "Search", "", "delete_repo"] {
        let refused = call_tool(&small, token(), id(1), tool, noon());
        assert_eq!(refused.unwrap_err(), Denial::NotInLoadout, "{tool}");
    }
}

#[test]
fn removed_server_is_not_called() {
    let mut small = Small::new();
    small.servers.insert(id(1), ToolServer::Removed(id(1)));
    small.refuses(Denial::ToolServerRemoved);
}

#[test]
fn tool_that_is_not_the_one_chosen_is_not_called() {
    let mut small = Small::new();
    small.servers.insert(id(1), server(1, "another"));
    small.refuses(Denial::ToolChanged);
    small.loadouts.insert(id(1), loadout(1, PinnedTool { tool: "gone".into(), ..pin(1) }));
    small.refuses(Denial::ToolChanged);
}

#[test]
fn another_workspaces_loadout_or_server_is_as_if_it_were_not_there() {
    let mut small = Small::new();
    small.servers.insert(id(1), server(2, "d"));
    small.refuses(Denial::ToolServerRemoved);
    small.loadouts.insert(id(1), loadout(2, pin(1)));
    small.refuses(Denial::LoadoutRemoved);
}

#[test]
fn permit_is_good_until_the_first_of_the_ends_that_it_hangs_on() {
    let mut small = Small::new();
    small.key(1, key(ADA, Role::Owner, Some(hours(5))));
    assert_eq!(small.permits().not_after(), hours(5), "the making key's");
    small.key(2, key(ADA, Role::Owner, Some(hours(3))));
    assert_eq!(small.call(by_key(2)).unwrap().not_after(), hours(3), "the calling key's");
    assert_eq!(small.permits().not_after(), hours(5), "a key that isn't used");
    small.key(1, key(ADA, Role::Owner, Some(hours(9))));
    assert_eq!(small.permits().not_after(), hours(8), "the session's");
}

#[test]
fn credentials_own_end_is_told() {
    let mut small = Small::new();
    small.key(2, key(ADA, Role::Owner, Some(hours(3))));
    assert_eq!(credential_ends(&small, by_key(1)), None);
    assert_eq!(credential_ends(&small, by_key(2)), Some(hours(3)));
    assert_eq!(credential_ends(&small, token()), Some(hours(8)));
    assert_eq!(credential_ends(&small, Caller::Operator(id(1))), Some(hours(2)));
}
