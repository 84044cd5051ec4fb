//! Hardening 35: whoever is removed from a workspace has nothing left in it, at once and at every replica.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tollbook::clock::Clock;
use tollbook_aggregates::Role;
use tollbook_testkit::node::Upstream;

use super::super::figures::{ms, print};
use crate::house::TestHouse;
use crate::house::visitor::Visitor;
use crate::http::given::key_of;

/// Somebody new, by an invitation: their browser.
async fn join(house: &TestHouse, at: &TestHouse) -> Visitor {
    let invitation = house.post(&house.path("/invitations"), &house.key, json!({ "role": "member" })).await;
    let link = invitation.expect(201)["one_time_url"].as_str().unwrap().to_owned();
    let mut mia = Visitor::new(&at.url, "Firefox/140.0");
    mia.redeem(&link, &[("name", "Mia Member")]).await.expect(303);
    mia
}

/// Who is called so.
async fn id_of(house: &TestHouse, name: &str) -> String {
    let position = house.app.authority.look(tollbook::authority::Live::next).0 - 1;
    let members = house.get(&house.path(&format!("/members?min_position={position}")), &house.key).await;
    let members = members.expect(200);
    let found = members["items"].as_array().unwrap().iter().find(|item| item["name"] == name);
    found.unwrap()["user_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_member_is_refused_with_all_they_had_at_the_other_replica_too() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let mut worst = Duration::ZERO;
    for _ in 0..5 {
        let mut browser = join(&house, &replica).await;
        assert!(browser.open("/").await.expect(200).html.contains(&house.workspace));
        let user = id_of(&house, "Mia Member").await;
        let key = key_of(&house, user.parse().unwrap(), Role::Member).await.1;
        let made = replica.post(&replica.path("/sessions"), &key, json!({ "loadout_id": loadout })).await;
        let session = made.expect(201);
        let (id, token) = (session["id"].clone(), session["token"].as_str().unwrap().to_owned());
        let ask = json!({ "session_id": id, "tool": "echo" });
        assert_eq!(
            replica.post("/v1/authorize", &token, ask.clone()).await.expect(200)["decision"],
            "permit"
        );

        let remove = house.path(&format!("/members/{user}"));
        house.ask(Method::DELETE, &remove, &house.key, None, &[]).await.expect(200);
        let acknowledged = Instant::now();
        // Recorded decisions and writes: at once, by the session, by the key and in the browser.
        let denied = replica.post("/v1/authorize", &token, ask.clone()).await.expect(200);
        assert_eq!((&denied["decision"], &denied["reason"]), (&json!("deny"), &json!("maker_lost_right")));
        assert_eq!(replica.post("/v1/authorize", &key, ask).await.problem(401), "credential.revoked");
        let again = json!({ "loadout_id": loadout });
        assert_eq!(
            replica.post(&replica.path("/sessions"), &key, again).await.problem(401),
            "credential.revoked"
        );
        let page = browser.open("/").await.expect(200);
        assert!(!page.html.contains(&house.workspace), "{}", page.html);
        // Reads from memory: within a second.
        while replica.get(&replica.path(""), &key).await.status.as_u16() == 200 {
            assert!(acknowledged.elapsed() < Duration::from_secs(1), "reads let them in still");
        }
        worst = worst.max(acknowledged.elapsed());
        assert_eq!(upstream.calls().await.of("echo"), 0);
    }
    print(
        "removed member at the other replica",
        &[("decisions", "at once".into()), ("reads max", ms(worst))],
    );
    replica.stop().await;
    house.stop().await;
}

/// What they were elsewhere, they are still; and coming back brings nothing back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_member_who_is_invited_again_begins_with_nothing() {
    for house in [TestHouse::sqlite().await, TestHouse::postgres().await] {
        let mut browser = join(&house, &house).await;
        let user = id_of(&house, "Mia Member").await;
        let key = key_of(&house, user.parse().unwrap(), Role::Member).await.1;
        let remove = house.path(&format!("/members/{user}"));
        house.ask(Method::DELETE, &remove, &house.key, None, &[]).await.expect(200);
        assert_eq!(
            browser.open("/sign-ins").await.expect(200).heading(),
            "Your sign-ins",
            "they are who they are"
        );
        let again = house.post(&house.path("/invitations"), &house.key, json!({ "role": "member" })).await;
        let link = again.expect(201)["one_time_url"].as_str().unwrap().to_owned();
        browser.redeem(&link, &[]).await.expect(303);
        assert_eq!(id_of(&house, "Mia Member").await, user, "the same person");
        let refused = house.get(&house.path(""), &key).await;
        assert_eq!(refused.problem(401), "credential.revoked");
        house.stop().await;
    }
}
