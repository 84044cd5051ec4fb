//! `tollbook demo`: a newcomer's first minute.

use std::path::Path;

use super::machine::{Detached, Machine, fetch, mode};
use crate::house::CLUSTER;

/// The commands that a walk printed, as somebody would paste them.
fn pasted(told: &str) -> String {
    let commands = told.lines().skip_while(|line| !line.starts_with("Next.")).skip(1);
    let commands = commands.take_while(|line| !line.starts_with("That set"));
    commands.filter_map(|line| line.strip_prefix("  ")).collect::<Vec<_>>().join("\n")
}

fn service_of(machine: &Machine) -> Detached {
    Detached(u32::try_from(machine.service_file()["pid"].as_u64().unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_walks_the_main_job_and_leaves_a_service_that_goes_on() {
    let machine = Machine::new();
    let told = machine.run(&["demo", "--listen", "127.0.0.1:0"]).ok();
    let service = service_of(&machine);
    for line in [
        "\"sum\":42",
        "\"words\":6",
        "refused: The tool is not in the session's loadout.",
        "status    revoked",
        "refused: The session was revoked.",
        "session.tool_denied",
        "reason=not_in_loadout",
        "reason=session_revoked",
    ] {
        assert!(told.contains(line), "no `{line}` in:\n{told}");
    }
    let token = told.lines().find(|line| line.contains("tbk_ses_")).unwrap();
    assert!(token.trim_end().ends_with('…'), "a whole token is printed: {token}");
    let url = machine.service_file()["url"].as_str().unwrap().to_owned();
    assert_eq!(fetch(&format!("{url}readyz")).await.0, 200);
    for file in ["state.json", "service.log"] {
        assert_eq!(mode(&machine.data(file)), 0o600, "{file}");
    }
    let trail = machine.run(&["audit", "tail", "--json", "--type", "session.tool_denied"]).json();
    assert_eq!(trail["items"].as_array().unwrap().len(), 2);

    let script = format!("set -e\n{}\necho \"$TOLLBOOK_SESSION_URL $TOLLBOOK_SESSION_TOKEN\"", pasted(&told));
    let shell = machine.any_command(Path::new("sh"), &["-c", &script]).output().unwrap();
    let said = String::from_utf8(shell.stdout).unwrap();
    assert!(shell.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&shell.stderr));
    let last = said.lines().last().unwrap();
    assert!(last.contains("/mcp tbk_ses_"), "{last}");

    service.stop();
    assert!(!machine.data("service.json").exists());
}

#[test]
fn it_can_be_walked_again_while_the_service_runs_and_after_it_was_stopped() {
    let machine = Machine::new();
    machine.run(&["demo", "--listen", "127.0.0.1:0"]).ok();
    let first = service_of(&machine);
    let again = machine.run(&["demo", "--listen", "127.0.0.1:0"]);
    assert!(again.err.contains("runs on"), "{}", again.err);
    assert!(again.ok().contains("version  2"), "the same loadout, once more");
    assert_eq!(service_of(&machine).0, first.0);
    first.stop();

    machine.run(&["demo", "--listen", "127.0.0.1:0"]).ok();
    let _second = service_of(&machine);
    let loadouts = machine.run(&["loadout", "list", "--json"]).json();
    assert_eq!(loadouts["items"].as_array().unwrap().len(), 1);
}

#[test]
fn it_walks_on_postgresql_too() {
    let machine = Machine::new().with("TOLLBOOK_DATABASE_URL", &CLUSTER.create_database("cli_demo"));
    let told = machine.run(&["demo", "--listen", "127.0.0.1:0"]).ok();
    service_of(&machine).stop();
    assert!(told.contains("reason=session_revoked"), "{told}");
    assert!(!machine.data("book.db").exists());
}

#[test]
fn it_says_what_is_in_its_way() {
    let machine = Machine::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = machine.run(&["demo", "--listen", &address]).fails(1);
    assert!(refused.contains(&address) && refused.contains("TOLLBOOK_LISTEN"), "{refused}");

    // A service without the sample, and then a book whose owner is somebody else.
    let service = machine.serve(&[]);
    let refused = machine.run(&["demo"]).code;
    assert_eq!(refused, Some(1));
    service.signal("TERM");
    service.ended();
    machine.run(&["bootstrap", "--user", "O", "--workspace", "W"]).ok();
    let refused = machine.run(&["demo", "--listen", "127.0.0.1:0"]);
    let _service = service_of(&machine);
    assert!(refused.fails(3).contains("has an owner"));
}
