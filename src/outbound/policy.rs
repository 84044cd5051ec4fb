//! Which URLs may be asked at all, before any name is looked up.

use std::{fmt, net::IpAddr, str::FromStr};

use url::{Host, Origin, Url};

use super::Reach;

/// What the operator allows.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Loopback and private networks: `TOLLBOOK_ALLOW_PRIVATE_UPSTREAMS`. Link-local addresses and
    /// metadata services stay refused.
    pub allow_private: bool,
    /// Hosts for which `allow_private` holds in any case.
    pub exceptions: Vec<HostPort>,
    /// Where we ourselves can be reached: the public URL and the listen address. A session that is
    /// its own tool server would loop. One on loopback or on all addresses stands for every loopback
    /// address with that port.
    pub own_origins: Vec<Origin>,
}

/// A host and a port, as in `tools.internal:8443`, `10.0.0.7:443` or `[fd00::7]:443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// The text isn't a host and a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host and a port, as in `tools.internal:8443`")]
pub struct HostPortError(String);

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || {
            let (host, port) = text.rsplit_once(':')?;
            let host = Host::parse(host).ok()?.to_string();
            Some(Self { host: dotless(&host).to_owned(), port: port.parse().ok()? })
        };
        parts().ok_or_else(|| HostPortError(text.to_owned()))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why a URL is refused. For whoever registers it; says nothing about what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefused {
    /// It can't be read.
    #[error("not a URL")]
    Syntax,
    /// Neither https nor http.
    #[error("the URL must begin with `https://`")]
    Scheme,
    /// http to another machine.
    #[error("http is allowed only to this machine, and only where private addresses are; use https")]
    Plaintext,
    /// User name or password.
    #[error("the URL must not carry a user name or password")]
    Userinfo,
    /// A fragment is never sent, so it can't be meant.
    #[error("the URL must not carry a fragment")]
    Fragment,
    /// Private, reserved, or a metadata service.
    #[error("the address is not one that may be reached from here")]
    Address,
    /// We would call ourselves.
    #[error("the URL is one of Tollbook's own")]
    OwnOrigin,
}

/// Which client a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Guarded,
    Excepted,
}

/// A policy, prepared for the gateway's path: a check allocates nothing.
pub(super) struct Guard {
    allow_private: bool,
    exceptions: Vec<HostPort>,
    own: Vec<Own>,
}

struct Own {
    host: String,
    port: u16,
    /// Loopback, or all addresses.
    local: bool,
}

impl Guard {
    pub(super) fn new(policy: Policy) -> Self {
        let own = policy.own_origins.into_iter().filter_map(Own::of).collect();
        Self { allow_private: policy.allow_private, exceptions: policy.exceptions, own }
    }

    pub(super) fn check(&self, url: &Url) -> Result<Route, UrlRefused> {
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlRefused::Scheme),
        };
        let (Some(host), Some(name), Some(port)) = (url.host(), url.host_str(), url.port_or_known_default())
        else {
            return Err(UrlRefused::Syntax);
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefused::Userinfo);
        }
        if url.fragment().is_some() {
            return Err(UrlRefused::Fragment);
        }
        let name = dotless(name);
        let reach = reach(&host);
        if self.own.iter().any(|own| own.is(name, port, reach)) {
            return Err(UrlRefused::OwnOrigin);
        }
        let excepted =
            self.exceptions.iter().any(|exception| exception.host == name && exception.port == port);
        if reach.is_some_and(|reach| !reach.admits(self.allow_private || excepted)) {
            return Err(UrlRefused::Address);
        }
        if !encrypted && reach != Some(Reach::Loopback) {
            return Err(UrlRefused::Plaintext);
        }
        Ok(if excepted { Route::Excepted } else { Route::Guarded })
    }
}

impl Own {
    fn of(origin: Origin) -> Option<Self> {
        let Origin::Tuple(_, host, port) = origin else { return None };
        let everywhere = match &host {
            Host::Ipv4(address) => address.is_unspecified(),
            Host::Ipv6(address) => address.is_unspecified(),
            Host::Domain(_) => false,
        };
        let local = everywhere || reach(&borrowed(&host)) == Some(Reach::Loopback);
        Some(Self { host: dotless(&host.to_string()).to_owned(), port, local })
    }

    /// Whatever the scheme: the other one on the same port is we, too.
    fn is(&self, name: &str, port: u16, reach: Option<Reach>) -> bool {
        self.port == port && (self.host == name || (self.local && reach == Some(Reach::Loopback)))
    }
}

fn borrowed(host: &Host<String>) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    }
}

/// How far a host reaches, if that is known without a look-up.
fn reach(host: &Host<&str>) -> Option<Reach> {
    match host {
        Host::Ipv4(address) => Some(Reach::of(IpAddr::V4(*address))),
        Host::Ipv6(address) => Some(Reach::of(IpAddr::V6(*address))),
        Host::Domain(name) => is_localhost(name).then_some(Reach::Loopback),
    }
}

/// RFC 6761 section 6.3: these names mean this machine, and aren't looked up.
pub(super) fn is_localhost(name: &str) -> bool {
    let name = dotless(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// A name with the root's dot is the same name.
fn dotless(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}
