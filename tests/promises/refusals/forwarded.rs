//! Hardening 41: where a request comes from is what the connection says, or a proxy that is trusted.

use reqwest::Method;
use serde_json::json;

use super::super::credentials::api_key;
use crate::house::TestHouse;

/// A range from which only one of our forged clients would come.
const RANGES: [&str; 2] = ["203.0.113.0/24", "2001:db8:7::/48"];

/// What a key that is good from [`RANGES`] only is answered.
async fn asked_from(house: &TestHouse, key: &str, headers: &[(&str, &str)]) -> u16 {
    let answer = house.ask(Method::GET, &house.path(""), key, None, headers).await;
    let status = answer.status.as_u16();
    if status != 200 {
        assert_eq!(answer.problem(403), "credential.address", "{headers:?}");
    }
    status
}

async fn bound_key(house: &TestHouse) -> String {
    api_key(house, &[("narrowing", json!({ "addresses": RANGES }))]).await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwarding_headers_of_a_client_lead_past_no_address_range() {
    let house = TestHouse::sqlite().await;
    let key = bound_key(&house).await;
    for header in [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-for", "2001:db8:7::1"),
        ("x-forwarded-for", "203.0.113.9, 127.0.0.1"),
        ("forwarded", "for=203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
        ("x-client-ip", "203.0.113.9"),
        ("true-client-ip", "203.0.113.9"),
        ("cf-connecting-ip", "203.0.113.9"),
    ] {
        assert_eq!(asked_from(&house, &key, &[header]).await, 403, "{header:?}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusted_proxy_is_believed_as_far_as_it_can_be_read_and_no_further() {
    let flags = [("trusted_proxies", "127.0.0.1, 10.0.0.0/8, fd00::/8")];
    let house = TestHouse::sqlite_with(&flags).await;
    let key = bound_key(&house).await;
    let one = |value: &'static str| vec![("x-forwarded-for", value)];
    for (headers, status) in [
        (one("203.0.113.9"), 200),
        (one("203.0.113.9:4711"), 200),
        (one("[2001:db8:7::1]:4711"), 200),
        (one("::ffff:203.0.113.9"), 200),
        // Through two proxies of ours.
        (one("203.0.113.9, 10.1.1.1"), 200),
        (vec![("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "fd00::1")], 200),
        // What stands before the client, the client has written.
        (one("203.0.113.9, 198.51.100.1"), 403),
        (one("203.0.113.9, 203.0.113.9, 198.51.100.1"), 403),
        (vec![("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "198.51.100.1")], 403),
        // What can't be read ends it: before it, anything could stand.
        (one("203.0.113.9, unknown"), 403),
        (one("203.0.113.9, 10.1.1.1, "), 403),
        (one("203.0.113.9, 203.0.113.256"), 403),
        (one("203.0.113.9;198.51.100.1"), 403),
        (one("[203.0.113.9"), 403),
        (vec![("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "\u{e9}")], 403),
        (one(""), 403),
        // Only that header; a proxy that writes others doesn't write this.
        (vec![("forwarded", "for=203.0.113.9")], 403),
        (vec![("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "198.51.100.1")], 403),
        (vec![("x-real-ip", "203.0.113.9")], 403),
    ] {
        assert_eq!(asked_from(&house, &key, &headers).await, status, "{headers:?}");
    }
    house.stop().await;
}
