//! The service as its users run it: the release binary, `tollbook serve`, set up through REST.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::Running;
use crate::settings::Cores;
use crate::wrk::Request;

const BINARY: &str = env!("CARGO_BIN_EXE_tollbook");

/// A service on a book of its own, with its first workspace.
#[derive(Debug)]
pub struct Service {
    /// For the table.
    pub name: &'static str,
    /// The owner's API key.
    pub key: String,
    operator: String,
    url: String,
    workspace: String,
    client: reqwest::Client,
    // Ends before its directory goes.
    running: Running,
    dir: TempDir,
    database: Option<String>,
    workers: usize,
}

/// A service that was stopped, with all that it needs to start again.
#[derive(Debug)]
pub struct Stopped {
    name: &'static str,
    key: String,
    operator: String,
    workspace: String,
    dir: TempDir,
    database: Option<String>,
    workers: usize,
}

/// A session on a loadout of one tool.
#[derive(Debug)]
pub struct Session {
    pub id: String,
    pub url: String,
    pub token: String,
    /// As the agent sees it.
    pub tool: String,
}

/// Starts the binary and waits until it says where it listens.
fn launch(dir: &Path, database: Option<&str>, workers: usize) -> (Running, String) {
    let data_dir = dir.join("data").display().to_string();
    let workers = workers.to_string();
    let mut args =
        vec!["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir", &data_dir, "--workers", &workers];
    args.extend(database.iter().flat_map(|url| ["--database-url", url]));
    let running = Running::start(BINARY, &args, dir);
    let announced: Value = serde_json::from_str(&running.line).expect("the announcement is JSON");
    let url = text(&announced, "local_url").trim_end_matches('/').to_owned();
    (running, url)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Service {
    /// On `database`, or on `SQLite` in `dir`.
    pub fn start(name: &'static str, dir: TempDir, database: Option<&str>, workers: usize) -> Self {
        let (running, url) = launch(dir.path(), database, workers);
        let founded = bootstrap(dir.path(), &dir.path().join("data").display().to_string());
        Self {
            name,
            key: text(&founded, "api_key"),
            operator: text(&founded, "operator_key"),
            workspace: text(&founded, "workspace_id"),
            url,
            client: client(),
            running,
            dir,
            database: database.map(str::to_owned),
            workers,
        }
    }

    /// Ends it, as an operator would.
    pub fn stop(self) -> Stopped {
        let Self { name, key, operator, workspace, running, dir, database, workers, .. } = self;
        drop(running);
        Stopped { name, key, operator, workspace, dir, database, workers }
    }

    /// How much memory it holds now, in bytes.
    pub fn resident(&self) -> u64 {
        self.running.resident()
    }

    /// Waits until it says that it has caught up with the book.
    pub async fn ready(&self) {
        let begun = Instant::now();
        loop {
            let answer = self.client.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "it doesn't get ready");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn pin(&self, cores: Cores) {
        self.running.pin(cores);
    }

    /// The first page of the list of sessions, as its owner asks for it.
    pub fn listing(&self) -> Request {
        Request::get(&self.path("/sessions?limit=50"), &self.key)
    }

    /// Asks as the operator.
    pub async fn operate(&self, method: reqwest::Method, path: &str) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.operator);
        let response = request.header("content-type", "application/json").body("{}").send().await;
        let response = response.expect("the service answers");
        let (status, answer) = (response.status().as_u16(), response.text().await.unwrap());
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    /// Registers a tool server and opens a session on `tool` of it.
    pub async fn session(&self, server: &str, url: &str, tool: &str) -> Session {
        let server = self.post("/tool-servers", json!({ "name": server, "url": url })).await;
        let server = text(&server, "id");
        self.post(&format!("/tool-servers/{server}/refresh-tools"), json!({})).await;
        let picked = json!([{ "tool_server_id": server, "tool": tool }]);
        let loadout =
            self.post("/loadouts", json!({ "name": format!("only {tool}"), "tools": picked })).await;
        let session = self.post("/sessions", json!({ "loadout_id": text(&loadout, "id") })).await;
        let (id, url, token) = (text(&session, "id"), text(&session, "url"), text(&session, "token"));
        Session { id, url, token, tool: text(&loadout["tools"][0], "name") }
    }

    /// Calls the session's tool once; its outcome is in the book when the service has stopped.
    pub async fn call(&self, session: &Session) {
        let path = format!("/sessions/{}/tool-calls", session.id);
        self.post(&path, json!({ "tool": session.tool, "arguments": { "text": "hello" } })).await;
    }

    /// The question whether that session may call its tool, to be recorded or only answered.
    pub fn question(&self, session: &Session, mode: &str) -> Request {
        let asked = json!({
            "session_id": session.id,
            "tool": session.tool,
            "arguments": { "text": "hello" },
            "mode": mode,
        });
        Request::new(&format!("{}/v1/authorize", self.url), Some(&self.key), &[], &asked.to_string())
    }

    /// Where the book ends: the position of one more decision.
    pub async fn head(&self, question: &Request) -> u64 {
        let (status, answer) = question.send().await;
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["decision"], "permit", "{answer}");
        answer["position"].as_u64().expect("a recorded decision has a position")
    }

    /// Waits until the read models have folded the event at `position`, so that they don't disturb what is
    /// measured next; says how long that took.
    pub async fn settle(&self, position: u64) -> Duration {
        let begun = Instant::now();
        loop {
            let request = self.client.get(format!("{}/v1/operator/projections", self.url));
            let response = request.bearer_auth(&self.operator).send().await.expect("the service answers");
            let (status, answer) = (response.status(), response.text().await.unwrap());
            assert!(status.is_success(), "{status}: {answer}");
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let projections = answer["items"].as_array().expect("a list");
            if projections.iter().all(|one| one["position"].as_u64() > Some(position)) {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < Duration::from_secs(900), "the read models don't catch up: {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("{}/v1/workspaces/{}{rest}", self.url, self.workspace)
    }

    async fn post(&self, rest: &str, body: Value) -> Value {
        let request = self.client.post(self.path(rest)).bearer_auth(&self.key);
        let response = request.header("content-type", "application/json").body(body.to_string()).send().await;
        let response = response.expect("the service answers");
        let (status, answer) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{rest}: {status}: {answer}");
        serde_json::from_str(&answer).expect("the answer is JSON")
    }
}

impl Stopped {
    /// Starts it again, and says how long that took until it had caught up with the book.
    pub async fn start(self) -> (Service, Duration) {
        let Self { name, key, operator, workspace, dir, database, workers } = self;
        let begun = Instant::now();
        let (running, url) = launch(dir.path(), database.as_deref(), workers);
        let client = client();
        let service =
            Service { name, key, operator, url, workspace, client, running, dir, database, workers };
        service.ready().await;
        (service, begun.elapsed())
    }
}

fn bootstrap(dir: &Path, data_dir: &str) -> Value {
    let args = ["bootstrap", "--json", "--user", "Bench", "--workspace", "Bench", "--data-dir", data_dir];
    let output = Command::new(BINARY).args(args).current_dir(dir).env("HOME", dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("what was founded is JSON")
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("`{name}` in {value}")).to_owned()
}
