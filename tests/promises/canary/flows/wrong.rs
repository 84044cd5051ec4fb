//! Credentials and bodies that don't fit, with secrets where something else belongs.

use reqwest::Method;
use serde_json::json;

use super::super::secrets::{ADDRESS, ARGUMENT, HEADER, Secrets};
use super::Drive;

impl Drive<'_> {
    /// Credentials that are revoked, mistyped, guessed, sent twice, or sent where they don't belong.
    pub(super) async fn credentials(&mut self) {
        let body = json!({ "device_label": Secrets::name("a device's label") });
        let key = self.key.clone();
        let (id, revoked) = self.shown(&key, "{w}/api-keys", &body, "key").await;
        let reason = json!({ "reason": Secrets::name("a reason") });
        self.post(&format!("{{w}}/api-keys/{id}/revoke"), &reason).await.expect(200);
        let mistyped = format!("{}~", &key[..68]);
        for presented in [&revoked, &mistyped, &key[..60].to_owned()] {
            let request = self.request(presented, Method::GET, "{w}");
            self.send(request).await.expect(401);
        }
        for path in [
            format!("{{w}}?access_token={key}"),
            format!("{{w}}/sessions?{key}"),
            format!("/v1/{key}?{key}"),
            format!("/?x=%74{}", &key[1..]),
        ] {
            let request =
                self.request(&key, Method::GET, &path).header("referer", format!("http://x/?{key}"));
            self.send(request).await.expect(400);
        }
        let twice =
            self.request(&key, Method::GET, "{w}").header("authorization", format!("Bearer {revoked}"));
        self.send(twice).await.expect(400);
        for (name, value) in
            [("x-api-key", key.as_str()), ("cookie", &key), ("authorization", &format!("Basic {key}"))]
        {
            let request = reqwest::Client::builder().no_proxy().build().expect("a client");
            let request =
                request.get(format!("{}{}", self.service.url, self.path("{w}"))).header(name, value);
            self.send(request).await.expect(401);
        }
        let bootstrapped = self.request(&key, Method::POST, "/host/bootstrap");
        self.send(bootstrapped.json(&json!({ "user": "x", "workspace": "y" }))).await.expect(404);
        self.reads().await;
    }

    /// Bodies that don't fit, with secrets where something else belongs.
    pub(super) async fn nonsense(&mut self) {
        let key = self.key.clone();
        let address = format!("https://user:{ADDRESS}@[::1/mcp");
        let bodies = [
            ("{w}/tool-servers", json!({ "name": "x", "url": "http://127.0.0.1:9/", "auth": HEADER })),
            (
                "{w}/tool-servers",
                json!({ "name": "x", "url": "http://127.0.0.1:9/", "auth": { "kind": HEADER } }),
            ),
            ("{w}/tool-servers", json!({ "name": [HEADER], "url": 1 })),
            ("{w}/tool-servers", json!({ "name": "x", "url": address })),
            ("{w}/tool-servers", json!({ "name": "x", "url": format!("ftp://host/{ADDRESS}") })),
            (
                "{w}/tool-servers",
                json!({ "name": "x", "url": format!("http://user:{ADDRESS}@127.0.0.1:9/") }),
            ),
            ("{w}/sessions", json!({ "loadout_id": key, "label": 1 })),
            ("{w}/sessions", json!({ "loadout_id": uuid::Uuid::nil(), "expires_in": key })),
            ("{w}/sessions", json!({ "loadout_id": uuid::Uuid::nil(), "label": { "x": ARGUMENT } })),
            ("{w}/api-keys", json!({ "device_label": "x", "role": key })),
            ("{w}/api-keys", json!({ "device_label": "x", "expires_at": key })),
            ("/v1/authorize", json!({ "session_id": key, "tool": "x" })),
            ("/v1/authorize", json!({ "session_id": uuid::Uuid::nil(), "tool": "x", "mode": key })),
        ];
        for (path, body) in bodies {
            let said = self.post(path, &body).await;
            assert!(said.status.is_client_error(), "{path} {body}: {} {}", said.status, said.text);
        }
        let paths = [
            format!("{{w}}/sessions/{key}"),
            format!("{{w}}/audit/events?from={key}"),
            format!("{{w}}/sessions?cursor={ARGUMENT}"),
        ];
        for path in paths {
            assert!(self.get(&path).await.status.is_client_error());
        }
        let huge =
            json!({ "name": format!("{}{HEADER}", "x".repeat(2 << 20)), "url": "http://127.0.0.1:9/" });
        self.post("{w}/tool-servers", &huge).await.expect(413);
    }
}
