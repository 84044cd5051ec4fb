//! Asking: without a body, as probes do, and by filters.

use reqwest::Method;

use crate::house::TestHouse;

/// RFC 9110, section 9.3.2: the same headers, and no body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_answered_as_get_without_its_body() {
    let house = TestHouse::sqlite().await;
    let sessions = house.path("/sessions");
    for path in ["/healthz", "/readyz", "/openapi.json", "/docs/", "/sign-in", &sessions] {
        let head = house.request(Method::HEAD, path).bearer_auth(&house.key).send().await.unwrap();
        assert_eq!(head.status().as_u16(), 200, "{path}");
        let length: usize = head.headers()["content-length"].to_str().unwrap().parse().unwrap();
        assert!(length > 0 && head.bytes().await.unwrap().is_empty(), "{path}");
    }
    let refused = house.request(Method::HEAD, &sessions).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    // A session's URL has no GET, so no HEAD either.
    let stream = house.request(Method::HEAD, &format!("/s/{}/mcp", uuid::Uuid::nil())).send().await.unwrap();
    assert!(stream.status().is_client_error());
    house.stop().await;
}

/// A load balancer asks often, and from one address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_answered_however_limited_their_address_is() {
    let house = TestHouse::sqlite_with(&[("limit_address", "2/h")]).await;
    for _ in 0..20 {
        for path in ["/healthz", "/readyz"] {
            house.ask(Method::GET, path, "", None, &[]).await.expect(200);
        }
    }
    for _ in 0..2 {
        house.get(&house.path(""), &house.key).await.expect(200);
    }
    assert_eq!(house.get(&house.path(""), &house.key).await.problem(429), "limit.exceeded");
    house.stop().await;
}

/// No events by a mistyped filter would read as "nobody was refused".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filter_that_names_nothing_is_refused_and_not_answered_with_nothing() {
    let house = TestHouse::sqlite().await;
    let events = |query: &str| house.path(&format!("/audit/events?{query}"));
    for query in ["decision=nope", "decision=Deny", "reason=nope", "outcome=done", "since=yesterday"] {
        let refused = house.get(&events(query), &house.key).await;
        assert_eq!(refused.problem(400), "query.malformed", "{query}");
    }
    for query in ["decision=deny", "reason=not_in_loadout", "outcome=timed_out", "since=2026-07-28T12:00:00Z"]
    {
        let found = house.get(&events(query), &house.key).await.expect(200);
        assert!(found["items"].is_array(), "{query}");
    }
    house.stop().await;
}

/// The reader of the API shares its origin with the console.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_of_the_api_runs_no_script_from_elsewhere_and_in_no_frame() {
    let house = TestHouse::sqlite().await;
    for path in ["/docs/", "/docs/swagger-initializer.js"] {
        let page = house.request(Method::GET, path).send().await.unwrap();
        assert_eq!(page.status().as_u16(), 200, "{path}");
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(page.headers()["x-content-type-options"], "nosniff", "{path}");
    }
    house.stop().await;
}
