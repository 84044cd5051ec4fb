//! Operators' credentials: made, rotated, revoked; the old secrets tried.

use reqwest::Method;
use serde_json::json;

use super::super::super::load::said;
use super::super::secrets::Secrets;
use super::Drive;

const CREDENTIALS: &str = "/v1/operator/credentials";

impl Drive<'_> {
    pub(super) async fn operators(&mut self) {
        let first = self.operator.clone();
        let body = json!({ "label": Secrets::name("an operator's label") });
        let (id, made) = self.shown(&first, CREDENTIALS, &body, "key").await;
        let rotate = format!("{CREDENTIALS}/{id}/rotate");
        // By itself; asked again, its secret is a former one.
        let by_itself = self.request(&made, Method::POST, &rotate).json(&json!({ "grace_seconds": 0 }));
        let next = said(by_itself).await.expect("it answers").expect(200)["key"].clone();
        let next = next.as_str().expect("it is shown").to_owned();
        self.flow.secrets.credential("a rotated operator's credential", &next);
        let others = self.request(&first, Method::POST, &rotate).json(&json!({}));
        self.send(others).await.expect(403);
        for (credential, status) in [(&made, 401), (&next, 200), (&first, 200)] {
            let list = self.request(credential, Method::GET, CREDENTIALS);
            self.send(list).await.expect(status);
        }
        let revoke = self.request(&first, Method::POST, &format!("{CREDENTIALS}/{id}/revoke"));
        self.send(revoke.json(&json!({}))).await.expect(200);
        let list = self.request(&next, Method::GET, CREDENTIALS);
        self.send(list).await.expect(401);
        // A workspace's key isn't one, nor is one a workspace's key.
        let list = self.request(&self.key, Method::GET, CREDENTIALS);
        self.send(list).await.expect(403);
        let read = self.request(&first, Method::GET, "{w}");
        self.send(read).await.expect(404);
    }
}
