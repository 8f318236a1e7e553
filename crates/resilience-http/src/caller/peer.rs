//! The other end of the connection.

use http::Extensions;
use std::net::{IpAddr, SocketAddr};

/// The address of the other end of the connection, as a request extension.
///
/// For servers that neither axum nor tonic runs, and for those who know better, such as after the PROXY protocol:
/// put it into the request's extensions as it arrives. It goes before what axum and tonic say.
///
/// ```
/// use resilience_http::{ByAddr, PeerAddr};
/// use std::net::SocketAddr;
///
/// let accepted = SocketAddr::from(([203, 0, 113, 7], 52_111));
/// let mut req = http::Request::new(());
/// req.extensions_mut().insert(PeerAddr::from(accepted));
/// assert_eq!(ByAddr::peer().key(&req).to_string(), "203.0.113.7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub IpAddr);

impl From<SocketAddr> for PeerAddr {
    fn from(addr: SocketAddr) -> Self {
        Self(addr.ip())
    }
}

/// The peer, by whoever accepted the connection.
pub(super) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let ours = extensions.get().map(|&PeerAddr(addr)| addr);
    ours.or_else(|| axum(extensions))
        .or_else(|| tonic(extensions))
}

#[cfg(feature = "axum")]
fn axum(extensions: &Extensions) -> Option<IpAddr> {
    use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

    // In this order, as axum's own extractor has it.
    let real = extensions.get::<ConnectInfo<SocketAddr>>();
    let addr = real.map(|ConnectInfo(addr)| addr).or_else(|| {
        let mock = extensions.get::<MockConnectInfo<SocketAddr>>();
        mock.map(|MockConnectInfo(addr)| addr)
    });
    addr.map(SocketAddr::ip)
}

#[cfg(not(feature = "axum"))]
fn axum(_: &Extensions) -> Option<IpAddr> {
    None
}

#[cfg(feature = "tonic-server")]
fn tonic(extensions: &Extensions) -> Option<IpAddr> {
    // Under TLS tonic has both: this, and one with the certificates.
    let info = extensions.get::<tonic::transport::server::TcpConnectInfo>();
    info.and_then(|info| Some(info.remote_addr()?.ip()))
}

#[cfg(not(feature = "tonic-server"))]
fn tonic(_: &Extensions) -> Option<IpAddr> {
    None
}
