//! Names to addresses that may be reached. The client connects to what comes from here and to
//! nothing else: look-up, check and connection are one step.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Reach, UrlRefused, policy::is_localhost};

/// Looks names up as the system does.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Lets through what may be reached.
pub(super) struct GuardedResolver {
    inner: Arc<dyn Resolve>,
    private: bool,
}

impl GuardedResolver {
    pub(super) fn new(inner: Arc<dyn Resolve>, private: bool) -> Self {
        Self { inner, private }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        if is_localhost(name.as_str()) {
            let local = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), (Ipv6Addr::LOCALHOST, 0).into()];
            return Box::pin(std::future::ready(admitted(local.into_iter(), private)));
        }
        let looked_up = self.inner.resolve(name);
        Box::pin(async move { admitted(looked_up.await?, private) })
    }
}

/// The addresses that may be reached, without a port: the URL's counts, never the resolver's.
fn admitted(
    addresses: impl Iterator<Item = SocketAddr>,
    private: bool,
) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
    let mut refused = false;
    let mut admitted = Vec::new();
    for address in addresses {
        if Reach::of(address.ip()).admits(private) {
            admitted.push(SocketAddr::new(address.ip(), 0));
        } else {
            refused = true;
        }
    }
    if admitted.is_empty() && refused {
        return Err(UrlRefused::Address.into());
    }
    Ok(Box::new(admitted.into_iter()))
}
