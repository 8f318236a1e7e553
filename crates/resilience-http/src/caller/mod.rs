//! Who is calling: keys for limits per caller, read from the request.

mod addr;
mod by_addr;
mod by_header;
#[cfg(feature = "tls")]
mod certificate;
mod forwarded;
mod peer;

pub use addr::CallerAddr;
pub use by_addr::{ByAddr, ByAddrBuilder};
pub use by_header::{ByHeader, ByHeaderBuilder, HeaderKey};
#[cfg(feature = "tls")]
pub use certificate::{ByCertificate, CertificateKey, PeerCertificate, TlsPeer};
pub use forwarded::ProxyHeader;
pub use peer::PeerAddr;
