//! `tollbook bootstrap`: once, by whichever way the book can be reached.

use reqwest::Method;

use super::machine::{Machine, client, fetch};
use crate::house::CLUSTER;

const BOOTSTRAP: [&str; 6] = ["bootstrap", "--user", "Olivia Owner", "--workspace", "Test", "--json"];

#[test]
fn an_empty_book_answers_once_without_a_service() {
    for machine in [
        Machine::new(),
        Machine::new().with("TOLLBOOK_DATABASE_URL", &CLUSTER.create_database("cli_bootstrap")),
    ] {
        let founded = machine.run(&BOOTSTRAP).json();
        assert!(founded["api_key"].as_str().unwrap().starts_with("tbk_key_"));
        assert!(founded["operator_key"].as_str().unwrap().starts_with("tbk_opr_"));
        for id in ["workspace_id", "user_id"] {
            assert!(uuid::Uuid::parse_str(founded[id].as_str().unwrap()).is_ok());
        }
        let refused = machine.run(&BOOTSTRAP);
        assert_eq!(refused.code, Some(1));
        assert!(refused.err.contains("[instance.already_bootstrapped]"), "{}", refused.err);
    }
}

#[test]
fn a_running_service_is_asked_and_what_it_gave_out_is_good() {
    let mut machine = Machine::new();
    let service = machine.serve(&[]);
    let founded = machine.run(&BOOTSTRAP).json();
    assert!(machine.run(&BOOTSTRAP).fails(1).contains("[instance.already_bootstrapped]"));

    machine.set("TOLLBOOK_URL", &service.url);
    machine.set("TOLLBOOK_API_KEY", founded["api_key"].as_str().unwrap());
    machine.set("TOLLBOOK_OPERATOR_KEY", founded["operator_key"].as_str().unwrap());
    let seen = machine.run(&["workspace", "list", "--json"]).json();
    assert_eq!(seen["items"][0]["id"], founded["workspace_id"]);
    assert!(machine.run(&["projection", "list"]).ok().contains("audit_search"));
}

#[test]
fn of_many_at_once_one_succeeds() {
    let machine = Machine::new();
    let _service = machine.serve(&[]);
    let all: Vec<_> = (0..4).map(|_| machine.command(&BOOTSTRAP).spawn().unwrap()).collect();
    let ended: Vec<_> = all.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let won = ended.iter().filter(|output| output.status.success()).count();
    assert_eq!(won, 1, "{ended:?}");
}

#[test]
fn a_service_that_died_leaves_nothing_in_the_way() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    service.signal("KILL");
    service.ended();
    assert!(machine.data("service.json").exists(), "it had no time to remove it");
    machine.run(&BOOTSTRAP).json();
    // And the next one takes its place.
    let next = machine.serve(&[]);
    assert_eq!(machine.service_file()["pid"], next.pid());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_door_is_shut_to_whoever_lacks_the_credential_and_is_described_nowhere() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    let client = client();
    let body = serde_json::json!({ "user": "Mallory", "workspace": "Mine" });
    for header in ["", "Bearer ", "Bearer 0123456789abcdef", "Basic x"] {
        for (method, path) in [(Method::POST, "/host/bootstrap"), (Method::GET, "/host/status")] {
            let mut request = client.request(method, format!("{}{path}", service.url)).json(&body);
            if !header.is_empty() {
                request = request.header("authorization", header);
            }
            assert_eq!(request.send().await.unwrap().status(), 404, "{path} with `{header}`");
        }
    }
    let described = fetch(&format!("{}/openapi.json", service.url)).await.1;
    assert!(described.contains("/v1/workspaces") && !described.contains("/host/"));
    machine.run(&BOOTSTRAP).json();
}
