//! One-time links, and who may not redeem them.

use serde_json::json;
use tollbook_aggregates::{LinkPurpose, Role};
use tollbook_testkit::browser;

use super::given::{another_owner, id, link, no_request_tells, sign_in_link, sign_in_link_of};
use crate::house::TestHouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_redeem_a_link_at_once_one_wins() {
    for house in [TestHouse::sqlite().await, TestHouse::postgres().await] {
        let link = sign_in_link(&house).await;
        let seen = browser::run("two_at_once", &json!({ "link": link })).await;
        no_request_tells(&seen, &[&link]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_persons_link_is_refused_and_stays_good_for_them() {
    let house = TestHouse::sqlite().await;
    another_owner(&house, "Bela Other").await;
    let (own, anothers) = (sign_in_link(&house).await, sign_in_link_of(&house, "Bela Other").await);
    let args = json!({ "own": own, "anothers": anothers, "name": "Bela Other" });
    let seen = browser::run("another_person", &args).await;
    no_request_tells(&seen, &[&own, &anothers]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_makes_a_member_of_somebody_new_and_of_who_is_signed_in() {
    let house = TestHouse::sqlite().await;
    another_owner(&house, "Bela Other").await;
    let mut invitations = Vec::new();
    for _ in 0..2 {
        let purpose =
            LinkPurpose::Invitation { workspace_id: id(&house.workspace), role: Role::Member, user_id: None };
        invitations.push(link(&house, purpose).await);
    }
    let own = sign_in_link_of(&house, "Bela Other").await;
    let args = json!({
        "url": house.url, "invitations": invitations, "link": own,
        "workspace": "Test house", "person": "Bela Other",
    });
    let seen = browser::run("invitation", &args).await;
    no_request_tells(&seen, &[&invitations[0], &invitations[1], &own]);
    let members = house.app.authority.look(|live| {
        use tollbook_aggregates::access::World as _;
        let workspace = live.workspace(id(&house.workspace));
        workspace.members().filter(|(_, role)| *role == Role::Member).count()
    });
    assert_eq!(members, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_reset_is_shown_once_to_its_person_signed_in() {
    let house = TestHouse::sqlite().await;
    let body = json!({ "device_label": "Olivia's laptop" });
    let made = house.post(&house.path("/api-keys"), &house.key, body).await.expect(201);
    let old = made["key"].as_str().unwrap();
    let purpose = LinkPurpose::KeyReset {
        workspace_id: id(&house.workspace),
        user_id: id(&house.user),
        api_key_id: id(made["id"].as_str().unwrap()),
    };
    let link = link(&house, purpose).await;
    assert_eq!(
        house.get("/v1/workspaces", old).await.status,
        401,
        "the old one ended when the link was made"
    );

    let own = sign_in_link(&house).await;
    let args = json!({ "url": house.url, "link": link, "own": own, "label": "Olivia's laptop" });
    let seen = browser::run("key_reset", &args).await;
    no_request_tells(&seen, &[&link, &own]);
    let key = seen["key"].as_str().unwrap();
    house.get("/v1/workspaces", key).await.expect(200);
}
