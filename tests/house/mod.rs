//! A whole Tollbook for a test: the service on a free port, on either book, with its first owner.

pub mod visitor;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tollbook::app::App;
use tollbook::clock::Clock;
use tollbook::config::{Config, Given};
use tollbook::credential::Credential;
use tollbook::server::{Running, serve};
use tollbook_testkit::postgres::{Options, Postgres};

/// One server for all tests of this binary; each house has a database of its own.
pub static CLUSTER: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(&Options::default()));

/// A service and its first owner.
pub struct TestHouse {
    pub app: Arc<App>,
    pub url: String,
    pub workspace: String,
    pub user: String,
    /// The owner's API key.
    pub key: String,
    /// The operator's credential.
    pub operator: String,
    client: reqwest::Client,
    server: Option<Running>,
    home: Home,
}

/// Where a house keeps its things, so that a second replica can share them.
#[derive(Clone)]
struct Home {
    dir: Arc<TempDir>,
    database: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }

    /// The problem's code, if the status is the expected one and the answer is a problem.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{:#}", self.body);
        for member in ["type", "title", "detail", "request_id"] {
            assert!(self.body[member].is_string(), "a problem has `{member}`: {:#}", self.body);
        }
        assert_eq!(self.body["status"], status, "{:#}", self.body);
        self.expect(status)["code"].as_str().expect("a problem has a code").to_owned()
    }
}

/// Settings on top of what a test needs.
pub type Flags<'a> = &'a [(&'a str, &'a str)];

impl TestHouse {
    pub async fn sqlite() -> Self {
        Self::sqlite_with(&[]).await
    }

    pub async fn sqlite_with(flags: Flags<'_>) -> Self {
        Self::found(Home { dir: Arc::new(dir()), database: None }, flags).await
    }

    pub async fn postgres() -> Self {
        Self::postgres_with(&[]).await
    }

    pub async fn postgres_with(flags: Flags<'_>) -> Self {
        Self::postgres_on(&CLUSTER, flags).await
    }

    /// On a server of the test's own, which it may kill.
    pub async fn postgres_on(cluster: &Postgres, flags: Flags<'_>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("house{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let database = Some(cluster.create_database(&name));
        Self::found(Home { dir: Arc::new(dir()), database }, flags).await
    }

    async fn found(home: Home, flags: Flags<'_>) -> Self {
        let mut house = Self::open(home, flags, Clock::default()).await;
        let made = tollbook::founding::bootstrap(&house.app, "Olivia Owner", "Test house").await;
        let made = made.unwrap_or_else(|problem| panic!("an empty book can be bootstrapped: {problem}"));
        house.workspace = made.workspace_id.to_string();
        house.user = made.user_id.to_string();
        house.key = secret(&made.api_key);
        house.operator = secret(&made.operator_key);
        house
    }

    /// One whose book is empty still.
    pub async fn empty() -> Self {
        Self::open(Home { dir: Arc::new(dir()), database: None }, &[], Clock::default()).await
    }

    async fn open(home: Home, flags: Flags<'_>, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let config = config(&home, &address.to_string(), flags);
        let app =
            App::start(config, clock, true).await.unwrap_or_else(|error| panic!("the house opens: {error}"));
        let server = serve(&app, listener).expect("the server starts");
        Self {
            app,
            url: format!("http://{address}"),
            workspace: String::new(),
            user: String::new(),
            key: String::new(),
            operator: String::new(),
            client: reqwest::Client::builder().no_proxy().build().expect("a client can be made"),
            server: Some(server),
            home,
        }
    }

    /// Another replica on the same book (`PostgreSQL` only), with the same keys and its own clock.
    pub async fn replica(&self, clock: Clock) -> Self {
        assert!(self.home.database.is_some(), "a book on SQLite is one process's");
        let mut replica = Self::open(self.home.clone(), &[], clock).await;
        replica.workspace.clone_from(&self.workspace);
        replica.user.clone_from(&self.user);
        replica.key.clone_from(&self.key);
        replica.operator.clone_from(&self.operator);
        replica
    }

    /// Another replica, with its own clock, whose way to the database leads through this port.
    pub async fn replica_through(&self, port: u16, clock: Clock) -> Self {
        let through = self.database_url().expect("a book on SQLite is one process's");
        let through = through.replace(&format!(":{}/", CLUSTER.port()), &format!(":{port}/"));
        let home = Home { database: Some(through), ..self.home.clone() };
        let mut replica = Self::open(home, &[], clock).await;
        replica.workspace.clone_from(&self.workspace);
        replica.user.clone_from(&self.user);
        replica.key.clone_from(&self.key);
        replica.operator.clone_from(&self.operator);
        replica
    }

    /// Where its book lies, if it is on `PostgreSQL`.
    pub fn database_url(&self) -> Option<&str> {
        self.home.database.as_deref()
    }

    /// Stops it as an operator would.
    pub async fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        self.app.close().await;
    }

    /// `/v1/workspaces/{its workspace}` and what follows.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/workspaces/{}{rest}", self.workspace)
    }

    pub async fn get(&self, path: &str, key: &str) -> Answer {
        self.ask(Method::GET, path, key, None, &[]).await
    }

    pub async fn post(&self, path: &str, key: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, key, Some(body), &[]).await
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !key.is_empty() {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// For what `ask` can't say: a body that is no JSON, say.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Registers a tool server, fetches its tools, and answers with its id.
    pub async fn tool_server(&self, name: &str, url: &str) -> String {
        let body = json!({ "name": name, "url": url });
        let server = self.post(&self.path("/tool-servers"), &self.key, body).await.expect(201);
        let id = server["id"].as_str().expect("it has an id").to_owned();
        let refresh = self.path(&format!("/tool-servers/{id}/refresh-tools"));
        self.post(&refresh, &self.key, json!({})).await.expect(200);
        id
    }

    /// A loadout of these tools of one server; answers with its id.
    pub async fn loadout(&self, server: &str, tools: &[&str]) -> String {
        let tools: Vec<_> =
            tools.iter().map(|tool| json!({ "tool_server_id": server, "tool": tool })).collect();
        let body = json!({ "name": "tools", "tools": tools });
        let loadout = self.post(&self.path("/loadouts"), &self.key, body).await.expect(201);
        loadout["id"].as_str().expect("it has an id").to_owned()
    }

    /// A session of the owner's; answers with the whole of it: `id`, `url`, `token`, …
    pub async fn session(&self, loadout: &str) -> Value {
        let body = json!({ "loadout_id": loadout });
        self.post(&self.path("/sessions"), &self.key, body).await.expect(201)
    }
}

/// Sends it, and takes whatever comes back.
pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("the service answers");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("the answer has an end");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, headers, body }
}

fn secret(credential: &Credential) -> String {
    credential.expose().to_owned()
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

fn config(home: &Home, listen: &str, flags: Flags<'_>) -> Config {
    let data_dir: PathBuf = home.dir.path().join("data");
    let mut all: BTreeMap<String, String> = [
        ("listen".to_owned(), listen.to_owned()),
        ("data_dir".to_owned(), data_dir.display().to_string()),
        ("workers".to_owned(), "2".to_owned()),
    ]
    .into();
    if let Some(url) = &home.database {
        all.insert("database_url".to_owned(), url.clone());
    }
    all.extend(flags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let file = home.dir.path().join("tollbook.toml");
    std::fs::write(&file, "").expect("an empty settings file can be written");
    let given = Given::gather(Some(&file), |_| None, &all).expect("the settings are known");
    given.config().expect("the settings fit")
}
