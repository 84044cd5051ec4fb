//! Settings, what is shown of them, and what is generated from the code.

use super::machine::Machine;

#[test]
fn an_unknown_setting_is_named_with_its_file() {
    let machine = Machine::new();
    std::fs::write(machine.path("tollbook.toml"), "listne = \"127.0.0.1:1\"\n").unwrap();
    let refused = machine.run(&["serve"]).fails(2);
    assert!(refused.contains("tollbook.toml") && refused.contains("`listne`"), "{refused}");
}

#[test]
fn a_value_that_does_not_fit_is_named_with_where_it_came_from() {
    let machine = Machine::new().with("TOLLBOOK_BODY_LIMIT", "large");
    let refused = machine.run(&["config"]).fails(2);
    assert!(refused.contains("`body_limit`") && refused.contains("TOLLBOOK_BODY_LIMIT"), "{refused}");
    assert!(machine.run(&["config", "--config", "nowhere.toml"]).fails(2).contains("nowhere.toml"));
}

#[test]
fn a_service_on_every_address_must_be_told_the_url_that_clients_reach_it_by() {
    let machine = Machine::new();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let refused = machine.run(&["serve", "--listen", listen]).fails(2);
        assert!(refused.contains(listen) && refused.contains("set `public_url`"), "{refused}");
    }
    let shown =
        machine.run(&["config", "--json", "--listen", "0.0.0.0:7070", "--public-url", "https://t.example"]);
    assert_eq!(shown.json()["public_url"]["value"], "https://t.example");
    assert!(!machine.data("").exists(), "it wasn't started");
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    // An empty variable is an unset one.
    let machine = Machine::new()
        .with("TOLLBOOK_LOG", "warn")
        .with("TOLLBOOK_WORKERS", "3")
        .with("TOLLBOOK_BODY_LIMIT", "")
        .with("TOLLBOOK_URL", "");
    std::fs::write(machine.path("tollbook.toml"), "log = \"error\"\nworkers = 4\nbody_limit = 5\n").unwrap();
    let shown = machine.run(&["config", "--json", "--log", "debug"]).json();
    assert_eq!(shown["log"], serde_json::json!({ "value": "debug", "from": "--log" }));
    assert_eq!(shown["workers"], serde_json::json!({ "value": "3", "from": "TOLLBOOK_WORKERS" }));
    assert_eq!(
        shown["body_limit"],
        serde_json::json!({ "value": "5", "unit": "bytes", "from": "tollbook.toml" })
    );
    assert_eq!(shown["public_url"]["value"], "http://127.0.0.1:7070/");
}

#[test]
fn numbers_have_units_and_it_is_said_whose_settings_are_shown() {
    let mut machine = Machine::new();
    let shown = machine.run(&["config"]);
    assert_eq!(shown.err, "");
    let shown = shown.ok();
    let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(
        line("stop_deadline").contains("10 s") && line("body_limit").contains("1048576 bytes"),
        "{shown}"
    );
    let json = machine.run(&["config", "--json"]).json();
    assert_eq!(json["stop_deadline"], serde_json::json!({ "value": "10", "unit": "s", "from": "default" }));

    let service = machine.serve(&["--stop-deadline=3"]);
    let shown = machine.run(&["config"]);
    assert!(shown.err.contains("runs here") && shown.err.contains(&service.url), "{}", shown.err);
    machine.set("TOLLBOOK_DATA_DIR", machine.path("elsewhere").to_str().unwrap());
    machine.set("TOLLBOOK_URL", &service.url);
    machine.set("TOLLBOOK_API_KEY", "any");
    let shown = machine.run(&["config"]);
    assert!(shown.err.contains("commands talk to") && shown.err.contains(&service.url), "{}", shown.err);
}

#[test]
fn what_is_misspelt_is_said() {
    let machine = Machine::new().with("TOLLBOOK_LISTNE", "127.0.0.1:1").with("TOLLBOOK_SESSION_TOKEN", "x");
    let shown = machine.run(&["config"]);
    assert_eq!(shown.err, "warning: TOLLBOOK_LISTNE is no setting of this version and changes nothing\n");
    std::fs::write(machine.path("tollbook.toml"), "log = \"info\"\n\nworkers = = 3\n").unwrap();
    let refused = Machine::run(&machine, &["migrate"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("tollbook.toml") && refused.err.contains("line 3"), "{}", refused.err);
}

#[test]
fn a_directory_without_a_book_has_nothing_to_be_healthy() {
    let machine = Machine::new();
    let told = machine.run(&["doctor"]).ok();
    assert!(told.lines().last().unwrap().starts_with("No book here yet"), "{told}");
    assert_eq!(std::fs::read_dir(machine.path("")).unwrap().count(), 0);
    machine.run(&["bootstrap", "--user", "O", "--workspace", "W"]).ok();
    let told = machine.run(&["doctor"]).ok();
    assert!(told.lines().last().unwrap().contains(" checks"), "{told}");
}

#[test]
fn secrets_are_masked_in_every_form() {
    let kek = "5eed".repeat(16);
    let machine = Machine::new()
        .with("TOLLBOOK_KEK", &kek)
        .with("TOLLBOOK_PEPPER", &kek)
        .with("TOLLBOOK_DATABASE_URL", "postgres://me:hunter2@localhost/book");
    for args in [&["config"][..], &["config", "--json"]] {
        let shown = machine.run(args).ok();
        assert!(shown.contains("********"));
        for secret in ["5eed", "hunter2"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let wrong = Machine::new().with("TOLLBOOK_DATABASE_URL", "mysql://me:hunter2@localhost/book");
    assert!(!wrong.run(&["config"]).fails(2).contains("hunter2"));
}

#[test]
fn the_committed_description_is_what_the_code_says() {
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/tollbook.json")).unwrap();
    let generated = Machine::new().run(&["openapi"]).ok();
    assert!(generated == committed, "openapi/tollbook.json is stale: make openapi");
}

#[test]
fn shells_learn_our_words() {
    let machine = Machine::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(machine.run(&["completions", shell]).ok().contains("bootstrap"), "{shell}");
    }
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let machine = Machine::new();
    for args in [
        &["frobnicate"][..],
        &["session", "create"],
        &["session", "create", "--loadout", "l", "--expires-in", "8"],
        &["server", "add", "name", "no url"],
        &["--url", "ftp://x", "server", "list"],
        &[],
    ] {
        let ran = machine.run(args);
        // An `ftp:` URL is found out when a client is made of it: signing in comes first.
        let expected = if args.contains(&"ftp://x") { 3 } else { 2 };
        assert_eq!(ran.code, Some(expected), "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{args:?}");
    }
    assert!(machine.run(&["--help"]).ok().contains("Exit codes: 0 done"));
}

#[test]
fn nothing_is_left_behind_by_asking() {
    let machine = Machine::new();
    for args in [&["config"][..], &["openapi"], &["server", "list"]] {
        machine.run(args);
    }
    assert_eq!(std::fs::read_dir(machine.path("")).unwrap().count(), 0);
}
