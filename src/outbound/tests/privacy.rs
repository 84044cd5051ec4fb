//! What errors don't say, and what the environment can't change.

use std::{error::Error, fmt::Write, process::Command, sync::Arc, time::Duration};

use reqwest::dns::{Name, Resolve, Resolving};
use url::Url;

use crate::outbound::{Limits, Outbound, OutboundError};

use super::support::{HELLO, Scripted, Server, get, hasty, outbound, private, resolving};

/// Everything that a log could print of an error.
fn printed(error: &OutboundError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, " {error} {error:?}").unwrap();
        cause = error.source();
    }
    text
}

/// Knows no name.
struct Ignorant;

impl Resolve for Ignorant {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(std::future::ready(Err("no such name".into())))
    }
}

fn with_canary(mut url: Url) -> Url {
    url.set_path("/canary-path");
    url.set_query(Some("key=canary-query"));
    url
}

async fn every_error() -> Vec<(&'static str, OutboundError)> {
    let plain = outbound(private());
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap()
    };
    let silent = Server::after_request(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let dropping = Server::after_request(|stream| async { drop(stream) }).await;
    let redirecting =
        Server::answering("HTTP/1.1 302 Found\r\nlocation: /canary-path\r\ncontent-length: 0\r\n\r\n").await;
    let cut = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let encrypted = Server::encrypted().await;
    let ignorant: Arc<dyn Resolve> = Arc::new(Ignorant);
    let ignorant = Outbound::with(private(), Limits::default(), &ignorant, &[]).unwrap();
    let inside = resolving(private(), &Scripted::new(&[&["169.254.169.254"]]));
    let wrong_name = resolving(private(), &Scripted::new(&[&["127.0.0.1"]]));
    let hasty =
        plain.with_limits(Limits { headers: Duration::from_millis(200), idle: hasty().collect, ..hasty() });

    let elsewhere = Url::parse("https://tools.example/").unwrap();
    let failed =
        |url: Url, outbound: Outbound| async move { get(&outbound, &with_canary(url)).await.unwrap_err() };
    let body = get(&hasty, &with_canary(cut.url("/"))).await.unwrap().collect(10).await.unwrap_err();
    vec![
        ("connect", failed(closed, plain.clone()).await),
        ("silent", failed(silent.url("/"), hasty).await),
        ("broken", failed(dropping.url("/"), plain.clone()).await),
        ("redirect", failed(redirecting.url("/"), plain).await),
        ("resolve", failed(elsewhere.clone(), ignorant).await),
        ("refused", failed(elsewhere, inside).await),
        ("tls", failed(encrypted.url_for("other.example"), wrong_name).await),
        ("body", body),
    ]
}

#[tokio::test]
async fn no_error_carries_the_url() {
    let errors = every_error().await;
    for (name, error) in &errors {
        let text = printed(error);
        assert!(!text.contains("canary") && !text.contains("http://"), "{name}: {text}");
    }
    let kind =
        |error: &OutboundError| format!("{error:?}").split(['(', ' ']).next().unwrap_or_default().to_owned();
    let kinds: Vec<_> = errors.iter().map(|(_, error)| kind(error)).collect();
    let expected =
        ["Connect", "HeaderTimeout", "Broken", "Redirected", "Resolve", "Refused", "Tls", "IdleTimeout"];
    assert_eq!(kinds, expected);
}

/// Run by the next test in a process of its own, as only a new process can have another environment.
#[tokio::test]
#[ignore = "needs an environment with proxies"]
async fn under_a_proxy() {
    let server = Server::answering(HELLO).await;
    assert_eq!(get(&outbound(private()), &server.url("/")).await.unwrap().collect(5).await.unwrap(), "hello");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    let proxy = Server::answering("HTTP/1.1 502 Proxy\r\ncontent-length: 0\r\n\r\n").await;
    let address = format!("http://{}", proxy.address);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "outbound::tests::privacy::under_a_proxy", "--ignored"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, &address);
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(proxy.count(), 0);
}
