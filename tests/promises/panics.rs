//! Promise 3, where things go wrong: a panic says where it happened, and nothing that was at hand there.

use std::process::Command;

use super::figures::print;

const CANARY: &str = "canary-in-a-panic-9f27c1";
const LITERAL: &str = "a literal of the code";

#[test]
fn panic_shows_its_place_and_no_secret() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "promises::panics::panics_for_its_parent", "--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8(child.stdout).unwrap(), String::from_utf8(child.stderr).unwrap());
    assert!(child.status.success(), "{out}{err}");
    let lines: Vec<&str> = err.lines().filter(|line| line.contains("a panic at ")).collect();
    assert_eq!(lines.len(), 3, "{err}");
    assert!(lines.iter().all(|line| line.contains("panics.rs:")), "{err}");
    assert!(err.contains(LITERAL), "what stands in the code is shown: {err}");
    assert!(!err.contains(CANARY) && !out.contains(CANARY), "{err}");
    print("panics", &[("with a canary", "2".into()), ("shown", "0".into())]);
}

/// Run by the test above, in a process of its own: the hook is the process'.
#[test]
#[ignore = "the other test runs it"]
fn panics_for_its_parent() {
    tollbook::telemetry::report_panics();
    let panics: [fn(); 3] = [
        || panic!("{CANARY} {}", std::process::id()),
        || std::panic::panic_any(CANARY.to_owned()),
        || panic!("a literal of the code"),
    ];
    for panic in panics {
        assert!(std::thread::spawn(panic).join().is_err());
    }
}
