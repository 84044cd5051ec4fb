//! Every flow of the real binary, driven with secrets in it, and what came of each request.

mod steps;

use std::fmt::Write as _;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tollbook_testkit::node::{Calls, Upstream};

use super::super::load::{Door, Said, said};
use super::super::service::{Home, Service};
use super::secrets::{PASSWORD, Secrets};

/// What was asked, and what came back.
pub(super) struct Flow {
    pub(super) secrets: Secrets,
    /// Answers that say yes, but for those that show a secret once.
    pub(super) successes: String,
    /// Answers that say no.
    pub(super) refusals: String,
    /// What everybody may read: the API's description and its page.
    pub(super) description: String,
    /// What the tool server was sent.
    pub(super) upstream: Calls,
    pub(super) requests: usize,
}

/// A service under way, and what has come of it.
struct Drive {
    service: Service,
    /// `/v1/workspaces/{the first one}`
    base: String,
    key: String,
    operator: String,
    flow: Flow,
}

/// Drives everything. Afterwards the service has stopped, as an operator stops it.
pub(super) async fn drive(home: &Home, mut secrets: Secrets, mut upstream: Upstream) -> Flow {
    let (person, workspace) = (Secrets::name("a person's name"), Secrets::name("a workspace's name"));
    let first = home.bootstrap_as(person, workspace).await;
    secrets.credential("the first API key", &first.key);
    secrets.credential("the operator's credential", &first.operator);
    let service = home.serve().await;
    let flow = Flow {
        secrets,
        successes: String::new(),
        refusals: String::new(),
        description: String::new(),
        upstream: upstream.calls().await,
        requests: 0,
    };
    let base = format!("/v1/workspaces/{}", first.workspace);
    let mut drive = Drive { service, base, key: first.key, operator: first.operator, flow };
    drive.workspaces().await;
    drive.calls(&mut upstream).await;
    drive.echoes().await;
    drive.credentials().await;
    drive.nonsense().await;
    drive.descriptions().await;
    drive.commands(home).await;
    let Drive { service, flow, .. } = drive;
    service.terminate();
    assert_eq!(service.ended().await.code(), Some(0));
    flow
}

impl Drive {
    fn request(&self, credential: &str, method: Method, path: &str) -> RequestBuilder {
        Door::new(&self.service.url, credential).request(method, &self.path(path))
    }

    /// `{w}` stands for the first workspace.
    fn path(&self, path: &str) -> String {
        path.replace("{w}", &self.base)
    }

    async fn send(&mut self, request: RequestBuilder) -> Said {
        let said = said(request).await.expect("it answers");
        let flow = &mut self.flow;
        let corpus = if said.status.is_success() { &mut flow.successes } else { &mut flow.refusals };
        let _ = writeln!(corpus, "{} {:?}\n{}", said.status, said.headers, said.text);
        flow.requests += 1;
        assert_ne!(said.status.as_u16(), 500, "{}", said.text);
        said
    }

    async fn post(&mut self, path: &str, body: &Value) -> Said {
        let request = self.request(&self.key, Method::POST, path).json(body);
        self.send(request).await
    }

    async fn get(&mut self, path: &str) -> Said {
        let request = self.request(&self.key, Method::GET, path);
        self.send(request).await
    }

    /// Makes something, and answers with its id.
    async fn make(&mut self, path: &str, body: &Value) -> String {
        let made = self.post(path, body).await.expect(201);
        made["id"].as_str().expect("it has an id").to_owned()
    }

    /// Makes something whose secret is shown once. That answer isn't kept among the others; asked
    /// again, it doesn't show it again. Answers with the id and the secret.
    async fn shown(&mut self, credential: &str, path: &str, body: &Value, secret: &str) -> (String, String) {
        let key = format!("{path} {}", self.flow.requests);
        let credential = credential.to_owned();
        let request = |drive: &Self| {
            drive.request(&credential, Method::POST, path).header("idempotency-key", &key).json(body)
        };
        let made = said(request(self)).await.expect("it answers").expect(201);
        let shown = made[secret].as_str().expect("it is shown").to_owned();
        self.flow.secrets.credential(&format!("`{secret}` of {key}"), &shown);
        let again = request(self);
        assert_eq!(self.send(again).await.expect(201)["secret_already_shown"], true);
        (made["id"].as_str().expect("it has an id").to_owned(), shown)
    }

    /// The commands of the command line say nothing either.
    async fn commands(&mut self, home: &Home) {
        let nowhere = format!("postgres://canary:{PASSWORD}@127.0.0.1:1/nowhere");
        let malformed = format!("postgres://canary:{PASSWORD}@127.0.0.1:none/nowhere");
        for (args, url, expected) in [
            (&["--json", "config"][..], &nowhere, true),
            (&["config"], &nowhere, true),
            (&["migrate"], &nowhere, false),
            (&["migrate"], &malformed, false),
            (&["serve"], &malformed, false),
        ] {
            let (status, printed) = home.run(args, &[("TOLLBOOK_DATABASE_URL", url)]).await;
            assert_eq!(status.success(), expected, "{args:?}: {printed}");
            let flow = &mut self.flow;
            let corpus = if expected { &mut flow.successes } else { &mut flow.refusals };
            let _ = writeln!(corpus, "{args:?}\n{printed}");
        }
    }
}
