//! The README's tour, pasted.

use std::path::Path;

use super::machine::{Detached, Machine};

const README: &str = include_str!("../../README.md");

/// The commands of the tour, in order.
fn commands() -> Vec<String> {
    let tour = README.split("## Five minutes").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = tour.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_readmes_tour_runs_as_it_is_pasted() {
    let mut machine = Machine::new();
    machine.run(&["demo", "--listen", "127.0.0.1:0"]).ok();
    let _service = Detached(u32::try_from(machine.service_file()["pid"].as_u64().unwrap()).unwrap());
    let bin = Path::new(env!("CARGO_BIN_EXE_tollbook")).parent().unwrap();
    machine.set("TOLLBOOK_DATA_DIR", machine.data("").to_str().unwrap());
    let commands = commands();
    assert!(commands.len() >= 6);
    let script = format!("PATH='{}':\"$PATH\"\nset -e\n{}", bin.display(), commands.join("\n"));
    let script = script.replace("http://127.0.0.1:7071/mcp", &machine.sample());
    let ran = machine.any_command(Path::new("sh"), &["-c", &script]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}{err}");
    for line in ["\"sum\":42", "every call is in the book", "exit code 4", "session.revoked", "tbk_key_"] {
        assert!(out.contains(line), "no `{line}` in:\n{out}{err}");
    }
    assert!(err.contains("[tool.not_in_loadout]") && err.contains("[session.ended]"), "{err}");

    // By habit, once more: what is there already says what to do, and the rest works as before.
    let script = script.replace("set -e\n", "");
    let ran = machine.any_command(Path::new("sh"), &["-c", &script]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    for line in ["tollbook server refresh 'tour'", "tollbook loadout change 'tour'"] {
        assert!(err.contains(line), "no `{line}` in:\n{out}{err}");
    }
    assert!(out.contains("\"sum\":42") && !err.contains("more than one"), "{out}{err}");
}
