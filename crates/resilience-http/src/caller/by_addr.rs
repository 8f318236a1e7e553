//! Callers by their address.

use super::{CallerAddr, ProxyHeader, peer::peer};
use http::Request;
use resilience_core::{ConfigError, config};
use std::net::IpAddr;

/// Tells callers apart by their address: that of the peer, or the one that a stated number of proxies vouches for.
///
/// ```
/// use http::Request;
/// use resilience_http::{ByAddr, CallerAddr, ProxyHeader};
///
/// # fn main() -> Result<(), resilience_core::ConfigError> {
/// // A content network and a load balancer of ours, each of which appends to the header.
/// let by_addr = ByAddr::builder()
///     .behind(2, ProxyHeader::XForwardedFor)
///     .ipv6_prefix(56)
///     .build()?;
/// // The key of a request, for whatever keeps one limit per key.
/// let key = move |req: &Request<()>| -> CallerAddr { by_addr.key(req) };
///
/// let req = Request::get("/").header("x-forwarded-for", "1.1.1.1, 203.0.113.7, 198.51.100.2");
/// let req = req.body(()).expect("a valid request");
/// assert_eq!(key(&req).to_string(), "203.0.113.7"); // Not what the caller wrote to the left of it.
/// # Ok(())
/// # }
/// ```
///
/// # The peer
///
/// The other end of the connection, as the first of these request extensions says:
///
/// | extension | who puts it there |
/// |---|---|
/// | [`PeerAddr`](crate::PeerAddr) | you |
/// | axum's `ConnectInfo<SocketAddr>`, then `MockConnectInfo` (feature `axum`) | `into_make_service_with_connect_info` |
/// | tonic's `TcpConnectInfo` (feature `tonic-server`) | tonic's server, with and without TLS |
///
/// Without any of them, all callers have the one key [`CallerAddr::UNKNOWN`]: a forgotten
/// `into_make_service_with_connect_info` limits everybody together, and nobody is unlimited.
///
/// # Behind proxies
///
/// With *n* proxies stated, the caller is the *n*-th entry of the header from the right. Of several header lines the
/// last is the rightmost. The statement is: every request passes *n* proxies that append to this header whom they
/// were called by, and **nobody can reach the server around them**. A caller who can writes the whole header itself,
/// and no reader of headers can tell. Count proxies that replace the header as the first.
///
/// What a caller writes never chooses its key. Where an address is missing, the caller shares a key with others:
///
/// | the request has | its key is that of |
/// |---|---|
/// | at least *n* entries, and the *n*-th from the right has an address | that address |
/// | anything left of that, well-formed or not | no difference: it is not read |
/// | at least *n* entries; the *n*-th is `unknown`, a made-up name (`_gateway`), malformed, or has no `for` or two | the nearest entry to the right of it that has an address: the proxy that the caller came through |
/// | the same, and no entry to the right has an address | the peer |
/// | fewer than *n* entries, or no such header: the statement is wrong for this request | the peer |
/// | in `Forwarded`, from the *n*-th entry on, a quote that is not one of the two around a value | the peer |
/// | the other one of the two headers | no difference: it is not read |
/// | one of the rows that end at the peer, and the peer is not known | [`CallerAddr::UNKNOWN`] |
///
/// An entry is an IPv4 or IPv6 address, with or without a port; IPv6 with brackets or, if there is no port, without.
/// Ports do not count. Empty entries (`,,`) are no entries. In `Forwarded`, values that ought to be quoted are also
/// read without quotes; a backslash in one makes it malformed.
///
/// To state too many proxies is as wrong as to open the header to callers: the *n*-th entry is then theirs. To state
/// too few makes the callers behind a proxy share its key.
///
/// # How much of an address counts
///
/// IPv6 hands out networks, not addresses: one caller has at least 2⁶⁴ of them, so by default the first 64 bits count
/// ([`ipv6_prefix`](ByAddrBuilder::ipv6_prefix)). Many providers hand a /56 or a /48 to whoever asks: where 256 or
/// 65,536 fresh keys are too many, take fewer bits. Callers that a network maps into one /64 (NAT64, link-local
/// addresses) share a key. Of IPv4 addresses all 32 bits count; callers behind one NAT share a key.
#[derive(Clone, Copy, Debug)]
pub struct ByAddr {
    proxies: Option<Proxies>,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
}

#[derive(Clone, Copy, Debug)]
struct Proxies {
    count: u8,
    header: ProxyHeader,
}

impl ByAddr {
    /// By the address of the peer, for servers without a proxy before them; the first 64 bits of IPv6 count.
    pub const fn peer() -> Self {
        Self {
            proxies: None,
            ipv4_prefix: 32,
            ipv6_prefix: 64,
        }
    }

    /// Begins with [`peer`](Self::peer).
    pub const fn builder() -> ByAddrBuilder {
        let ByAddr {
            ipv4_prefix,
            ipv6_prefix,
            ..
        } = Self::peer();
        ByAddrBuilder {
            behind: None,
            ipv4_prefix,
            ipv6_prefix,
        }
    }

    /// Who sent `req`.
    pub fn key<B>(&self, req: &Request<B>) -> CallerAddr {
        let vouched = self
            .proxies
            .and_then(|proxies| proxies.header.caller(req.headers(), proxies.count));
        match vouched.or_else(|| peer(req.extensions())) {
            Some(addr) => self.key_of(addr),
            None => CallerAddr::UNKNOWN,
        }
    }

    /// The key of callers with that address: to look one up.
    pub fn key_of(&self, addr: IpAddr) -> CallerAddr {
        CallerAddr::new(addr, self.ipv4_prefix, self.ipv6_prefix)
    }
}

impl Default for ByAddr {
    fn default() -> Self {
        Self::peer()
    }
}

/// Builds a [`ByAddr`].
///
/// | setting | default | allowed |
/// |---|---|---|
/// | [`behind`](Self::behind) | no proxies: the peer | 1 to 32 proxies |
/// | [`ipv4_prefix`](Self::ipv4_prefix) | 32 | 1 to 32 bits |
/// | [`ipv6_prefix`](Self::ipv6_prefix) | 64 | 1 to 128 bits |
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ByAddrBuilder {
    behind: Option<(u8, ProxyHeader)>,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
}

impl ByAddrBuilder {
    /// Takes the caller's address from `header`, to which that many trusted proxies have each appended an entry.
    ///
    /// See [`ByAddr`] for what this states.
    pub fn behind(mut self, proxies: u8, header: ProxyHeader) -> Self {
        self.behind = Some((proxies, header));
        self
    }

    /// Counts the first `bits` of an IPv4 address.
    pub fn ipv4_prefix(mut self, bits: u8) -> Self {
        self.ipv4_prefix = bits;
        self
    }

    /// Counts the first `bits` of an IPv6 address.
    pub fn ipv6_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = bits;
        self
    }

    /// Checks the settings.
    pub fn build(self) -> Result<ByAddr, ConfigError> {
        let proxies = match self.behind {
            None => None,
            Some((count, header)) => Some(Proxies {
                count: config::count("behind", count, 1, 32)?,
                header,
            }),
        };
        Ok(ByAddr {
            proxies,
            ipv4_prefix: config::count("ipv4_prefix", self.ipv4_prefix, 1, 32)?,
            ipv6_prefix: config::count("ipv6_prefix", self.ipv6_prefix, 1, 128)?,
        })
    }
}
