//! Which credential is sent, where, and what is told to whoever has none.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::machine::{Machine, Ran, Service, mode};

/// Signs the machine in, by `tollbook login`; answers with the key.
fn keep(machine: &Machine, service: &Service) -> String {
    let founded = machine.run(&["bootstrap", "--user", "O", "--workspace", "W", "--json"]).json();
    let key = founded["api_key"].as_str().unwrap().to_owned();
    login(machine, &service.url, &key).ok();
    key
}

fn login(machine: &Machine, url: &str, key: &str) -> Ran {
    let ran = machine.run_with(&["login", "--with-api-key", "--server", url], &format!("{key}\n"));
    assert!(
        key.len() < 60 || !(ran.out.contains(&key[20..]) || ran.err.contains(&key[20..])),
        "it is printed"
    );
    ran
}

/// The file that is kept.
fn file(machine: &Machine) -> PathBuf {
    machine.path("home/.tollbook/state.json")
}

fn permit(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn who_is_not_signed_in_is_told_so_with_exit_code_3() {
    let mut machine = Machine::new();
    for command in [&["server", "list"][..], &["status"], &["projection", "list"]] {
        assert!(machine.run(command).fails(3).contains("tollbook login --with-api-key"), "{command:?}");
    }
    let service = machine.serve(&[]);
    let one =
        ["server", "list", "--workspace", "0197aaaa-0000-7000-8000-000000000001", "--url", &service.url];
    machine.set("TOLLBOOK_API_KEY", "not a key");
    assert!(machine.run(&one).fails(3).contains("[credential.malformed]"));
    // Well formed, and nobody's.
    machine.set("TOLLBOOK_API_KEY", &stranger());
    let refused = machine.run(&one).fails(3);
    assert!(refused.contains("[credential.unknown]") && refused.contains("tollbook login"), "{refused}");
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
    assert!(machine.run(&["status", "--url", &url]).fails(3).contains("login"));
    assert!(elsewhere.accept().is_err(), "nobody called there");
}

#[test]
fn who_signs_in_is_known_until_they_sign_out() {
    let mut machine = Machine::new();
    let service = machine.serve(&[]);
    let key = keep(&machine, &service);
    assert_eq!((mode(&file(&machine)), mode(file(&machine).parent().unwrap())), (0o600, 0o700));
    let status = machine.run(&["status", "--json"]).json();
    assert_eq!(status["store"], "file");
    assert_eq!(status["place"], file(&machine).to_str().unwrap());
    assert_eq!((&status["server"], &status["workspace"]), (&json!(service.url), &json!("W")));
    assert_eq!((&status["credential"], &status["role"]), (&json!(key[..20]), &json!("owner")));
    assert!(status["user_id"].is_string() && status["workspace_id"].is_string(), "{status:#}");
    assert!(!status.to_string().contains(&key[20..]), "the prefix only");
    machine.run(&["server", "list", "--url", &service.url]).ok();
    machine.run(&["workspace", "list"]).ok();
    // The environment goes first, and says so.
    machine.set("TOLLBOOK_API_KEY", &key);
    assert_eq!(machine.run(&["status", "--json"]).json()["store"], "environment");
    machine.unset("TOLLBOOK_API_KEY");

    assert!(machine.run(&["logout"]).ok().contains(&service.url));
    assert!(!file(&machine).exists());
    machine.run(&["status"]).fails(3);
    machine.run(&["logout"]).ok();
}

#[test]
fn nothing_is_kept_that_the_service_does_not_know() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    assert!(login(&machine, &service.url, &stranger()).fails(3).contains("[credential.unknown]"));
    assert!(login(&machine, &service.url, "not a key").fails(3).contains("nothing was kept"));
    assert!(login(&machine, "http://127.0.0.1:1", &stranger()).code == Some(1));
    assert!(!file(&machine).exists());
    // Never from an argument.
    let key = stranger();
    let refused = machine.run(&["login", "--with-api-key", &key]).fails(2);
    assert!(refused.contains("standard input") && !refused.contains(&key[20..]), "{refused}");
}

#[test]
fn operator_signs_in_beside_the_member() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    let founded = machine.run(&["bootstrap", "--user", "O", "--workspace", "W", "--json"]).json();
    for credential in ["operator_key", "api_key"] {
        login(&machine, &service.url, founded[credential].as_str().unwrap()).ok();
    }
    machine.run(&["projection", "list"]).ok();
    machine.run(&["server", "list"]).ok();
}

#[test]
fn logins_to_two_services_at_the_same_time_are_both_kept() {
    let machine = Machine::new();
    let other = Machine::new();
    let services = [machine.serve(&[]), other.serve(&[])];
    let urls = services.each_ref().map(|service| service.url.as_str());
    let keys = [&machine, &other].map(|of| {
        let founded = of.run(&["bootstrap", "--user", "O", "--workspace", "W", "--json"]).json();
        founded["api_key"].as_str().unwrap().to_owned()
    });
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for (url, key) in urls.iter().zip(&keys) {
                let machine = &machine;
                scope.spawn(move || login(machine, url, key).ok());
            }
        });
        for url in urls {
            let status = machine.run(&["status", "--json", "--url", url]).json();
            assert_eq!(status["server"], url);
            machine.run(&["logout", "--server", url]).ok();
        }
    }
}

#[expect(clippy::print_stdout, reason = "what a test leaves out is said")]
fn skipped(what: &str) {
    println!("skipped: {what}");
}

/// Hardening 68, with the command, real files and a real service.
#[test]
fn state_file_that_somebody_else_may_have_touched_is_not_used() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    let key = keep(&machine, &service);
    let (file, home) = (file(&machine), machine.path("home"));
    let dir = file.parent().unwrap();
    for (path, wide, tight) in [(file.as_path(), 0o644, 0o600), (dir, 0o755, 0o700)] {
        permit(path, wide);
        let ran = machine.run(&["server", "list", "--json"]);
        assert!(ran.err.contains("warning") && ran.err.contains(&format!("{wide:04o}")), "{}", ran.err);
        ran.json();
        assert_eq!(mode(path), tight);
    }
    permit(&home, 0o777);
    assert!(machine.run(&["server", "list"]).fails(1).contains("everybody may write to"));
    permit(&home, 0o700);
    permit(dir, 0o777);
    assert!(machine.run(&["status"]).fails(1).contains("everybody may write to"));
    permit(dir, 0o700);
    if rustix::process::geteuid().is_root() {
        for path in [file.as_path(), dir] {
            std::os::unix::fs::chown(path, Some(12345), None).unwrap();
            assert!(machine.run(&["server", "list"]).fails(1).contains("belongs to user 12345"));
            std::os::unix::fs::chown(path, Some(0), None).unwrap();
        }
    } else {
        skipped("a state file of another owner, which only root can make");
    }
    machine.run(&["server", "list"]).ok();

    for (path, moved) in [(file.as_path(), machine.path("elsewhere.json")), (dir, machine.path("elsewhere"))]
    {
        std::fs::rename(path, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, path).unwrap();
        for command in [&["server", "list"][..], &["status"], &["logout"]] {
            assert!(machine.run(command).fails(1).contains("symbolic link"), "{command:?}");
        }
        std::fs::remove_file(path).unwrap();
        std::fs::rename(&moved, path).unwrap();
    }
    // Damaged: said, and left as it is, also by a new sign-in.
    std::fs::write(&file, "{").unwrap();
    assert!(machine.run(&["server", "list"]).fails(1).contains("damaged"));
    assert!(login(&machine, &service.url, &key).fails(1).contains("damaged"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{");
}

#[test]
fn state_directory_can_be_said_and_a_data_directory_that_is_named_has_its_own() {
    let mut machine = Machine::new();
    let service = machine.serve(&[]);
    let key = keep(&machine, &service);
    machine.set("TOLLBOOK_STATE_DIR", "state");
    assert!(machine.run(&["status"]).fails(2).contains("absolute"));
    let state = machine.path("state").to_str().unwrap().to_owned();
    machine.set("TOLLBOOK_STATE_DIR", &state);
    machine.run(&["status"]).fails(3);
    login(&machine, &service.url, &key).ok();
    assert!(machine.path("state/state.json").exists());
    machine.unset("TOLLBOOK_STATE_DIR");
    // As `tollbook demo` leaves it.
    std::fs::rename(file(&machine), machine.data("state.json")).unwrap();
    let place = machine.run(&["status", "--json"]).json()["place"].clone();
    assert_eq!(place, machine.data("state.json").to_str().unwrap());
    // One that merely lies in the current directory isn't used.
    machine.unset("TOLLBOOK_DATA_DIR");
    machine.run(&["status"]).fails(3);
    // Without a home, the environment does.
    machine.set("HOME", "");
    assert!(
        machine
            .run_with(&["login", "--with-api-key", "--server", &service.url], &key)
            .fails(1)
            .contains("HOME")
    );
    machine.set("TOLLBOOK_API_KEY", &key);
    machine.run(&["server", "list", "--url", &service.url]).ok();
}

#[test]
fn where_nothing_answers_is_said() {
    let machine = Machine::new().with("TOLLBOOK_API_KEY", &stranger());
    let refused = machine.run(&["server", "list", "--url", "http://127.0.0.1:1"]).fails(1);
    assert!(refused.contains("nothing answers at http://127.0.0.1:1"), "{refused}");
    let refused = machine.run(&["server", "list", "--url", "https://no-such-host.invalid"]).fails(1);
    assert!(refused.contains("`no-such-host.invalid` has no address"), "{refused}");
    let service = machine.serve(&[]);
    let encrypted = service.url.replace("http://", "https://");
    let refused = machine.run(&["server", "list", "--url", &encrypted]).fails(1);
    assert!(refused.contains("speaks no TLS") && refused.contains("http://"), "{refused}");
}

#[test]
fn who_asks_too_much_is_told_when_to_try_again() {
    let mut machine = Machine::new();
    let service = machine.serve(&["--limit-key=1/h"]);
    keep(&machine, &service);
    machine.unset("TOLLBOOK_URL");
    let refused = machine.run(&["server", "list"]).fails(1);
    assert!(refused.contains("Try again in ") && refused.contains(" s. [limit.exceeded]"), "{refused}");
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

#[test]
fn who_is_refused_is_told_what_to_do_with_the_exit_code_that_says_so() {
    let mut machine = Machine::new();
    let service = machine.serve(&[]);
    keep(&machine, &service);
    let key = |label, role| {
        let made = machine.run(&["key", "create", "--device-label", label, "--role", role, "--json"]).json();
        made["key"].as_str().unwrap().to_owned()
    };
    let (auditor, ended) = (key("reader", "auditor"), key("ended", "member"));
    machine.run(&["key", "revoke", "ended"]).ok();
    let elsewhere = "0197aaaa-0000-7000-8000-000000000001";
    let refused = machine.run(&["server", "list", "--workspace", elsewhere]).fails(4);
    assert!(refused.contains("belongs to workspace") && refused.contains("tollbook login"), "{refused}");

    machine.set("TOLLBOOK_API_KEY", &auditor);
    let refused = machine.run(&["server", "add", "mine", "http://127.0.0.1:9/mcp"]).fails(4);
    assert!(refused.contains("an owner or an admin") && refused.contains("`tollbook status`"), "{refused}");
    machine.set("TOLLBOOK_API_KEY", &ended);
    let refused = machine.run(&["server", "list"]).fails(3);
    assert!(refused.contains("[credential.revoked]") && refused.contains("tollbook login"), "{refused}");
    machine.set("TOLLBOOK_API_KEY", &auditor[..40]);
    let refused = machine.run(&["server", "list"]).fails(3);
    assert!(refused.contains("`tollbook key check`") && !refused.contains(&auditor[24..40]), "{refused}");
}

#[test]
fn no_credential_goes_out_in_the_clear_unless_somebody_says_so() {
    let mut machine = Machine::new();
    let service = machine.serve(&[]);
    let key = keep(&machine, &service);
    // Every address of this machine is no loopback address, and reaches the same service.
    let open = service.url.replace("127.0.0.1", "0.0.0.0");
    let refused = login(&machine, &open, &key).fails(2);
    assert!(refused.contains("not encrypted") && refused.contains("--insecure-http"), "{refused}");
    machine.set("TOLLBOOK_API_KEY", &key);
    let list = ["server", "list", "--url", &open];
    assert!(machine.run(&list).fails(2).contains("not encrypted"));
    machine.run(&["server", "list", "--url", &open, "--insecure-http"]).ok();
    machine.set("TOLLBOOK_INSECURE_HTTP", "true");
    machine.run(&list).ok();
    login(&machine, &open, &key).ok();
    for no in ["false", ""] {
        machine.set("TOLLBOOK_INSECURE_HTTP", no);
        machine.run(&list).fails(2);
    }
}
