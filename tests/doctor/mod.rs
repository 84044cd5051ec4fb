//! `tollbook doctor` on installations that something is wrong with: each finding is provoked on real components, and
//! says how it is, what was found and what to do; the exit code says whether all is well.

mod database;
mod durability;
mod machine;
mod reach;
mod rights;
mod sqlite;

use serde_json::Value;

use crate::cli::machine::Machine;
use crate::house::CLUSTER;

/// An installation on a database of its own, bootstrapped, with no service running.
fn on_postgres(name: &str) -> Machine {
    let machine = Machine::new().with("TOLLBOOK_DATABASE_URL", &CLUSTER.create_database(name));
    machine.run(&["bootstrap", "--user", "O", "--workspace", "W"]).ok();
    machine
}

/// What the doctor found, and its exit code.
struct Examined {
    code: Option<i32>,
    report: Value,
}

fn examine(machine: &Machine, args: &[&str]) -> Examined {
    let args: Vec<&str> = ["doctor", "--json"].iter().chain(args).copied().collect();
    let ran = machine.run(&args);
    let report =
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    if ran.code == Some(1) {
        assert!(ran.err.starts_with("error: not healthy: ") && ran.err.lines().count() == 1, "{}", ran.err);
    }
    Examined { code: ran.code, report }
}

impl Examined {
    /// What was found by this name, in the state that is expected; the worst of them, if there are several.
    #[track_caller]
    fn finds(&self, name: &str, state: &str) -> String {
        check(&self.report, name, state)
    }

    /// It is as it should be.
    #[track_caller]
    fn healthy(self) -> Self {
        assert_eq!(self.code, Some(0), "{:#}", self.report);
        assert_ne!(self.report["state"], "failed", "{:#}", self.report);
        self
    }

    /// It isn't.
    #[track_caller]
    fn ill(self) -> Self {
        assert_eq!(self.code, Some(1), "{:#}", self.report);
        assert_eq!(self.report["state"], "failed", "{:#}", self.report);
        self
    }
}

/// The finding of this name says that it is so, and what to do where something is to be done; answers with what
/// was found and the remedy.
#[track_caller]
pub fn check(report: &Value, name: &str, state: &str) -> String {
    let findings = report["findings"].as_array().expect("there are findings");
    let found = findings.iter().find(|finding| finding["name"] == name && finding["state"] == state);
    let found = found.unwrap_or_else(|| panic!("no finding `{name}` that is {state}: {report:#}"));
    let remedy = found["remedy"].as_str().unwrap_or_default();
    assert_eq!(remedy.is_empty(), state == "ok", "what to do about it: {found:#}");
    let text = found["found"].as_str().unwrap_or_default();
    assert!(!text.is_empty(), "{found:#}");
    format!("{text} → {remedy}")
}
