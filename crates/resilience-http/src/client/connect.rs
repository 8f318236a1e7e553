//! Connections: hyper-util's pooled client, with or without TLS.

use super::resend::Unread;
use hyper_util::{
    client::legacy::{Builder, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use resilience_core::{ConfigError, config};
use std::time::Duration;

#[cfg(not(feature = "client-rustls"))]
type Connector = HttpConnector;
#[cfg(feature = "client-rustls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;

/// hyper-util's client. A clone has the same pool.
pub(super) type Transport = Client<Connector, Unread>;

/// How connections are made and kept.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) connect_timeout: Duration,
    pub(super) tcp_nodelay: bool,
    pub(super) tcp_keepalive: Option<Duration>,
    pub(super) http2_only: bool,
    pub(super) http2_keep_alive: Option<Duration>,
    pub(super) pool_idle_timeout: Option<Duration>,
    pub(super) pool_max_idle_per_host: usize,
    #[cfg(feature = "client-rustls")]
    pub(super) tls: super::Tls,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            tcp_nodelay: true,
            tcp_keepalive: None,
            http2_only: false,
            http2_keep_alive: None,
            pool_idle_timeout: Some(Duration::from_secs(90)),
            pool_max_idle_per_host: 100,
            #[cfg(feature = "client-rustls")]
            tls: super::Tls::default(),
        }
    }
}

impl Connections {
    pub(super) fn build(self) -> Result<Transport, ConfigError> {
        let optional = |field, value: Option<Duration>| {
            value
                .map(|value| config::duration(field, value))
                .transpose()
        };
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(config::duration(
            "connect_timeout",
            self.connect_timeout,
        )?));
        http.set_nodelay(self.tcp_nodelay);
        http.set_keepalive(optional("tcp_keepalive", self.tcp_keepalive)?);

        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(optional("pool_idle_timeout", self.pool_idle_timeout)?)
            .pool_max_idle_per_host(self.pool_max_idle_per_host)
            .http2_only(self.http2_only)
            .http2_keep_alive_interval(optional("http2_keep_alive", self.http2_keep_alive)?)
            // It would go past budget and hooks: see `Resend`.
            .retry_canceled_requests(false);
        #[cfg(feature = "client-rustls")]
        let http = super::tls::connector(self.tls, self.http2_only, http)?;
        Ok(client(&builder, http))
    }
}

fn client(builder: &Builder, connector: Connector) -> Transport {
    builder.build(connector)
}
