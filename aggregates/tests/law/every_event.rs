//! An example of every event, and of each way in which it can narrow or not.

use cqrs_es::{Aggregate, DomainEvent};
use tollbook_aggregates::access::Denial;
use tollbook_aggregates::*;
use uuid::Uuid;

/// In the place of every private text, to be looked for where it must not be.
pub(crate) const PRIVATE: &str = "PRIVATE TEXT";

/// An event with what it says of itself.
pub(crate) struct Example {
    pub(crate) aggregate_type: &'static str,
    pub(crate) event_type: String,
    pub(crate) version: String,
    pub(crate) control: bool,
    pub(crate) narrows: bool,
    pub(crate) sealed: Vec<(&'static str, String)>,
    pub(crate) payload: String,
    pub(crate) event: Event,
}

fn example<A>(event: &A::Event, wrap: impl Fn(A::Event) -> Event) -> Example
where
    A: Aggregate,
    A::Event: Fact,
{
    Example {
        aggregate_type: A::TYPE,
        event_type: event.event_type(),
        version: event.event_version(),
        control: event.control(),
        narrows: event.narrows(),
        sealed: event.private().into_iter().map(|(field, text)| (field, text.reveal().to_owned())).collect(),
        payload: serde_json::to_string(event).unwrap(),
        event: wrap(event.clone()),
    }
}

/// Examples of each variant. A variant that isn't listed doesn't compile.
macro_rules! examples {
    ($aggregate:ident, $event:ident { $($variant:ident => [$($example:expr),+ $(,)?]),+ $(,)? }) => {{
        #[allow(dead_code)]
        fn none_is_missing(event: &$event) {
            match event {
                $($event::$variant { .. } => {})+
            }
        }
        let events: Vec<$event> = vec![$($($example),+),+];
        events.iter().map(|event| example::<$aggregate>(event, Event::$aggregate)).collect::<Vec<_>>()
    }};
}

/// Every event of every aggregate.
pub(crate) fn every_event() -> Vec<Example> {
    /// An aggregate that isn't listed doesn't compile.
    fn of(event: &Event) -> fn() -> Vec<Example> {
        match event {
            Event::Instance(_) => instance,
            Event::Operator(_) => operator,
            Event::User(_) => user,
            Event::Workspace(_) => workspace,
            Event::ToolServer(_) => tool_server,
            Event::Token(_) => token,
            Event::Loadout(_) => loadout,
            Event::Session(_) => session,
            Event::ApiKey(_) => api_key,
            Event::Device(_) => device,
            Event::SignIn(_) => sign_in,
            Event::OneTimeLink(_) => one_time_link,
        }
    }
    let all = [
        instance,
        operator,
        user,
        workspace,
        tool_server,
        token,
        loadout,
        session,
        api_key,
        device,
        sign_in,
        one_time_link,
    ];
    let examples: Vec<_> = all.iter().flat_map(|examples: &fn() -> Vec<Example>| examples()).collect();
    for example in &examples {
        let own = of(&example.event)();
        assert!(own.iter().any(|one| one.event == example.event));
    }
    examples
}

fn id<T: From<Uuid>>(number: u128) -> T {
    Uuid::from_u128((0x019a_ab3c_7d2e_7000_8000 << 48) + number).into()
}

fn private() -> Private {
    PRIVATE.into()
}

fn at(time: &str) -> chrono::DateTime<chrono::Utc> {
    format!("2026-11-22T{time}Z").parse().unwrap()
}

fn verifier() -> Verifier {
    Verifier {
        credential_id: Inline::new("0DPiKuNIrrVm").unwrap(),
        pepper_id: Inline::new("1").unwrap(),
        hmac: [0x5c; 32],
    }
}

fn digest() -> String {
    format!("sha256:{}", "1b".repeat(32))
}

fn instance() -> Vec<Example> {
    let (user_id, workspace_id, operator_id) = (id(1), id(2), id(3));
    let projection = || "session".to_owned();
    let refused = |kind, address| InstanceEvent::AuthenticationRefused { kind, count: 12, address };
    examples!(Instance, InstanceEvent {
        Bootstrapped => [InstanceEvent::Bootstrapped { user_id, workspace_id, operator_id }],
        ProjectionRebuildRequested => [InstanceEvent::ProjectionRebuildRequested { projection: projection() }],
        ProjectionVerificationRequested =>
            [InstanceEvent::ProjectionVerificationRequested { projection: projection() }],
        ProjectionSwapRequested => [InstanceEvent::ProjectionSwapRequested { projection: projection() }],
        ProjectionRollbackRequested =>
            [InstanceEvent::ProjectionRollbackRequested { projection: projection() }],
        AuthenticationRefused => [
            refused(AuthenticationFailure::Unknown, Some(private())),
            refused(AuthenticationFailure::Malformed, None),
        ],
    })
}

fn operator() -> Vec<Example> {
    let grant = OperatorGrant { verifier: verifier(), expires_at: Some(at("20:00:00")) };
    examples!(Operator, OperatorEvent {
        CredentialCreated => [OperatorEvent::CredentialCreated { grant, label: private() }],
        CredentialRotated => [
            OperatorEvent::CredentialRotated { verifier: verifier(), former_until: Some(at("13:00:00")) },
            OperatorEvent::CredentialRotated { verifier: verifier(), former_until: None },
        ],
        CredentialRevoked => [OperatorEvent::CredentialRevoked {}],
    })
}

fn user() -> Vec<Example> {
    examples!(User, UserEvent {
        Registered => [UserEvent::Registered { name: private() }],
        Erased => [UserEvent::Erased { key_ids: vec![id(12)] }],
    })
}

fn workspace() -> Vec<Example> {
    let user_id = id(1);
    let change = |from, to| WorkspaceEvent::MemberRoleChanged { user_id, from, to };
    let keys_revoked = |which, reason| WorkspaceEvent::ApiKeysRevoked { which, reason };
    examples!(Workspace, WorkspaceEvent {
        Created => [WorkspaceEvent::Created { name: private() }],
        Renamed => [WorkspaceEvent::Renamed { name: private() }],
        MemberAdded => [WorkspaceEvent::MemberAdded { user_id, role: Role::Owner }],
        MemberRoleChanged => [
            change(Role::Auditor, Role::Member),
            change(Role::Member, Role::Admin),
            change(Role::Admin, Role::Owner),
        ],
        MemberRemoved => [WorkspaceEvent::MemberRemoved { user_id }],
        ApiKeysPaused => [
            WorkspaceEvent::ApiKeysPaused { user_id: Some(user_id), until: at("12:00:05") },
            WorkspaceEvent::ApiKeysPaused { user_id: None, until: at("12:00:05") },
        ],
        ApiKeysRevoked => [
            keys_revoked(WhichKeys::These(vec![id(7)]), Some(private())),
            keys_revoked(WhichKeys::Of(user_id), None),
            keys_revoked(WhichKeys::All, None),
        ],
    })
}

fn tool_server() -> Vec<Example> {
    let secret = SecretRef { secret_id: id(4), version: 1 };
    let registered = |authorization| ToolServerEvent::Registered {
        workspace_id: id(2),
        authorization,
        name: private(),
        url: private(),
    };
    let refreshed = |changed| ToolServerEvent::ToolsRefreshed {
        tools: vec![KnownTool { name: "search".into(), digest: digest() }],
        changed,
        definitions: private(),
    };
    examples!(ToolServer, ToolServerEvent {
        Registered => [
            registered(Authorization::Header { name: "authorization".into(), secret }),
            registered(Authorization::None),
        ],
        Renamed => [ToolServerEvent::Renamed { name: private() }],
        ToolsRefreshed => [refreshed(vec!["fetch".into()]), refreshed(vec![])],
        Removed => [ToolServerEvent::Removed {}],
    })
}

fn token() -> Vec<Example> {
    let holding = Holding { workspace_id: id(2), tool_server_id: id(5), owner: id(1), shared: false };
    let connection = |version| Connection {
        secret: SecretRef { secret_id: id(4), version },
        scopes: vec!["repo:read".into()],
        expires_at: Some(at("13:00:00")),
    };
    examples!(Token, TokenEvent {
        Requested => [TokenEvent::Requested(holding)],
        Connected => [TokenEvent::Connected(connection(1))],
        Refreshed => [TokenEvent::Refreshed(connection(2))],
        RefreshFailed => [TokenEvent::RefreshFailed { error: private() }],
        NeedsReauthorization => [TokenEvent::NeedsReauthorization { error: private() }],
        Disconnected => [TokenEvent::Disconnected {}],
    })
}

fn loadout() -> Vec<Example> {
    let tools = || {
        let (name, tool) = ("wiki_search".into(), "search".into());
        vec![PinnedTool { name, tool_server_id: id(5), tool, digest: digest() }]
    };
    let version = |version, dropped| LoadoutEvent::VersionCreated {
        version,
        tools: tools(),
        dropped,
        definitions: private(),
    };
    let created = LoadoutEvent::Created {
        workspace_id: id(2),
        tools: tools(),
        name: private(),
        definitions: private(),
    };
    examples!(Loadout, LoadoutEvent {
        Created => [created],
        VersionCreated => [version(2, vec!["fetch".into()]), version(3, vec![])],
        Removed => [LoadoutEvent::Removed {}],
    })
}

fn grant(max_calls: Option<u64>, made_with: MadeWith) -> Grant {
    Grant {
        workspace_id: id(2),
        user_id: id(1),
        made_with,
        loadout_id: id(6),
        loadout_version: 1,
        verifier: verifier(),
        expires_at: at("20:00:00"),
        max_calls,
        epoch: Epoch::FIRST,
    }
}

fn session() -> Vec<Example> {
    let full = ToolCall {
        call_id: id(9),
        tool: "wiki_search".into(),
        jsonrpc_id: Some("7".into()),
        argument_bytes: 34,
        argument_digest: Some("7e".repeat(32)),
        self_declared_client: Some("an-agent 1.2".into()),
    };
    let bare =
        ToolCall { jsonrpc_id: None, argument_digest: None, self_declared_client: None, ..full.clone() };
    let call = || full.clone();
    let route = || Route { tool_server_id: id(5), upstream_tool: "search".into(), loadout_version: 1 };
    let completion = || Completion { call_id: id(9), duration_ms: 12, response_bytes: 345 };
    let created =
        |max_calls, made_with, label| SessionEvent::Created { grant: grant(max_calls, made_with), label };
    examples!(Session, SessionEvent {
        Created => [
            created(Some(100), MadeWith::ApiKey(id(7)), Some(private())),
            created(None, MadeWith::Device(id(8)), None),
        ],
        Revoked => [
            SessionEvent::Revoked { reason: Some(private()) },
            SessionEvent::Revoked { reason: None },
        ],
        ToolCalled => [
            SessionEvent::ToolCalled { call: call(), route: route() },
            SessionEvent::ToolCalled { call: bare, route: route() },
        ],
        ToolAuthorized => [
            SessionEvent::ToolAuthorized { call: call(), route: route(), enforced_by: EnforcedBy::External },
        ],
        ToolDenied => [SessionEvent::ToolDenied { call: call(), reason: Denial::NotInLoadout }],
        ToolCallCompleted => [
            SessionEvent::ToolCallCompleted { completion: completion(), tool_error: false },
        ],
        ToolCallFailed => [SessionEvent::ToolCallFailed {
            completion: completion(),
            code: "upstream_unreachable".into(),
            error: private(),
        }],
        ToolCallCancelled => [SessionEvent::ToolCallCancelled { completion: completion() }],
        ToolCallTimedOut => [SessionEvent::ToolCallTimedOut { completion: completion() }],
        ToolCallNotForwarded => [
            SessionEvent::ToolCallNotForwarded { call_id: id(9), reason: "too_late".into() },
        ],
        ToolCallOutcomeUnknown => [SessionEvent::ToolCallOutcomeUnknown { call_id: id(9) }],
    })
}

fn api_key() -> Vec<Example> {
    let grant = |expires_at| KeyGrant {
        workspace_id: id(2),
        user_id: id(1),
        verifier: verifier(),
        role: Role::Member,
        expires_at,
        narrowing: None,
        epoch: Epoch::FIRST,
    };
    let narrowing = Narrowing {
        permissions: Some([Permission::CallTools, Permission::ReadSessions].into()),
        tool_servers: Some([id(5)].into()),
        loadouts: Some([id(6)].into()),
        addresses: Some(vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]),
    };
    let narrowed =
        KeyGrant { narrowing: Some(Box::new(narrowing)), epoch: Epoch(3), ..grant(Some(at("20:00:00"))) };
    let created = |grant| ApiKeyEvent::Created { grant, device_label: private() };
    examples!(ApiKey, ApiKeyEvent {
        Created => [created(narrowed), created(grant(Some(at("20:00:00")))), created(grant(None))],
        Rotated => [
            ApiKeyEvent::Rotated { verifier: verifier(), former_until: Some(at("13:00:00")) },
            ApiKeyEvent::Rotated { verifier: verifier(), former_until: None },
        ],
        Reset => [ApiKeyEvent::Reset { link_id: id(11) }],
        OneTimeView => [ApiKeyEvent::OneTimeView { link_id: id(11) }],
        Revoked => [ApiKeyEvent::Revoked { reason: Some(private()) }, ApiKeyEvent::Revoked { reason: None }],
    })
}

fn device() -> Vec<Example> {
    let grant = DeviceGrant { user_id: id(1), verifier: verifier() };
    examples!(Device, DeviceEvent {
        SignedIn => [DeviceEvent::SignedIn { grant, label: private() }],
        Revoked => [DeviceEvent::Revoked {}],
    })
}

fn sign_in() -> Vec<Example> {
    let grant = || SignInGrant {
        user_id: id(1),
        verifier: verifier(),
        expires_at: at("20:00:00"),
        how: How::OneTimeLink(id(11)),
    };
    let created = |address, user_agent| SignInEvent::Created { grant: grant(), address, user_agent };
    examples!(SignIn, SignInEvent {
        Created => [created(Some(private()), Some(private())), created(None, None)],
        Ended => [SignInEvent::Ended {}],
    })
}

fn one_time_link() -> Vec<Example> {
    let (workspace_id, user_id, api_key_id) = (id(2), id(1), id(7));
    let created = |purpose, made_by, label| LinkEvent::Created {
        grant: LinkGrant {
            purpose,
            verifier: verifier(),
            expires_at: at("12:15:00"),
            made_by,
            newcomer: purpose.user_id().is_none().then(|| id(12)),
        },
        label,
    };
    let invitation = |user_id| LinkPurpose::Invitation { workspace_id, role: Role::Member, user_id };
    let reset = LinkPurpose::KeyReset { workspace_id, user_id, api_key_id };
    examples!(OneTimeLink, LinkEvent {
        Created => [
            created(reset, LinkMaker::ApiKey(api_key_id), Some(private())),
            created(invitation(None), LinkMaker::User(user_id), Some(private())),
            created(invitation(Some(user_id)), LinkMaker::User(user_id), None),
            created(LinkPurpose::SignIn { user_id }, LinkMaker::Host, None),
        ],
        Redeemed => [LinkEvent::Redeemed { user_id }],
        Revoked => [LinkEvent::Revoked {}],
    })
}
