//! A home of the real binary with its first workspace, a tool server, a loadout and a session.

use serde_json::{Value, json};
use tollbook_testkit::node::Upstream;

use super::load::{Door, Place};
use super::service::{First, Home};

#[derive(Clone)]
pub(super) struct Furnished {
    pub(super) first: First,
    pub(super) place: Place,
}

impl Furnished {
    /// `/v1/workspaces/{the workspace}` and what follows.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v1/workspaces/{}{rest}", self.first.workspace)
    }
}

/// Makes it all, through the CLI and REST. No service runs afterwards.
pub(super) async fn furnish(home: &Home, upstream: &Upstream, tools: &[&str]) -> Furnished {
    let first = home.bootstrap().await;
    let service = home.serve().await;
    let door = service.door(&first.key);
    let base = format!("/v1/workspaces/{}", first.workspace);
    let server =
        make(&door, &format!("{base}/tool-servers"), json!({ "name": "Echo", "url": upstream.url() })).await;
    let refreshed = door.post(&format!("{base}/tool-servers/{server}/refresh-tools"), &json!({})).await;
    refreshed.expect("it answers").expect(200);
    let tools: Vec<_> = tools.iter().map(|tool| json!({ "tool_server_id": server, "tool": tool })).collect();
    let loadout = make(&door, &format!("{base}/loadouts"), json!({ "name": "tools", "tools": tools })).await;
    let session = make(&door, &format!("{base}/sessions"), json!({ "loadout_id": loadout })).await;
    service.kill9().await;
    let place = Place { workspace: first.workspace.clone(), loadout, session };
    Furnished { first, place }
}

/// Makes something, and answers with its id.
async fn make(door: &Door, path: &str, body: Value) -> String {
    let made = door.post(path, &body).await.expect("it answers").expect(201);
    made["id"].as_str().expect("it has an id").to_owned()
}
