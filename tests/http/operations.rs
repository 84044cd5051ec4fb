//! Every operation of the `OpenAPI` document, with each credential that there is.
//!
//! A new operation without a line in [`OPERATIONS`] fails here.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tollbook::credential::{Credential, Kind};
use tollbook_aggregates::Role;

use super::given::{member, neighbour, text, upstream};
use crate::house::visitor::Visitor;
use crate::house::{Answer, TestHouse, answer};

/// What each credential is answered: `+` permitted, `-` 403, `?` 404.
///
/// In this order: owner, admin, member, auditor, the session's own token, another workspace's owner, an
/// operator. The session is the owner's.
const OPERATIONS: &[(&str, &str)] = &[
    ("list_workspaces", "++++-++"),
    ("create_workspace", "------+"),
    ("get_workspace", "++++-??"),
    ("rename_workspace", "++---??"),
    ("list_members", "++++-??"),
    ("change_member_role", "++---??"),
    ("remove_member", "++---??"),
    ("create_invitation", "++---??"),
    ("list_invitations", "++-+-??"),
    ("revoke_invitation", "++---??"),
    ("register_tool_server", "++---??"),
    ("list_tool_servers", "++++-??"),
    ("get_tool_server", "++++-??"),
    ("rename_tool_server", "++---??"),
    ("remove_tool_server", "++---??"),
    ("refresh_tools", "++---??"),
    ("list_tools", "++++-??"),
    ("create_loadout", "++---??"),
    ("list_loadouts", "++++-??"),
    ("get_loadout", "++++-??"),
    ("create_loadout_version", "++---??"),
    ("diff_loadout", "++++-??"),
    ("remove_loadout", "++---??"),
    ("create_session", "+++--??"),
    ("list_sessions", "++++-??"),
    ("get_session", "++-+-??"),
    ("revoke_session", "++---??"),
    ("call_tool", "+???+??"),
    ("list_tool_calls", "++-+-??"),
    ("create_api_key", "+++--??"),
    ("list_api_keys", "++++-??"),
    ("get_api_key", "++-+-??"),
    ("revoke_api_key", "++---??"),
    ("revoke_api_keys", "++---??"),
    ("rotate_api_key", "+----??"),
    ("reset_api_key", "+----??"),
    ("authorize", "+???+??"),
    ("list_events", "++-+-??"),
    ("instance_health", "------+"),
    ("list_all_workspaces", "------+"),
    ("list_projections", "------+"),
    ("get_projection", "------+"),
    ("rebuild_projection", "------+"),
    ("verify_projection", "------+"),
    ("swap_projection", "------+"),
    ("roll_back_projection", "------+"),
    ("create_operator_credential", "------+"),
    ("list_operator_credentials", "------+"),
    // Another operator's: its secret is nobody else's business.
    ("rotate_operator_credential", "-------"),
    ("revoke_operator_credential", "------+"),
    ("erase_person", "------+"),
];

/// What need no credential.
const OPEN: [&str; 2] = ["alive", "ready"];

/// What an operation is tried on.
pub(super) struct Things {
    pub(super) server: String,
    pub(super) loadout: String,
    pub(super) session: String,
    api_key: String,
    pub(super) member: String,
    invitation: String,
    operator: String,
}

impl Things {
    /// Freshly made, because some operations end what they are tried on.
    pub(super) async fn of(house: &TestHouse) -> (Self, String) {
        let server = house.tool_server("Wiki", upstream().await.url()).await;
        let loadout = house.loadout(&server, &["echo"]).await;
        let session = house.session(&loadout).await;
        let body = json!({ "device_label": "x" });
        let api_key = house.post(&house.path("/api-keys"), &house.key, body).await.expect(201);
        let token = text(&session["token"]);
        let invitation = json!({ "role": "member" });
        let invitation = house.post(&house.path("/invitations"), &house.key, invitation).await.expect(201);
        let operator = house
            .post("/v1/operator/credentials", &house.operator, json!({ "label": "x" }))
            .await
            .expect(201);
        let things = Self {
            server,
            loadout,
            session: text(&session["id"]),
            api_key: text(&api_key["id"]),
            member: member(house, Role::Member).await.user_id.to_string(),
            invitation: text(&invitation["id"]),
            operator: text(&operator["id"]),
        };
        (things, token)
    }

    /// There may be only so many of some.
    async fn end(&self, house: &TestHouse) {
        let credential = format!("/v1/operator/credentials/{}/revoke", self.operator);
        house.post(&credential, &house.operator, json!({})).await;
        for one in [format!("/api-keys/{}", self.api_key), format!("/invitations/{}", self.invitation)] {
            house.post(&house.path(&format!("{one}/revoke")), &house.key, json!({})).await;
        }
    }

    pub(super) fn path(&self, template: &str, workspace: &str) -> String {
        template
            .replace("{workspace_id}", workspace)
            .replace("{tool_server_id}", &self.server)
            .replace("{loadout_id}", &self.loadout)
            .replace("{session_id}", &self.session)
            .replace("{api_key_id}", &self.api_key)
            .replace("{user_id}", &self.member)
            .replace("{invitation_id}", &self.invitation)
            .replace("{operator_id}", &self.operator)
            .replace("{name}", "session")
    }

    /// The smallest body that would do.
    pub(super) fn body(&self, operation: &str) -> Option<Value> {
        let tools = json!([{ "tool_server_id": self.server, "tool": "echo" }]);
        let call = json!({ "tool": "echo", "arguments": { "text": "x" } });
        Some(match operation {
            "create_workspace" | "rename_workspace" | "rename_tool_server" => json!({ "name": "x" }),
            "register_tool_server" => json!({ "name": "x", "url": "http://127.0.0.1:9/mcp" }),
            "create_loadout" => json!({ "name": "x", "tools": tools }),
            "create_loadout_version" => json!({ "tools": tools }),
            "create_session" => json!({ "loadout_id": self.loadout }),
            "call_tool" => call,
            "create_api_key" => json!({ "device_label": "x" }),
            "authorize" => json!({ "session_id": self.session, "tool": "echo" }),
            "change_member_role" => json!({ "role": "auditor" }),
            "create_invitation" => json!({ "role": "member" }),
            "create_operator_credential" => json!({ "label": "x" }),
            "revoke_api_keys" => json!({ "device_label": "nobody's" , "user_id": null }),
            "rotate_api_key"
            | "reset_api_key"
            | "revoke_invitation"
            | "rotate_operator_credential"
            | "revoke_operator_credential"
            | "erase_person"
            | "refresh_tools"
            | "revoke_session"
            | "revoke_api_key"
            | "rebuild_projection"
            | "verify_projection"
            | "swap_projection"
            | "roll_back_projection" => json!({}),
            _ => return None,
        })
    }
}

/// Method, path and id of every operation.
pub(super) async fn operations(house: &TestHouse) -> Vec<(Method, String, String)> {
    let document = house.get("/openapi.json", "").await.expect(200);
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            all.push((method, path.clone(), text(&operation["operationId"])));
        }
    }
    all
}

async fn try_it(
    house: &TestHouse,
    things: &Things,
    operation: &(Method, String, String),
    workspace: &str,
    key: &str,
) -> Answer {
    let (method, template, id) = operation;
    house.ask(method.clone(), &things.path(template, workspace), key, things.body(id), &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn matrix_names_every_operation_and_no_other() {
    let house = TestHouse::sqlite().await;
    let there: BTreeSet<String> = operations(&house).await.into_iter().map(|(_, _, id)| id).collect();
    let named = OPERATIONS.iter().map(|(id, _)| *id).chain(OPEN).map(ToOwned::to_owned).collect();
    assert_eq!(there, named);
}

/// Credentials that were never good, or are so no longer; and what each is told.
async fn no_good_credentials(house: &TestHouse) -> Vec<(String, &'static str)> {
    let credential = |kind| Credential::mint(kind, house.app.random.as_ref()).unwrap().expose().to_owned();
    let made = |path: String, body| async move { house.post(&path, &house.operator, body).await.expect(201) };
    let key = |body| async { house.post(&house.path("/api-keys"), &house.key, body).await.expect(201) };
    let revoked = key(json!({ "device_label": "revoked" })).await;
    let revoke = house.path(&format!("/api-keys/{}/revoke", text(&revoked["id"])));
    house.post(&revoke, &house.key, json!({})).await.expect(200);
    let ends = house.app.clock.now() + TimeDelta::minutes(5);
    let expired = key(json!({ "device_label": "expired", "expires_at": ends })).await;
    let credentials = "/v1/operator/credentials".to_owned();
    let operator = made(credentials.clone(), json!({ "label": "revoked" })).await;
    let end = format!("{credentials}/{}/revoke", text(&operator["id"]));
    house.post(&end, &house.operator, json!({})).await.expect(200);
    let expired_operator = made(credentials, json!({ "label": "expired", "expires_at": ends })).await;
    house.app.clock.set_ahead(TimeDelta::minutes(6));
    vec![
        (String::new(), "credential.missing"),
        ("junk".to_owned(), "credential.malformed"),
        (credential(Kind::ApiKey), "credential.unknown"),
        (credential(Kind::Operator), "credential.unknown"),
        (credential(Kind::Session), "credential.unknown"),
        (credential(Kind::Web), "credential.unknown"),
        (credential(Kind::OneTimeLink), "credential.unknown"),
        (text(&revoked["key"]), "credential.revoked"),
        (text(&expired["key"]), "credential.expired"),
        (text(&operator["key"]), "credential.revoked"),
        (text(&expired_operator["key"]), "credential.expired"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_refused_without_a_good_credential() {
    let house = TestHouse::sqlite_with(&[("limit_failures", "off")]).await;
    let (things, _) = Things::of(&house).await;
    // The cookie of the owner's own sign-in: pages take it, and no operation does.
    let link = tollbook::host::sign_in_link(&house.app, "Olivia Owner").await.unwrap().one_time_url;
    let mut browser = Visitor::new(&house.url, "Firefox/140.0");
    browser.redeem(&link, &[]).await.expect(303);
    let port = house.url.rsplit(':').next().unwrap();
    let cookie = format!("tollbook-{port}={}", browser.sign_in().unwrap());
    let cases = no_good_credentials(&house).await;
    for operation in operations(&house).await {
        if OPEN.contains(&&*operation.2) {
            continue;
        }
        for (key, code) in &cases {
            let refused = try_it(&house, &things, &operation, &house.workspace, key).await;
            // To a session an operator is a stranger, whatever has become of their credential.
            let at_a_session = ["authorize", "call_tool"].contains(&&*operation.2);
            if at_a_session && key.starts_with("tbk_opr_") && *code != "credential.unknown" {
                assert_eq!(refused.problem(404), "not_found", "{}", operation.2);
                continue;
            }
            let challenged = refused.headers.contains_key("www-authenticate");
            assert!(challenged, "{} {code}: {:#}", operation.2, refused.body);
            assert_eq!(refused.problem(401), *code, "{}", operation.2);
        }
        let (method, template, id) = &operation;
        let with_cookie = house.request(method.clone(), &things.path(template, &house.workspace));
        let with_cookie = with_cookie.header("cookie", &cookie).json(&things.body(id));
        assert_eq!(answer(with_cookie).await.problem(401), "credential.missing", "{id}");
        let path = format!("{}?access_token={}", things.path(&operation.1, &house.workspace), house.key);
        let in_query =
            house.ask(operation.0.clone(), &path, &house.key, things.body(&operation.2), &[]).await;
        assert!(!in_query.body.to_string().contains(&house.key));
        assert_eq!(in_query.problem(400), "credential.in_query", "{}", operation.2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_permitted_to_whom_the_matrix_says_on_sqlite() {
    compare_with_matrix(TestHouse::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_permitted_to_whom_the_matrix_says_on_postgres() {
    compare_with_matrix(TestHouse::postgres().await).await;
}

async fn compare_with_matrix(house: TestHouse) {
    let admin = member(&house, Role::Admin).await.key;
    let (mia, ann) = (member(&house, Role::Member).await.key, member(&house, Role::Auditor).await.key);
    let other = neighbour(&house).await;
    let mut faults = Vec::new();
    for operation in operations(&house).await {
        let Some((id, expected)) = OPERATIONS.iter().find(|(id, _)| *id == operation.2) else { continue };
        let mut found = String::new();
        for column in 0..7 {
            let (things, token) = Things::of(&house).await;
            let keys = [&house.key, &admin, &mia, &ann, &token, &other.key, &house.operator];
            let answer = try_it(&house, &things, &operation, &house.workspace, keys[column]).await;
            found.push(match answer.status.as_u16() {
                200..=299 => '+',
                // They may; there is just nothing to swap.
                409 if id.ends_with("_projection") => '+',
                403 => '-',
                404 => '?',
                status => panic!("{} answered {status}: {:#}", operation.2, answer.body),
            });
            things.end(&house).await;
        }
        if found != *expected {
            faults.push(format!("{}: {found}, not {expected}", operation.2));
        }
    }
    assert!(faults.is_empty(), "owner, admin, member, auditor, session, neighbour, operator\n{faults:#?}");
}

/// A neighbour names their own workspace, and what is in ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_workspaces_things_are_not_there_for_any_operation() {
    for house in [TestHouse::sqlite().await, TestHouse::postgres().await] {
        let (things, _) = Things::of(&house).await;
        let other = neighbour(&house).await;
        for operation in operations(&house).await {
            let (_, template, id) = &operation;
            let names_ours = template.matches('{').count() > 1
                || ["create_loadout", "create_session", "authorize"].contains(&&**id);
            if !names_ours {
                continue;
            }
            let answer = try_it(&house, &things, &operation, &other.workspace, &other.key).await;
            assert_eq!(answer.problem(404), "not_found", "{id}");
        }
        // And nothing happened to them.
        let session = house.get(&house.path(&format!("/sessions/{}", things.session)), &house.key).await;
        assert_eq!(session.expect(200)["status"], "open");
    }
}
