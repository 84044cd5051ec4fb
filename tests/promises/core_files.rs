//! Promise 3, for what a crash leaves: the memory of the process, with all keys in it, is never written anywhere.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::figures::print;

/// A shell that lets its successor leave as large a core file as there is room for.
fn unlimited(dir: &TempDir, command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -c unlimited && exec {command}")]).current_dir(dir.path());
    shell.stdin(Stdio::null()).stderr(Stdio::null());
    shell
}

/// Ends it as a crash would; answers with whether the kernel says that it left its memory behind.
fn crash(mut child: Child) -> bool {
    let id = Pid::from_raw(child.id().try_into().expect("it is one")).expect("it is one");
    kill_process(id, Signal::ABORT).expect("it can be signalled");
    let status = child.wait().expect("it ends");
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
    status.core_dumped()
}

#[test]
fn crash_of_the_service_leaves_no_core_file() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Somebody else's crash shows whether this machine writes such files at all.
    let mut sleeper = unlimited(&other, "sh -c 'echo ready; while :; do sleep 1; done'");
    let mut sleeper = sleeper.stdout(Stdio::piped()).spawn().unwrap();
    ready(&mut sleeper);
    let writes = crash(sleeper);

    let binary = env!("CARGO_BIN_EXE_tollbook");
    let mut service = unlimited(&dir, &format!("{binary} --json serve --listen 127.0.0.1:0"));
    service.env("TOLLBOOK_DATA_DIR", dir.path().join("data"));
    let mut service = service.stdout(Stdio::piped()).spawn().unwrap();
    ready(&mut service);
    assert!(!crash(service), "its memory lies somewhere now");
    let left = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["data"], "nothing but its data");
    print("core files", &[("of another program", u8::from(writes).to_string()), ("of ours", "0".into())]);
}

/// Waits for its first line.
fn ready(child: &mut Child) {
    let mut line = String::new();
    let mut said = std::io::BufReader::new(child.stdout.as_mut().expect("it is piped"));
    std::io::BufRead::read_line(&mut said, &mut line).expect("it is text");
    assert!(!line.is_empty(), "it has started");
}
