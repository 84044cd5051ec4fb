//! Redeeming one-time links, as the pages do it but without a browser.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tollbook::clock::Clock;
use tollbook::credential::{Credential, Kind};
use tollbook_aggregates::{Role, UserId};
use tollbook_journal::{Filter, Position};

use super::given::{Member, member, text, upstream};
use crate::house::TestHouse;
use crate::house::visitor::{Page, Visitor, path_and_secret};

super::on_both_books! {
    reset_key_is_minted_anew_by_its_holder_alone_and_its_sessions_go_on
    invitation_makes_one_member_and_no_second
    links_end_by_themselves_and_with_what_they_hang_on
}

/// A browser in which nobody has signed in.
fn visitor(house: &TestHouse) -> Visitor {
    Visitor::new(&house.url, "Firefox/140.0")
}

/// One in which this person has.
async fn signed_in(house: &TestHouse, person: &str) -> Visitor {
    let link = tollbook::host::sign_in_link(&house.app, person).await.unwrap().one_time_url;
    let mut visitor = visitor(house);
    visitor.redeem(&link, &[]).await.expect(303);
    visitor
}

async fn invitation(house: &TestHouse, by: &str) -> String {
    let made = house.post(&house.path("/invitations"), by, json!({ "role": "member" })).await.expect(201);
    text(&made["one_time_url"])
}

/// A member whose key was reset, and the link.
async fn reset(house: &TestHouse, by: &str) -> (Member, String) {
    let mia = member(house, Role::Member).await;
    let made =
        house.post(&house.path(&format!("/api-keys/{}/reset", mia.key_id)), by, json!({})).await.expect(201);
    (mia, text(&made["one_time_url"]))
}

/// What the page of a link says to whoever posts its secret.
async fn look(visitor: &mut Visitor, link: &str) -> Page {
    let (path, secret) = path_and_secret(link);
    private(visitor.open(path).await.expect(200), secret);
    private(visitor.post(path, &[("secret", secret)]).await, secret)
}

/// Redeems it by the form of the page before.
async fn redeem(visitor: &mut Visitor, link: &str) -> Page {
    let (path, secret) = path_and_secret(link);
    private(visitor.post(&format!("{path}/redeem"), &[("secret", secret), ("name", "Nia New")]).await, secret)
}

/// Nothing on the way keeps the page, it tells nobody where it was, and the link's secret stands in no address.
#[track_caller]
fn private(page: Page, secret: &str) -> Page {
    for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
        assert_eq!(page.headers[name], value, "{page:?}");
    }
    for (name, value) in &page.headers {
        assert!(!value.to_str().unwrap().contains(secret), "{name}");
    }
    let beside = page.html.replace(&format!("name=\"secret\" value=\"{secret}\""), "");
    assert!(!beside.contains(secret), "{beside}");
    page
}

#[track_caller]
fn refused(page: &Page, status: u16, code: &str) {
    assert_eq!(page.status.as_u16(), status, "{}", page.html);
    assert!(page.html.contains(&format!("<code>{code}</code>")), "{code}: {}", page.html);
}

/// The new key, on the page that shows it.
fn minted(page: &Page) -> String {
    let (_, from) = page.html.split_once("tbk_key_").unwrap_or_else(|| panic!("a key: {}", page.html));
    let rest: String = from.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!("tbk_key_{rest}")
}

async fn may_call(house: &TestHouse, session: &Value) -> bool {
    let body = json!({ "session_id": session["id"], "tool": "echo" });
    house.post("/v1/authorize", &text(&session["token"]), body).await.expect(200)["decision"] == "permit"
}

async fn reset_key_is_minted_anew_by_its_holder_alone_and_its_sessions_go_on(house: TestHouse) {
    let mia = member(&house, Role::Member).await;
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let body = json!({ "loadout_id": house.loadout(&server, &["echo"]).await });
    let session = house.post(&house.path("/sessions"), &mia.key, body).await.expect(201);
    assert!(may_call(&house, &session).await);
    let reset = house.path(&format!("/api-keys/{}/reset", mia.key_id));
    let link = text(&house.post(&reset, &house.key, json!({})).await.expect(201)["one_time_url"]);
    assert!(!may_call(&house, &session).await);
    // Whoever opens what they see: chats that show a preview, mail that is scanned.
    let (path, secret) = path_and_secret(&link);
    for method in [Method::GET, Method::HEAD, Method::GET, Method::HEAD] {
        let mut bot = visitor(&house);
        let request = bot.request(method, path);
        private(bot.send(request).await.expect(200), secret);
    }
    // Somebody else, who goes as far as to redeem it.
    let mut olivia = signed_in(&house, "Olivia Owner").await;
    refused(&look(&mut olivia, &link).await, 403, "link.another_person");
    olivia.open(path).await;
    refused(&redeem(&mut olivia, &link).await, 403, "link.another_person");
    // Somebody who isn't signed in, such as the admin who has the link. They are told how; it stays good.
    let mut stranger = visitor(&house);
    let told = look(&mut stranger, &link).await;
    refused(&told, 403, "link.sign_in_first");
    assert!(told.html.contains("tollbook user link NAME") && told.html.contains("href=\"/sign-in\""));
    stranger.open(path).await;
    refused(&redeem(&mut stranger, &link).await, 403, "link.sign_in_first");
    assert!(!may_call(&house, &session).await, "nothing was used up, and nothing minted");

    let mut holder = signed_in(&house, &mia.user_id.to_string()).await;
    look(&mut holder, &link).await.expect(200);
    look(&mut holder, &link).await.expect(200);
    let key = minted(&redeem(&mut holder, &link).await.expect(200));
    house.get(&house.path(""), &key).await.expect(200);
    assert!(may_call(&house, &session).await, "it is the same key");
    let old = house.get(&house.path(""), &mia.key).await;
    assert!(text(&old.body["remediation"]["action"]).contains("newer secret"), "{:#}", old.body);
    assert_eq!(old.problem(401), "credential.revoked");
    refused(&redeem(&mut holder, &link).await, 410, "link.redeemed");
    house.get(&house.path(""), &key).await.expect(200);
}

async fn invitation_makes_one_member_and_no_second(house: TestHouse) {
    let link = invitation(&house, &house.key).await;
    let (mut nia, mut noa) = (visitor(&house), visitor(&house));
    for visitor in [&mut nia, &mut noa] {
        look(visitor, &link).await.expect(200);
    }
    let joined = redeem(&mut nia, &link).await.expect(303);
    assert!(joined.headers["location"] == "/" && nia.sign_in().is_some());
    refused(&redeem(&mut noa, &link).await, 410, "link.redeemed");
    assert!(noa.sign_in().is_none());
    let head = house.app.journal.head().await.unwrap().next.0 - 1;
    let members = house.path(&format!("/members?min_position={head}"));
    let members = house.get(&members, &house.key).await.expect(200);
    let named = members["items"].as_array().unwrap().iter().filter(|item| item["name"] == "Nia New");
    assert_eq!(named.map(|item| text(&item["role"])).collect::<Vec<_>>(), ["member"]);
}

async fn links_end_by_themselves_and_with_what_they_hang_on(house: TestHouse) {
    // With the admin's key that made it, and with the admin.
    let admin = member(&house, Role::Admin).await;
    let (invited, (mia, of_admin)) = (invitation(&house, &admin.key).await, reset(&house, &admin.key).await);
    let mut holder = signed_in(&house, &mia.user_id.to_string()).await;
    look(&mut holder, &of_admin).await.expect(200);
    house
        .post(&house.path(&format!("/api-keys/{}/revoke", admin.key_id)), &house.key, json!({}))
        .await
        .expect(200);
    refused(&look(&mut holder, &of_admin).await, 410, "link.maker_lost_right");
    refused(
        &redeem(&mut visitor_with_form(&house, &invited).await, &invited).await,
        410,
        "link.maker_lost_right",
    );
    // With the key that it would mint a secret of.
    let (ann, link) = reset(&house, &house.key).await;
    let mut holder = signed_in(&house, &ann.user_id.to_string()).await;
    house
        .post(&house.path(&format!("/api-keys/{}/revoke", ann.key_id)), &house.key, json!({}))
        .await
        .expect(200);
    refused(&look(&mut holder, &link).await, 410, "link.pointless");
    // With another reset, and after a quarter of an hour.
    let (ben, first) = reset(&house, &house.key).await;
    let again = house.path(&format!("/api-keys/{}/reset", ben.key_id));
    let second = text(&house.post(&again, &house.key, json!({})).await.expect(201)["one_time_url"]);
    let mut holder = signed_in(&house, &ben.user_id.to_string()).await;
    let superseded = look(&mut holder, &first).await;
    assert_eq!(superseded.status.as_u16(), 410, "{}", superseded.html);
    look(&mut holder, &second).await.expect(200);
    house.app.clock.set_ahead(TimeDelta::minutes(15));
    refused(&redeem(&mut holder, &second).await, 410, "link.expired");
}

/// One that has seen the link's first page, and so can send its form.
async fn visitor_with_form(house: &TestHouse, link: &str) -> Visitor {
    let mut visitor = visitor(house);
    visitor.open(path_and_secret(link).0).await.expect(200);
    visitor
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_redeem_at_once_one_has_the_key_on_one_replica() {
    let house = TestHouse::sqlite().await;
    race(&house, &house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_redeem_at_once_one_has_the_key_on_two_replicas() {
    let house = TestHouse::postgres().await;
    let other = house.replica(Clock::default()).await;
    race(&house, &other).await;
    other.stop().await;
    house.stop().await;
}

async fn race(one: &TestHouse, other: &TestHouse) {
    for _ in 0..8 {
        let (mia, link) = reset(one, &one.key).await;
        let person = mia.user_id.to_string();
        let (mut here, mut there) = (signed_in(one, &person).await, signed_in(other, &person).await);
        look(&mut here, &link).await.expect(200);
        look(&mut there, &link).await.expect(200);
        let (first, second) = tokio::join!(redeem(&mut here, &link), redeem(&mut there, &link));
        let (won, lost) = if first.status.as_u16() == 200 { (first, second) } else { (second, first) };
        refused(&lost, 410, "link.redeemed");
        assert!(!lost.html.contains("tbk_key_"));
        let key = minted(&won.expect(200));
        for house in [one, other] {
            house.get(&house.path(""), &key).await.expect(200);
            house.get(&house.path(""), &mia.key).await.problem(401);
        }
        assert_eq!(secrets_of(one, mia.user_id).await, 2, "the first one, and one that was minted");
    }
}

/// How many secrets were ever made for this person's key, by the book.
async fn secrets_of(house: &TestHouse, user_id: UserId) -> usize {
    let page = house.app.journal.read(Position(0), 1000, &Filter::default()).await.unwrap();
    let keys = |event: &&tollbook_journal::Recorded| event.event_type == "api_key.created";
    let own = |event: &&tollbook_journal::Recorded| event.payload.contains(&user_id.to_string());
    let key = page.events.iter().filter(keys).find(own).unwrap().stream.aggregate_id.clone();
    let of_key = page.events.iter().filter(|event| event.stream.aggregate_id == key);
    of_key.filter(|event| ["api_key.created", "api_key.rotated"].contains(&&*event.event_type)).count()
}

/// The same public id with another secret: well formed, and wrong.
fn guessed(link: &str) -> String {
    let (path, _) = path_and_secret(link);
    let guess =
        Credential::from_parts(Kind::OneTimeLink, path.trim_start_matches("/otl/"), &[7; 32]).unwrap();
    format!("{path}#{}", tollbook::links::fragment(&guess))
}

/// Whoever is signed in has so many wrong tries, from however many addresses. Nobody else is concerned, and
/// least of all the link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tries_wrong_links_is_stopped_from_all_addresses_and_burns_none() {
    let flags = [("limit_links", "3/h"), ("trusted_proxies", "127.0.0.1")];
    let house = TestHouse::sqlite_with(&flags).await;
    let bela = member(&house, Role::Member).await.user_id.to_string();
    let (mut mallory, mut bela) = (signed_in(&house, "Olivia Owner").await, signed_in(&house, &bela).await);
    let link = invitation(&house, &house.key).await;
    let guess = guessed(&link);
    mallory.open(path_and_secret(&link).0).await.expect(200);
    for number in 0..3 {
        mallory.address = Some(format!("198.51.100.{number}"));
        // Redeeming at once is a try like looking.
        let page =
            if number == 1 { redeem(&mut mallory, &guess).await } else { look(&mut mallory, &guess).await };
        refused(&page, 404, "link.unknown");
    }
    mallory.address = Some("198.51.100.99".to_owned());
    let stopped = look(&mut mallory, &guess).await;
    refused(&stopped, 429, "limit.exceeded");
    let seconds: u64 = stopped.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1180..=1200).contains(&seconds), "{seconds}");
    assert!(stopped.html.contains("Try again in 20 minutes."), "{}", stopped.html);
    // Who has been guessing is let in with what is right.
    look(&mut mallory, &link).await.expect(200);
    // At the same address: somebody else, and somebody who isn't signed in.
    bela.address.clone_from(&mallory.address);
    look(&mut bela, &link).await.expect(200);
    let mut stranger = visitor(&house);
    stranger.address.clone_from(&mallory.address);
    look(&mut stranger, &link).await.expect(200);
    redeem(&mut stranger, &link).await.expect(303);
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
