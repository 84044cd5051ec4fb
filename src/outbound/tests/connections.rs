//! Whom we connect to, and how often.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    dns::Resolve,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderValue},
};

use crate::outbound::{Limits, Outbound, OutboundError, Policy, UrlRefused, resolver::GuardedResolver};

use super::support::{HELLO, Scripted, Server, get, outbound, private, resolving, strict};

fn is_refused(error: &OutboundError) -> bool {
    matches!(error, OutboundError::Refused(UrlRefused::Address))
}

#[tokio::test]
async fn a_request_reaches_its_server_and_the_connection_is_kept() {
    let server = Server::answering(HELLO).await;
    let outbound = outbound(private());
    for _ in 0..3 {
        let response = get(&outbound.clone(), &server.url("/mcp?x=1")).await.unwrap();
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(response.collect(5).await.unwrap(), "hello");
    }
    assert_eq!(server.count(), 1);
    assert!(server.requests.lock().unwrap()[0].starts_with("GET /mcp?x=1 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_name_that_answers_differently_the_second_time_reaches_nobody() {
    let server = Server::encrypted().await;
    let resolver = Scripted::new(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let outbound = resolving(strict(), &resolver);
    let url = outbound.check_url(server.url_for("tools.example").as_str()).unwrap();
    // Somebody looks, and finds it public.
    let first = resolver.resolve("tools.example".parse().unwrap()).await.unwrap().next();
    assert_eq!(first.unwrap().ip().to_string(), "8.8.8.8");

    let error = get(&outbound, &url).await.unwrap_err();
    assert!(is_refused(&error), "{error:?}");
    assert!(!error.may_have_arrived());
    assert_eq!((server.count(), resolver.count()), (0, 2));
}

#[tokio::test]
async fn every_new_connection_is_checked_again() {
    let server = Server::encrypted().await;
    let resolver = Scripted::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let outbound = resolving(private(), &resolver);
    let here = server.url_for("tools.example");
    get(&outbound, &here).await.unwrap().collect(5).await.unwrap();
    // Another name, so another connection: this time it leads to a metadata service.
    let error = get(&outbound, &server.url_for("tools.internal")).await.unwrap_err();
    assert!(is_refused(&error), "{error:?}");
    // The connection that was checked goes on, without another look-up.
    get(&outbound, &here).await.unwrap().collect(5).await.unwrap();
    assert_eq!((server.count(), resolver.count()), (1, 2));
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_reached_are_tried() {
    let server = Server::encrypted().await;
    let answers: &[&str] = &["169.254.169.254", "fe80::1", "0.0.0.0", "127.0.0.1"];
    let outbound = resolving(private(), &Scripted::new(&[answers]));
    assert_eq!(get(&outbound, &server.url_for("tools.example")).await.unwrap().status, StatusCode::OK);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_name_with_inside_addresses_is_refused_in_every_wrapping() {
    let server = Server::encrypted().await;
    for answer in
        ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::1", "fd00::8"]
    {
        let outbound = resolving(strict(), &Scripted::new(&[&[answer]]));
        let error = get(&outbound, &server.url_for("tools.example")).await.unwrap_err();
        assert!(is_refused(&error), "{answer}: {error:?}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_port_that_a_resolver_makes_up_is_not_used() {
    let guarded = GuardedResolver::new(Scripted::new(&[&["127.0.0.1", "8.8.8.8"]]), true);
    for name in ["tools.example", "localhost"] {
        let addresses: Vec<_> = guarded.resolve(name.parse().unwrap()).await.unwrap().collect();
        assert_eq!(addresses.len(), 2);
        // The client puts the URL's port in the place of 0, and only there where the URL names none.
        assert!(addresses.iter().all(|address| address.port() == 0));
    }
}

#[tokio::test]
async fn names_of_this_machine_are_not_looked_up() {
    let server = Server::answering(HELLO).await;
    let resolver = Scripted::new(&[&["8.8.8.8"]]);
    let outbound = resolving(private(), &resolver);
    let url = format!("http://tools.localhost:{}/", server.address.port()).parse().unwrap();
    assert_eq!(get(&outbound, &url).await.unwrap().status, StatusCode::OK);
    assert_eq!((server.count(), resolver.count()), (1, 0));
}

#[tokio::test]
async fn an_excepted_host_is_reached_at_its_port_and_nowhere_else() {
    let server = Server::encrypted().await;
    let other = Server::encrypted().await;
    let exception = format!("tools.internal:{}", server.address.port()).parse().unwrap();
    let policy = Policy { exceptions: vec![exception], ..strict() };
    let outbound = resolving(policy, &Scripted::new(&[&["127.0.0.1"]]));
    assert_eq!(get(&outbound, &server.url_for("tools.internal")).await.unwrap().status, StatusCode::OK);
    assert!(is_refused(&get(&outbound, &other.url_for("tools.internal")).await.unwrap_err()));
    assert!(is_refused(&get(&outbound, &server.url_for("tools.example")).await.unwrap_err()));
    assert_eq!((server.count(), other.count()), (1, 0));
}

#[tokio::test]
async fn redirects_are_not_followed_wherever_they_lead() {
    let target = Server::answering(HELLO).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://{}/latest/meta-data\r\ncontent-length: 0\r\n\r\n",
            target.address
        );
        let server = Server::answering(answer.leak()).await;
        let outbound = outbound(private());
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer canary"));
        let body = Some(Bytes::from_static(b"grant_type=refresh_token"));
        let error = outbound.request(Method::POST, &server.url("/token"), headers, body).await.unwrap_err();
        assert!(matches!(error, OutboundError::Redirected(_)), "{error:?}");
        assert_eq!(server.count(), 1);
    }
    assert_eq!(target.count(), 0);
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_not_sent_again() {
    let server = Server::after_request(|stream| async { drop(stream) }).await;
    let outbound = outbound(private());
    let body = Some(Bytes::from_static(b"{}"));
    let error = outbound.request(Method::POST, &server.url("/"), HeaderMap::new(), body).await.unwrap_err();
    assert!(matches!(error, OutboundError::Broken(_)), "{error:?}");
    assert!(error.may_have_arrived());
    assert_eq!((server.count(), server.requests.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn what_belongs_to_the_connection_is_not_the_callers_to_set() {
    let server = Server::answering(HELLO).await;
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("internal.example"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
    headers.insert("content-length", HeaderValue::from_static("99"));
    headers.insert("mcp-session-id", HeaderValue::from_static("kept"));
    let body = Some(Bytes::from_static(b"{}"));
    let outbound = outbound(private());
    outbound.request(Method::POST, &server.url("/"), headers, body).await.unwrap();
    let request = server.requests.lock().unwrap()[0].to_lowercase();
    assert!(request.contains(&format!("host: {}\r\n", server.address)));
    assert!(request.contains("content-length: 2\r\n") && request.contains("mcp-session-id: kept\r\n"));
    for dropped in
        ["accept-encoding", "connection:", "transfer-encoding", "internal.example", "referer", "cookie"]
    {
        assert!(!request.contains(dropped), "{dropped} in {request}");
    }
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let server =
        Server::answering("HTTP/1.1 200 OK\r\nset-cookie: sid=canary; Path=/\r\ncontent-length: 0\r\n\r\n")
            .await;
    let outbound = outbound(private());
    for _ in 0..2 {
        get(&outbound, &server.url("/")).await.unwrap().collect(0).await.unwrap();
    }
    assert!(!server.requests.lock().unwrap()[1].contains("canary"));
}

#[tokio::test]
async fn https_is_verified() {
    let server = Server::encrypted().await;
    let trusting = resolving(private(), &Scripted::new(&[&["127.0.0.1"]]));
    let response = get(&trusting, &server.url_for("tools.example")).await.unwrap();
    assert_eq!(response.collect(5).await.unwrap(), "hello");

    let wrong_name = get(&trusting, &server.url_for("other.example")).await.unwrap_err();
    assert!(matches!(wrong_name, OutboundError::Tls(_)), "{wrong_name:?}");

    let resolver: Arc<dyn Resolve> = Scripted::new(&[&["127.0.0.1"]]);
    let stranger = Outbound::with(private(), Limits::default(), &resolver, &[]).unwrap();
    let untrusted = get(&stranger, &server.url_for("tools.example")).await.unwrap_err();
    assert!(matches!(untrusted, OutboundError::Tls(_)), "{untrusted:?}");
    assert!(!untrusted.may_have_arrived());
}
