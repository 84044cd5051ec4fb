//! Redeeming one-time links, as the pages do it but without a browser.

use serde_json::{Value, json};
use tollbook_journal::{Filter, Position};

use super::browsing::{Browser, Link, html};
use super::given::text;
use crate::house::TestHouse;

/// A link into the house's workspace, for whoever it may concern.
async fn invitation(house: &TestHouse) -> Link {
    let made =
        house.post(&house.path("/invitations"), &house.key, json!({ "role": "member" })).await.expect(201);
    Link::of(&text(&made["one_time_url"]))
}

/// Whoever is signed in has so many wrong tries, from however many addresses. Nobody else is concerned, and
/// least of all the link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tries_wrong_links_is_stopped_from_all_addresses_and_burns_none() {
    let flags = [("limit_links", "3/h"), ("trusted_proxies", "127.0.0.1")];
    let house = TestHouse::sqlite_with(&flags).await;
    let body = json!({ "name": "Elsewhere", "owner": { "name": "Bela Other" } });
    house.post("/v1/workspaces", &house.operator, body).await.expect(201);
    let (mut mallory, mut bela) =
        (Browser::signed_in(&house, "Olivia Owner").await, Browser::signed_in(&house, "Bela Other").await);
    let link = invitation(&house).await;
    let guess = link.guessed();
    let page = mallory.open(&house, reqwest::Method::GET, &guess.path).await;
    for number in 0..3 {
        mallory.address = Some(format!("198.51.100.{number}"));
        // Redeeming at once is a try like looking.
        let path = if number == 1 { format!("{}/redeem", guess.path) } else { guess.path.clone() };
        let refused = mallory.post(&house, &page, &path, &guess, &[]).await;
        assert_eq!(refused.status.as_u16(), 404, "{number}");
        assert!(html(&refused).contains("link.unknown"));
    }
    mallory.address = Some("198.51.100.99".to_owned());
    for tried in [&guess, &link] {
        let stopped = mallory.post(&house, &page, &tried.path, tried, &[]).await;
        assert_eq!(stopped.status.as_u16(), 429);
        let seconds: u64 = stopped.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1180..=1200).contains(&seconds), "{seconds}");
        assert!(html(&stopped).contains("Try again in 20 minutes."), "{}", html(&stopped));
    }
    // At the same address: somebody else, and somebody who isn't signed in.
    bela.address.clone_from(&mallory.address);
    assert_eq!(bela.look(&house, &link).await.status.as_u16(), 200);
    let mut stranger = Browser::at("198.51.100.99");
    let redeemed = stranger.redeem(&house, &link, &[("name", "Nia New")]).await;
    assert_eq!(redeemed.status.as_u16(), 303, "{redeemed:?}");
    assert_eq!(wrong_tries_in_the_book(&house).await, 3);
    house.stop().await;
}

async fn wrong_tries_in_the_book(house: &TestHouse) -> u64 {
    house.app.strangers.finish(&house.app.commands).await;
    let page = house.app.journal.read(Position(0), 1000, &Filter::default()).await.unwrap();
    let samples = page.events.iter().filter(|event| event.event_type == "instance.authentication_refused");
    let samples = samples.map(|event| serde_json::from_str::<Value>(&event.payload).unwrap());
    let of_links = samples.filter(|sample| sample["authentication_refused"]["kind"] == "link");
    of_links.map(|sample| sample["authentication_refused"]["count"].as_u64().unwrap()).sum()
}
