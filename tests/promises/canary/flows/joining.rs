//! Members: invited by link, redeemed by their browsers; links that are wrong, taken back, and of others.

use reqwest::Method;
use serde_json::json;

use super::super::secrets::Secrets;
use super::Drive;
use crate::house::visitor::{Visitor, path_and_secret};

/// Somebody who came by an invitation.
pub(super) struct Invited {
    pub(super) user: String,
    pub(super) browser: Visitor,
}

impl Drive<'_> {
    pub(super) async fn joining(&mut self) -> Invited {
        let label = Secrets::name("an invitation's label");
        let body = json!({ "role": "member", "label": label });
        let key = self.key.clone();
        let (revoked, taken_back) = self.shown(&key, "{w}/invitations", &body, "one_time_url").await;
        self.post(&format!("{{w}}/invitations/{revoked}/revoke"), &json!({})).await.expect(200);
        let (_, link) = self.shown(&key, "{w}/invitations", &body, "one_time_url").await;

        let mut browser = self.browser();
        let (path, secret) = path_and_secret(&link);
        self.look(&mut browser, path).await.expect(200);
        // Another's secret, the wrong id, half of it, where it doesn't belong, and one that was taken back.
        let (_, others) = path_and_secret(&taken_back);
        self.submit(&mut browser, path, &[("secret", others)]).await.expect(400);
        self.submit(&mut browser, path, &[("secret", &secret[..40])]).await.expect(400);
        self.submit(&mut browser, "/otl/abcdefghijkl", &[("secret", secret)]).await.expect(400);
        self.submit(&mut browser, "/otl", &[("link", &taken_back)]).await.expect(410);
        // Without a name its page is shown once more, for whoever has the secret.
        let again =
            browser.post(&format!("{path}/redeem"), &[("secret", secret), ("name", "")]).await.expect(400);
        self.offered(&again, secret);
        self.look(&mut browser, &format!("{path}?{secret}")).await.expect(200);
        let forged = tollbook::credential::Credential::from_parts(
            tollbook::credential::Kind::OneTimeLink,
            path.rsplit('/').next().expect("it has an id"),
            &[0xc5; 32],
        );
        let forged = forged.expect("it has the right shape").expose()[20..].to_owned();
        self.submit(&mut browser, path, &[("secret", &forged)]).await.expect(404);

        let name = [("name", Secrets::name("an invited person's name"))];
        self.redeem(&mut browser, &link, &name).await.expect(303);
        self.look(&mut browser, "/").await.expect(200);
        self.submit(&mut browser, path, &[("secret", secret)]).await.expect(410);

        let members = format!("{{w}}/members?limit=200&min_position={}", self.position().await);
        let members = self.get(&members).await.expect(200);
        let items = members["items"].as_array().expect("a list has items");
        let invited = items.iter().find(|item| item["role"] == "member").expect("they are one");
        let user = invited["user_id"].as_str().expect("it has an id").to_owned();
        for role in ["auditor", "admin"] {
            let change = self.request(&self.key, Method::PATCH, &format!("{{w}}/members/{user}"));
            self.send(change.json(&json!({ "role": role }))).await.expect(200);
        }
        self.reads().await;
        Invited { user, browser }
    }
}
