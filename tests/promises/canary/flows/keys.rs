//! API keys: narrowed, rotated with a grace period and without, reset by link, ended in bulk; the old secrets tried.

use reqwest::Method;
use serde_json::json;

use super::super::secrets::Secrets;
use super::Drive;

impl Drive<'_> {
    pub(super) async fn keys(&mut self) {
        let owner = self.key.clone();
        let label = Secrets::name("a device's label");
        let narrowing = json!({ "permissions": ["api_keys:read"], "addresses": ["2001:db8:ca4a::/48"] });
        let body = json!({ "device_label": label, "narrowing": narrowing });
        let (_, narrow) = self.shown(&owner, "{w}/api-keys", &body, "key").await;
        self.tried(&narrow, 403).await;
        let listed = self.request(&narrow, Method::GET, "{w}/api-keys");
        self.send(listed).await.expect(200);

        let body = json!({ "device_label": label });
        let (id, first) = self.shown(&owner, "{w}/api-keys", &body, "key").await;
        let rotate = format!("{{w}}/api-keys/{id}/rotate");
        let (_, second) = self.shown(&owner, &rotate, &json!({ "grace_seconds": 600 }), "key").await;
        self.tried(&first, 200).await;
        let (_, third) = self.shown(&owner, &rotate, &json!({ "grace_seconds": 0 }), "key").await;
        for (former, status) in [(&first, 401), (&second, 401), (&third, 200)] {
            self.tried(former, status).await;
        }

        let reset = format!("{{w}}/api-keys/{id}/reset");
        let (_, replaced) = self.shown(&owner, &reset, &json!({}), "one_time_url").await;
        self.tried(&third, 401).await;
        let (_, link) = self.shown(&owner, &reset, &json!({}), "one_time_url").await;
        let mut browser = self.browser();
        self.look(&mut browser, "/sign-in").await.expect(200);
        self.submit(&mut browser, "/otl", &[("link", &replaced)]).await.expect(410);
        // Whoever isn't signed in as the key's holder is told so, and the link stays good.
        self.submit(&mut browser, "/otl", &[("link", &link)]).await.expect(403);
        let members = self.get("{w}/members?limit=200").await.expect(200);
        let items = members["items"].as_array().expect("a list has items");
        let holder = items.iter().find(|item| item["role"] == "owner").expect("there is one");
        let holder = holder["user_id"].as_str().expect("it has an id").to_owned();
        let mut browser = self.signed_in(&holder).await;
        let page = self.redeem(&mut browser, &link, &[]).await.expect(200);
        let minted = page.secret().expect("the key is shown").to_owned();
        self.flow.secrets.credential("the key that a link minted", &minted);
        self.tried(&minted, 200).await;

        let (_, lost) = self.shown(&owner, "{w}/api-keys", &body, "key").await;
        let reason = Secrets::name("a reason");
        let in_bulk = json!({ "device_label": label, "reason": reason });
        self.post("{w}/api-keys/revoke", &in_bulk).await.expect(200);
        for ended in [&lost, &minted, &narrow] {
            self.tried(ended, 401).await;
        }
        for junk in [json!({ "device_label": lost }), json!({ "device_label": [lost] })] {
            self.post("{w}/api-keys/revoke", &junk).await;
        }
        self.reads().await;
    }

    /// Reads the members with a key.
    async fn tried(&mut self, key: &str, status: u16) {
        let request = self.request(key, Method::GET, "{w}/members");
        self.send(request).await.expect(status);
    }
}
