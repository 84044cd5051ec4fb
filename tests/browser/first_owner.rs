//! An empty book, and who gets to found something on it.

use serde_json::json;
use tollbook::founding;
use tollbook::links::Browser;
use tollbook_testkit::browser;

use super::given::no_request_tells;
use crate::cli::machine::{Machine, mode};
use crate::house::TestHouse;

const BOOTSTRAP: [&str; 6] = ["bootstrap", "--user", "Boot", "--workspace", "Strap", "--json"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_makes_a_link_that_founds_once_and_tells_no_log() {
    let mut machine = Machine::new();
    let service = machine.serve(&["--log=debug"]);
    let file = machine.data("first-owner-link");
    service.logs(&file.display().to_string());
    assert_eq!(mode(&file), 0o600, "only its owner can read it");
    let link = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(link.starts_with(&format!("{}/otl/", service.url)), "{link}");

    let seen = browser::run("first_owner", &json!({ "url": service.url, "link": link })).await;
    no_request_tells(&seen, &[&link]);
    assert!(machine.run(&BOOTSTRAP).fails(1).contains("[instance.already_bootstrapped]"));

    let operator = seen["operator"].as_str().unwrap();
    machine.set("TOLLBOOK_URL", &service.url);
    machine.set("TOLLBOOK_OPERATOR_KEY", operator);
    assert!(machine.run(&["projection", "list"]).ok().contains("audit_search"));
    // Whoever has the machine signs people in.
    let made = machine.run(&["user", "link", "Olivia Owner", "--json"]).json();
    assert!(made["one_time_url"].as_str().unwrap().contains("/otl/"));
    assert!(machine.run(&["user", "link", "Nobody"]).fails(1).contains("[not_found]"));

    service.signal("TERM");
    let log = service.rest_of_log();
    assert!(!file.exists(), "a link that is worth nothing isn't left about");
    let cookie = seen["cookies"][0]["value"].as_str().unwrap();
    for secret in [link.split_once('#').unwrap().1, operator, cookie] {
        assert!(!log.contains(secret), "the log tells a secret");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_who_found_at_once_by_link_and_by_command_one_wins() {
    let house = TestHouse::empty().await;
    let (link, _) = founding::first_owners_link(&house.app).unwrap();
    let browser = Browser { address: [127, 0, 0, 1].into(), user_agent: None };
    let by_link = async || {
        let founded = founding::found_by_link(&house.app, &link, "Link", "By link", browser).await;
        founded.map(drop).map_err(|problem| problem.code)
    };
    let by_command = async || {
        let founded = founding::bootstrap(&house.app, "Command", "By command").await;
        founded.map(drop).map_err(|problem| problem.code)
    };
    let founded = tokio::join!(by_link(), by_command(), by_link(), by_command(), by_link(), by_command());
    let all = [founded.0, founded.1, founded.2, founded.3, founded.4, founded.5];
    assert_eq!(all.iter().filter(|founded| founded.is_ok()).count(), 1, "{all:?}");
    for refused in all.iter().filter_map(|founded| founded.as_ref().err()) {
        assert!(["link.redeemed", "instance.already_bootstrapped"].contains(&refused.as_str()), "{refused}");
    }
    assert!(founding::first_owners_link(&house.app).is_none(), "there is a first owner now");
    assert_eq!(house.app.authority.look(|live| live.workspaces().count()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_owners_link_is_good_for_an_hour() {
    let house = TestHouse::empty().await;
    let (link, expires_at) = founding::first_owners_link(&house.app).unwrap();
    founding::may_found(&house.app, &link).await.unwrap();
    house.app.clock.set_ahead(expires_at - house.app.clock.now());
    assert_eq!(founding::may_found(&house.app, &link).await.unwrap_err().code, "link.expired");
}
