//! Erasing a person: what was said of them is in no answer afterwards, and their key in no database.

use reqwest::Method;
use serde_json::json;

use super::super::database;
use super::super::secrets::Secrets;
use super::Drive;
use super::joining::Invited;

impl Drive<'_> {
    pub(super) async fn erasing(&mut self, invited: &Invited) {
        let wrapped = database::wrapped_key(self.home, &invited.user).await;
        self.flow.secrets.destroyed_key(wrapped);
        let name = Secrets::name("an invited person's name");
        let members = self.get("{w}/members?limit=200").await;
        assert!(members.json().to_string().contains(&json!(name).to_string()), "before, members see it");

        let operator = self.operator.clone();
        let erase =
            self.request(&operator, Method::POST, &format!("/v1/operator/people/{}/erase", invited.user));
        let certificate = self.send(erase.json(&json!({}))).await.expect(200);
        assert_eq!(certificate["key_ids"].as_array().map(Vec::len), Some(1), "{certificate:#}");
        let before = std::mem::take(&mut self.flow.successes);
        let position = &certificate["position"];
        self.get(&format!("{{w}}/members?min_position={position}")).await.expect(200);
        self.reads().await;
        let page = invited.browser.request(Method::GET, "/sign-ins");
        self.send(page).await;
        self.flow.after_erasure = std::mem::replace(&mut self.flow.successes, before);
        let audit = &self.flow.after_erasure;
        assert!(audit.contains(&invited.user), "what they did stays theirs");
    }
}
