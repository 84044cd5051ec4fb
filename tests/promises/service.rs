//! The real binary as a child process, which a test may kill.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tollbook::app::App;
use tollbook::clock::Clock;
use tollbook::config::Given;
use tollbook_testkit::postgres::Postgres;

use super::load::Door;

/// How long the binary may take to start, or to end. Generous: both cores may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a service keeps its things between one life and the next.
pub(super) struct Home {
    pub(super) dir: TempDir,
    /// The name of the database and its URL, if it isn't on `SQLite`.
    pub(super) database: Option<(String, String)>,
    /// The environment of its processes, beside what is always there.
    pub(super) environment: Vec<(String, String)>,
}

/// What `tollbook bootstrap` showed.
#[derive(Clone)]
pub(super) struct First {
    pub(super) workspace: String,
    pub(super) key: String,
    pub(super) operator: String,
}

impl Home {
    pub(super) fn sqlite() -> Self {
        Self { dir: tempfile::tempdir().expect("there is room"), database: None, environment: Vec::new() }
    }

    pub(super) fn postgres(cluster: &Postgres) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("service{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let url = cluster.create_database(&name);
        Self { database: Some((name, url)), ..Self::sqlite() }
    }

    /// With a setting, as the environment gives it.
    pub(super) fn with(mut self, variable: &str, value: impl Into<String>) -> Self {
        self.environment.push((variable.to_owned(), value.into()));
        self
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Where everything that a process of this home says on standard error is kept.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn command(&self, args: &[&str]) -> Command {
        let log =
            OpenOptions::new().create(true).append(true).open(self.log()).expect("a log can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollbook"));
        command.args(args).env_clear().current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        for name in ["PATH", "HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("TOLLBOOK_DATA_DIR", self.data_dir());
        if let Some((_, url)) = &self.database {
            command.env("TOLLBOOK_DATABASE_URL", url);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The first workspace, owner and operator.
    pub(super) async fn bootstrap(&self) -> First {
        self.bootstrap_as("Olivia Owner", "Test house").await
    }

    /// The same, with names of one's own.
    pub(super) async fn bootstrap_as(&self, person: &str, workspace: &str) -> First {
        let args = ["--json", "bootstrap", "--user", person, "--workspace", workspace];
        let output = timeout(PATIENCE, self.command(&args).output()).await.expect("it ends");
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "bootstrap: {}", self.log_text());
        let made: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no `{name}`")).to_owned();
        First { workspace: text("workspace_id"), key: text("api_key"), operator: text("operator_key") }
    }

    /// Runs a command to its end: how it ended, and what it printed. `environment` overrides.
    pub(super) async fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> (ExitStatus, String) {
        self.run_with(args, environment, "").await
    }

    /// The same, with this on standard input.
    pub(super) async fn run_with(
        &self,
        args: &[&str],
        environment: &[(&str, &str)],
        input: &str,
    ) -> (ExitStatus, String) {
        let mut command = self.command(args);
        command.envs(environment.iter().copied()).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // It may end without having read it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output =
            timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").expect("it is waited for");
        let printed = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&printed).into_owned())
    }

    /// Starts the service and waits until it says where it listens.
    pub(super) async fn serve(&self) -> Service {
        let mut command = self.command(&["--json", "serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.spawn().expect("the binary starts");
        let mut said = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        timeout(PATIENCE, said.read_line(&mut line)).await.expect("it says so in time").expect("it is text");
        let announced: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the service didn't start ({error}): {}", self.log_text()));
        let url = announced["local_url"].as_str().expect("it says where").trim_end_matches('/').to_owned();
        Service { child, url, _said: said }
    }

    /// The book and the keys, opened in this process while no service runs.
    pub(super) async fn open(&self) -> Arc<App> {
        let environment = |name: &str| match name {
            "TOLLBOOK_DATA_DIR" => Some(self.data_dir().display().to_string()),
            "TOLLBOOK_DATABASE_URL" => self.database.as_ref().map(|(_, url)| url.clone()),
            _ => self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
        };
        let file = self.dir.path().join("tollbook.toml");
        std::fs::write(&file, "").expect("an empty settings file can be written");
        let given =
            Given::gather(Some(&file), environment, &BTreeMap::default()).expect("the settings are known");
        let config = given.config().expect("the settings fit");
        App::start(config, Clock::default(), false).await.expect("the book opens")
    }

    /// Closes what [`Self::open`] gave, and waits until another process may have it.
    pub(super) async fn close(&self, app: Arc<App>) {
        app.close().await;
        drop(app);
        let end = Instant::now() + PATIENCE;
        // What ran beside ends a moment later; on SQLite the lock is held until then.
        while self.database.is_none() && self.is_locked() {
            assert!(Instant::now() < end, "the book's lock is never given back");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn is_locked(&self) -> bool {
        let lock = File::open(self.data_dir().join("book.lock")).expect("there is a lock file");
        lock.try_lock().is_err()
    }

    pub(super) fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

/// A running service. It is killed, by its process id, when this is dropped.
pub(super) struct Service {
    child: Child,
    pub(super) url: String,
    /// Held so that a write to it doesn't fail.
    _said: BufReader<ChildStdout>,
}

impl Service {
    /// A client that presents `credential`.
    pub(super) fn door(&self, credential: &str) -> Door {
        Door::new(&self.url, credential)
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// `kill -9`.
    pub(super) async fn kill9(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Asks it to stop, as an operator would.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops the process where it is: it does nothing until [`Self::resume`].
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on as if nothing had been.
    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
        kill_process(id, signal).expect("it can be signalled");
    }

    /// Waits until it has ended by itself.
    pub(super) async fn ended(mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").expect("it can be waited for")
    }
}
