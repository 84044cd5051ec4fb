//! Which credential is sent, where, and what is told to whoever has none.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::machine::{Machine, Service, mode};

/// Signs the machine in, by the file.
fn keep(machine: &Machine, service: &Service) {
    let founded = machine.run(&["bootstrap", "--user", "O", "--workspace", "W", "--json"]).json();
    let kept =
        json!({ "url": service.url, "api_key": founded["api_key"], "workspace_id": founded["workspace_id"] });
    std::fs::write(machine.data("cli.json"), kept.to_string()).unwrap();
    permit(&machine.data("cli.json"), 0o600);
}

fn permit(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn who_is_not_signed_in_is_told_so_with_exit_code_3() {
    let mut machine = Machine::new();
    assert!(machine.run(&["server", "list"]).fails(3).contains("TOLLBOOK_API_KEY"));
    let service = machine.serve(&[]);
    let one =
        ["server", "list", "--workspace", "0197aaaa-0000-7000-8000-000000000001", "--url", &service.url];
    machine.set("TOLLBOOK_API_KEY", "not a key");
    assert!(machine.run(&one).fails(3).contains("[credential.malformed]"));
    // Well formed, and nobody's.
    machine.set("TOLLBOOK_API_KEY", &stranger());
    let refused = machine.run(&one).fails(3);
    assert!(
        refused.contains("[credential.unknown]") && refused.contains("export TOLLBOOK_API_KEY"),
        "{refused}"
    );
}

/// A credential of another house.
fn stranger() -> String {
    let founded = Machine::new().run(&["bootstrap", "--user", "S", "--workspace", "S", "--json"]).json();
    founded["api_key"].as_str().unwrap().to_owned()
}

#[test]
fn a_kept_credential_is_sent_to_its_own_service_only() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    keep(&machine, &service);
    machine.run(&["server", "list"]).ok();
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}", elsewhere.local_addr().unwrap());
    assert!(machine.run(&["server", "list", "--url", &url]).fails(3).contains("is for"));
    assert!(elsewhere.accept().is_err(), "nobody called there");
}

#[test]
fn a_credential_file_that_others_can_read_is_tightened_and_a_link_is_refused() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    keep(&machine, &service);
    let file = machine.data("cli.json");
    permit(&file, 0o644);
    let ran = machine.run(&["server", "list", "--json"]);
    assert!(ran.err.contains("warning") && ran.err.contains("0644"), "{}", ran.err);
    ran.json();
    assert_eq!(mode(&file), 0o600);

    std::fs::rename(&file, machine.data("elsewhere.json")).unwrap();
    std::os::unix::fs::symlink(machine.data("elsewhere.json"), &file).unwrap();
    assert!(machine.run(&["server", "list"]).fails(1).contains("symbolic link"));
}

#[test]
fn where_nothing_answers_is_said() {
    let machine = Machine::new().with("TOLLBOOK_API_KEY", &stranger());
    let refused = machine.run(&["server", "list", "--url", "http://127.0.0.1:1"]).fails(1);
    assert!(refused.contains("nothing answers at http://127.0.0.1:1"), "{refused}");
}

#[test]
fn key_check_knows_our_credentials_offline_and_never_repeats_one() {
    let machine = Machine::new();
    let key = stranger();
    let ran = machine.run_with(&["key", "check", "--json"], &format!("{key}\n"));
    assert!(!ran.out.contains(&key[20..]) && !ran.err.contains(&key[20..]));
    let told = ran.json();
    assert_eq!((&told["kind"], &told["id"]), (&json!("API key"), &json!(key[8..20])));
    let last = if key.ends_with('0') { "1" } else { "0" };
    for wrong in [format!("{}{last}", &key[..68]), key[..40].to_owned(), "ghp_0123".to_owned(), String::new()]
    {
        let ran = machine.run_with(&["key", "check"], &wrong);
        assert!(wrong.len() < 30 || !ran.err.contains(&wrong[24..]), "{}", ran.err);
        ran.fails(1);
    }
    // An argument is visible to everybody on the machine, and is not repeated either.
    let refused = machine.run(&["key", "check", &key]).fails(2);
    assert!(refused.contains("standard input") && !refused.contains(&key[20..]), "{refused}");
    let ran = machine.run(&["key", "list", "--no-such-flag", &key]);
    assert_eq!(ran.code, Some(2));
    assert!(!ran.err.contains(&key[20..]), "{}", ran.err);
}
