//! Forms that somebody else sends.

use reqwest::Method;
use serde_json::json;
use tollbook_testkit::browser;

use super::given::sign_in_links;
use crate::house::{TestHouse, answer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_counts_only_from_the_page_and_the_sign_in_that_it_was_shown_to() {
    let house = TestHouse::sqlite().await;
    let links = sign_in_links(&house, 2).await;
    browser::run("forgery", &json!({ "url": house.url, "links": links })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_does_not_say_where_it_comes_from_is_refused() {
    let house = TestHouse::sqlite().await;
    let wide = "x".repeat(20_000);
    let own = house.url.clone();
    let form = "application/x-www-form-urlencoded";
    for (headers, body, status) in [
        (vec![("content-type", form)], "link=x", 403),
        (vec![("content-type", form), ("origin", "null")], "link=x", 403),
        (vec![("content-type", form), ("origin", "https://evil.example")], "link=x", 403),
        (vec![("content-type", form), ("sec-fetch-site", "cross-site"), ("origin", &own)], "link=x", 403),
        (vec![("content-type", form), ("sec-fetch-site", "same-origin")], "link=x", 403),
        (vec![("content-type", form), ("origin", &own)], "link=x", 403),
        (vec![("content-type", "text/plain"), ("origin", &own)], "link=x", 400),
        (vec![("content-type", form), ("origin", &own)], wide.as_str(), 413),
    ] {
        let mut request = house.request(Method::POST, "/otl").body(body.to_owned());
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let page = answer(request).await;
        assert_eq!(page.status, status, "{headers:?}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8", "a person is shown a page");
        assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_are_shown_pages_and_programs_problems() {
    let house = TestHouse::sqlite().await;
    let ask = async |path: &str, accept: &str| {
        answer(house.request(Method::GET, path).header("accept", accept)).await
    };
    // The last are an address that takes forms only, and one that has no id where one should stand.
    for path in ["/nowhere", "/otl/short", "/assets/console-0.css", "/sign-out", "/workspaces/x/keys/new"] {
        let page = ask(path, "text/html,*/*;q=0.8").await;
        assert_eq!(page.status, 404);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8", "{path}");
    }
    for (path, accept) in [("/nowhere", "*/*"), ("/v1/nowhere", "text/html"), ("/host/status", "text/html")] {
        let problem = ask(path, accept).await;
        assert_eq!(problem.status, 404);
        assert_eq!(problem.headers["content-type"], "application/problem+json", "{path}");
    }
}
