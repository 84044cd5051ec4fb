//! Whoever asks too much by a browser.

use reqwest::Method;
use serde_json::json;
use tollbook_testkit::browser;

use super::given::sign_in_link;
use crate::house::{Answer, TestHouse, answer};

fn paced(page: &Answer, limit: &str) {
    assert_eq!(page.status, 429);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let wait: u64 = page.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(page.headers["ratelimit"].to_str().unwrap(), format!("\"{limit}\";r=0;t={wait}"));
    assert!(page.headers["ratelimit-policy"].to_str().unwrap().starts_with(&format!("\"{limit}\";q=")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_asks_too_much_is_shown_a_page_and_a_program_a_problem() {
    let house = TestHouse::sqlite_with(&[("limit_address", "3/m")]).await;
    let ask = async |path: &str, accept: &str| {
        answer(house.request(Method::GET, path).header("accept", accept)).await
    };
    while ask("/sign-in", "text/html").await.status == 200 {}
    paced(&ask("/sign-in", "text/html,*/*;q=0.8").await, "address");
    for (path, accept) in [("/sign-in", "*/*"), ("/v1/workspaces", "text/html")] {
        let problem = ask(path, accept).await;
        assert_eq!(problem.status, 429);
        assert_eq!(problem.headers["content-type"], "application/problem+json", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_asks_by_browser_counts_as_theirs() {
    let house = TestHouse::sqlite_with(&[("limit_user", "20/m")]).await;
    let link = sign_in_link(&house).await;
    let seen = browser::run("signed_in", &json!({ "link": link })).await;
    let cookies = seen["cookies"].as_array().unwrap();
    let cookie =
        cookies.iter().find(|cookie| cookie["value"].as_str().unwrap().starts_with("tbk_web_")).unwrap();
    let cookie = format!("{}={}", cookie["name"].as_str().unwrap(), cookie["value"].as_str().unwrap());
    let ask = async || {
        let request = house.request(Method::GET, "/sign-ins").header("accept", "text/html");
        answer(request.header("cookie", &cookie)).await
    };
    let mut shown = 0;
    while ask().await.status == 200 {
        shown += 1;
        assert!(shown < 30);
    }
    paced(&ask().await, "user");
    // Their keys are them, too.
    assert_eq!(house.get("/v1/workspaces", &house.key).await.status, 429);
}
