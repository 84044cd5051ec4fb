//! Hardening 72, for ids that stand in bodies and queries (those in paths: `operations`): another workspace's are as
//! if they weren't there. Which there are, the `OpenAPI` document says; a new one without a row here fails.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::given::neighbour;
use super::operations::{Things, operations};
use crate::house::TestHouse;

/// Operation, where an id stands in its body, and what a neighbour is answered who puts one of ours there.
const BODIES: &[(&str, &str, u16)] = &[
    ("authorize", "/session_id", 404),
    ("create_api_key", "/narrowing/loadouts/0", 404),
    ("create_api_key", "/narrowing/tool_servers/0", 404),
    // People are the instance's: whoever is known here may be invited anywhere, and joins signed in, or not at all.
    ("create_invitation", "/user_id", 201),
    ("create_loadout", "/tools/0/tool_server_id", 404),
    ("create_loadout_version", "/tools/0/tool_server_id", 404),
    ("create_session", "/loadout_id", 404),
    ("revoke_api_keys", "/user_id", 404),
];

/// Lists that are searched by an id: by one of ours, a neighbour finds nothing.
const QUERIES: &[(&str, &str)] = &[
    ("list_events", "call_id"),
    ("list_events", "session_id"),
    ("list_events", "tool_server_id"),
    ("list_sessions", "loadout_id"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_id_of_a_body_or_a_query_has_a_row() {
    let house = TestHouse::sqlite().await;
    let document = house.get("/openapi.json", "").await.expect(200);
    let (mut bodies, mut queries) = (BTreeSet::new(), BTreeSet::new());
    for operation in
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        let name = operation["operationId"].as_str().unwrap();
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        ids(&document, body, "", &mut |at| _ = bodies.insert((name.to_owned(), at.to_owned())));
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "query" && parameter["schema"].to_string().contains(r#""uuid""#) {
                queries.insert((name.to_owned(), parameter["name"].as_str().unwrap().to_owned()));
            }
        }
    }
    let rows = BODIES.iter().map(|(operation, at, _)| ((*operation).to_owned(), (*at).to_owned())).collect();
    assert_eq!(bodies, rows);
    let rows =
        QUERIES.iter().map(|(operation, name)| ((*operation).to_owned(), (*name).to_owned())).collect();
    assert_eq!(queries, rows);
}

/// Where ids stand in what a schema describes.
fn ids(document: &Value, schema: &Value, at: &str, found: &mut impl FnMut(&str)) {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.strip_prefix('#').expect("a reference into the document");
        return ids(document, document.pointer(pointer).expect("it is there"), at, found);
    }
    if schema["format"] == "uuid" {
        found(at);
    }
    for kind in ["oneOf", "anyOf", "allOf"] {
        schema[kind].as_array().into_iter().flatten().for_each(|one| ids(document, one, at, found));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        ids(document, property, &format!("{at}/{name}"), found);
    }
    if schema["items"].is_object() {
        ids(document, &schema["items"], &format!("{at}/0"), found);
    }
}

/// The body with this in this place; objects and lists on the way are made where there are none.
fn with(mut body: Value, at: &str, id: &str) -> Value {
    let mut place = &mut body;
    for step in at.split('/').skip(1) {
        place = match step.parse::<usize>() {
            Ok(number) => {
                if !place.is_array() {
                    *place = json!([null]);
                }
                &mut place[number]
            }
            Err(_) => &mut place[step],
        };
    }
    *place = json!(id);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_workspaces_ids_in_bodies_and_queries_lead_nowhere() {
    for house in [TestHouse::sqlite().await, TestHouse::postgres().await] {
        let other = neighbour(&house).await;
        let (ours, _) = Things::of(&house).await;
        let theirs = Theirs::of(&house, &other.workspace, &other.key).await;
        let all = operations(&house).await;
        for (operation, at, status) in BODIES {
            let (method, template, _) = all.iter().find(|(_, _, id)| id == operation).unwrap();
            let id = match at.rsplit('/').find(|step| step.parse::<usize>().is_err()).unwrap() {
                "session_id" => &ours.session,
                "loadout_id" | "loadouts" => &ours.loadout,
                "tool_server_id" | "tool_servers" => &ours.server,
                "user_id" => &ours.member,
                other => panic!("what is `{other}`?"),
            };
            let body = match *operation {
                "revoke_api_keys" => json!({}),
                _ => ours.body(operation).unwrap(),
            };
            let path =
                template.replace("{workspace_id}", &other.workspace).replace("{loadout_id}", &theirs.loadout);
            let body = with(body, at, id);
            let said = house.ask(method.clone(), &path, &other.key, Some(body.clone()), &[]).await;
            assert_eq!(said.status.as_u16(), *status, "{operation} {body}: {:#}", said.body);
        }
        for (operation, name) in QUERIES {
            let (_, template, _) = all.iter().find(|(_, _, id)| id == operation).unwrap();
            let id = match *name {
                "loadout_id" => &ours.loadout,
                "tool_server_id" => &ours.server,
                _ => &ours.session,
            };
            let path = format!("{}?{name}={id}", template.replace("{workspace_id}", &other.workspace));
            let found = house.get(&path, &other.key).await.expect(200);
            assert_eq!(found["items"], json!([]), "{operation} {name}");
        }
        // And nothing happened to ours.
        let session = house.get(&house.path(&format!("/sessions/{}", ours.session)), &house.key).await;
        assert_eq!(session.expect(200)["status"], "open");
        house.stop().await;
    }
}

/// What a neighbour has of their own, for operations that need one of theirs in their path.
struct Theirs {
    loadout: String,
}

impl Theirs {
    async fn of(house: &TestHouse, workspace: &str, key: &str) -> Self {
        let path = |rest: &str| format!("/v1/workspaces/{workspace}{rest}");
        let url = super::given::upstream().await.url();
        let server = json!({ "name": "Theirs", "url": url });
        let server = house.post(&path("/tool-servers"), key, server).await.expect(201);
        let id = server["id"].as_str().unwrap();
        house.post(&path(&format!("/tool-servers/{id}/refresh-tools")), key, json!({})).await.expect(200);
        let tools = json!([{ "tool_server_id": id, "tool": "echo" }]);
        let loadout = house.post(&path("/loadouts"), key, json!({ "name": "Theirs", "tools": tools })).await;
        Self { loadout: loadout.expect(201)["id"].as_str().unwrap().to_owned() }
    }
}
