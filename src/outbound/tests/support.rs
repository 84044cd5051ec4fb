//! Servers that do as they are told, and resolvers that answer what a test wants.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Certificate, Method,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderMap,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::outbound::{Limits, Outbound, OutboundError, Policy, Response};

pub(super) const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

pub(super) const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");
const KEY: &[u8] = include_bytes!("tls/key.pem");

/// A listener on loopback that counts who comes and keeps what they say.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers every request on a connection with the same bytes.
    pub(super) async fn answering(answer: &'static str) -> Self {
        Self::doing(move |stream, requests| async move {
            let mut stream = stream;
            while let Some(request) = read_request(&mut stream).await {
                requests.lock().unwrap().push(request);
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    /// Takes one request and goes on as `then` says.
    pub(super) async fn after_request<F>(
        then: impl Fn(TcpStream) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::doing(move |stream, requests| {
            let then = then.clone();
            async move {
                let mut stream = stream;
                if let Some(request) = read_request(&mut stream).await {
                    requests.lock().unwrap().push(request);
                    then(stream).await;
                }
            }
        })
        .await
    }

    async fn doing<F>(serve: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let (count, kept) = (Arc::clone(&connections), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        Self { address, connections, requests }
    }

    /// Speaks TLS with the test certificate, and answers with [`HELLO`].
    pub(super) async fn encrypted() -> Self {
        let config = tls_config();
        Self::doing(move |stream, requests| {
            let config = Arc::clone(&config);
            async move {
                let stream = stream.into_std().unwrap();
                tokio::task::spawn_blocking(move || serve_tls(stream, config, &requests)).await.unwrap();
            }
        })
        .await
    }

    pub(super) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub(super) fn url_for(&self, name: &str) -> Url {
        format!("https://{name}:{}/", self.address.port()).parse().unwrap()
    }

    pub(super) fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn tls_config() -> Arc<rustls::ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        );
    Arc::new(config.unwrap())
}

fn serve_tls(
    mut stream: std::net::TcpStream,
    config: Arc<rustls::ServerConfig>,
    requests: &Mutex<Vec<String>>,
) {
    stream.set_nonblocking(false).unwrap();
    let mut connection = rustls::ServerConnection::new(config).unwrap();
    let mut stream = rustls::Stream::new(&mut connection, &mut stream);
    let mut request = Vec::new();
    let mut byte = [0];
    while stream.read_exact(&mut byte).is_ok() {
        request.push(byte[0]);
        if request.ends_with(b"\r\n\r\n") {
            requests.lock().unwrap().push(String::from_utf8(std::mem::take(&mut request)).unwrap());
            if stream.write_all(HELLO.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// One request with its body, or nothing when the client has gone.
pub(super) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            if request.len() >= end + 4 + length.map_or(0, |length| length.parse().unwrap()) {
                return Some(String::from_utf8_lossy(&request).into_owned());
            }
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

/// A resolver that gives one prepared answer after the other; the last one for ever.
pub(super) struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    pub(super) asked: AtomicUsize,
}

impl Scripted {
    pub(super) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: Name) -> Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        // A port that a resolver makes up must not be used.
        let addresses = answer.into_iter().map(|address| SocketAddr::new(address, 22));
        Box::pin(std::future::ready(Ok(Box::new(addresses) as Addrs)))
    }
}

pub(super) fn strict() -> Policy {
    Policy::default()
}

pub(super) fn private() -> Policy {
    Policy { allow_private: true, ..Policy::default() }
}

/// Short enough for a test, long enough for a busy machine.
pub(super) fn hasty() -> Limits {
    let (short, long) = (Duration::from_millis(400), Duration::from_secs(20));
    Limits { connect: long, headers: long, idle: long, collect: short }
}

pub(super) fn outbound(policy: Policy) -> Outbound {
    Outbound::new(policy, Limits::default()).unwrap()
}

/// A client that trusts the test certificate and asks `resolver`.
pub(super) fn resolving(policy: Policy, resolver: &Arc<Scripted>) -> Outbound {
    let root = Certificate::from_pem(CERTIFICATE).unwrap();
    let resolver: Arc<dyn Resolve> = resolver.clone();
    Outbound::with(policy, Limits::default(), &resolver, &[root]).unwrap()
}

pub(super) async fn get(outbound: &Outbound, url: &Url) -> Result<Response, OutboundError> {
    outbound.request(Method::GET, url, HeaderMap::new(), None).await
}
