//! Workspaces to race in, made through the law and the book, without HTTP.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use serde_json::value::RawValue;
use tollbook::app::App;
use tollbook::authority::Live;
use tollbook::book::Draft;
use tollbook::calls::Question;
use tollbook::clock::Clock;
use tollbook::commands::Plan;
use tollbook::credential::{Credential, Kind};
use tollbook::founding::Founder;
use tollbook::problem::Problem;
use tollbook_aggregates::access::{Asker, Caller, Operation};
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, ApiKeyId, Authorization, Epoch, Grant, KeyGrant, KnownTool, Loadout,
    LoadoutCommand, LoadoutId, MadeWith, PinnedTool, Role, Session, SessionCommand, SessionId, ToolServer,
    ToolServerCommand, ToolServerId, User, UserCommand, UserId, Workspace, WorkspaceEvent, WorkspaceId,
};
use tollbook_journal::{Appended, Expected, INSTANCE, Position, Refused};

/// The tool that everybody calls.
pub(super) const TOOL: &str = "echo";

/// A workspace with an owner, a tool server and a loadout.
#[derive(Clone)]
pub(super) struct Tenant {
    pub(super) workspace: WorkspaceId,
    pub(super) owner: UserId,
    pub(super) key: ApiKeyId,
    pub(super) server: ToolServerId,
    pub(super) loadout: LoadoutId,
}

impl Tenant {
    /// A new one.
    pub(super) async fn found(app: &App) -> Self {
        let founder = Founder::mint(app.random.as_ref()).expect("there is randomness");
        let tenant = Self {
            workspace: Clock::fresh_id(),
            owner: founder.user_id,
            key: founder.api_key_id,
            server: Clock::fresh_id(),
            loadout: Clock::fresh_id(),
        };
        let now = app.clock.now();
        let mut drafts = founder
            .found(tenant.workspace, "Race course", "Rita Racer", &app.pepper, now)
            .expect("the names fit");
        drafts.push(tenant.register_server());
        drafts.push(tenant.make_loadout(tenant.loadout));
        write(app, drafts).await;
        tenant
    }

    /// The owner's key as the caller of commands.
    pub(super) fn owner_caller(&self) -> Caller {
        Caller::ApiKey(self.key)
    }

    fn register_server(&self) -> Draft {
        let mut server = ToolServer::default();
        let register = ToolServerCommand::Register {
            workspace_id: self.workspace,
            name: "Stable".into(),
            url: "http://127.0.0.1:9/mcp".into(),
            authorization: Authorization::None,
        };
        let tools = vec![KnownTool { name: TOOL.into(), digest: "1".into() }];
        let refresh = ToolServerCommand::RefreshTools { tools, definitions: "{}".into() };
        let mut events = Vec::new();
        for command in [register, refresh] {
            let decided = server.decide(command).expect("it is decided");
            for event in &decided {
                cqrs_es::Aggregate::apply(&mut server, event.clone());
            }
            events.extend(decided);
        }
        draft::<ToolServer>(self.workspace, self.server.0, &events)
    }

    /// A loadout of the one tool.
    pub(super) fn make_loadout(&self, id: LoadoutId) -> Draft {
        let tool = PinnedTool {
            name: TOOL.into(),
            tool_server_id: self.server,
            tool: TOOL.into(),
            digest: "1".into(),
        };
        let create = LoadoutCommand::Create {
            workspace_id: self.workspace,
            name: "Saddle".into(),
            tools: vec![tool],
            definitions: "{}".into(),
        };
        let events = Loadout::default().decide(create).expect("it is decided");
        draft::<Loadout>(self.workspace, id.0, &events)
    }

    /// A key of this user.
    pub(super) fn make_key(
        &self,
        app: &App,
        id: ApiKeyId,
        user_id: UserId,
        expires_at: Option<DateTime<Utc>>,
    ) -> Draft {
        let secret = Credential::mint(Kind::ApiKey, app.random.as_ref()).expect("there is randomness");
        let verifier = secret.verifier(&app.pepper);
        let grant = KeyGrant {
            workspace_id: self.workspace,
            user_id,
            verifier,
            role: Role::Owner,
            expires_at,
            narrowing: None,
            epoch: Epoch::FIRST,
        };
        let create =
            ApiKeyCommand::Create { grant, device_label: "starting gate".into(), at: app.clock.now() };
        let events = ApiKey::default().decide(create).expect("it is decided");
        draft::<ApiKey>(self.workspace, id.0, &events)
    }

    /// A person who becomes a member.
    pub(super) fn take_in(&self, user_id: UserId) -> [Draft; 2] {
        let register = UserCommand::Register { name: "Jo Jockey".into() };
        let registered = User::default().decide(register).expect("it is decided");
        let registered = Draft::new::<User>(INSTANCE, user_id.0, Expected::NoStream, &registered);
        let added = [WorkspaceEvent::MemberAdded { user_id, role: Role::Member }];
        let added = Draft::new::<Workspace>(self.workspace.0, self.workspace.0, Expected::Any, &added);
        [registered.expect("it serializes"), added.expect("it serializes")]
    }

    /// A session; `made` says by whom, with what and on which loadout.
    pub(super) fn make_session(&self, app: &App, id: SessionId, made: Made) -> Draft {
        let secret = Credential::mint(Kind::Session, app.random.as_ref()).expect("there is randomness");
        let grant = Grant {
            workspace_id: self.workspace,
            user_id: made.user,
            made_with: MadeWith::ApiKey(made.key),
            loadout_id: made.loadout,
            loadout_version: 1,
            verifier: secret.verifier(&app.pepper),
            expires_at: made.expires_at,
            max_calls: None,
            epoch: Epoch::FIRST,
        };
        let create = SessionCommand::Create { grant, label: None, at: app.clock.now() };
        let events = Session::default().decide(create).expect("it is decided");
        draft::<Session>(self.workspace, id.0, &events)
    }

    /// The owner's session on the first loadout.
    pub(super) async fn session(&self, app: &App, expires_at: DateTime<Utc>) -> SessionId {
        let id = Clock::fresh_id();
        write(app, vec![self.make_session(app, id, Made { expires_at, ..self.made(app) })]).await;
        id
    }

    /// By the owner, with their key, on the first loadout, for an hour.
    pub(super) fn made(&self, app: &App) -> Made {
        let expires_at = app.clock.now() + TimeDelta::hours(1);
        Made { user: self.owner, key: self.key, loadout: self.loadout, expires_at }
    }

    /// Carries out a command of the owner's that writes one draft.
    pub(super) async fn command(
        &self,
        app: &App,
        operation: Operation,
        plan: impl Fn(&Live) -> Result<Draft, Problem>,
    ) -> Result<Position, Problem> {
        let plan =
            |live: &Live, _, _| Ok(Plan { drafts: vec![plan(live)?], answer: json!({}), secret: None });
        let done =
            app.commands.execute(self.owner_caller(), Some(self.workspace), operation, None, plan).await;
        done.map(|done| done.position)
    }

    /// Revokes a session, as its owner would.
    pub(super) async fn revoke_session(&self, app: &App, id: SessionId) -> Result<Position, Problem> {
        self.command(app, Operation::RevokeSession(self.owner), |live| {
            use tollbook_aggregates::access::World as _;
            let events = live.session(id).decide(SessionCommand::Revoke { reason: None })?;
            Ok(Draft::new::<Session>(self.workspace.0, id.0, live.expect_session(id), &events)?)
        })
        .await
    }
}

/// Who makes a session, with what, on what, until when.
#[derive(Clone, Copy)]
pub(super) struct Made {
    pub(super) user: UserId,
    pub(super) key: ApiKeyId,
    pub(super) loadout: LoadoutId,
    pub(super) expires_at: DateTime<Utc>,
}

fn draft<A>(workspace: WorkspaceId, id: uuid::Uuid, events: &[A::Event]) -> Draft
where
    A: cqrs_es::Aggregate,
    A::Event: tollbook_aggregates::Fact,
{
    Draft::new::<A>(workspace.0, id, Expected::NoStream, events).expect("it serializes")
}

/// How often a set-up is tried while the book is too busy for it.
const TRIES: usize = 20;

/// Writes what nobody in particular decided. Many set-ups at once may be more than the book takes in time.
pub(super) async fn write(app: &App, drafts: Vec<Draft>) -> Appended {
    for _ in 1..TRIES {
        match written(app, drafts.clone()).await {
            Err(Refused::Unavailable { retry_after, .. }) => tokio::time::sleep(retry_after).await,
            written => return written.unwrap_or_else(|refused| panic!("{refused}")),
        }
    }
    written(app, drafts).await.unwrap_or_else(|refused| panic!("{refused}"))
}

async fn written(app: &App, drafts: Vec<Draft>) -> Result<Appended, Refused> {
    app.commands.write_as_system(drafts).await.unwrap_or_else(|problem| panic!("{problem}"))
}

/// The call of an agent with the session's own token.
pub(super) fn question(session_id: SessionId) -> Question {
    ask(session_id, Caller::Session(session_id), TOOL)
}

/// Anybody's call of anything.
pub(super) fn ask(session_id: SessionId, caller: impl Into<Asker>, tool: &str) -> Question {
    Question {
        session_id,
        caller: caller.into(),
        tool: tool.to_owned(),
        arguments: Some(RawValue::from_string(r#"{"text":"go"}"#.to_owned()).expect("it is JSON")),
        jsonrpc_id: None,
        self_declared_client: None,
        request_id: String::new(),
        idempotency: None,
    }
}

/// A replica as a task may keep it.
pub(super) type Replica = Arc<App>;
