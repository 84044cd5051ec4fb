//! Processes of ours: each on the cores that it is given, ended by its own process id.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::settings::Cores;

/// A running child. It is asked to stop when this is dropped, and killed if it doesn't.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The first line that it printed.
    pub line: String,
}

impl Running {
    /// Starts a program in `dir`, its log beside, and waits for the line that it prints once it listens.
    /// Of our environment it gets nothing but where programs lie.
    pub fn start<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S], dir: &Path) -> Self {
        let log = dir.join("log");
        let mut child = Command::new(program.as_ref())
            .args(args)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", dir)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log can be written"))
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it prints where it listens");
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(!line.trim().is_empty(), "it ended before it listened: {said}");
        Self { child, line: line.trim().to_owned() }
    }

    /// How much memory it holds now, in bytes (`VmRSS`).
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.expect("the kernel says how much") * 1024
    }

    /// From now on it may run on these cores only.
    pub fn pin(&self, cores: Cores) {
        let pid = self.child.id().to_string();
        let args = ["--all-tasks", "--cpu-list", "--pid", cores.list(), &pid];
        let output = Command::new("taskset").args(args).output().expect("taskset starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The end of its standard input ends a role of this program; the signal ends the service.
        drop(self.child.stdin.take());
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status();
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
