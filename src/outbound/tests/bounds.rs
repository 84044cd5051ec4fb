//! Servers that are slow, silent, endless or inflated.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use reqwest::dns::{Name, Resolve, Resolving};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::outbound::{Limits, Outbound, OutboundError};

use super::support::{HELLO, Server, get, hasty, private};

const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

fn patient(change: impl FnOnce(&mut Limits)) -> Outbound {
    let mut limits = hasty();
    limits.collect = Duration::from_secs(20);
    change(&mut limits);
    Outbound::new(private(), limits).unwrap()
}

fn short() -> Duration {
    Duration::from_millis(300)
}

async fn forever(mut stream: TcpStream) {
    // Until the client has gone.
    let _ = stream.read(&mut [0]).await;
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_the_limit_and_the_connection_closed() {
    let (closed, mut closings) = mpsc::unbounded_channel();
    let server = Server::after_request(move |mut stream| {
        let closed = closed.clone();
        async move {
            stream.write_all(ENDLESS).await.unwrap();
            let mut sent = 0_u64;
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {
                sent += 8192;
            }
            closed.send(sent).unwrap();
        }
    })
    .await;
    let outbound = patient(|_| {});
    let error = get(&outbound, &server.url("/")).await.unwrap().collect(1 << 20).await.unwrap_err();
    assert!(matches!(error, OutboundError::TooLarge), "{error:?}");
    // What was sent beyond the limit lay in the buffers of the two sockets.
    assert!(closings.recv().await.unwrap() < 64 << 20);
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_refused_before_it_comes() {
    let server = Server::after_request(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await.unwrap();
        forever(stream).await;
    })
    .await;
    let error = get(&patient(|_| {}), &server.url("/")).await.unwrap().collect(1 << 20).await.unwrap_err();
    assert!(matches!(error, OutboundError::TooLarge), "{error:?}");
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_taken() {
    let server = Server::answering(HELLO).await;
    let chunked = Server::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    )
    .await;
    let outbound = patient(|_| {});
    for url in [server.url("/"), chunked.url("/")] {
        assert_eq!(get(&outbound, &url).await.unwrap().collect(5).await.unwrap(), "hello");
        let error = get(&outbound, &url).await.unwrap().collect(4).await.unwrap_err();
        assert!(matches!(error, OutboundError::TooLarge), "{error:?}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_refused_so_no_bomb_can_go_off() {
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip", "GZIP"] {
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: 4\r\n\r\nboom");
        let server = Server::answering(answer.leak()).await;
        let error = get(&patient(|_| {}), &server.url("/")).await.unwrap_err();
        assert!(matches!(error, OutboundError::Encoded), "{encoding}: {error:?}");
    }
    let plain = "HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 4\r\n\r\nboom";
    let server = Server::answering(plain).await;
    assert_eq!(get(&patient(|_| {}), &server.url("/")).await.unwrap().collect(4).await.unwrap(), "boom");
}

#[tokio::test]
async fn a_slow_drip_cannot_hold_a_collected_answer_open() {
    let server = Server::after_request(|mut stream| async move {
        stream.write_all(ENDLESS).await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let outbound = patient(|limits| limits.collect = short());
    let begun = Instant::now();
    let error = get(&outbound, &server.url("/")).await.unwrap().collect(1 << 20).await.unwrap_err();
    assert!(matches!(error, OutboundError::CollectTimeout), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_is_given_up() {
    let server = Server::after_request(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        forever(stream).await;
    })
    .await;
    let outbound = patient(|limits| limits.idle = short());
    let mut body = get(&outbound, &server.url("/")).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "half");
    assert!(matches!(body.next().await, Some(Err(OutboundError::IdleTimeout))));
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn a_server_that_never_begins_is_given_up_but_may_have_acted() {
    let server = Server::after_request(forever).await;
    let outbound = patient(|_| {}).with_limits(Limits { headers: short(), ..hasty() });
    let error = get(&outbound, &server.url("/")).await.unwrap_err();
    assert!(matches!(error, OutboundError::HeaderTimeout), "{error:?}");
    assert!(error.may_have_arrived());
}

#[tokio::test]
async fn a_reader_that_was_busy_does_not_take_the_server_for_idle() {
    let (go_on, wait) = mpsc::channel::<()>(1);
    let wait = Arc::new(tokio::sync::Mutex::new(wait));
    let server = Server::after_request(move |mut stream| {
        let wait = Arc::clone(&wait);
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none").await.unwrap();
            wait.lock().await.recv().await;
            sleep(Duration::from_millis(50)).await;
            stream.write_all(b"two").await.unwrap();
        }
    })
    .await;
    let outbound = patient(|limits| limits.idle = Duration::from_millis(500));
    let mut body = get(&outbound, &server.url("/")).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    // The reader waits a moment, so that the timer runs, and then is elsewhere for longer than the limit.
    assert!(futures::poll!(body.next()).is_pending());
    go_on.send(()).await.unwrap();
    sleep(Duration::from_millis(700)).await;
    assert_eq!(body.next().await.unwrap().unwrap(), "two");
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn endless_headers_are_an_error() {
    let server = Server::after_request(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(b"x-more: and more and more and more and more\r\n").await.is_ok() {}
    })
    .await;
    let error = get(&patient(|_| {}), &server.url("/")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Broken(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_cut_off_is_an_error_and_not_an_end() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let server = Server::after_request(move |mut stream| async move {
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let error = get(&patient(|_| {}), &server.url("/")).await.unwrap().collect(100).await.unwrap_err();
        assert!(matches!(error, OutboundError::Broken(_)), "{error:?}");
    }
}

#[tokio::test]
async fn garbage_is_an_error() {
    for answer in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 999999 x\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let server = Server::answering(answer).await;
        let error = get(&patient(|_| {}), &server.url("/")).await.unwrap_err();
        assert!(matches!(error, OutboundError::Broken(_)), "{answer}: {error:?}");
    }
}

/// Never answers.
struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_look_up_without_an_end_is_bounded_like_connecting() {
    let limits = Limits { connect: short(), ..hasty() };
    let silent: Arc<dyn Resolve> = Arc::new(Silent);
    let outbound = Outbound::with(private(), limits, &silent, &[]).unwrap();
    let error = get(&outbound, &"https://tools.example/".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, OutboundError::ConnectTimeout), "{error:?}");
    assert!(!error.may_have_arrived());
}
