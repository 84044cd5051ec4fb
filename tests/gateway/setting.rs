//! A house with one tool server, a loadout of some of its tools, and a session on that.

use serde_json::Value;
use tollbook_testkit::node::Upstream;

use crate::gateway::wire::Wire;
use crate::house::TestHouse;

/// Tools of both servers' loadouts, and one of each that is left out.
pub const MODERN_TOOLS: [&str; 8] = ["add", "big", "confirm", "echo", "fail", "odd", "region", "slow"];
pub const LEGACY_TOOLS: [&str; 4] =
    ["echo", "get-structured-content", "get-sum", "trigger-long-running-operation"];

pub struct Setting {
    pub house: TestHouse,
    pub upstream: Upstream,
    pub session: Value,
}

impl Setting {
    pub async fn modern() -> Self {
        Self::of(Upstream::modern().await, &MODERN_TOOLS).await
    }

    pub async fn legacy() -> Self {
        Self::of(Upstream::legacy().await, &LEGACY_TOOLS).await
    }

    pub async fn of(upstream: Upstream, tools: &[&str]) -> Self {
        let house = TestHouse::sqlite().await;
        let server = house.tool_server("everything", upstream.url()).await;
        let loadout = house.loadout(&server, tools).await;
        let session = house.session(&loadout).await;
        Self { house, upstream, session }
    }

    pub fn url(&self) -> &str {
        self.session["url"].as_str().unwrap()
    }

    pub fn token(&self) -> &str {
        self.session["token"].as_str().unwrap()
    }

    pub fn wire(&self) -> Wire {
        Wire::new(self.url(), self.token())
    }

    pub async fn revoke(&self) {
        let id = self.session["id"].as_str().unwrap();
        let path = self.house.path(&format!("/sessions/{id}/revoke"));
        self.house.post(&path, &self.house.key, serde_json::json!({})).await.expect(200);
    }

    /// The types and data of the session's events, oldest first, once there are `count` tool events.
    pub async fn tool_events(&self, count: usize) -> Vec<Value> {
        let path = self.house.path("/audit/events?limit=200");
        let read = async || {
            let mut items =
                self.house.get(&path, &self.house.key).await.expect(200)["items"].as_array().unwrap().clone();
            items.retain(|event| event["type"].as_str().unwrap().starts_with("session.tool_"));
            items.sort_by_key(|event| event["position"].as_u64());
            items
        };
        super::support::eventually(async || read().await.len() >= count).await;
        read().await
    }

    pub async fn tool_event_types(&self, count: usize) -> Vec<String> {
        let events = self.tool_events(count).await;
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}
