//! Tools that are listed, called, refused, that fail, and whose server goes away or says whatever it was told.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};
use tollbook_testkit::node::{Kind, Upstream, client};

use super::super::echoing::{Echo, Echoing};
use super::super::secrets::{ADDRESS, ARGUMENT, HEADER, Secrets};
use super::Drive;

/// A session, its token and where calls go.
struct Session {
    id: String,
    token: String,
}

impl Session {
    fn calls(&self) -> String {
        format!("{{w}}/sessions/{}/tool-calls", self.id)
    }
}

impl Drive<'_> {
    /// A tool server's whole life.
    pub(super) async fn calls(&mut self, upstream: &mut Upstream) {
        let url = format!("{}?team={ADDRESS}", upstream.url());
        let auth = json!({ "kind": "header", "name": "authorization", "value": HEADER });
        let body = json!({ "name": Secrets::name("a tool server's name"), "url": url, "auth": auth });
        let server = self.make("{w}/tool-servers", &body).await;
        let refresh = format!("{{w}}/tool-servers/{server}/refresh-tools");
        self.post(&refresh, &json!({})).await.expect(200);
        let tools = ["echo", "add", "fail"].map(|tool| json!({ "tool_server_id": server, "tool": tool }));
        let body = json!({ "name": Secrets::name("a loadout's name"), "tools": tools });
        let loadout = self.make("{w}/loadouts", &body).await;
        let session = self.session(&loadout).await;

        self.tool_calls(&session).await;
        self.mcp(&session).await;
        self.reads().await;
        self.flow.upstream = upstream.calls().await;
        assert!(self.flow.upstream.of("echo") >= 3, "the header let us in");
        assert_eq!(self.flow.upstream.refused(), 0, "the header let us in");

        upstream.kill().await;
        self.post(&refresh, &json!({})).await.expect(502);
        let call = json!({ "tool": "echo", "arguments": { "text": ARGUMENT } });
        let failed = self.post(&session.calls(), &call).await.expect(200);
        assert_eq!(failed["outcome"], "failed", "{failed:#}");

        let reason = json!({ "reason": Secrets::name("a reason") });
        self.post(&format!("{{w}}/sessions/{}/revoke", session.id), &reason).await.expect(200);
        self.post(&session.calls(), &call).await.expect(403);
        self.mcp_call(&session.token, &session.id).await;
        self.reads().await;
        for path in [format!("{{w}}/loadouts/{loadout}"), format!("{{w}}/tool-servers/{server}")] {
            let remove = self.request(&self.key, Method::DELETE, &path);
            assert!(self.send(remove).await.status.is_success());
        }
    }

    async fn session(&mut self, loadout: &str) -> Session {
        let body = json!({ "loadout_id": loadout, "label": Secrets::name("a session's label") });
        let key = self.key.clone();
        let (id, token) = self.shown(&key, "{w}/sessions", &body, "token").await;
        Session { id, token }
    }

    async fn tool_calls(&mut self, session: &Session) {
        let path = session.calls();
        let call = |tool: &str, arguments: Value| json!({ "tool": tool, "arguments": arguments });
        let echo = call("echo", json!({ "text": ARGUMENT }));
        let said = self.post(&path, &echo).await.expect(200);
        assert_eq!(said["outcome"], "completed", "{said:#}");
        for _ in 0..2 {
            let repeated =
                self.request(&self.key, Method::POST, &path).header("idempotency-key", "canary call");
            self.send(repeated.json(&echo)).await.expect(200);
        }
        self.post(&path, &call("fail", json!({ "why": ARGUMENT }))).await.expect(200);
        self.post(&path, &call("add", json!({ "a": ARGUMENT, "b": [ARGUMENT] }))).await.expect(200);
        self.post(&path, &call("big", json!({ "bytes": ARGUMENT }))).await.expect(403);
        self.post(&path, &call("echo", json!([ARGUMENT]))).await.expect(400);
        for mode in ["record", "check"] {
            let ask = json!({ "session_id": session.id, "tool": "echo", "arguments": { "text": ARGUMENT }, "mode": mode });
            let asked = self.request(&session.token, Method::POST, "/v1/authorize").json(&ask);
            assert_eq!(self.send(asked).await.expect(200)["decision"], "permit");
        }
    }

    async fn mcp(&mut self, session: &Session) {
        for kind in [Kind::V2Modern, Kind::V1November] {
            let url = format!("{}/s/{}/mcp", self.service.url, session.id);
            let listed = client(kind, &url, &session.token, &["list"]).await;
            assert_eq!(listed["ok"], true, "{listed:#}");
            let arguments = json!({ "text": ARGUMENT }).to_string();
            let called = client(kind, &url, &session.token, &["call", "echo", &arguments]).await;
            assert_eq!(called["ok"], true, "{called:#}");
            let refused = client(kind, &url, &session.token, &["call", "big", &arguments]).await;
            let key = client(kind, &url, &self.key, &["call", "nothing", &arguments]).await;
            let _ = writeln!(self.flow.successes, "{listed}\n{called}");
            let _ = writeln!(self.flow.refusals, "{refused}\n{key}");
        }
        self.mcp_call(&session.token, &session.id).await;
        let path = format!("/s/{}/mcp", session.id);
        for junk in
            ["{", "[]", r#"{"jsonrpc":"2.0","id":1}"#, r#"{"jsonrpc":"1.0","id":1,"method":"tools/call"}"#]
        {
            let request = self.request(&session.token, Method::POST, &path);
            let body = format!("{junk}{ARGUMENT}");
            for body in [junk.to_owned(), body] {
                let request = request.try_clone().expect("it can be repeated");
                self.send(request.header("content-type", "application/json").body(body)).await;
            }
        }
    }

    /// One call in the words of the older revision, without a client.
    async fn mcp_call(&mut self, token: &str, session: &str) {
        let path = format!("/s/{session}/mcp");
        let call = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": "echo", "arguments": { "text": ARGUMENT } },
        });
        for accept in ["application/json, text/event-stream", "text/html"] {
            let request = self.request(token, Method::POST, &path).header("accept", accept);
            self.send(request.json(&call)).await;
        }
    }

    /// Tool servers that say whatever they were told.
    pub(super) async fn echoes(&mut self) {
        let echoing = Echoing::start().await;
        let auth = json!({ "kind": "header", "name": "x-canary", "value": HEADER });
        for echo in Echo::ALL {
            let url = echoing.url(echo);
            let body = json!({ "name": Secrets::name("a tool server's name"), "url": url, "auth": auth });
            let server = self.make("{w}/tool-servers", &body).await;
            let said = self.post(&format!("{{w}}/tool-servers/{server}/refresh-tools"), &json!({})).await;
            assert!(!said.status.is_success(), "{echo:?}: {}", said.text);
        }
        assert!(echoing.told(HEADER), "they were told");
    }
}
