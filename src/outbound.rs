//! The one client for every URL that a tenant or a stranger can influence: tool servers, token
//! endpoints, discovered metadata.
//!
//! What it promises, whatever the URL:
//! - https, or http to this machine where the operator allows that; never our own origins.
//! - Every address that is connected to was checked, after the last look-up: the connection is made
//!   to the checked address and to nothing else, so a name that answers differently the second time
//!   gains nothing. Only globally reachable unicast addresses pass ([`Reach`]), and private ones where
//!   the [`Policy`] says so.
//! - Redirects are never followed, proxies of the environment are ignored, cookies and referrers are
//!   not kept, no request is sent twice.
//! - Answers are bounded in time and size, and never decompressed.
//! - Errors carry no URL: it may hold a secret, and the agent may see the error.
//!
//! One [`Outbound`] serves the whole process; cloning it is cheap and shares the connections. There
//! is no per-request client: on the gateway's path a request costs the checks of its URL and no more.

mod address;
mod body;
mod error;
mod policy;
mod resolver;
#[cfg(test)]
mod tests;
mod tls;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Certificate, Client, Method, Request, StatusCode,
    dns::Resolve,
    header::{
        ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TE,
        TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use tokio::time::timeout;
use url::Url;

pub use address::Reach;
pub use body::Body;
pub use error::{OutboundError, classify};
pub use policy::{HostPort, HostPortError, Policy, UrlRefused};
pub use resolver::SystemResolver;

use policy::{Guard, Route};
use resolver::GuardedResolver;

/// Connections that stay open without use, to one host.
const IDLE_CONNECTIONS: usize = 32;

/// Shorter than what most servers and load balancers wait before they close.
const KEEP_IDLE: Duration = Duration::from_secs(50);

/// How long to wait for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Look-up, connection and TLS handshake together. Fixed when the client is made.
    pub connect: Duration,
    /// From the request to the answer's headers, connecting included.
    pub headers: Duration,
    /// Between two chunks of the answer's body.
    pub idle: Duration,
    /// For the whole body, where it is collected: a slow drip must not hold a lease for ever.
    pub collect: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            headers: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            collect: Duration::from_secs(30),
        }
    }
}

/// An answer whose headers are here and whose body is on its way.
#[derive(Debug)]
pub struct Response {
    /// Never a redirect.
    pub status: StatusCode,
    /// As the server sent them; what may go on to an agent is the caller's decision.
    pub headers: HeaderMap,
    /// Dropping it closes the connection, if it isn't at its end.
    pub body: Body,
}

impl Response {
    /// The whole body, if it has at most `max` bytes and comes within [`Limits::collect`].
    pub async fn collect(self, max: usize) -> Result<Bytes, OutboundError> {
        self.body.collect(max).await
    }
}

/// The guarded client.
#[derive(Clone)]
pub struct Outbound {
    shared: Arc<Shared>,
    limits: Limits,
}

struct Shared {
    guard: Guard,
    guarded: Client,
    /// For the operator's exceptions: a look-up knows the name and not the port, so what is excepted
    /// has a client of its own.
    excepted: Client,
}

impl Outbound {
    /// A client that resolves names as the system does and trusts the system's certificates.
    pub fn new(policy: Policy, limits: Limits) -> Result<Self, OutboundError> {
        let resolver: Arc<dyn Resolve> = Arc::new(SystemResolver);
        Self::with(policy, limits, &resolver, &[])
    }

    /// A client with a resolver of its own, that trusts `roots` besides the system's certificates.
    pub fn with(
        policy: Policy,
        limits: Limits,
        resolver: &Arc<dyn Resolve>,
        roots: &[Certificate],
    ) -> Result<Self, OutboundError> {
        let client = |private| {
            tls::client(|| builder(limits, GuardedResolver::new(Arc::clone(resolver), private)), roots)
        };
        let guarded = client(policy.allow_private)?;
        let excepted = if policy.allow_private || policy.exceptions.is_empty() {
            guarded.clone()
        } else {
            client(true)?
        };
        let shared = Shared { guard: Guard::new(policy), guarded, excepted };
        Ok(Self { shared: Arc::new(shared), limits })
    }

    /// The same client and connections, more or less patient. [`Limits::connect`] stays as it was.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { shared: Arc::clone(&self.shared), limits }
    }

    /// Says whether requests to `text` could be allowed: its syntax, scheme, origin, and its address
    /// if it names one. For the moment of registration; no name is looked up.
    pub fn check_url(&self, text: &str) -> Result<Url, UrlRefused> {
        let url = Url::parse(text).map_err(|_| UrlRefused::Syntax)?;
        self.shared.guard.check(&url)?;
        Ok(url)
    }

    /// Sends one request, once, and answers when the headers are here.
    ///
    /// What belongs to the connection (`Host`, `Content-Length`, `Accept-Encoding`, hop-by-hop headers)
    /// is not the caller's to set and is dropped from `headers`.
    pub async fn request(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response, OutboundError> {
        let client = match self.shared.guard.check(url)? {
            Route::Guarded => &self.shared.guarded,
            Route::Excepted => &self.shared.excepted,
        };
        let mut request = Request::new(method, url.clone());
        *request.headers_mut() = without_connection_headers(headers);
        *request.body_mut() = body.map(reqwest::Body::from);
        let answer = timeout(self.limits.headers, client.execute(request)).await;
        let answer = answer.map_err(|_| OutboundError::HeaderTimeout)?.map_err(error::classify)?;
        self.accept(answer)
    }

    fn accept(&self, mut answer: reqwest::Response) -> Result<Response, OutboundError> {
        let status = answer.status();
        if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Err(OutboundError::Redirected(status));
        }
        let headers = std::mem::take(answer.headers_mut());
        if headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
            return Err(OutboundError::Encoded);
        }
        let body = Body::new(answer, self.limits);
        Ok(Response { status, headers, body })
    }
}

fn builder(limits: Limits, resolver: GuardedResolver) -> reqwest::ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("tollbook/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .pool_idle_timeout(KEEP_IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .dns_resolver(resolver)
}

/// RFC 9110 section 7.6.1, and what the client itself answers for.
fn without_connection_headers(mut headers: HeaderMap) -> HeaderMap {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    for name in [
        HOST,
        CONTENT_LENGTH,
        ACCEPT_ENCODING,
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
    headers
}
