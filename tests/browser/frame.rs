//! What holds for every page.

use serde_json::json;
use tollbook_testkit::browser;

use crate::house::TestHouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_ours_alone_and_is_kept_by_nobody() {
    let house = TestHouse::sqlite().await;
    let seen = browser::run("frame", &json!({ "url": house.url })).await;

    let header =
        |name: &str| seen["headers"][name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned();
    let policy = header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split(';').any(|part| part.trim() == rule), "{rule} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cross-origin-opener-policy"), "same-origin");
    assert!(header("permissions-policy").contains("camera=()"));
    assert_eq!(seen["asset"]["cache-control"], "public, max-age=31536000, immutable");

    let cookies = seen["cookies"].as_array().unwrap();
    let [cookie] = cookies.as_slice() else { panic!("one cookie: {cookies:?}") };
    assert!(
        cookie["name"].as_str().unwrap().starts_with("tollbook-visit-"),
        "loopback without TLS: {cookie}"
    );
    assert_eq!((&cookie["httpOnly"], &cookie["sameSite"]), (&json!(true), &json!("Lax")));
}
