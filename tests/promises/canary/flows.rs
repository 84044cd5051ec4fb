//! Every flow of the real binary, driven with secrets in it, and what came of each request. One flow a file.

mod erasing;
mod founding;
mod joining;
mod keys;
mod limits;
mod operators;
mod pages;
mod reading;
mod terminal;
mod tools;
mod wrong;

use std::fmt::Write as _;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tollbook_testkit::node::{Calls, Upstream};

use super::super::load::{Door, Said, said};
use super::super::service::{Home, Service};
use super::needles::Place;
use super::secrets::{PERSONS_ADDRESS, Secrets, USER_AGENT};
use crate::house::visitor::{Page, Visitor};

/// From where strangers knock until they are turned away: a network of their own.
const STRANGERS_ADDRESS: &str = "2001:db8:57a6:9e05::bad";
/// How many wrong credentials are looked at there, an hour.
const FAILURES: &str = "60/h";

/// What was asked, and what came back.
pub(super) struct Flow {
    pub(super) secrets: Secrets,
    /// Answers that say yes, but for those that show a secret once.
    pub(super) successes: String,
    /// Answers that say no.
    pub(super) refusals: String,
    /// Whatever was answered once a person was erased.
    pub(super) after_erasure: String,
    /// What everybody may read: the API's description and its page.
    pub(super) description: String,
    /// What commands said on standard output and standard error.
    pub(super) terminal: String,
    /// The other files of whoever uses the command line, and of a service that was started by it alone.
    pub(super) files: Vec<Place>,
    /// What the tool server was sent.
    pub(super) upstream: Calls,
    pub(super) requests: usize,
}

/// A service under way, and what has come of it.
struct Drive<'a> {
    home: &'a Home,
    service: Service,
    /// `/v1/workspaces/{the one that most happens in}`
    base: String,
    /// Its owner's key.
    key: String,
    operator: String,
    /// From where requests come.
    address: &'static str,
    flow: Flow,
}

/// As the service of this test is set, besides its keys.
pub(super) fn settings(home: Home) -> Home {
    // What stands in the header is believed: so there are addresses that can be told from all others.
    home.with("TOLLBOOK_TRUSTED_PROXIES", "127.0.0.1").with("TOLLBOOK_LIMIT_FAILURES", FAILURES)
}

/// Drives everything. Afterwards the service has stopped, as an operator stops it.
pub(super) async fn drive(home: &Home, secrets: Secrets, mut upstream: Upstream) -> Flow {
    let flow = Flow {
        secrets,
        successes: String::new(),
        refusals: String::new(),
        after_erasure: String::new(),
        description: String::new(),
        terminal: String::new(),
        files: Vec::new(),
        upstream: upstream.calls().await,
        requests: 0,
    };
    let mut drive = Drive::found(home, flow).await;
    drive.workspaces().await;
    drive.calls(&mut upstream).await;
    drive.echoes().await;
    drive.credentials().await;
    drive.nonsense().await;
    let invited = drive.joining().await;
    drive.keys().await;
    drive.operators().await;
    drive.pages(&invited).await;
    drive.terminal().await;
    drive.limits().await;
    drive.descriptions().await;
    drive.erasing(&invited).await;
    let Drive { service, flow, .. } = drive;
    service.terminate();
    assert_eq!(service.ended().await.code(), Some(0));
    flow
}

impl Drive<'_> {
    fn request(&self, credential: &str, method: Method, path: &str) -> RequestBuilder {
        let request = Door::new(&self.service.url, credential).request(method, &self.path(path));
        request.header("x-forwarded-for", self.address)
    }

    /// `{w}` stands for the workspace.
    fn path(&self, path: &str) -> String {
        path.replace("{w}", &self.base)
    }

    async fn send(&mut self, request: RequestBuilder) -> Said {
        let said = said(request).await.expect("it answers");
        self.note(said.status, &said.headers, &said.text);
        said
    }

    /// Keeps an answer among those that are searched.
    fn note(&mut self, status: StatusCode, headers: &HeaderMap, text: &str) {
        let flow = &mut self.flow;
        let yes = status.is_success() || status.is_redirection();
        let corpus = if yes { &mut flow.successes } else { &mut flow.refusals };
        let _ = writeln!(corpus, "{status} {headers:?}\n{text}");
        flow.requests += 1;
        assert_ne!(status.as_u16(), 500, "{text}");
    }

    async fn post(&mut self, path: &str, body: &Value) -> Said {
        let request = self.request(&self.key, Method::POST, path).json(body);
        self.send(request).await
    }

    async fn get(&mut self, path: &str) -> Said {
        let request = self.request(&self.key, Method::GET, path);
        self.send(request).await
    }

    /// The last position of the book, as far as this service has followed it.
    async fn position(&mut self) -> u64 {
        let ready = self.get("/readyz").await.expect(200);
        ready["position"].as_u64().expect("it says how far it has come") - 1
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
        let made = said(request(self)).await.expect("it answers");
        assert!(made.status.is_success(), "{path}: {}", made.text);
        let made = made.json();
        let shown = made[secret].as_str().expect("it is shown").to_owned();
        let name = format!("`{secret}` of {key}");
        if shown.starts_with("tbk_") {
            self.flow.secrets.credential(&name, &shown);
        } else {
            self.flow.secrets.link(&name, &shown);
        }
        let again = request(self);
        let again = self.send(again).await;
        assert!(again.status.is_success(), "{path}: {}", again.text);
        assert_eq!(again.json()["secret_already_shown"], true, "{path}");
        (made["id"].as_str().expect("it has an id").to_owned(), shown)
    }

    /// Somebody's browser, in which nobody has signed in.
    fn browser(&self) -> Visitor {
        let mut browser = Visitor::new(&self.service.url, USER_AGENT);
        browser.address = Some(PERSONS_ADDRESS.to_owned());
        browser
    }

    /// A page, as whoever looks at it sees it; what binds its forms to the browser is secret, too.
    fn looked(&mut self, visitor: &Visitor, page: Page) -> Page {
        self.flow.secrets.forms(visitor.csrf(), visitor.visit());
        self.note(page.status, &page.headers, &without_own_name(&page.html));
        page
    }

    async fn look(&mut self, visitor: &mut Visitor, path: &str) -> Page {
        let page = visitor.open(path).await;
        self.looked(visitor, page)
    }

    async fn submit(&mut self, visitor: &mut Visitor, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = visitor.post(path, fields).await;
        self.looked(visitor, page)
    }

    /// Keeps a page that says what a link is for: its form has the secret in it, for the next step.
    fn offered(&mut self, offer: &Page, secret: &str) {
        self.flow.successes.push_str(&offer.html.replace(secret, "(as it was sent)"));
        self.flow.requests += 1;
    }

    /// Redeems a link as its page does it. The answer sets a cookie or shows a key, once: it isn't kept.
    async fn redeem(&mut self, visitor: &mut Visitor, link: &str, asked: &[(&str, &str)]) -> Page {
        let (path, secret) = crate::house::visitor::path_and_secret(link);
        self.look(visitor, path).await.expect(200);
        // What it is for is shown to whoever has the secret, with the secret in a field of the form.
        let offer = visitor.post(path, &[("secret", secret)]).await.expect(200);
        self.offered(&offer, secret);
        let fields: Vec<_> = asked.iter().copied().chain([("secret", secret)]).collect();
        let page = visitor.post(&format!("{path}/redeem"), &fields).await;
        self.flow.requests += 1;
        self.flow.secrets.forms(visitor.csrf(), visitor.visit());
        if let Some(cookie) = visitor.sign_in() {
            self.flow.secrets.credential(&format!("the cookie that came of {path}"), cookie);
        }
        page
    }
}

/// A page without the words that tell whoever is signed in as whom: each is told so on their own pages, refused or not.
fn without_own_name(html: &str) -> String {
    let Some((before, after)) = html.split_once("title=\"Signed in as ") else { return html.to_owned() };
    let (_, after) = after.split_once('"').unwrap_or_default();
    format!("{before}{after}")
}
