//! Commands against a running service.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};
use tollbook_testkit::node::{Settings, Upstream};

use super::machine::{Machine, Service, client};

/// A service with the sample registered as `sample`, and a loadout `l` of two of its tools.
fn ready() -> (Machine, Service) {
    let mut machine = Machine::new();
    let service = machine.settle();
    machine.run(&["server", "add", "sample", &machine.sample()]).ok();
    machine.run(&["loadout", "create", "l", "--tool", "sample/add", "--tool", "sample/echo=say"]).ok();
    (machine, service)
}

fn names(list: &Value, member: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item[member].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_session_is_made_called_and_ended() {
    let (machine, _service) = ready();
    let made =
        machine.run(&["session", "create", "--loadout", "l", "--label", "s", "--expires-in", "1h", "--json"]);
    let made = made.json();
    assert!(made["token"].as_str().unwrap().starts_with("tbk_ses_"));
    assert_eq!(machine.run(&["session", "call", "s", "say", r#"{"text":"hello"}"#]).ok(), "hello\n");
    assert_eq!(
        machine.run_with(&["session", "call", "s", "add", "-"], r#"{"a":1,"b":2}"#).ok(),
        "{\"sum\":3.0}\n"
    );

    let refused = machine.run(&["session", "call", "s", "delete_everything"]).fails(4);
    assert!(refused.contains("[tool.not_in_loadout]"), "{refused}");
    machine.run(&["session", "revoke", "s", "--reason", "enough"]).ok();
    machine.run(&["session", "revoke", "s"]).ok();
    let refused = machine.run(&["session", "call", "s", "add", "{}"]).fails(4);
    assert!(refused.contains("`tollbook session create --loadout"), "{refused}");

    let calls = machine.run(&["session", "calls", "s", "--json"]).json();
    assert_eq!(names(&calls, "decision").iter().filter(|decision| *decision == "deny").count(), 2);
    let shown = machine.run(&["session", "get", made["id"].as_str().unwrap(), "--json"]).json();
    assert_eq!((&shown["status"], &shown["label"]), (&json!("revoked"), &json!("s")));
    assert!(machine.run(&["session", "list", "--status", "revoked"]).ok().contains("revoked"));
}

#[test]
fn loadouts_have_versions_and_differences() {
    let (machine, _service) = ready();
    assert!(machine.run(&["loadout", "diff", "l"]).ok().contains("Nothing has changed"));
    let next = machine.run(&["loadout", "change", "l", "--tool", "sample/*", "--json"]).json();
    assert_eq!((&next["version"], next["tools"].as_array().unwrap().len()), (&json!(2), 4));
    let pinned = machine.run(&["loadout", "change", "l", "--repin", "--json"]).json();
    assert_eq!((&pinned["version"], &pinned["tools"]), (&json!(3), &next["tools"]));
    machine.run(&["loadout", "remove", "l"]).ok();
    assert!(machine.run(&["loadout", "get", "l"]).fails(1).contains("no loadout `l`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_must_be_unambiguous_and_a_part_of_an_id_is_enough() {
    let (machine, _service) = ready();
    // For the service, names needn't be unique.
    let workspace = machine.run(&["workspace", "list", "--json"]).json()["items"][0]["id"].clone();
    let url =
        format!("{}/v1/workspaces/{}/tool-servers", machine.get("TOLLBOOK_URL"), workspace.as_str().unwrap());
    let twin = json!({ "name": "sample", "url": machine.sample() });
    let request = client().post(url).bearer_auth(machine.get("TOLLBOOK_API_KEY")).json(&twin);
    let twin: Value = request.send().await.unwrap().json().await.unwrap();
    machine.run(&["server", "get", twin["id"].as_str().unwrap()]).ok();
    assert!(machine.run(&["server", "get", "sample"]).fails(1).contains("more than one tool server"));
    let all = machine.run(&["server", "list", "--json"]).json();
    let id = all["items"][0]["id"].as_str().unwrap();
    for part in [&id[..35], &id[20..], &format!("…{}", &id[28..])] {
        assert_eq!(machine.run(&["server", "get", part, "--json"]).json()["id"], id, "{part}");
    }
    machine.run(&["server", "rename", id, "other"]).ok();
    machine.run(&["server", "tools", "other"]).ok();
    machine.run(&["server", "refresh", "other"]).ok();
    machine.run(&["server", "remove", "other"]).ok();
    assert_eq!(names(&machine.run(&["server", "list", "--json"]).json(), "name"), ["sample"]);
}

#[test]
fn a_key_carries_its_role_and_no_more_and_ends_when_it_is_revoked() {
    let (mut machine, _service) = ready();
    let made =
        machine.run(&["key", "create", "--device-label", "reader", "--role", "auditor", "--json"]).json();
    let owner = machine.run(&["key", "list", "--json"]).json();
    assert_eq!(owner["items"].as_array().unwrap().len(), 2);
    let of_owner = machine.get("TOLLBOOK_API_KEY").to_owned();

    machine.set("TOLLBOOK_API_KEY", made["key"].as_str().unwrap());
    machine.run(&["audit", "tail"]).ok();
    let refused = machine.run(&["session", "create", "--loadout", "l"]).fails(4);
    assert!(refused.contains("[insufficient_scope]"), "{refused}");
    machine.set("TOLLBOOK_API_KEY", &of_owner);
    machine.run(&["key", "revoke", "reader"]).ok();
    machine.set("TOLLBOOK_API_KEY", made["key"].as_str().unwrap());
    assert!(machine.run(&["audit", "tail"]).fails(3).contains("[credential.revoked]"));
}

#[test]
fn the_book_is_shown_searched_and_followed() {
    let (machine, _service) = ready();
    let shown = machine.run(&["audit", "tail", "--limit", "2", "--json"]).json();
    assert_eq!(names(&shown, "type"), ["tool_server.tools_refreshed", "loadout.created"]);
    let found = machine.run(&["audit", "search", "--type", "loadout.created", "--json"]).json();
    assert_eq!(names(&found, "type"), ["loadout.created"]);

    let mut following =
        machine.command(&["audit", "tail", "--follow", "--limit", "1", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines().map(|line| {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        event["type"].as_str().unwrap().to_owned()
    });
    assert_eq!(lines.next().unwrap(), "loadout.created");
    machine.run(&["session", "create", "--loadout", "l", "--label", "new"]).ok();
    assert_eq!(lines.next().unwrap(), "session.created");
    following.kill().unwrap();
    following.wait().unwrap();
}

#[test]
fn operators_make_workspaces_and_rebuild_projections() {
    let (machine, _service) = ready();
    let made = machine.run(&["workspace", "create", "Second", "--owner", "Oskar", "--json"]).json();
    assert!(made["api_key"].as_str().unwrap().starts_with("tbk_key_"));
    machine.run(&["workspace", "rename", "Test", "First"]).ok();
    assert_eq!(names(&machine.run(&["workspace", "list", "--json"]).json(), "name"), ["First"]);
    assert!(machine.run(&["projection", "rebuild", "session"]).ok().contains("read from now on"));
    let rebuilt = machine.run(&["projection", "rebuild", "session", "--json"]).json();
    assert_eq!((&rebuilt["version"], &rebuilt["build"]["state"]), (&"1.2".into(), &"swapped".into()));
    assert!(machine.run(&["projection", "list"]).ok().contains("1.1 kept"));
    assert!(machine.run(&["projection", "verify", "session"]).ok().contains("as the book makes it"));
    assert!(machine.run(&["projection", "rollback", "session"]).ok().contains("1.1"));
    assert!(machine.run(&["projection", "rollback", "user"]).fails(1).contains("[projection.nothing_kept]"));
    assert!(machine.run(&["projection", "swap", "session"]).fails(1).contains("[projection.nothing_built]"));
    for action in ["rebuild", "verify", "swap", "rollback"] {
        assert!(machine.run(&["projection", action, "nothing"]).fails(1).contains("[not_found]"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_comes_from_the_environment_or_from_standard_input_and_is_never_shown() {
    let settings =
        Settings { require_header: Some(("x-api-key".into(), "sesame-4711".into())), ..Settings::default() };
    let upstream = Upstream::modern_with(&settings).await;
    let mut machine = Machine::new();
    let _service = machine.settle();
    machine.set("WIKI_KEY", "sesame-4711");
    let by_variable =
        machine.run(&["server", "add", "one", upstream.url(), "--header", "x-api-key=WIKI_KEY", "--json"]);
    let by_input = machine
        .run_with(&["server", "add", "two", upstream.url(), "--header-stdin", "x-api-key"], "sesame-4711\n");
    for added in [by_variable.ok(), by_input.ok()] {
        assert!(added.contains("echo") && !added.contains("sesame"), "{added}");
    }
    let added = machine.run(&["server", "add", "three", upstream.url()]);
    assert!(added.err.contains("it is registered"), "{}", added.err);
    assert!(added.ok().contains("three"));
    assert!(
        machine
            .run(&["server", "add", "four", upstream.url(), "--header", "x-api-key=NONE"])
            .fails(2)
            .contains("NONE")
    );
}

#[test]
fn a_tool_server_that_is_down_is_registered_once_and_it_is_said_what_is_missing() {
    let (machine, _service) = ready();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let add = ["server", "add", "it's down", &format!("http://{nobody}/mcp"), "--json"];
    let added = machine.run(&add);
    assert!(
        added.err.lines().count() == 1 && added.err.starts_with("warning: it is registered"),
        "{}",
        added.err
    );
    assert!(added.err.contains(r"`tollbook server refresh 'it'\''s down'`"), "{}", added.err);
    assert_eq!(added.json()["name"], "it's down");
    // Again, by habit.
    let refused = machine.run(&add).fails(1);
    assert!(refused.contains("registered already") && refused.contains("server refresh"), "{refused}");
    assert_eq!(names(&machine.run(&["server", "list", "--json"]).json(), "name"), ["sample", "it's down"]);
    machine.run(&["server", "get", "it's down"]).ok();
}

#[test]
fn a_name_in_use_is_refused_before_anything_is_made() {
    let (machine, _service) = ready();
    for (command, told) in [
        (&["server", "add", "sample", "http://127.0.0.1:9/mcp"][..], "choose another name"),
        (&["server", "add", "sample", &machine.sample()], "server refresh"),
        (&["loadout", "create", "l", "--tool", "sample/add"], "loadout change"),
    ] {
        let refused = machine.run(command).fails(1);
        assert!(refused.contains(told), "{refused}");
    }
    machine.run(&["server", "add", "other", &machine.sample(), "--no-refresh"]).ok();
    assert!(machine.run(&["server", "rename", "other", "sample"]).fails(1).contains("choose another name"));
    assert_eq!(names(&machine.run(&["loadout", "list", "--json"]).json(), "name"), ["l"]);
    // A label is free again once what had it has ended.
    for _ in 0..2 {
        machine.run(&["session", "create", "--loadout", "l", "--label", "tour"]).ok();
        machine.run(&["session", "call", "tour", "say", r#"{"text":"hello"}"#]).ok();
        machine.run(&["session", "revoke", "tour"]).ok();
        machine.run(&["key", "create", "--device-label", "laptop", "--role", "auditor"]).ok();
        machine.run(&["key", "revoke", "laptop"]).ok();
    }
}
