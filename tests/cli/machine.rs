//! A directory as somebody would have it who has just installed Tollbook, and the processes started there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a process may take to end that is asked to. Generous: both cores may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// An empty directory, and an environment with nothing of ours in it.
pub struct Machine {
    dir: TempDir,
    environment: BTreeMap<String, String>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output, if it ended well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// Standard output as JSON, if it ended well.
    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// The one line on standard error, if it ended with this code and printed nothing else.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert_eq!(self.out, "", "only results go to standard output");
        let lines: Vec<&str> = self.err.lines().collect();
        let [line] = lines[..] else { panic!("not one line: {}", self.err) };
        line.strip_prefix("error: ").unwrap_or_else(|| panic!("not an error: {line}")).to_owned()
    }
}

impl Machine {
    pub fn new() -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap(), environment: BTreeMap::new() };
        let data_dir = machine.data("");
        machine.with("TOLLBOOK_DATA_DIR", data_dir.to_str().unwrap().trim_end_matches('/'))
    }

    /// With this in the environment of everything that is started.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    pub fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    pub fn get(&self, name: &str) -> &str {
        &self.environment[name]
    }

    pub fn path(&self, rest: &str) -> PathBuf {
        self.dir.path().join(rest)
    }

    /// The default data directory, as seen from here.
    pub fn data(&self, rest: &str) -> PathBuf {
        self.dir.path().join("tollbook-data").join(rest)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        self.any_command(Path::new(env!("CARGO_BIN_EXE_tollbook")), args)
    }

    pub fn any_command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).env_clear().envs(&self.environment);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if !self.environment.contains_key("HOME") {
            command.env("HOME", self.path("home"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Runs with this on standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }

    /// A service on any free port, with further arguments.
    pub fn serve(&self, args: &[&str]) -> Service {
        let all: Vec<&str> =
            ["serve", "--listen", "127.0.0.1:0", "--json"].iter().chain(args).copied().collect();
        let mut child = self.command(&all).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut err = String::new();
            child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            panic!("the service didn't start: {err}");
        }
        let announced: Value = serde_json::from_str(&line).unwrap();
        // What it logs is read all the time: a full pipe would stop it.
        let (lines, log) = std::sync::mpsc::channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || err.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        Service { url: announced["url"].as_str().unwrap().trim_end_matches('/').to_owned(), child, log }
    }

    /// A service with the sample tool server, bootstrapped; this machine's commands are signed in to it.
    pub fn settle(&mut self) -> Service {
        let service = self.serve(&["--with-sample"]);
        let founded = self.run(&["bootstrap", "--user", "Olivia", "--workspace", "Test", "--json"]).json();
        self.set("TOLLBOOK_URL", &service.url);
        self.set("TOLLBOOK_API_KEY", founded["api_key"].as_str().unwrap());
        self.set("TOLLBOOK_OPERATOR_KEY", founded["operator_key"].as_str().unwrap());
        service
    }

    /// What the running service left in the data directory.
    pub fn service_file(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.data("service.json")).unwrap()).unwrap()
    }

    /// The sample tool server's URL.
    pub fn sample(&self) -> String {
        self.service_file()["sample_url"].as_str().unwrap().to_owned()
    }
}

/// A running service. It is killed, by its process id, when this is dropped.
pub struct Service {
    pub url: String,
    child: Child,
    log: std::sync::mpsc::Receiver<String>,
}

impl Service {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signal(name, self.pid());
    }

    /// Waits for it to end by itself.
    pub fn ended(mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "the service goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it logs a line with this in it; answers with all lines up to there.
    pub fn logs(&self, what: &str) -> String {
        let mut log = String::new();
        while !log.lines().last().is_some_and(|line| line.contains(what)) {
            let line = self.log.recv_timeout(PATIENCE);
            log += &line.unwrap_or_else(|_| panic!("never logged `{what}`: {log}"));
            log.push('\n');
        }
        log
    }

    /// All that it logs from now until it ends.
    pub fn rest_of_log(&self) -> String {
        let mut log = String::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            log.push_str(&line);
            log.push('\n');
        }
        log
    }

    /// The body of what it answers there.
    pub async fn get(&self, path: &str) -> (u16, String) {
        fetch(&format!("{}{path}", self.url)).await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service that isn't our child: it is ended, by its process id, when this is dropped.
pub struct Detached(pub u32);

impl Detached {
    /// Asks it to end, and waits until it has.
    pub fn stop(self) {
        signal("TERM", self.0);
        let end = Instant::now() + PATIENCE;
        while running(self.0) {
            assert!(Instant::now() < end, "the service goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if running(self.0) {
            signal("KILL", self.0);
        }
    }
}

/// Ended, and not collected by whoever is its parent now, is ended.
fn running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.contains("(tollbook)") && !stat.contains(") Z "))
}

pub fn signal(name: &str, pid: u32) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(status.success(), "there is no process {pid}");
}

/// A client of our own.
pub fn client() -> reqwest::Client {
    // Whichever test comes first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub async fn fetch(url: &str) -> (u16, String) {
    let response = client().get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The permissions of a file.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
