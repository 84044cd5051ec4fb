//! What is no credential of anybody's.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tollbook::authn::authenticate;
use tollbook::credential::{Credential, Kind};
use tollbook_testkit::postgres::{Options, Postgres};

use super::super::figures::{percentile, print};
use super::{face, mistyped, place, present, raw, unknown, with_another_secret};
use crate::house::TestHouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_and_wrong_credentials_are_answered_alike() {
    let house = TestHouse::sqlite().await;
    for (kind, real) in [(Kind::ApiKey, &house.key), (Kind::Operator, &house.operator)] {
        assert_ne!(present(&house, real).await.status.as_u16(), 401, "the real one is known");
        let wrong = present(&house, &with_another_secret(real)).await;
        let stranger = present(&house, &unknown(&house, kind)).await;
        assert_eq!(wrong.status.as_u16(), 401);
        assert_eq!(face(&wrong), face(&stranger), "a {kind:?}");
        assert_eq!(wrong.json()["code"], "credential.unknown");
        assert!(wrong.headers["www-authenticate"].to_str().unwrap().contains(r#"error="invalid_token""#));
        assert!(wrong.json()["remediation"]["action"].is_string(), "it says what to do");
    }
    // Nor does the right secret under another kind's name open anything.
    let id = Credential::parse(&house.key).unwrap().id().to_owned();
    let other_kind = Credential::from_parts(Kind::Session, &id, &[7; 32]).unwrap();
    assert_eq!(
        face(&present(&house, other_kind.expose()).await),
        face(&present(&house, &unknown(&house, Kind::Session)).await)
    );
    house.stop().await;
}

/// A look further is a read of the head, for both the one and the other: that is what would take the time. (That both do
/// need it, the next test shows; what it takes is printed, and not judged: a busy machine would judge otherwise.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_and_wrong_credentials_cost_the_same_work() {
    let house = TestHouse::sqlite().await;
    let parse = |credential: &str| Credential::parse(credential).unwrap();
    let wrong = parse(&with_another_secret(&house.key));
    let (stranger, right) = (parse(&unknown(&house, Kind::ApiKey)), parse(&house.key));
    let mut took = [Vec::new(), Vec::new(), Vec::new()];
    let looked = [const { Cell::new(0) }; 3];
    for round in 0..600 {
        let which = round % 3;
        let credential = [&wrong, &stranger, &right][which];
        let further = || {
            looked[which].set(looked[which].get() + 1);
            Ok(())
        };
        let asked = Instant::now();
        let answer = authenticate(&house.app.authority, &house.app.pepper, credential, further).await;
        took[which].push(asked.elapsed());
        assert_eq!(
            answer.err().map(|problem| problem.code).as_deref(),
            [Some("credential.unknown"); 2].get(which).copied().flatten()
        );
    }
    assert_eq!(looked.map(Cell::into_inner), [200, 200, 0], "wrong, unknown, right");
    let [wrong, stranger, right] = took.map(|took| format!("{} µs", percentile(took, 0.5).as_micros()));
    print("credentials", &[("wrong p50", wrong), ("unknown p50", stranger), ("right p50", right)]);
    house.stop().await;
}

/// With the database gone, a look-up would show: it would end in a 503.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_checksum_is_refused_without_a_look_up() {
    let cluster = Postgres::start(&Options::default());
    let house = TestHouse::postgres_on(&cluster, &[]).await;
    let real = house.key.clone();
    tokio::task::block_in_place(|| cluster.stop());
    for junk in
        [mistyped(&real), real[..40].to_owned(), format!("{real}0"), "tbk_key_".to_owned(), "x".repeat(69)]
    {
        let asked = Instant::now();
        let said = present(&house, &junk).await;
        assert_eq!(said.status.as_u16(), 401, "{junk}: {}", said.text);
        assert_eq!(said.json()["code"], "credential.malformed");
        assert!(asked.elapsed() < Duration::from_secs(1), "it waited for something");
    }
    // The two that need a look-up both try it, and both say so alike.
    let wrong = present(&house, &with_another_secret(&real)).await;
    let stranger = present(&house, &unknown(&house, Kind::ApiKey)).await;
    assert_eq!(wrong.status.as_u16(), 503, "{}", wrong.text);
    assert_eq!(face(&wrong), face(&stranger));
    assert!(wrong.headers.contains_key("retry-after"));
    tokio::task::block_in_place(|| cluster.start_again());
    let end = Instant::now() + Duration::from_secs(30);
    while present(&house, &real).await.status.as_u16() != 200 {
        assert!(Instant::now() < end, "the service recovers alone");
    }
    house.stop().await;
}

/// One character changed anywhere, and nobody is let in, nor anything broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mutation_of_a_credential_is_let_in() {
    let house = TestHouse::sqlite().await;
    let real = house.key.clone();
    assert_eq!(present(&house, &real).await.status.as_u16(), 200);
    for place in 0..real.len() {
        for other in [b'0', b'Z', b'_', b'~'] {
            let mut bytes = real.clone().into_bytes();
            if bytes[place] == other {
                continue;
            }
            bytes[place] = other;
            let said = present(&house, std::str::from_utf8(&bytes).unwrap()).await;
            assert_eq!(said.status.as_u16(), 401, "{place}: {}", said.text);
            assert_eq!(said.json()["code"], "credential.malformed");
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_authorization_headers_are_refused() {
    let house = TestHouse::sqlite().await;
    let real = format!("Bearer {}", house.key);
    assert_eq!(raw(&house, &place(&house), &[&real]).await.status.as_u16(), 200);
    let session = "/s/019aab3c-7d2e-7000-8000-000000000001/mcp";
    for path in [place(&house).as_str(), "/v1/workspaces", session] {
        for two in [[real.as_str(), "Bearer nonsense"], ["Bearer nonsense", &real], [&real, &real]] {
            let said = raw(&house, path, &two).await;
            assert!(said.status.is_client_error(), "{path}: {} {}", said.status, said.text);
            if path != session {
                assert_eq!(said.json()["code"], "credential.twice", "{}", said.text);
            }
        }
    }
    for other in ["Basic dXNlcjpwYXNz", "Bearer", "bearer  ", "Token x", ""] {
        assert_eq!(raw(&house, &place(&house), &[other]).await.status.as_u16(), 401, "`{other}`");
    }
    assert_eq!(raw(&house, &place(&house), &[]).await.json()["code"], "credential.missing");
    // The scheme's name is case-insensitive (RFC 9110, section 11.1).
    assert_eq!(raw(&house, &place(&house), &[&format!("bEARER {}", house.key)]).await.status.as_u16(), 200);
    house.stop().await;
}

/// Refused even where it would be right, and never repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credential_in_the_query_is_refused_and_not_repeated() {
    let house = TestHouse::sqlite().await;
    let key = house.key.clone();
    let real = format!("Bearer {key}");
    for query in
        [format!("access_token={key}"), format!("key={key}"), key.clone(), format!("limit=2&x={key}")]
    {
        let path = format!("{}?{query}", place(&house));
        for headers in [vec![real.as_str()], vec![]] {
            let said = raw(&house, &path, &headers).await;
            assert_eq!(said.status.as_u16(), 400, "{query}: {}", said.text);
            assert!(!said.text.contains(&key[20..]), "the credential is repeated: {}", said.text);
            assert_eq!(said.json()["code"], "credential.in_query", "{}", said.text);
        }
    }
    house.stop().await;
}
