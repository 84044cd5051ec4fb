//! Everything that may be read, by a member, by an operator and by everybody.

use reqwest::Method;
use serde_json::json;

use super::super::secrets::Secrets;
use super::Drive;

impl Drive<'_> {
    /// Workspaces, keys and their names.
    pub(super) async fn workspaces(&mut self) {
        let operator = self.operator.clone();
        let body = json!({ "name": Secrets::name("a workspace's new name") });
        let rename = self.request(&self.key, Method::PATCH, "{w}").json(&body);
        self.send(rename).await.expect(200);
        for path in ["/v1/workspaces", "{w}"] {
            self.get(path).await.expect(200);
        }
        for path in ["/v1/operator/health", "/v1/operator/workspaces", "/v1/operator/projections"] {
            let read = self.request(&operator, Method::GET, path);
            self.send(read).await.expect(200);
        }
    }

    /// Everything that a member may read.
    pub(super) async fn reads(&mut self) {
        for list in ["members", "invitations"] {
            self.get(&format!("{{w}}/{list}?limit=200")).await.expect(200);
        }
        for list in ["tool-servers", "loadouts", "sessions", "api-keys", "audit/events"] {
            let page = self.get(&format!("{{w}}/{list}?limit=200")).await.expect(200);
            let items = page["items"].as_array().expect("a list has items").clone();
            for id in items.iter().filter_map(|item| item["id"].as_str()) {
                self.get(&format!("{{w}}/{list}/{id}")).await.expect(200);
            }
        }
    }

    /// What everybody may read.
    pub(super) async fn descriptions(&mut self) {
        for path in ["/openapi.json", "/docs/", "/healthz", "/readyz"] {
            let said = self.get(path).await;
            assert!(said.status.is_success(), "{path}: {}", said.status);
            self.flow.description.push_str(&said.text);
        }
    }
}
