//! A `PostgreSQL` of one's own: Debian's binaries, a private data directory, a loopback port.
//!
//! It ends with the value, and with the test process however that ends: a small shell waits on a
//! pipe that only this process holds open, so a cluster in a `static` leaves nothing behind either.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How to start it. The default keeps the data in memory where there is room, with `fsync` on.
#[derive(Debug, Clone)]
pub struct Options {
    /// `false` lets the server acknowledge what isn't on disk.
    pub fsync: bool,
    /// Keeps the data in the directory for temporary files, not in memory: for measurements.
    pub on_disk: bool,
    /// Keeps the data below this directory, which the server's account must be able to reach.
    pub below: Option<PathBuf>,
    /// Further lines for `postgresql.conf`, such as `("max_connections", "50")`.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { fsync: true, on_disk: false, below: None, settings: Vec::new() }
    }
}

/// A running (or stopped) server with its own data.
#[derive(Debug)]
pub struct Postgres {
    // Dropped in this order: first the watcher, which ends the server and empties the directory.
    _watcher: Watcher,
    dir: TempDir,
    bin: PathBuf,
    port: u16,
    user: Option<Account>,
}

/// The account that the server runs as when the tests run as root, which it refuses to.
#[derive(Debug, Clone)]
struct Account {
    uid: u32,
    gid: u32,
}

#[derive(Debug)]
struct Watcher(Child);

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Postgres {
    /// Makes a data directory and starts a server on it.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let bin = binaries().expect("PostgreSQL's binaries are missing: apt-get install postgresql");
        let user = account();
        let dir = directory(options);
        if let Some(user) = &user {
            chown(dir.path(), Some(user.uid), Some(user.gid)).expect("the data directory changes hands");
        }
        let mut postgres = Self { _watcher: watch(dir.path()), dir, bin, port: free_port(), user };
        let data = postgres.data();
        postgres.run(
            "initdb",
            ["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"],
        );
        postgres.configure(options);
        // Another process may take the port between our look and the server's.
        let started = (0..5).any(|_| {
            postgres.try_start() || {
                postgres.port = free_port();
                false
            }
        });
        assert!(started, "PostgreSQL didn't start:\n{}", postgres.log());
        postgres
    }

    /// A connection URL for the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// A connection URL for another role. No passwords are asked for.
    #[must_use]
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where `psql`, `pgbench` and the others are.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// Makes an empty database and answers with its URL.
    #[must_use]
    pub fn create_database(&self, name: &str) -> String {
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\""));
        self.url(name)
    }

    /// Runs SQL as the superuser; what it prints, unaligned.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.run(
            "psql",
            ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql],
        )
    }

    /// `kill -9` for the whole server, as a crash of the machine would: nothing is said goodbye to.
    pub fn kill9(&self) {
        let pid = self.pid().expect("the server runs");
        let family = self.children_of(pid);
        // Stopped first, so that it can't start a new child between the signals.
        signal("STOP", pid);
        for child in self.children_of(pid).into_iter().chain(family) {
            signal("KILL", child);
        }
        signal("KILL", pid);
        wait_for("the server's end", || !Path::new(&format!("/proc/{pid}")).exists() || is_zombie(pid));
    }

    /// Starts it again after [`Self::kill9`] or [`Self::stop`], on the same port and data.
    pub fn start_again(&self) {
        wait_for("the server to start again", || self.try_start());
    }

    /// Does it run? It ends by itself when it can't write its log of changes.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.pid().is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists() && !is_zombie(pid))
    }

    /// Stops it as an operator would, closing connections, and starts it again.
    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    /// Stops it as an operator would, closing connections.
    pub fn stop(&self) {
        self.run("pg_ctl", ["-D", &self.data(), "-m", "fast", "-w", "stop"]);
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Where its files lie.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn data(&self) -> String {
        self.data_dir().display().to_string()
    }

    fn configure(&self, options: &Options) {
        let mut lines = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = {}\nmax_connections = 200\n\
             shared_buffers = '256MB'\nmax_wal_size = '4GB'\ntimezone = 'UTC'\nlog_min_messages = warning\n",
            self.dir.path().display(),
            if options.fsync { "on" } else { "off" },
        );
        for (name, value) in &options.settings {
            lines.extend([name, " = '", value, "'\n"]);
        }
        let path = self.dir.path().join("data/postgresql.conf");
        let written =
            fs::read_to_string(&path).map(|text| text + &lines).and_then(|text| fs::write(&path, text));
        written.expect("the server's configuration is written");
    }

    fn try_start(&self) -> bool {
        let log = self.dir.path().join("log").display().to_string();
        let port = format!("-p {}", self.port);
        let args = ["-D", &self.data(), "-l", &log, "-o", &port, "-w", "-t", "30", "start"];
        self.command("pg_ctl", args).output().is_ok_and(|output| output.status.success())
    }

    fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.dir.path().join("data/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    #[expect(clippy::unused_self, reason = "it is about this server's processes")]
    fn children_of(&self, pid: u32) -> Vec<u32> {
        let list = format!("/proc/{pid}/task/{pid}/children");
        let text = fs::read_to_string(list).unwrap_or_default();
        text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    }

    fn command<'a>(&self, program: &str, args: impl IntoIterator<Item = &'a str>) -> Command {
        let program = self.bin.join(program);
        let mut command = match &self.user {
            Some(Account { uid, gid }) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups", "--"]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        // The messages are looked at; a server that outlives pg_ctl must not hold our pipes.
        command.args(args).current_dir(self.dir.path()).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    fn run<'a>(&self, program: &str, args: impl IntoIterator<Item = &'a str>) -> String {
        let output = self.command(program, args).output().expect("the program starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {errors}\n{}", self.log());
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

/// On `PATH`, or where Debian puts them, the newest version first.
fn binaries() -> Option<PathBuf> {
    let complete =
        |dir: &PathBuf| ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|name| dir.join(name).exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    debian.sort();
    std::env::split_paths(&path).chain(debian.into_iter().rev()).find(complete)
}

/// `None` unless the tests run as root.
fn account() -> Option<Account> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    if uid != Some("0") {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map_while(|field| field.parse().ok());
        Some(Account { uid: numbers.next()?, gid: numbers.next()? })
    };
    find("postgres").or_else(|| find("nobody"))
}

/// In memory if there is at least a gigabyte of it to have.
fn directory(options: &Options) -> TempDir {
    let memory = Path::new("/dev/shm");
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("tollbook-pg-").permissions(fs::Permissions::from_mode(0o700));
        builder
    };
    let made = if let Some(below) = &options.below {
        builder().tempdir_in(below)
    } else if !options.on_disk && available(memory) >= 1 << 30 {
        builder().tempdir_in(memory)
    } else {
        builder().tempdir()
    };
    made.expect("a temporary directory can be made")
}

fn available(dir: &Path) -> u64 {
    let output =
        Command::new("df").args([OsStr::new("--output=avail"), OsStr::new("-B1"), dir.as_os_str()]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().nth(1).and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

/// Ends the server of `dir` when our end of its pipe is closed, by us or by our end.
fn watch(dir: &Path) -> Watcher {
    let script = "cat > /dev/null
        pid=$(head -n 1 data/postmaster.pid 2> /dev/null) && kill -QUIT \"$pid\" 2> /dev/null
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            [ -n \"$pid\" ] && kill -0 \"$pid\" 2> /dev/null || break
            sleep 0.1
        done
        cd / && rm -rf \"$1\"";
    let child = Command::new("sh")
        .args(["-c", script, "watcher"])
        .arg(dir)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not in our group: whoever ends the whole group of the tests must not end the watcher.
        .process_group(0)
        .spawn();
    Watcher(child.expect("a shell starts"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has a number").port()
}

fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args([format!("-{name}"), pid.to_string()]).stderr(Stdio::null()).status();
}

/// Ended, and not collected by whoever is its parent now.
fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "waited 30 s for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
