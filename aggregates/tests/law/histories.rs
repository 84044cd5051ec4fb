//! Random histories that could have happened: random commands, decided on what happened before.

use chrono::{DateTime, TimeDelta, Utc};
use tollbook_aggregates::access::{Denial, World};
use tollbook_aggregates::*;
use uuid::Uuid;

use crate::world::{EACH, Everything, TOOLS, id};

/// Xorshift: the same seed, the same history.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn number(&mut self) -> u128 {
        1 + u128::try_from(self.below(usize::try_from(EACH).unwrap())).unwrap()
    }

    fn id<T: From<Uuid>>(&mut self) -> T {
        id(self.number())
    }

    /// Mostly the first workspace, so that what belongs together meets.
    fn workspace<T: From<Uuid>>(&mut self) -> T {
        id(self.one(&[1, 1, 1, 1, 2]))
    }

    fn some_tools(&mut self) -> Vec<&'static str> {
        TOOLS.into_iter().filter(|_| self.below(4) > 0).collect()
    }
}

/// An event of a history, in the stream of an id.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    pub(crate) id: Uuid,
    pub(crate) event: Event,
    pub(crate) event_type: String,
    pub(crate) control: bool,
    pub(crate) narrows: bool,
}

fn happenings<E: Fact>(id: Uuid, events: Vec<E>, wrap: fn(E) -> Event) -> Vec<Happening> {
    let happening = |event: E| Happening {
        id,
        event_type: event.event_type(),
        control: event.control(),
        narrows: event.narrows(),
        event: wrap(event),
    };
    events.into_iter().map(happening).collect()
}

pub(crate) fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn verifier() -> Verifier {
    Verifier::default()
}

fn some_end(random: &mut Random) -> DateTime<Utc> {
    noon() + TimeDelta::hours(random.one(&[1, 8, 24]))
}

/// A beginning in which calls are permitted at once: what random commands seldom come to by themselves.
/// Each of the three people has a key, a device and a session; things 3 are left for the history to make.
pub(crate) fn beginning() -> Vec<Happening> {
    let owner = WorkspaceCommand::Create { name: "Acme".into(), owner: Some(id(1)) };
    let mut events = vec![];
    for number in 1..=EACH {
        let registered = UserEvent::Registered { name: "Ada".into() };
        events.extend(happenings(id(number), vec![registered], Event::User));
    }
    events.extend(happenings(id(1), Workspace::Absent.decide(owner).unwrap(), Event::Workspace));
    for (user, role) in [(2, Role::Member), (3, Role::Auditor)] {
        let added = WorkspaceEvent::MemberAdded { user_id: id(user), role };
        events.extend(happenings(id(1), vec![added], Event::Workspace));
    }
    let (workspace_id, verifier) = (id(1), verifier());
    for number in 1..EACH {
        let (user_id, verifier) = (id(number), verifier);
        let grant = DeviceGrant { user_id, verifier };
        let signed_in = DeviceEvent::SignedIn { grant, label: "laptop".into() };
        events.extend(happenings(id(number), vec![signed_in], Event::Device));
        let grant = KeyGrant {
            workspace_id,
            user_id,
            verifier,
            role: Role::Admin,
            expires_at: None,
            narrowing: None,
            epoch: Epoch::FIRST,
        };
        let created = ApiKeyEvent::Created { grant, device_label: "laptop".into() };
        events.extend(happenings(id(number), vec![created], Event::ApiKey));
        let known = |name: &&str| KnownTool { name: (*name).into(), digest: "1".into() };
        let (name, url, authorization) = ("Wiki".into(), "https://tools.example".into(), Authorization::None);
        let registered = ToolServerEvent::Registered { workspace_id, authorization, name, url };
        let (tools, definitions) = (TOOLS.iter().map(known).collect(), "[]".into());
        let refreshed = ToolServerEvent::ToolsRefreshed { tools, changed: vec![], definitions };
        events.extend(happenings(id(number), vec![registered, refreshed], Event::ToolServer));
        let (tool_server_id, digest) = (id(number), "1".to_owned());
        let pin = |tool: &&str| {
            let (name, tool) = ((*tool).to_owned(), (*tool).to_owned());
            PinnedTool { name, tool_server_id, tool, digest: digest.clone() }
        };
        let (tools, name, definitions) = (TOOLS.iter().map(pin).collect(), "All".into(), "[]".into());
        let created = LoadoutEvent::Created { workspace_id, tools, name, definitions };
        events.extend(happenings(id(number), vec![created], Event::Loadout));
        let made_with = if number == 1 { MadeWith::ApiKey(id(1)) } else { MadeWith::Device(id(2)) };
        let (loadout_id, expires_at) = (id(number), noon() + TimeDelta::hours(8));
        let grant = Grant {
            workspace_id,
            user_id,
            made_with,
            loadout_id,
            loadout_version: 1,
            verifier,
            expires_at,
            max_calls: None,
            epoch: Epoch::FIRST,
        };
        let created = SessionEvent::Created { grant, label: None };
        events.extend(happenings(id(number), vec![created], Event::Session));
    }
    events
}

/// What one random command leads to; nothing, where it is refused.
pub(crate) fn next(world: &Everything, random: &mut Random) -> Vec<Happening> {
    match random.below(100) {
        0..15 => workspace(world, random),
        15..30 => api_key(world, random),
        30..36 => device(world, random),
        36..40 => operator(world, random),
        40..53 => tool_server(world, random),
        53..62 => loadout(world, random),
        62..66 => token(world, random),
        66..74 => one_time_link(world, random),
        74..80 => sign_in(world, random),
        80..82 => user(world, random),
        _ => session(world, random),
    }
}

fn workspace(world: &Everything, random: &mut Random) -> Vec<Happening> {
    use WorkspaceCommand::{
        AddMember, ChangeRole, Create, PauseApiKeys, RemoveErased, RemoveMember, Rename, RevokeApiKeys,
    };
    let place: WorkspaceId = random.workspace();
    let (user_id, role) = (random.id(), random.one(&Role::ALL));
    let name = || "Acme".into();
    let which = match random.below(3) {
        0 => WhichKeys::All,
        1 => WhichKeys::Of(user_id),
        _ => WhichKeys::These(vec![random.id()]),
    };
    let command = match random.below(13) {
        0..2 => Create { name: name(), owner: Some(user_id) },
        2 => Rename { name: name() },
        3..6 => AddMember { user_id, role },
        6..9 => ChangeRole { user_id, role },
        9 => RemoveMember { user_id },
        10 => RemoveErased { user_id },
        11 => PauseApiKeys { user_id: Some(user_id), until: some_end(random) },
        _ => RevokeApiKeys { which, reason: None },
    };
    let events = world.workspace(place).decide(command).unwrap_or_default();
    happenings(place.0, events, Event::Workspace)
}

fn api_key(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let key: ApiKeyId = random.id();
    let command = match random.below(10) {
        0 => ApiKeyCommand::Revoke { reason: None },
        1..3 => {
            let former_until = (random.below(2) == 0).then(|| some_end(random));
            ApiKeyCommand::Rotate { verifier: verifier(), former_until, at: noon() }
        }
        3 => ApiKeyCommand::Reset { link_id: random.id(), at: noon() },
        4 => ApiKeyCommand::Mint { link_id: random.id(), verifier: verifier() },
        _ => {
            let place: WorkspaceId = random.workspace();
            let grant = KeyGrant {
                workspace_id: place,
                user_id: random.id(),
                verifier: verifier(),
                role: random.one(&Role::ALL),
                expires_at: (random.below(2) == 0).then(|| some_end(random)),
                narrowing: (random.below(3) == 0).then(|| Box::new(some_narrowing(random))),
                epoch: world.workspace(place).epoch(),
            };
            ApiKeyCommand::Create { grant, device_label: "laptop".into(), at: noon() }
        }
    };
    happenings(key.0, world.api_key(key).decide(command).unwrap_or_default(), Event::ApiKey)
}

fn some_narrowing(random: &mut Random) -> Narrowing {
    let permissions = [Permission::CallTools, Permission::CreateInvitations, Permission::ReadSessions];
    let mut narrowing = Narrowing::default();
    match random.below(4) {
        0 => narrowing.permissions = Some(permissions.into()),
        1 => narrowing.tool_servers = Some([random.id()].into()),
        2 => narrowing.loadouts = Some([random.id()].into()),
        _ => narrowing.addresses = Some(vec!["10.0.0.0/8".parse().unwrap()]),
    }
    narrowing
}

fn one_time_link(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let link: LinkId = random.id();
    let (workspace_id, user_id) = (random.workspace(), random.id());
    let purpose = match random.below(4) {
        0 => LinkPurpose::SignIn { user_id },
        1 => LinkPurpose::Invitation { workspace_id, role: random.one(&Role::ALL), user_id: Some(user_id) },
        2 => LinkPurpose::Invitation { workspace_id, role: random.one(&Role::ALL), user_id: None },
        _ => LinkPurpose::KeyReset { workspace_id, user_id, api_key_id: random.id() },
    };
    let made_by = match random.below(3) {
        0 => LinkMaker::Host,
        1 => LinkMaker::ApiKey(random.id()),
        _ => LinkMaker::User(random.id()),
    };
    let command = match random.below(6) {
        0 => LinkCommand::Redeem { user_id },
        1 => LinkCommand::Revoke,
        _ => {
            let expires_at = noon() + purpose.lasts_at_most();
            let grant = LinkGrant { purpose, verifier: verifier(), expires_at, made_by, newcomer: None };
            LinkCommand::Create { grant, label: None, at: noon() }
        }
    };
    happenings(link.0, world.one_time_link(link).decide(command).unwrap_or_default(), Event::OneTimeLink)
}

fn sign_in(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let sign_in: SignInId = random.id();
    let command = if random.below(4) == 0 {
        SignInCommand::End
    } else {
        let grant = SignInGrant {
            user_id: random.id(),
            verifier: verifier(),
            expires_at: some_end(random),
            how: How::OneTimeLink(id(1)),
        };
        SignInCommand::Create { grant, address: None, user_agent: None, at: noon() }
    };
    happenings(sign_in.0, world.sign_in(sign_in).decide(command).unwrap_or_default(), Event::SignIn)
}

fn user(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let user: UserId = random.id();
    let command = match random.below(3) {
        0 => UserCommand::Erase { key_ids: vec![] },
        _ => UserCommand::Register { name: "Ada".into() },
    };
    happenings(user.0, world.user(user).decide(command).unwrap_or_default(), Event::User)
}

fn device(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let device: DeviceId = random.id();
    let command = if random.below(4) == 0 {
        DeviceCommand::Revoke
    } else {
        let grant = DeviceGrant { user_id: random.id(), verifier: verifier() };
        DeviceCommand::SignIn { grant, label: "laptop".into() }
    };
    happenings(device.0, world.device(device).decide(command).unwrap_or_default(), Event::Device)
}

fn operator(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let operator: OperatorId = random.id();
    let command = match random.below(6) {
        0 => OperatorCommand::Revoke { others: true },
        1 => {
            let former_until = (random.below(2) == 0).then(|| some_end(random));
            OperatorCommand::Rotate { verifier: verifier(), former_until, at: noon() }
        }
        _ => {
            let grant = OperatorGrant { verifier: verifier(), expires_at: Some(some_end(random)) };
            OperatorCommand::Create { grant, label: "ops".into(), at: noon() }
        }
    };
    happenings(operator.0, world.operator(operator).decide(command).unwrap_or_default(), Event::Operator)
}

fn tool_server(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let server: ToolServerId = random.id();
    let command = match random.below(12) {
        0..6 => ToolServerCommand::Register {
            workspace_id: random.workspace(),
            name: "Wiki".into(),
            url: "https://tools.example".into(),
            authorization: Authorization::None,
        },
        6..10 => {
            let known = |random: &mut Random, name: &str| KnownTool {
                name: name.into(),
                digest: random.one(&["1", "1", "1", "2"]).into(),
            };
            let tools = random.some_tools().into_iter().map(|name| known(random, name)).collect();
            ToolServerCommand::RefreshTools { tools, definitions: "[]".into() }
        }
        10 => ToolServerCommand::Rename { name: "Docs".into() },
        _ => ToolServerCommand::Remove,
    };
    happenings(server.0, world.tool_server(server).decide(command).unwrap_or_default(), Event::ToolServer)
}

fn loadout(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let loadout: LoadoutId = random.id();
    let pin = |random: &mut Random, name: &str| PinnedTool {
        name: name.into(),
        tool_server_id: random.id(),
        tool: random.one(&TOOLS).into(),
        digest: "1".into(),
    };
    let tools = random.some_tools().into_iter().map(|name| pin(random, name)).collect();
    let definitions = "[]".into();
    let command = match random.below(10) {
        0..6 => {
            let workspace_id = random.workspace();
            LoadoutCommand::Create { workspace_id, name: "Research".into(), tools, definitions }
        }
        6..9 => LoadoutCommand::Change { tools, definitions },
        _ => LoadoutCommand::Remove,
    };
    happenings(loadout.0, world.loadout(loadout).decide(command).unwrap_or_default(), Event::Loadout)
}

fn token(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let token: TokenId = random.id();
    let secret = SecretRef { secret_id: id(1), version: 1 };
    let connection = || Connection { secret, scopes: vec![], expires_at: None };
    let command = match random.below(6) {
        0 => TokenCommand::Request(Holding {
            workspace_id: random.workspace(),
            tool_server_id: random.id(),
            owner: random.id(),
            shared: false,
        }),
        1 => TokenCommand::Connect(connection()),
        2 => TokenCommand::Refresh { consumed: secret, connection: connection() },
        3 => TokenCommand::FailRefresh { error: "503".into() },
        4 => TokenCommand::NeedReauthorization { error: "gone".into() },
        _ => TokenCommand::Disconnect,
    };
    happenings(token.0, world.token(token).decide(command).unwrap_or_default(), Event::Token)
}

fn session(world: &Everything, random: &mut Random) -> Vec<Happening> {
    let session: SessionId = random.id();
    let call = || ToolCall {
        call_id: id(1),
        tool: TOOLS[0].into(),
        jsonrpc_id: None,
        argument_bytes: 0,
        argument_digest: None,
        self_declared_client: None,
    };
    let made_with = |random: &mut Random| match random.below(3) {
        0 => MadeWith::Device(random.id()),
        _ => MadeWith::ApiKey(random.id()),
    };
    let command = match random.below(10) {
        0..7 => {
            let place = random.workspace();
            let grant = Grant {
                workspace_id: place,
                user_id: random.id(),
                made_with: made_with(random),
                loadout_id: random.id(),
                loadout_version: random.one(&[1, 1, 1, 2]),
                verifier: verifier(),
                expires_at: some_end(random),
                max_calls: None,
                epoch: world.workspace(place).epoch(),
            };
            SessionCommand::Create { grant, label: None, at: noon() }
        }
        7 => SessionCommand::CallTool { call: call(), decision: Err(Denial::NotInLoadout) },
        8 => SessionCommand::EndCall(CallOutcome::Unknown { call_id: id(1) }),
        _ => SessionCommand::Revoke { reason: None },
    };
    happenings(session.0, world.session(session).decide(command).unwrap_or_default(), Event::Session)
}
