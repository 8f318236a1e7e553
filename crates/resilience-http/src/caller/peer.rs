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
    let addr = connect_info::<SocketAddr>(extensions);
    #[cfg(feature = "tls")]
    let addr = addr.or_else(|| Some(&connect_info::<super::TlsPeer>(extensions)?.addr));
    addr.map(SocketAddr::ip)
}

#[cfg(not(feature = "axum"))]
fn axum(_: &Extensions) -> Option<IpAddr> {
    None
}

/// What axum's server says of the connection.
#[cfg(feature = "axum")]
pub(super) fn connect_info<T: Send + Sync + 'static>(extensions: &Extensions) -> Option<&T> {
    use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

    // In this order, as axum's own extractor has it.
    let real = extensions.get().map(|ConnectInfo(info)| info);
    real.or_else(|| extensions.get().map(|MockConnectInfo(info)| info))
}

#[cfg(feature = "tonic-server")]
fn tonic(extensions: &Extensions) -> Option<IpAddr> {
    use tonic::transport::server::TcpConnectInfo;

    // Under its own TLS tonic has both: this, and one with the certificates around it. On streams of tokio-rustls, only
    // the latter.
    let info = extensions.get::<TcpConnectInfo>();
    #[cfg(feature = "tls")]
    let info = info.or_else(|| Some(extensions.get::<TonicTls>()?.get_ref()));
    info.and_then(|info| Some(info.remote_addr()?.ip()))
}

/// tonic's `TlsConnectInfo<TcpConnectInfo>`, which has a name only where tonic is told which cryptography to use.
#[cfg(all(feature = "tls", feature = "tonic-server"))]
pub(super) type TonicTls =
    <tokio_rustls::server::TlsStream<tokio::net::TcpStream> as tonic::transport::server::Connected>::ConnectInfo;

#[cfg(not(feature = "tonic-server"))]
fn tonic(_: &Extensions) -> Option<IpAddr> {
    None
}
