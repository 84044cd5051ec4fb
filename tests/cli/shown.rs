//! What people are shown of who they are, and of what others wrote.

use serde_json::{Value, json};

use super::machine::{Machine, client};
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

/// Names as somebody writes them who wants to be taken for another, and as people in China do.
const TRICKY: &str = "evil\u{202e}gnp.exe\u{200b}";
const CHINESE: &str = "工具服务器";

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_cannot_steer_the_terminal_and_columns_stay_columns() {
    let mut machine = Machine::new();
    let _service = machine.settle();
    let workspace = machine.run(&["workspace", "list", "--json"]).json()["items"][0]["id"].clone();
    let url =
        format!("{}/v1/workspaces/{}/tool-servers", machine.get("TOLLBOOK_URL"), workspace.as_str().unwrap());
    for name in [TRICKY, CHINESE, "plain"] {
        let body = json!({ "name": name, "url": machine.sample() });
        let made = client()
            .post(&url)
            .bearer_auth(machine.get("TOLLBOOK_API_KEY"))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(made.status(), 201, "{name}");
        let position = made.json::<Value>().await.unwrap()["position"].to_string();
        let settled = client()
            .get(format!("{url}?min_position={position}"))
            .bearer_auth(machine.get("TOLLBOOK_API_KEY"));
        assert_eq!(settled.send().await.unwrap().status(), 200);
    }
    let (table, raw) =
        (machine.run(&["server", "list"]).ok(), machine.run(&["server", "list", "--json"]).ok());
    for text in [&table, &raw] {
        assert!(!text.contains('\u{202e}') && !text.contains('\u{200b}'), "{text}");
    }
    let listed: Value = serde_json::from_str(&raw).unwrap();
    assert!(listed["items"].as_array().unwrap().iter().any(|item| item["name"] == TRICKY), "the same JSON");
    // Chinese letters are two columns wide: what follows stands below what follows elsewhere.
    let column = |name: &str| {
        let line = table.lines().find(|line| line.contains(name)).unwrap();
        let before = line.split("http://").next().unwrap();
        before
            .chars()
            .map(|letter| if letter.is_ascii() || letter == '\u{fffd}' { 1 } else { 2 })
            .sum::<usize>()
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
        assert!(line.chars().count() <= 80, "{}: {line}", line.chars().count());
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
