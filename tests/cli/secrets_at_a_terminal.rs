//! Where a secret is shown, and where it is not, by somebody who sits at a terminal.

use super::machine::{Machine, mode};
use super::terminal::{CTRL_C, Terminal};

const FILE: &str = "first-owner-link";

#[test]
fn the_first_owner_gets_a_whole_link_at_a_terminal_and_nowhere_else() {
    let machine = Machine::new();
    let mut terminal = Terminal::open(&machine, "tollbook serve --listen 127.0.0.1:0");
    let shown = terminal.shows("tollbook bootstrap");
    let link = shown.split_whitespace().find(|word| word.contains("/otl/")).unwrap();
    let (id, secret) = link.split_once("/otl/").unwrap().1.split_once('#').unwrap();
    // Its checksum says that nothing of it is missing.
    let told = machine.run_with(&["key", "check", "--json"], &format!("tbk_otl_{id}{secret}")).json();
    assert_eq!(told["kind"], "one-time link");
    assert!(!machine.data(FILE).exists(), "it needs no file");
    terminal.types(CTRL_C);
    assert!(terminal.ends().contains("stopped"));

    // What a program reads, or a file keeps, doesn't have it.
    let service = machine.serve(&[]);
    let log = service.logs("tollbook bootstrap");
    assert_eq!(mode(&machine.data(FILE)), 0o600);
    let file = std::fs::read_to_string(machine.data(FILE)).unwrap();
    assert!(!log.contains(file.trim().split_once('#').unwrap().1), "{log}");
}

#[test]
fn a_pasted_key_is_not_shown_and_the_terminal_is_as_before_whatever_happens() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    let founded = machine.run(&["bootstrap", "--user", "O", "--workspace", "W", "--json"]).json();
    let key = founded["api_key"].as_str().unwrap();
    let login =
        format!("tollbook login --with-api-key --server {}; echo \"it ended with $?\"; stty -a", service.url);

    let mut terminal = Terminal::open(&machine, &login);
    terminal.shows("it is not shown");
    terminal.types(&format!("{key}\n"));
    let shown = terminal.ends();
    assert!(shown.contains("it ended with 0") && shown.contains("workspace   W"), "{shown}");
    assert!(!shown.contains(&key[20..]), "the key is on the screen: {shown}");
    assert!(shows_what_is_typed(&shown), "{shown}");

    let mut terminal = Terminal::open(&machine, &login);
    terminal.shows("it is not shown");
    terminal.types(CTRL_C);
    let shown = terminal.ends();
    assert!(shown.contains("it ended with 130") && shows_what_is_typed(&shown), "{shown}");

    // An empty line, and one that is no key.
    for (typed, code, told) in [("\n", 1, "nothing came"), ("not a key\n", 3, "nothing was kept")] {
        let mut terminal = Terminal::open(&machine, &login);
        terminal.shows("it is not shown");
        terminal.types(typed);
        let shown = terminal.ends();
        assert!(shown.contains(&format!("it ended with {code}")) && shown.contains(told), "{shown}");
        assert!(shows_what_is_typed(&shown), "{shown}");
    }
}

/// As `stty -a` says it.
fn shows_what_is_typed(shown: &str) -> bool {
    let words: Vec<&str> = shown.split_whitespace().collect();
    assert!(words.contains(&"isig"), "stty says nothing: {shown}");
    words.contains(&"echo") && words.contains(&"-echonl")
}

#[test]
fn nothing_on_standard_input_is_said_to_be_nothing() {
    let machine = Machine::new();
    let login = ["login", "--with-api-key", "--server", "http://127.0.0.1:1"];
    for (command, input) in [(&login[..], ""), (&login[..], "\n"), (&["key", "check"][..], "")] {
        let refused = machine.run_with(command, input).fails(1);
        assert!(refused.contains("nothing came on standard input"), "{refused}");
    }
}
