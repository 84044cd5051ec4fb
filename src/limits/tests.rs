#![expect(clippy::print_stdout, reason = "figures")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Instant;

use actix_web::http::header::{HeaderName, HeaderValue};
use governor::clock::FakeRelativeClock;

use super::bucket::MOST;
use super::*;
use crate::config::Given;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

fn configured(settings: &[(&str, &str)]) -> Config {
    let all = ["address", "key", "user", "session", "failures", "links"].map(|name| format!("limit_{name}"));
    let mut flags: BTreeMap<String, String> = all.map(|name| (name, "off".to_owned())).into();
    flags.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Given::gather(Some(Path::new("/dev/null")), |_| None, &flags).unwrap().config().unwrap()
}

fn limits(settings: &[(&str, &str)]) -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Limits::with_clock(&configured(settings), &clock), clock)
}

fn forwarded(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(
            HeaderName::from_static("x-forwarded-for"),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

/// So many are let through, one more isn't, and `Retry-After` is the moment from which on one is.
#[test]
fn limit_lets_through_exactly_as_many_as_it_says() {
    let (limits, clock) = limits(&[("limit_address", "60/m burst 5"), ("limit_key", "10/s")]);
    for _ in 0..5 {
        limits.request(HOME).unwrap();
    }
    let refused = limits.request(HOME).unwrap_err();
    assert_eq!((refused.limit, refused.retry_after), ("address", Duration::from_secs(1)));
    clock.advance(Duration::from_millis(999));
    assert!(limits.request(HOME).is_err());
    clock.advance(Duration::from_millis(1));
    limits.request(HOME).unwrap();
    assert!(limits.request(HOME).is_err(), "one, and not two");
    // Others have an allowance of their own; and so has each key.
    limits.request(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 8))).unwrap();
    let key = |number| Subject { key: Some(Uuid::from_u128(number)), ..Subject::default() };
    let let_through = (0..100).filter(|_| limits.admit(key(1)).is_ok()).count();
    assert_eq!(let_through, 10);
    limits.admit(key(2)).unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!((0..100).filter(|_| limits.admit(key(1)).is_ok()).count(), 10);
}

#[test]
fn person_is_limited_over_all_their_keys_and_a_session_by_its_own() {
    let (limits, _) = limits(&[("limit_user", "3/m"), ("limit_session", "2/m")]);
    let user = Some(Uuid::from_u128(7));
    for key in 0..3 {
        limits.admit(Subject { key: Some(Uuid::from_u128(key)), user, session: None }).unwrap();
    }
    let refused = limits.admit(Subject { key: Some(Uuid::from_u128(9)), user, session: None }).unwrap_err();
    assert_eq!((refused.limit, refused.retry_after), ("user", Duration::from_secs(20)));
    let session = Subject { session: Some(Uuid::from_u128(1)), ..Subject::default() };
    limits.admit(session).unwrap();
    limits.admit(session).unwrap();
    assert_eq!(limits.admit(session).unwrap_err().limit, "session");
}

#[test]
fn address_that_keeps_failing_is_turned_away_and_may_try_again_when_it_was_told() {
    let (limits, clock) = limits(&[("limit_failures", "6/m")]);
    for _ in 0..6 {
        limits.may_authenticate(HOME).unwrap();
        limits.refused(HOME);
    }
    let turned_away = limits.may_authenticate(HOME).unwrap_err();
    assert_eq!((turned_away.limit, turned_away.retry_after), ("failures", Duration::from_secs(10)));
    limits.may_authenticate(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 8))).unwrap();
    clock.advance(turned_away.retry_after);
    // One more try, and not two.
    limits.may_authenticate(HOME).unwrap();
    limits.refused(HOME);
    assert!(limits.may_authenticate(HOME).is_err());
    // Who stops failing has all of it again.
    clock.advance(Duration::from_secs(180));
    limits.sweep();
    assert_eq!(limits.kept(), 0);
    for _ in 0..5 {
        limits.refused(HOME);
    }
    limits.may_authenticate(HOME).unwrap();
}

#[test]
fn person_who_tries_wrong_links_is_stopped_by_themselves() {
    let (limits, clock) = limits(&[("limit_links", "3/h"), ("limit_failures", "100/m")]);
    let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for _ in 0..3 {
        limits.may_try_link(ada).unwrap();
        limits.tried_wrong_link(ada);
    }
    let stopped = limits.may_try_link(ada).unwrap_err();
    assert_eq!((stopped.limit, stopped.retry_after), ("links", Duration::from_secs(1200)));
    limits.may_try_link(bob).unwrap();
    limits.may_authenticate(HOME).unwrap();
    clock.advance(stopped.retry_after);
    limits.may_try_link(ada).unwrap();
    limits.tried_wrong_link(ada);
    assert!(limits.may_try_link(ada).is_err());
    clock.advance(Duration::from_secs(7200));
    limits.sweep();
    assert_eq!(limits.kept(), 0);
}

#[test]
fn limit_that_is_off_costs_nothing_and_stops_nobody() {
    let (limits, _) = limits(&[]);
    let subject = Subject { key: Some(Uuid::nil()), user: Some(Uuid::nil()), session: None };
    for _ in 0..10_000 {
        limits.request(HOME).unwrap();
        limits.refused(HOME);
        limits.may_authenticate(HOME).unwrap();
        limits.tried_wrong_link(Uuid::nil());
        limits.may_try_link(Uuid::nil()).unwrap();
        limits.admit(subject).unwrap();
    }
    assert_eq!(limits.kept(), 0);
}

/// Hardening 41: what a client writes into the header changes nothing; what a trusted proxy wrote does.
#[test]
fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
    let peer = |text: &str| Some(text.parse::<SocketAddr>().unwrap());
    let (nobody, _) = limits(&[]);
    let spoofed = forwarded(&["198.51.100.1"]);
    assert_eq!(nobody.client(peer("203.0.113.7:1"), &spoofed), HOME);
    assert_eq!(nobody.client(peer("127.0.0.1:1"), &spoofed).to_string(), "127.0.0.1");
    assert_eq!(nobody.client(peer("[::ffff:203.0.113.7]:1"), &spoofed), HOME, "mapped is the same");

    let (limits, _) = limits(&[("trusted_proxies", "10.0.0.0/8, fd00::/8, 192.0.2.1")]);
    let client = |from: &str, values: &[&str]| limits.client(peer(from), &forwarded(values)).to_string();
    assert_eq!(client("203.0.113.7:1", &["198.51.100.1"]), "203.0.113.7", "not a proxy of ours");
    assert_eq!(client("10.0.0.1:1", &["203.0.113.7"]), "203.0.113.7");
    assert_eq!(client("10.0.0.1:1", &[]), "10.0.0.1");
    // The last one that isn't ours is the client; what stands before it, the client may have written.
    assert_eq!(client("10.0.0.1:1", &["198.51.100.1, 203.0.113.7, 192.0.2.1"]), "203.0.113.7");
    assert_eq!(client("10.0.0.1:1", &["198.51.100.1", "203.0.113.7", "10.9.9.9"]), "203.0.113.7");
    assert_eq!(client("10.0.0.1:1", &["127.0.0.1", "203.0.113.7"]), "203.0.113.7");
    assert_eq!(client("10.0.0.1:1", &["10.0.0.2"]), "10.0.0.2");
    // With a port, in brackets, and what can't be read.
    assert_eq!(client("[fd00::1]:1", &["203.0.113.7:4711"]), "203.0.113.7");
    assert_eq!(client("[fd00::1]:1", &["[2001:db8::7]"]), "2001:db8::7");
    assert_eq!(client("[fd00::1]:1", &["[2001:db8::7]:99"]), "2001:db8::7");
    assert_eq!(client("10.0.0.1:1", &["203.0.113.7, unknown"]), "10.0.0.1");
    assert_eq!(client("10.0.0.1:1", &["203.0.113.7, "]), "10.0.0.1");
    assert_eq!(client("10.0.0.1:1", &["203.0.113.7", "\u{e9}"]), "10.0.0.1", "nor what stands before it");
    // What isn't text spoils its own place: the proxy's entry behind it stands.
    let mut spoiled = HeaderMap::new();
    let line = HeaderValue::from_bytes(b"\xff, 203.0.113.7").unwrap();
    spoiled.append(HeaderName::from_static("x-forwarded-for"), line);
    assert_eq!(limits.client(peer("10.0.0.1:1"), &spoiled), HOME);
}

#[test]
fn address_of_ipv6_is_its_64_and_of_ipv4_itself() {
    let network = |text: &str| Network::of(text.parse().unwrap());
    assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
    assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    assert_eq!(network("::ffff:203.0.113.7"), network("203.0.113.7"));
    assert_eq!(network("203.0.113.7").to_string(), "203.0.113.7/32");
    assert_eq!(network("2001:db8:0:1::9").to_string(), "2001:db8:0:1::/64");
}

/// A million addresses, each once: some megabytes, and a limit that still holds for each of them.
#[test]
fn million_addresses_take_bounded_memory_and_are_limited_still() {
    let (limits, clock) = limits(&[("limit_address", "2/m"), ("limit_failures", "2/m")]);
    let before = resident();
    let begun = Instant::now();
    let mut refused = 0;
    for number in 0..1_000_000_u128 {
        let address = IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | (number << 64)));
        refused += usize::from(limits.request(address).is_err());
        limits.refused(address);
    }
    let (kept, grown) = (limits.kept(), resident().saturating_sub(before));
    println!(
        "limits: 1,000,000 addresses, {kept} allowances kept, {} KiB more resident, {refused} refused, {} ns each",
        grown / 1024,
        begun.elapsed().as_nanos() / 1_000_000
    );
    // Twice, for requests and for failures; and who is turned away.
    assert!(kept <= 3 * (MOST + 65_536 + bucket::LOOK as usize), "{kept}");
    assert!(refused > 800_000, "the crowd shares an allowance: {refused}");
    clock.advance(Duration::from_secs(120));
    limits.sweep();
    assert_eq!(limits.kept(), 0, "who is idle leaves");
    limits.request(HOME).unwrap();
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

/// What a request pays that is far from every limit.
#[test]
fn decision_costs_nanoseconds() {
    let config = configured(&[
        ("limit_address", "100000000/s"),
        ("limit_key", "100000000/s"),
        ("limit_failures", "300/m"),
    ]);
    let limits = Limits::new(&config);
    let subject = Subject { key: Some(Uuid::from_u128(4711)), ..Subject::default() };
    let rounds = 200_000;
    let begun = Instant::now();
    for _ in 0..rounds {
        limits.request(HOME).unwrap();
        limits.may_authenticate(HOME).unwrap();
        limits.admit(subject).unwrap();
    }
    println!("limits: {} ns for all decisions of a request", begun.elapsed().as_nanos() / rounds);
}
