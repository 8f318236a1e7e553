//! TLS by rustls, with the cryptography of `ring`.

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use resilience_core::ConfigError;
use std::fmt;
use tokio_rustls::rustls::{ClientConfig, crypto::ring::default_provider};

/// Whom a [`Client`](super::Client) trusts over TLS.
#[derive(Default)]
#[non_exhaustive]
pub enum Tls {
    /// The authorities that Mozilla trusts, as compiled in. The default.
    #[default]
    WebpkiRoots,
    /// The authorities that this machine trusts, as read when the client is built.
    NativeRoots,
    /// Whatever this configuration says: authorities of your own, a certificate of the client's, another provider of
    /// cryptography. Its list of protocols (ALPN) is replaced.
    Config(Box<ClientConfig>),
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebpkiRoots => "WebpkiRoots",
            Self::NativeRoots => "NativeRoots",
            Self::Config(_) => "Config",
        })
    }
}

pub(super) fn connector(
    tls: Tls,
    http2_only: bool,
    mut http: HttpConnector,
) -> Result<HttpsConnector<HttpConnector>, ConfigError> {
    // `https` is for the connector around it.
    http.enforce_http(false);
    let unusable = |tls: &Tls, why: &dyn fmt::Display| {
        ConfigError::new("tls", tls, format!("usable on this machine ({why})"))
    };
    let builder = HttpsConnectorBuilder::new();
    let builder = match tls {
        Tls::WebpkiRoots => builder
            .with_provider_and_webpki_roots(default_provider())
            .map_err(|why| unusable(&tls, &why))?,
        Tls::NativeRoots => builder
            .with_provider_and_native_roots(default_provider())
            .map_err(|why| unusable(&tls, &why))?,
        Tls::Config(mut config) => {
            config.alpn_protocols.clear();
            builder.with_tls_config(*config)
        }
    };
    let builder = builder.https_or_http();
    Ok(if http2_only {
        builder.enable_http2().wrap_connector(http)
    } else {
        builder.enable_all_versions().wrap_connector(http)
    })
}
