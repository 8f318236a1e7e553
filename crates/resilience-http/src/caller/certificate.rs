//! Callers by the certificate that they showed under mutual TLS.

use http::{Extensions, Request};
use std::{fmt, net::SocketAddr, sync::Arc};
use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Tells callers apart by the name in the certificate that they showed: under mutual TLS, where the server asks for
/// one and verifies it.
///
/// ```
/// use http::Request;
/// use resilience_http::{ByCertificate, CertificateKey, PeerCertificate};
///
/// # let params = rcgen::CertificateParams::new(["billing.example".to_owned()]).expect("a name");
/// # let key = rcgen::KeyPair::generate().expect("a key");
/// # let chain = [params.self_signed(&key).expect("a certificate").der().clone()];
/// // With rustls: `connection.peer_certificates()`, the caller's own certificate first.
/// let certificate = PeerCertificate::new(&chain[0]);
/// let mut req = Request::new(());
/// req.extensions_mut().insert(certificate);
/// let key = ByCertificate::new().key(&req);
/// assert_eq!(key, CertificateKey::dns("billing.example"));
/// ```
///
/// # The certificate
///
/// That of the connection, as the first of these request extensions says:
///
/// | extension | who puts it there |
/// |---|---|
/// | [`PeerCertificate`] | you |
/// | axum's `ConnectInfo<TlsPeer>`, then `MockConnectInfo` (feature `axum`) | `into_make_service_with_connect_info`; see [`TlsPeer`] |
/// | tonic's `TlsConnectInfo<TcpConnectInfo>` (feature `tonic-server`) | tonic's server, by its own TLS or on streams of tokio-rustls |
///
/// # Whose it is
///
/// | the certificate | its key |
/// |---|---|
/// | has one URI among its subject alternative names, such as a SPIFFE ID | [that URI](CertificateKey::uri), byte by byte |
/// | has no URI, and DNS names | [the first of them](CertificateKey::dns), without regard to case |
/// | has several URIs; has neither; has a name of more than 2,048 bytes, or an empty one; cannot be read | [`CertificateKey::IRREGULAR`], shared by all such callers |
/// | is not known: the caller showed none, or there is no such extension | [`CertificateKey::ABSENT`], shared by all such callers |
///
/// So a certificate that is renewed keeps its key, and a missing or odd one is never unlimited. Several URIs
/// are not read, as [SPIFFE](https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md) asks of verifiers.
/// Common names are not read either, nor are IP and e-mail addresses.
///
/// **Only a verified certificate says who somebody is.** Nothing here checks a signature, a date or an issuer: the
/// server's TLS does, before there is a request. With rustls, that is a `WebPkiClientVerifier` whose roots are those
/// that you trust to give out names; with its `allow_unauthenticated`, those who show none share `ABSENT`. A proxy that
/// ends TLS before the server knows the certificate, and the server does not: let the proxy say in a header what it
/// saw, for [`ByHeader`](crate::ByHeader).
///
/// The certificate is read when a [`PeerCertificate`] is made, once for a connection. tonic's own extension has only the
/// bytes, which are read for each request, with one allocation.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ByCertificate {}

impl ByCertificate {
    /// By the name in the certificate.
    pub const fn new() -> Self {
        Self {}
    }

    /// Who sent `req`.
    pub fn key<B>(&self, req: &Request<B>) -> CertificateKey {
        let extensions = req.extensions();
        let ours = extensions.get::<PeerCertificate>();
        match ours.or_else(|| axum(extensions)) {
            Some(certificate) => certificate.key.clone(),
            None => tonic(extensions).unwrap_or(CertificateKey::ABSENT),
        }
    }
}

#[cfg(feature = "axum")]
fn axum(extensions: &Extensions) -> Option<&PeerCertificate> {
    let peer = super::peer::connect_info::<TlsPeer>(extensions)?;
    peer.certificate.as_ref()
}

#[cfg(not(feature = "axum"))]
fn axum(_: &Extensions) -> Option<&PeerCertificate> {
    None
}

#[cfg(feature = "tonic-server")]
fn tonic(extensions: &Extensions) -> Option<CertificateKey> {
    let info = extensions.get::<super::peer::TonicTls>()?;
    let chain = info.peer_certs()?;
    chain.first().map(CertificateKey::of)
}

#[cfg(not(feature = "tonic-server"))]
fn tonic(_: &Extensions) -> Option<CertificateKey> {
    None
}

/// Who the peer of a connection is by its certificate, as a request extension. Cloning does not allocate.
#[derive(Clone, Debug)]
pub struct PeerCertificate {
    key: CertificateKey,
}

impl PeerCertificate {
    /// Reads the peer's own certificate, the first of its chain, in DER. Make it of what your TLS has *verified*.
    pub fn new(leaf: impl AsRef<[u8]>) -> Self {
        Self {
            key: CertificateKey::of(leaf),
        }
    }

    /// Whose it is: to tell who is calling, without a request.
    pub fn key(&self) -> &CertificateKey {
        &self.key
    }
}

/// The other end of a TLS connection: its address, and its certificate if it showed one.
///
/// For axum, whose server hands on what a listener says of a connection. Make this the `Addr` of a listener of your own;
/// after axum's `tap_io`, it is connection info, where [`ByCertificate`] and [`ByAddr`](crate::ByAddr) find it:
///
/// ```
/// use axum::{Router, serve::{Listener, ListenerExt}};
/// use resilience_http::TlsPeer;
///
/// async fn serve(listener: impl Listener<Addr = TlsPeer>, app: Router) -> std::io::Result<()> {
///     let app = app.into_make_service_with_connect_info::<TlsPeer>();
///     axum::serve(listener.tap_io(|_| ()), app).await
/// }
/// ```
///
/// The example `mutual-tls` has such a listener.
#[derive(Clone, Debug)]
pub struct TlsPeer {
    /// The address that the connection came from.
    pub addr: SocketAddr,
    /// `None` where the peer showed none.
    pub certificate: Option<PeerCertificate>,
}

/// Who a certificate says that the caller is, as a key: 24 bytes, and up to 2,048 of a name, which clones share.
///
/// A URI and a DNS name are never one key. Displayed as the name, `absent` or `irregular`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CertificateKey(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Absent,
    Irregular,
    Uri(Arc<str>),
    /// In lower case.
    Dns(Arc<str>),
}

/// As long as a SPIFFE ID may be.
const MAX_LEN: usize = 2_048;

impl CertificateKey {
    /// Of callers without a certificate.
    pub const ABSENT: Self = Self(Repr::Absent);

    /// Of certificates that name nobody, or nobody for certain.
    pub const IRREGULAR: Self = Self(Repr::Irregular);

    /// The key of callers whose certificate has that URI: to look one up.
    pub fn uri(name: impl AsRef<str>) -> Self {
        checked(name.as_ref()).map_or(Self::IRREGULAR, |name| Self(Repr::Uri(name.into())))
    }

    /// The key of callers whose certificate has no URI, and that DNS name first: to look one up.
    pub fn dns(name: impl AsRef<str>) -> Self {
        let dns = |name: &str| Self(Repr::Dns(name.to_ascii_lowercase().into()));
        checked(name.as_ref()).map_or(Self::IRREGULAR, dns)
    }

    fn of(leaf: impl AsRef<[u8]>) -> Self {
        let leaf = CertificateDer::from(leaf.as_ref());
        let Ok(certificate) = EndEntityCert::try_from(&leaf) else {
            return Self::IRREGULAR;
        };
        let mut uris = certificate.valid_uri_names();
        match (uris.next(), uris.next()) {
            (Some(uri), None) => Self::uri(uri),
            (Some(_), Some(_)) => Self::IRREGULAR,
            (None, _) => {
                let first = certificate.valid_dns_names().next();
                first.map_or(Self::IRREGULAR, Self::dns)
            }
        }
    }

    /// The name; `None` where the key is [`ABSENT`](Self::ABSENT) or [`IRREGULAR`](Self::IRREGULAR).
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Repr::Absent | Repr::Irregular => None,
            Repr::Uri(name) | Repr::Dns(name) => Some(name),
        }
    }
}

fn checked(name: &str) -> Option<&str> {
    (1..=MAX_LEN).contains(&name.len()).then_some(name)
}

impl fmt::Display for CertificateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Repr::Absent => "absent",
            Repr::Irregular => "irregular",
            Repr::Uri(name) | Repr::Dns(name) => name,
        })
    }
}

impl fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateKey({self})")
    }
}
