//! Programs that a test starts: each ends with the value that stands for it, by its own process id.
//!
//! A server gets a pipe as standard input and ends when that closes, so that it doesn't outlive a test process
//! that was killed. The environment is empty but for what is named here: the sample server has a tool that
//! prints it, and nothing of ours may show there.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a component may take to start, or a client program to finish. Generous: both cores may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program and what it is started with.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

impl Program {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), args: Vec::new(), env: Vec::new() }
    }

    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.args).env_clear().kill_on_drop(true);
        for name in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs to the end and parses what was printed as one JSON document.
    pub(crate) async fn answer(&self) -> Value {
        let output = tokio::time::timeout(PATIENCE, self.command().stdin(Stdio::null()).output())
            .await
            .unwrap_or_else(|_| panic!("{self:?} didn't finish within {PATIENCE:?}"))
            .unwrap_or_else(|error| panic!("can't start {self:?}: {error} (has `tools/setup` run?)"));
        let stdout = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&stdout).unwrap_or_else(|error| {
            panic!(
                "{self:?} printed no JSON ({error}): {stdout}\n{}",
                String::from_utf8_lossy(&output.stderr)
            )
        })
    }

    /// Starts a server, and waits for the line `{"url": …}` that it prints once it listens.
    pub(crate) async fn serve(&self) -> Server {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {self:?}: {error} (has `tools/setup` run?)"));
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .unwrap_or_else(|_| panic!("{self:?} didn't listen within {PATIENCE:?}"))
            .expect("stdout is readable")
            .unwrap_or_else(|| panic!("{self:?} ended before it listened (has `tools/setup` run?)"));
        let announced: Value = serde_json::from_str(&line).expect("the first line is JSON");
        let url = announced["url"].as_str().expect("the first line names a url").to_owned();
        Server { url, child }
    }
}

/// A running server. It is ended, by its process id, when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    child: Child,
}

impl Server {
    /// Kills the server and waits until it is gone, so that its port refuses connections from now on.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("the server can be killed");
    }

    /// One small HTTP request to a path of the server, past the protocol under test; the body of its answer.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let address = self.url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        // HTTP/1.0: the answer comes unchunked and ends with the connection.
        let request = format!("{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the answer is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("the answer has a head");
        assert!(head.contains(" 200 "), "{path} answered {head}");
        body.to_owned()
    }
}

/// `tests/components` of this checkout.
pub(crate) fn components() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/components")
}
