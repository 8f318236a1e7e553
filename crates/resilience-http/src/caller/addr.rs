//! The key of a caller that is known by its address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The network that a caller belongs to, as a key: 17 bytes, `Copy`.
///
/// Made by [`ByAddr`](crate::ByAddr), which says how many bits of an address count. An IPv4-mapped IPv6 address
/// (`::ffff:203.0.113.7`) is the IPv4 address in it. Addresses of both kinds never share a key.
///
/// Displayed as `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/64` or `unknown`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerAddr {
    /// IPv4 as an IPv4-mapped IPv6 address; bits after the prefix are zero.
    network: [u8; 16],
    /// Counted as for IPv6, so above [`MAPPED`] for IPv4. Zero where the caller is unknown.
    prefix: u8,
}

/// The bits before an IPv4-mapped address.
const MAPPED: u8 = 96;

impl CallerAddr {
    /// The one key of all callers without an address, such as those behind a Unix socket.
    pub const UNKNOWN: Self = Self {
        network: [0; 16],
        prefix: 0,
    };

    /// The first `ipv4_prefix` or `ipv6_prefix` bits of `addr`: 1 to 32, and 1 to 128.
    pub(super) fn new(addr: IpAddr, ipv4_prefix: u8, ipv6_prefix: u8) -> Self {
        let (bits, prefix) = match addr.to_canonical() {
            IpAddr::V4(addr) => (addr.to_ipv6_mapped().to_bits(), MAPPED + ipv4_prefix),
            IpAddr::V6(addr) => (addr.to_bits(), ipv6_prefix),
        };
        let kept = u128::MAX << (128 - u32::from(prefix));
        Self {
            network: (bits & kept).to_be_bytes(),
            prefix,
        }
    }

    /// The first address of the network; `None` where the caller is [unknown](Self::UNKNOWN).
    pub fn network(&self) -> Option<IpAddr> {
        (self.prefix > 0).then(|| match self.ipv4() {
            Some(addr) => addr.into(),
            None => Ipv6Addr::from(self.network).into(),
        })
    }

    /// How many bits of the address count: up to 32 for IPv4, up to 128 for IPv6, 0 where the caller is unknown.
    pub fn prefix(&self) -> u8 {
        match self.ipv4() {
            Some(_) => self.prefix - MAPPED,
            None => self.prefix,
        }
    }

    fn ipv4(&self) -> Option<Ipv4Addr> {
        // An IPv6 address that has this form never gets here as one.
        Ipv6Addr::from(self.network).to_ipv4_mapped()
    }
}

impl fmt::Display for CallerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network(), self.prefix()) {
            (None, _) => f.write_str("unknown"),
            (Some(IpAddr::V4(addr)), 32) => write!(f, "{addr}"),
            (Some(IpAddr::V6(addr)), 128) => write!(f, "{addr}"),
            (Some(addr), prefix) => write!(f, "{addr}/{prefix}"),
        }
    }
}

impl fmt::Debug for CallerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallerAddr({self})")
    }
}
