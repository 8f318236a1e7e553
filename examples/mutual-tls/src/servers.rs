//! An axum server and a tonic server, with one limit for each caller that both share.

use crate::{certificates::Authority, flaky, listener::TlsListener};
use axum::{Router, extract::Request, routing::get, serve::ListenerExt};
use inventory_proto::inventory_server::InventoryServer;
use resilience_stack::{
    http::{ByCertificate, CertificateKey, TlsPeer},
    prelude::*,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tonic::transport::Server;

/// What each caller may, and what it still may.
pub(crate) type Limits = KeyedRateLimit<CertificateKey>;

/// Calls that each caller may make at once; then it has to wait for ten minutes for each further one.
pub(crate) const BURST: u32 = 4;

pub(crate) fn limits() -> Result<Limits, ConfigError> {
    let limits = Keyed::builder("callers")
        .key(who::<()>)
        .quota(Quota::per_hour(6).burst(BURST))
        .build()?;
    Ok(limits.handle())
}

/// Whoever has the certificate. Without one, nobody gets past the handshake; and if so, then not past the limit.
fn who<B>(req: &http::Request<B>) -> Option<CertificateKey> {
    let key = ByCertificate::new().key(req);
    (key != CertificateKey::ABSENT).then_some(key)
}

/// Where the servers are.
#[derive(Clone, Copy)]
pub(crate) struct Servers {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
}

impl Servers {
    /// Servers that `named_by` gave their certificates, for callers that `trusting` gave theirs.
    pub(crate) async fn start(
        named_by: &Authority,
        trusting: &Authority,
        limits: &Limits,
    ) -> Result<Self, BoxError> {
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        let credentials = named_by.server(ip)?;

        let limit = limits.key(who).layer().http().respond();
        let app = Router::new()
            .route(
                "/",
                get(async |req: Request| format!("hello, {}", ByCertificate::new().key(&req))),
            )
            .layer(limit);
        let tcp = TcpListener::bind((ip, 0)).await?;
        let http = tcp.local_addr()?;
        let listener = TlsListener::new(tcp, trusting.server_config(&credentials, "http/1.1")?);
        // `tap_io` for its connection info: what the listener says of the peer.
        let app = app.into_make_service_with_connect_info::<TlsPeer>();
        tokio::spawn(axum::serve(listener.tap_io(|_| ()), app).into_future());

        let limit = limits.key(who).layer().grpc().respond();
        let tcp = TcpListener::bind((ip, 0)).await?;
        let grpc = tcp.local_addr()?;
        let listener = TlsListener::new(tcp, trusting.server_config(&credentials, "h2")?);
        let server = Server::builder()
            .layer(limit)
            .add_service(InventoryServer::new(flaky::Inventory::default()));
        tokio::spawn(server.serve_with_incoming(listener.streams()));

        Ok(Self { http, grpc })
    }
}
