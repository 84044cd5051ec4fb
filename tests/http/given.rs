//! What tests begin with: members of every role, other workspaces, tool servers.

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tollbook::book::Draft;
use tollbook::clock::Clock;
use tollbook::credential::{Credential, Kind};
use tollbook_aggregates::access::World as _;
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, ApiKeyId, KeyGrant, Role, User, UserCommand, UserId, Workspace, WorkspaceCommand,
    WorkspaceId,
};
use tollbook_journal::{Expected, INSTANCE};
use tollbook_testkit::node::Upstream;

use crate::house::TestHouse;

/// A member of the house's workspace, and their key.
pub struct Member {
    pub user_id: UserId,
    pub key_id: ApiKeyId,
    pub key: String,
}

/// Somebody new in the house's workspace. Invitations are a later issue: the aggregates are asked.
pub async fn member(house: &TestHouse, role: Role) -> Member {
    let app = &house.app;
    let workspace: WorkspaceId = house.workspace.parse().unwrap();
    let user: UserId = Clock::fresh_id();
    let registered = User::default().decide(UserCommand::Register { name: "Mia Member".into() }).unwrap();
    let (state, expected) =
        app.authority.look(|live| (live.workspace(workspace).clone(), live.expect_workspace(workspace)));
    let added = state.decide(WorkspaceCommand::AddMember { user_id: user, role }).unwrap();
    let drafts = vec![
        Draft::new::<User>(INSTANCE, user.0, Expected::NoStream, &registered).unwrap(),
        Draft::new::<Workspace>(workspace.0, workspace.0, expected, &added).unwrap(),
    ];
    app.commands.write_as_system(drafts).await.unwrap().unwrap();
    let (key_id, key) = key_of(house, user, role).await;
    Member { user_id: user, key_id, key }
}

/// A key of a member of the house's workspace.
pub async fn key_of(house: &TestHouse, user: UserId, role: Role) -> (ApiKeyId, String) {
    let app = &house.app;
    let workspace: WorkspaceId = house.workspace.parse().unwrap();
    let key_id: ApiKeyId = Clock::fresh_id();
    let credential = Credential::mint(Kind::ApiKey, app.random.as_ref()).unwrap();
    let grant = KeyGrant {
        workspace_id: workspace,
        user_id: user,
        verifier: credential.verifier(&app.pepper),
        role,
        expires_at: None,
        narrowing: None,
        epoch: app.authority.look(|live| live.workspace(workspace).epoch()),
    };
    let create = ApiKeyCommand::Create { grant, device_label: "test".into(), at: app.clock.now() };
    let keyed = ApiKey::default().decide(create).unwrap();
    let draft = Draft::new::<ApiKey>(workspace.0, key_id.0, Expected::NoStream, &keyed).unwrap();
    app.commands.write_as_system(vec![draft]).await.unwrap().unwrap();
    (key_id, credential.expose().to_owned())
}

/// Another workspace of the same house, with an owner of its own.
pub struct Neighbour {
    pub workspace: String,
    pub key: String,
}

pub async fn neighbour(house: &TestHouse) -> Neighbour {
    let body = json!({ "name": "Next door", "owner": { "name": "Nora Neighbour" } });
    let made = house.post("/v1/workspaces", &house.operator, body).await.expect(201);
    Neighbour { workspace: text(&made["id"]), key: text(&made["api_key"]) }
}

/// The address of a real tool server that all tests share. It doesn't change.
pub async fn upstream() -> &'static Upstream {
    static UPSTREAM: OnceCell<Upstream> = OnceCell::const_new();
    UPSTREAM.get_or_init(Upstream::modern).await
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is a text")).to_owned()
}

/// The ids of a page's items.
pub fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect()
}
