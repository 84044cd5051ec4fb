//! Where a request comes from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use super::bucket::Crowded;

/// Whose allowance an address takes from. An IPv6 address is its /64: a machine may have all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// One address.
    V4(u32),
    /// A /64, its upper half.
    V6(u64),
    /// All networks that share these bits, while more are about than are told apart.
    Crowd(u16),
}

impl Network {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(upper_half(address.to_bits())),
        }
    }
}

const fn upper_half(bits: u128) -> u64 {
    (bits >> 64) as u64
}

impl std::fmt::Display for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V4(bits) => write!(formatter, "{}/32", Ipv4Addr::from_bits(*bits)),
            Self::V6(bits) => {
                write!(formatter, "{}/64", std::net::Ipv6Addr::from_bits(u128::from(*bits) << 64))
            }
            Self::Crowd(_) => formatter.write_str("many"),
        }
    }
}

impl Crowded for Network {
    /// A /16 of IPv4, about a /32 of IPv6: 65,536 of them at most.
    fn crowd(self) -> Self {
        let fold = |bits: u32| {
            let [a, b, c, d] = bits.to_be_bytes();
            u16::from_be_bytes([a ^ c, b ^ d])
        };
        match self {
            Self::V4(bits) => Self::Crowd(fold(bits & 0xffff_0000)),
            Self::V6(bits) => Self::Crowd(fold(u32::try_from(bits >> 32).unwrap_or(0))),
            crowd @ Self::Crowd(_) => crowd,
        }
    }
}

/// The client's address: the connection's other end, unless that is a proxy that is trusted. Then what the
/// proxies wrote is read from the end: each of them is believed as far as it is trusted itself, and what
/// stands before the first that isn't, anybody may have written.
pub(super) fn client(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    if trusted.is_empty() || !is_trusted(peer) {
        return peer;
    }
    let mut client = peer;
    let lines: Vec<&HeaderValue> = headers.get_all("x-forwarded-for").collect();
    // By bytes: one that isn't text spoils its own place in the row and no other.
    for hop in lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        // What can't be read was written by the last one that could be.
        let Some(address) = str::from_utf8(hop).ok().and_then(|hop| read(hop.trim())) else { return client };
        client = address;
        if !is_trusted(address) {
            return client;
        }
    }
    client
}

/// An address, with or without a port, as proxies write it.
fn read(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().ok().or_else(|| hop.parse().ok().map(|socket: SocketAddr| socket.ip()));
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}
