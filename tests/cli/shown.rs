//! What people are shown of who they are, and of what others wrote.

use serde_json::{Value, json};

use super::machine::Machine;
use super::terminal::Terminal;

#[test]
fn status_says_who_one_is_in_both_roles_and_what_is_kept_when_nothing_answers() {
    let mut machine = Machine::new();
    let service = machine.settle();
    let both = machine.run(&["status", "--json"]).json();
    assert_eq!(
        (&both["kind"], &both["person"], &both["role"]),
        (&json!("member"), &json!("Olivia"), &json!("owner"))
    );
    assert_eq!(
        (&both["operator"]["kind"], &both["operator"]["place"]),
        (&json!("operator"), &json!("TOLLBOOK_OPERATOR_KEY"))
    );
    let shown = machine.run(&["status"]).ok();
    assert!(shown.contains("Olivia") && shown.contains("tbk_opr_"), "{shown}");

    // An operator's, wherever it stands.
    let operator = machine.get("TOLLBOOK_OPERATOR_KEY").to_owned();
    machine.unset("TOLLBOOK_OPERATOR_KEY");
    machine.set("TOLLBOOK_API_KEY", &operator);
    let told = machine.run(&["status", "--json"]).json();
    assert_eq!((&told["kind"], &told["operator"]), (&json!("operator"), &Value::Null));

    // Nothing answers: what is kept, and where, is known all the same.
    machine.unset("TOLLBOOK_API_KEY");
    machine.unset("TOLLBOOK_URL");
    machine.run_with(&["login", "--with-api-key", "--server", &service.url], &operator).ok();
    service.signal("TERM");
    service.ended();
    let down = machine.run(&["status"]);
    assert_eq!(down.code, Some(1));
    assert!(down.out.contains(&operator[..20]) && down.out.contains("state.json"), "{}", down.out);
    assert!(down.err.contains("nothing answers"), "{}", down.err);
    assert!(!down.out.contains(&operator[20..]));
}

/// A tool's name as an agent writes it that wants to be taken for another, and a server's as people in China do.
const TRICKY: &str = "evil\u{202e}gnp.exe\u{200b}";
const CHINESE: &str = "工具服务器";

/// In columns of a terminal, where Chinese letters take two.
fn width(text: &str) -> usize {
    text.chars().map(|letter| if ('\u{2e80}'..'\u{fffd}').contains(&letter) { 2 } else { 1 }).sum()
}

#[test]
fn what_others_wrote_cannot_steer_the_terminal_and_columns_stay_columns() {
    let mut machine = Machine::new();
    let _service = machine.settle();
    for name in [CHINESE, "plain"] {
        machine.run(&["server", "add", name, &machine.sample()]).ok();
    }
    machine.run(&["loadout", "create", "l", "--tool", "plain/add"]).ok();
    machine.run(&["session", "create", "--loadout", "l", "--label", "s"]).ok();
    machine.run(&["session", "call", "s", TRICKY]).fails(4);
    let denied = ["audit", "search", "--decision", "deny"];
    let (trail, raw) = (machine.run(&denied).ok(), machine.run(&[&denied[..], &["--json"]].concat()).ok());
    assert!(trail.contains("tool=evil\u{fffd}gnp.exe\u{fffd}"), "{trail}");
    for text in [&trail, &raw] {
        assert!(!text.contains('\u{202e}') && !text.contains('\u{200b}'), "{text}");
    }
    let found: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(found["items"][0]["data"]["tool"], TRICKY, "the same JSON");
    let table = machine.run(&["server", "list"]).ok();
    // Chinese letters are two columns wide: what follows stands below what follows elsewhere.
    let column = |name: &str| {
        let line = table.lines().find(|line| line.contains(name)).unwrap();
        width(line.split("http://").next().unwrap())
    };
    assert_eq!(column(CHINESE), column("plain"));

    // At a terminal of eighty columns, no line is longer.
    machine
        .run(&[
            "key",
            "create",
            "--device-label",
            "the machine in the cellar that builds",
            "--permission",
            "tools:call",
        ])
        .ok();
    let shown = Terminal::open(
        &machine,
        "stty cols 80; tollbook key list; tollbook server list; tollbook audit tail",
    )
    .ends();
    let lines: Vec<&str> = shown.lines().map(|line| line.trim_end_matches('\r')).collect();
    assert!(lines.iter().any(|line| line.contains("the mach")), "{shown}");
    for line in lines {
        assert!(width(line) <= 80, "{}: {line}", width(line));
    }
    let id = machine.run(&["key", "list", "--json"]).json()["items"][1]["id"].clone();
    let end = format!("…{}", &id.as_str().unwrap()[28..]);
    assert!(shown.contains(&end), "{end}: {shown}");
    machine.run(&["key", "revoke", &end]).ok();
}

#[test]
fn the_trail_names_the_tool_of_an_outcome_and_says_that_it_failed() {
    let mut machine = Machine::new();
    let _service = machine.settle();
    machine.run(&["server", "add", "sample", &machine.sample()]).ok();
    machine.run(&["loadout", "create", "l", "--tool", "sample/*"]).ok();
    machine.run(&["session", "create", "--loadout", "l", "--label", "s"]).ok();
    machine.run(&["session", "call", "s", "add", r#"{"a":1,"b":2}"#]).ok();
    // The sample says that it can't add words.
    machine.run(&["session", "call", "s", "add", r#"{"a":"one","b":2}"#]);
    let outcomes = ["audit", "search", "--type", "session.tool_call_completed"];
    let found = machine.run(&outcomes).ok();
    assert!(found.lines().skip(1).all(|line| line.contains("tool=add")), "{found}");
    assert!(machine.run(&["audit", "tail", "--limit", "1"]).ok().contains("tool=add"));
    let raw = machine.run(&["audit", "search", "--type", "session.tool_call_completed", "--json"]).json();
    assert!(raw["items"][0]["data"].get("tool").is_none(), "programs get what the book has");
}
