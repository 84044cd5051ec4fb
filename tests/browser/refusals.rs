//! What is refused, and the way on from there.

use serde_json::json;
use tollbook_aggregates::{LinkPurpose, Role};
use tollbook_testkit::browser;

use super::given::{id, link, sign_in_link, sign_in_links};
use crate::house::TestHouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_knows_who_asks_and_leads_on() {
    let house = TestHouse::sqlite().await;
    let mut invitations = Vec::new();
    for _ in 0..2 {
        let purpose =
            LinkPurpose::Invitation { workspace_id: id(&house.workspace), role: Role::Member, user_id: None };
        invitations.push(link(&house, purpose).await);
    }
    let links = sign_in_links(&house, 3).await;
    let args = json!({
        "url": house.url, "links": links, "invitations": invitations, "workspace": "Test house",
        "person": "Olivia Owner",
    });
    browser::run("refusals", &args).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_keeps_what_was_typed_and_says_what_is_wrong_with_it() {
    let house = TestHouse::empty().await;
    let (founding, _) = tollbook::founding::first_owners_link(&house.app).unwrap();
    let founding = tollbook::links::url(&house.app.config.public_url, &founding);
    browser::run("typed_again", &json!({ "url": house.url, "founding": founding })).await;
    let workspaces = house.app.authority.look(|live| live.workspaces().count());
    assert_eq!(workspaces, 1, "what was refused founded nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_answered_is_told_so() {
    let house = TestHouse::sqlite().await;
    let links = [sign_in_link(&house).await, sign_in_link(&house).await];
    browser::run("no_answer", &json!({ "url": house.url, "links": links })).await;
}
