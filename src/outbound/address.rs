//! Which addresses may be reached: the special-purpose registries of IANA for IPv4 and IPv6, as of
//! 2025, and the addresses at which clouds hand out credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Globally reachable unicast.
    Global,
    /// Private networks: RFC 1918, carrier-grade NAT, unique local addresses.
    Private,
    /// This machine.
    Loopback,
    /// Nothing that a request of ours should go to, wherever we run: link-local, multicast,
    /// documentation, reserved, tunnels that can't be looked into, metadata services.
    Never,
}

impl Reach {
    /// May it be connected to, if private networks may?
    pub fn admits(self, private: bool) -> bool {
        match self {
            Self::Global => true,
            Self::Private | Self::Loopback => private,
            Self::Never => false,
        }
    }

    /// The reach of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    Ipv4Addr::new(a, b, c, d).to_bits()
}

/// Network, length of its prefix, reach. The first match counts; what matches none is global.
const V4: &[(u32, u32, Reach)] = &[
    // Metadata services outside of link-local: Alibaba Cloud, Azure.
    (v4(100, 100, 100, 200), 32, Reach::Never),
    (v4(168, 63, 129, 16), 32, Reach::Never),
    // "This network": 0.0.0.0 reaches this machine on many systems.
    (v4(0, 0, 0, 0), 8, Reach::Never),
    (v4(10, 0, 0, 0), 8, Reach::Private),
    (v4(100, 64, 0, 0), 10, Reach::Private),
    (v4(127, 0, 0, 0), 8, Reach::Loopback),
    // Link-local, with the metadata services of most clouds.
    (v4(169, 254, 0, 0), 16, Reach::Never),
    (v4(172, 16, 0, 0), 12, Reach::Private),
    // IETF protocol assignments; Oracle's metadata service lies here too.
    (v4(192, 0, 0, 0), 24, Reach::Never),
    // Documentation: TEST-NET-1, -2, -3.
    (v4(192, 0, 2, 0), 24, Reach::Never),
    (v4(198, 51, 100, 0), 24, Reach::Never),
    (v4(203, 0, 113, 0), 24, Reach::Never),
    // The anycast relay of 6to4, deprecated.
    (v4(192, 88, 99, 0), 24, Reach::Never),
    (v4(192, 168, 0, 0), 16, Reach::Private),
    // Benchmarks.
    (v4(198, 18, 0, 0), 15, Reach::Never),
    // Multicast; reserved, with the broadcast address.
    (v4(224, 0, 0, 0), 4, Reach::Never),
    (v4(240, 0, 0, 0), 4, Reach::Never),
];

fn of_v4(address: Ipv4Addr) -> Reach {
    let bits = address.to_bits();
    let inside = |&&(network, length, _): &&(u32, u32, Reach)| (bits ^ network) >> (32 - length) == 0;
    V4.iter().find(inside).map_or(Reach::Global, |&(_, _, reach)| reach)
}

/// What an IPv6 network is.
#[derive(Clone, Copy)]
enum Net {
    Of(Reach),
    /// IPv4 addresses as sockets show them.
    Mapped,
    /// Leads to the IPv4 address that stands `shift` bits from the right.
    Translated {
        shift: u32,
    },
}

/// Network, with its significant bits shifted to their place, length of its prefix, what it is. The first match counts; what matches none is never reached.
const V6: &[(u128, u32, Net)] = &[
    (1, 128, Net::Of(Reach::Loopback)),
    (0xffff << 32, 96, Net::Mapped),
    // NAT64 (RFC 6052) and 6to4 (RFC 3056). The local-use NAT64 prefix 64:ff9b:1::/48 isn't here:
    // where its IPv4 address stands is known only to the network that uses it (RFC 8215), so one that
    // looks public to us may be private to the translator. It is never reached.
    (0x0064_ff9b << 96, 96, Net::Translated { shift: 0 }),
    (0x2002 << 112, 16, Net::Translated { shift: 80 }),
    // Metadata services within unique local addresses: Amazon, Google.
    (0xfd00_0ec2 << 96, 32, Net::Of(Reach::Never)),
    (0xfd20_00ce << 96, 32, Net::Of(Reach::Never)),
    (0xfc00 << 112, 7, Net::Of(Reach::Private)),
    // IETF protocol assignments: Teredo, ORCHID, benchmarks and others.
    (0x2001 << 112, 23, Net::Of(Reach::Never)),
    // Documentation.
    (0x2001_0db8 << 96, 32, Net::Of(Reach::Never)),
    (0x3fff << 112, 20, Net::Of(Reach::Never)),
    // Global unicast: all else that IANA has given out.
    (0x2000 << 112, 3, Net::Of(Reach::Global)),
];

fn of_v6(address: Ipv6Addr) -> Reach {
    let bits = address.to_bits();
    let inside = |&&(network, length, _): &&(u128, u32, Net)| (bits ^ network) >> (128 - length) == 0;
    match V6.iter().find(inside).map(|&(_, _, net)| net) {
        None => Reach::Never,
        Some(Net::Of(reach)) => reach,
        Some(Net::Mapped) => of_v4(embedded(bits, 0)),
        // A translator's own loopback is not ours.
        Some(Net::Translated { shift }) => match of_v4(embedded(bits, shift)) {
            Reach::Loopback => Reach::Never,
            reach => reach,
        },
    }
}

fn embedded(bits: u128, shift: u32) -> Ipv4Addr {
    let [.., a, b, c, d] = (bits >> shift).to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}
