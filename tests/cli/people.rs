//! People and what they hold, by commands: members, invitations, keys, operators.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::machine::{Machine, Service, client};
use super::terminal::Terminal;
use crate::house::visitor::Visitor;

fn settled() -> (Machine, Service) {
    let mut machine = Machine::new();
    let service = machine.settle();
    (machine, service)
}

/// What a list has of each item.
fn all(list: &Value, member: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item[member].as_str().unwrap_or_default().to_owned()).collect()
}

/// Redeems a link as somebody new would in a browser, by the same route; answers with its status.
async fn open(machine: &Machine, url: &str) -> u16 {
    let page = client().get(url.split('#').next().unwrap()).send().await.unwrap();
    assert!(url.starts_with(machine.get("TOLLBOOK_URL")));
    page.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_invited_and_the_link_is_shown_once() {
    let (machine, _service) = settled();
    let made = machine.run(&[
        "invitation",
        "create",
        "--role",
        "member",
        "--for",
        "Minna",
        "--expires-in",
        "2h",
        "--json",
    ]);
    let made = made.json();
    let url = made["one_time_url"].as_str().unwrap();
    assert!(url.contains("/otl/") && url.contains('#'), "{url}");
    assert_eq!(open(&machine, url).await, 200);
    let listed = machine.run(&["invitation", "list", "--json"]).json();
    assert_eq!(
        (all(&listed, "label"), all(&listed, "status")),
        (vec!["Minna".to_owned()], vec!["open".to_owned()])
    );
    assert!(!listed.to_string().contains(url.split_once('#').unwrap().1));
    machine.run(&["invitation", "revoke", "Minna"]).ok();
    assert_eq!(all(&machine.run(&["invitation", "list", "--json"]).json(), "status"), ["revoked"]);
    // The name is free again: the one that is open is meant.
    machine.run(&["invitation", "create", "--role", "auditor", "--for", "Minna"]).ok();
    machine.run(&["invitation", "revoke", "Minna"]).ok();
    for role in ["king", ""] {
        assert_eq!(machine.run(&["invitation", "create", "--role", role]).code, Some(2), "{role}");
    }
}

/// Waits until the members are called so, in the order in which they came.
fn wait_for_members(machine: &Machine, names: &[&str]) {
    let end = Instant::now() + Duration::from_secs(60);
    while all(&machine.run(&["member", "list", "--json"]).json(), "name") != names {
        assert!(Instant::now() < end, "never: {}", machine.run(&["member", "list"]).ok());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_was_invited_is_given_a_role_removed_and_erased() {
    let (machine, service) = settled();
    let made = machine.run(&["invitation", "create", "--role", "member", "--for", "Minna", "--json"]).json();
    let link = made["one_time_url"].as_str().unwrap();
    let mut browser = Visitor::new(&service.url, "Firefox/140.0");
    browser.redeem(link, &[("name", "Minna")]).await;
    wait_for_members(&machine, &["Olivia", "Minna"]);
    assert_eq!(all(&machine.run(&["invitation", "list", "--json"]).json(), "status"), ["redeemed"]);

    machine.run(&["member", "role", "Minna", "admin"]).ok();
    let members = machine.run(&["member", "list", "--json"]).json();
    assert_eq!(all(&members, "role"), ["owner", "admin"]);
    let id = members["items"][1]["user_id"].as_str().unwrap().to_owned();
    assert!(machine.run(&["key", "revoke", "--user", "Minna"]).ok().contains("revoked"));
    machine.run(&["member", "remove", "Minna"]).ok();
    assert_eq!(all(&machine.run(&["member", "list", "--json"]).json(), "name"), ["Olivia"]);

    let certificate = machine.run(&["operator", "erase", &id, "--yes", "--json"]).json();
    assert_eq!(certificate["user_id"], id);
    assert!(certificate["key_ids"].as_array().is_some_and(|keys| !keys.is_empty()), "{certificate}");
    assert!(certificate["fields"].as_u64().unwrap() >= 1, "her name is unreadable: {certificate}");
}

#[test]
fn members_are_shown_changed_and_the_last_owner_stays() {
    let (machine, _service) = settled();
    let members = machine.run(&["member", "list", "--json"]).json();
    assert_eq!(
        (all(&members, "name"), all(&members, "role")),
        (vec!["Olivia".to_owned()], vec!["owner".to_owned()])
    );
    assert!(machine.run(&["member", "list"]).ok().contains("Olivia"));
    assert!(machine.run(&["member", "role", "Olivia", "member"]).fails(1).contains("owner"));
    assert!(machine.run(&["member", "remove", "Olivia"]).fails(1).contains("owner"));
    assert!(machine.run(&["member", "leave"]).fails(1).contains("owner"));
    assert!(machine.run(&["member", "remove", "Nobody"]).fails(1).contains("no member `Nobody`"));
    assert_eq!(machine.run(&["member", "role", "Olivia", "king"]).code, Some(2));
}

#[test]
fn a_key_is_narrowed_and_the_list_says_to_what_and_whose_it_is() {
    let (machine, _service) = settled();
    machine.run(&["server", "add", "sample", &machine.sample()]).ok();
    machine.run(&["loadout", "create", "l", "--tool", "sample/add"]).ok();
    let make = [
        "key",
        "create",
        "--device-label",
        "narrow",
        "--permission",
        "tools:call",
        "--permission",
        "sessions:create",
        "--server",
        "sample",
        "--loadout",
        "l",
        "--address",
        "127.0.0.0/8",
        "--json",
    ];
    let made = machine.run(&make).json();
    assert_eq!(made["narrowing"]["permissions"].as_array().unwrap().len(), 2);
    assert_eq!(made["narrowing"]["addresses"], json!(["127.0.0.0/8"]));
    let list = machine.run(&["key", "list"]).ok();
    let line = list.lines().find(|line| line.contains("narrow")).unwrap();
    for word in ["Olivia", "tools:call", "1 server", "1 loadout", "127.0.0.0/8", made["id"].as_str().unwrap()]
    {
        assert!(line.contains(word), "no `{word}`: {line}");
    }
    let listed = machine.run(&["key", "list", "--mine", "--json"]).json();
    assert_eq!(all(&listed, "holder"), ["Olivia", "Olivia"]);
    assert_eq!(listed["items"][1]["narrowing"], made["narrowing"]);
    let refused = machine.run(&["key", "create", "--device-label", "x", "--role", "king"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("auditor"), "{}", refused.err);
}

#[test]
fn a_rotated_key_is_shown_once_and_kept_where_the_old_one_was() {
    let (mut machine, service) = settled();
    let first = machine.get("TOLLBOOK_API_KEY").to_owned();
    // From the environment, which nobody can change for the shell.
    let rotated = machine.run(&["key", "rotate", "--json"]);
    assert!(rotated.err.contains("TOLLBOOK_API_KEY holds the former secret"), "{}", rotated.err);
    let rotated = rotated.json();
    let second = rotated["key"].as_str().unwrap();
    assert!(rotated["former_until"].is_string(), "both work for a day");
    machine.run(&["server", "list"]).ok();
    machine.unset("TOLLBOOK_API_KEY");
    machine.run_with(&["login", "--with-api-key", "--server", &service.url], second).ok();
    // The one that is kept; at once.
    let rotated = machine.run(&["key", "rotate", "--grace", "0"]);
    assert!(rotated.err.contains("is kept in"), "{}", rotated.err);
    assert!(rotated.ok().contains("tbk_key_"));
    machine.run(&["server", "list"]).ok();
    for former in [&first, second] {
        machine.set("TOLLBOOK_API_KEY", former);
        machine.run(&["server", "list"]).fails(3);
    }
    machine.unset("TOLLBOOK_API_KEY");
    // Another of one's own isn't kept in its place.
    machine.run(&["key", "create", "--device-label", "ci"]).ok();
    let other = machine.run(&["key", "rotate", "ci", "--grace", "1h", "--json"]);
    assert_eq!(other.err, "");
    other.json();
    assert_eq!(machine.run(&["key", "rotate", "--grace", "1"]).code, Some(2));
}

#[test]
fn keys_end_one_by_one_and_together_and_are_reset_by_a_link() {
    let (machine, _service) = settled();
    for label in ["ci", "ci", "laptop"] {
        machine.run(&["key", "create", "--device-label", label]).ok();
    }
    let active = || {
        let list = machine.run(&["key", "list", "--json"]).json();
        list["items"].as_array().unwrap().iter().filter(|key| key["status"] == "active").count()
    };
    assert_eq!(active(), 4);
    let reset = machine.run(&["key", "reset", "laptop", "--json"]).json();
    assert!(reset["one_time_url"].as_str().unwrap().contains("/otl/"), "{reset}");
    assert_eq!(active(), 3);
    machine.run(&["key", "revoke", "--label", "ci", "--reason", "lost"]).ok();
    assert_eq!(active(), 1);
    // What can't be meant.
    for args in [
        &["key", "revoke"][..],
        &["key", "revoke", "ci", "--all"],
        &["key", "revoke", "--all", "--label", "ci"],
    ] {
        assert_eq!(machine.run(args).code, Some(2), "{args:?}");
    }
    assert!(machine.run(&["key", "revoke", "--user", "Olivia"]).ok().contains("revoked"));
    assert!(machine.run(&["key", "list"]).fails(3).contains("[credential.revoked]"));
}

#[test]
fn operators_look_after_their_own_credentials() {
    let (mut machine, _service) = settled();
    let made = machine.run(&["operator", "credential", "create", "night shift", "--json"]).json();
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("tbk_opr_"));
    let listed = machine.run(&["operator", "credential", "list", "--json"]).json();
    assert_eq!(all(&listed, "label"), ["first key", "night shift"]);
    let rotate = ["operator", "credential", "rotate", "night shift", "--grace", "0", "--json"];
    assert!(machine.run(&rotate).fails(4).contains("another operator's"));
    let first = machine.get("TOLLBOOK_OPERATOR_KEY").to_owned();
    machine.set("TOLLBOOK_OPERATOR_KEY", key);
    assert_ne!(machine.run(&rotate).json()["key"], made["key"]);
    machine.run(&["operator", "credential", "list"]).fails(3);
    machine.set("TOLLBOOK_OPERATOR_KEY", &first);
    machine.run(&["operator", "credential", "revoke", "night shift"]).ok();
    let refused = machine.run(&["operator", "credential", "revoke", "first key"]).fails(1);
    assert!(refused.contains("last"), "{refused}");
}

#[test]
fn a_lost_operator_credential_is_made_again_by_whoever_has_the_machine_and_the_book_says_so() {
    let mut machine = Machine::new();
    let nowhere = machine.run(&["operator", "credential", "create", "--on-host", "found again"]).fails(1);
    assert!(nowhere.contains("there is no book in"), "{nowhere}");
    let service = machine.settle();
    machine.unset("TOLLBOOK_OPERATOR_KEY");
    machine.run(&["operator", "credential", "list"]).fails(3);
    // Asked of the service, and then, with none running, of the book.
    let served = machine.run(&["operator", "credential", "create", "--on-host", "one", "--json"]).json();
    service.signal("TERM");
    service.ended();
    let alone = machine.run(&["operator", "credential", "create", "--on-host", "two", "--json"]).json();
    let service = machine.serve(&[]);
    machine.set("TOLLBOOK_URL", &service.url);
    for made in [served, alone] {
        machine.set("TOLLBOOK_OPERATOR_KEY", made["key"].as_str().unwrap());
        let listed = machine.run(&["operator", "credential", "list", "--json"]).json();
        assert_eq!(all(&listed, "label"), ["first key", "one", "two"]);
    }
    let bad = machine.run(&["operator", "credential", "create", "--on-host", ""]).fails(1);
    assert!(bad.contains("[operator."), "{bad}");
}

#[test]
fn a_person_is_erased_by_an_operator_who_was_asked_twice() {
    let (machine, _service) = settled();
    // Somebody else's workspace, and a second owner for it isn't there: the last owner stays.
    let members = machine.run(&["member", "list", "--json"]).json();
    let id = members["items"][0]["user_id"].as_str().unwrap();
    let erase = ["operator", "erase", "Olivia"];
    assert!(machine.run(&erase).fails(2).contains("--yes"));
    assert!(machine.run(&["operator", "erase", id, "--yes"]).fails(1).contains("owner"));

    let mut terminal = Terminal::open(&machine, "tollbook operator erase Olivia; echo \"it ended with $?\"");
    assert!(terminal.shows("Type `erase`").contains(id));
    terminal.types("no\n");
    assert!(terminal.ends().contains("nobody was erased"));
    let mut terminal = Terminal::open(&machine, "tollbook operator erase Olivia; echo \"it ended with $?\"");
    terminal.shows("Type `erase`");
    terminal.types("erase\n");
    let shown = terminal.ends();
    assert!(shown.contains("it ended with 1") && shown.contains("owner"), "{shown}");
}
