//! Signing in, seeing where one is signed in, and ending that.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tollbook::clock::{Clock, rfc3339};
use tollbook::credential::{Credential, Kind};
use tollbook_testkit::browser;

use super::given::{no_request_tells, sign_in_link, sign_in_links};
use crate::house::{TestHouse, answer};

fn cookie<'a>(cookies: &'a Value, stem: &str) -> Option<&'a Value> {
    let named = |cookie: &&Value| cookie["name"].as_str().is_some_and(|name| name.starts_with(stem));
    cookies.as_array().unwrap().iter().find(named)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_signs_in_once_whatever_bots_opened_it_and_the_way_back_shows_nothing() {
    let house = TestHouse::sqlite().await;
    let link = sign_in_link(&house).await;
    let args = json!({ "url": house.url, "link": link, "name": "Olivia Owner", "workspace": "Test house" });
    let seen = browser::run("signing_in", &args).await;
    no_request_tells(&seen, &[&link]);

    let port = house.url.rsplit(':').next().unwrap();
    let name = format!("tollbook-{port}");
    assert!(cookie(&seen["before"], &name).is_none(), "looking signs nobody in");
    let signed_in = cookie(&seen["cookies"], &name).unwrap();
    assert_eq!((&signed_in["httpOnly"], &signed_in["sameSite"]), (&json!(true), &json!("Lax")));
    assert_eq!(signed_in["path"], "/");
    assert!(signed_in["value"].as_str().unwrap().starts_with("tbk_web_"));
    assert!(signed_in["expires"].as_f64().unwrap() > 0.0, "it lasts longer than the browser");
    assert!(cookie(&seen["after"], &name).is_none(), "signing out takes it away");

    // The cookie itself is worth nothing any more, nor was it ever worth anything to programs.
    let value = signed_in["value"].as_str().unwrap();
    assert_eq!(house.get("/v1/workspaces", value).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_without_script() {
    let house = TestHouse::sqlite().await;
    let links = sign_in_links(&house, 3).await;
    browser::run("without_script", &json!({ "url": house.url, "links": links })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_sees_their_sign_ins_and_ends_the_others() {
    let house = TestHouse::sqlite().await;
    let links = sign_in_links(&house, 3).await;
    browser::run("sign_ins", &json!({ "urls": [house.url], "links": links })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ended_at_one_replica_is_ended_at_the_other() {
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    let links = sign_in_links(&house, 2).await;
    browser::run("replicas", &json!({ "urls": [house.url, replica.url], "links": links })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_ends_by_itself_and_a_wrong_cookie_is_none() {
    let house = TestHouse::sqlite().await;
    let link = sign_in_link(&house).await;
    let seen = browser::run("signed_in", &json!({ "link": link })).await;
    let name = format!("tollbook-{}", house.url.rsplit(':').next().unwrap());
    let good = cookie(&seen["cookies"], &name).unwrap()["value"].as_str().unwrap();
    // Whoever is not signed in is led to the page that says how.
    let page = async |path: &str, value: &str| {
        let request = house.request(Method::GET, path).header("cookie", format!("{name}={value}"));
        answer(request).await.expect(200).as_str().unwrap().to_owned()
    };
    let between = |page: &str, from: &str, to: &str| {
        page.split(from).nth(1).unwrap_or_else(|| panic!("{page}")).split(to).next().unwrap().to_owned()
    };
    let heading = async |value: &str| between(&page("/", value).await, "<h1>", "</h1>");
    assert_eq!(heading(good).await, "Your workspaces");
    let other_secret = Credential::from_parts(Kind::Web, &good[8..20], &[7; 32]).unwrap();
    for wrong in ["", "x", "tbk_web_", &good[..68], other_secret.expose(), &house.key] {
        assert_eq!(heading(wrong).await, "Sign in", "{wrong}");
    }
    house.app.clock.set_ahead(TimeDelta::hours(1));
    let now = rfc3339(house.app.clock.now());
    let used = between(&page("/sign-ins", good).await, "Last used <time datetime=\"", "\"");
    assert!(used >= now, "used this very moment, not {used}");
    house.app.clock.set_ahead(TimeDelta::days(90));
    assert_eq!(heading(good).await, "Sign in");
}
