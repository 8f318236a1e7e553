//! Who is calling, on real sockets: peers, proxies in a row, and callers that write headers of their own.

mod common;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
};
use common::inventory::{Stock, ask};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use inventory_proto::{inventory_client::InventoryClient, inventory_server::InventoryServer};
use resilience_stack::http::{ByAddr, ByHeader, CallerAddr, HeaderKey, ProxyHeader};
use resilience_stack::{
    core::{Now, Permit},
    prelude::*,
};
use std::{
    collections::HashMap,
    hash::Hash,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tonic::transport::{Endpoint, server::TcpIncoming};

/// Admits two calls of each key.
struct Two<K, F> {
    key: F,
    seen: Arc<Mutex<HashMap<K, u32>>>,
}

impl<K, F> Two<K, F> {
    fn by(key: F) -> Self {
        let seen = Arc::default();
        Self { key, seen }
    }
}

impl<K: Eq + Hash + Clone, F: Clone> Two<K, F> {
    /// How many came with each key, the refused included.
    fn seen(&self) -> HashMap<K, u32> {
        self.seen.lock().unwrap().clone()
    }
}

impl<K, F: Clone> Clone for Two<K, F> {
    fn clone(&self) -> Self {
        let (key, seen) = (self.key.clone(), self.seen.clone());
        Self { key, seen }
    }
}

struct In;

impl Permit for In {
    fn finish(self, _: Outcome, _: &mut Now) {}
    fn revert(self, _: &mut Now) {}
}

impl<B, K: Eq + Hash, F: Fn(&Request<B>) -> K> Policy<Request<B>> for Two<K, F> {
    type Permit = In;

    fn admit(&self, req: &Request<B>, _: &mut Now) -> Result<In, Rejected> {
        let key = (self.key)(req);
        let mut seen = self.seen.lock().unwrap();
        let count = seen.entry(key).or_default();
        *count += 1;
        if *count <= 2 {
            return Ok(In);
        }
        Err(Rejected::new(Reason::Rate, "two"))
    }
}

/// An axum server with `policy`, that knows its peers.
async fn server<K, F>(policy: Two<K, F>) -> SocketAddr
where
    K: Eq + Hash + Send + Sync + 'static,
    F: Fn(&Request<Body>) -> K + Clone + Send + Sync + 'static,
{
    let layer = GuardLayer::new(policy).http().respond();
    listen(
        "127.0.0.1",
        Router::new().fallback(|| async {}).layer(layer),
    )
    .await
}

async fn listen(at: &str, app: Router) -> SocketAddr {
    let listener = TcpListener::bind((at, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

type FromThere = Client<HttpConnector, Empty<bytes::Bytes>>;

/// A client whose connections come from that address.
fn client(from: &str, http2: bool) -> FromThere {
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(from.parse().unwrap()));
    let mut client = Client::builder(TokioExecutor::new());
    client.http2_only(http2).build(connector)
}

type Lines<'a> = &'a [(&'static str, &'a str)];

async fn get(client: &FromThere, server: SocketAddr, lines: Lines<'_>) -> StatusCode {
    let mut req = Request::get(common::uri(server, "/"));
    for &(name, value) in lines {
        req = req.header(name, value);
    }
    let req = req.body(Empty::new()).unwrap();
    client.request(req).await.unwrap().status()
}

const OK: StatusCode = StatusCode::OK;
const REFUSED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[tokio::test]
async fn every_peer_has_a_limit_of_its_own() {
    let by_addr = ByAddr::peer();
    let policy = Two::by(move |req: &Request<Body>| by_addr.key(req));
    let server = server(policy.clone()).await;
    for peer in ["127.0.0.2", "127.0.0.3"] {
        // Connections do not count, and neither do ports.
        for (http2, status) in [(false, OK), (true, OK), (false, REFUSED), (true, REFUSED)] {
            let spoofed = [
                ("x-forwarded-for", "203.0.113.7"),
                ("forwarded", "for=203.0.113.7"),
            ];
            assert_eq!(get(&client(peer, http2), server, &spoofed).await, status);
        }
    }
    let seen = ["127.0.0.2", "127.0.0.3"].map(|peer| (by_addr.key_of(peer.parse().unwrap()), 4));
    assert_eq!(policy.seen(), HashMap::from(seen));
}

/// IPv4 callers of a listener for both are told apart, though they arrive as IPv6 addresses of one /64.
#[tokio::test]
async fn mapped_peers_are_ipv4() {
    let policy = Two::by(|req: &Request<Body>| ByAddr::peer().key(req));
    let layer = GuardLayer::new(policy.clone()).http().respond();
    let app = Router::new()
        .fallback(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() })
        .layer(layer);
    let server = listen("::", app).await;
    for peer in ["127.0.0.2", "127.0.0.3"] {
        let uri = common::uri(SocketAddr::from(([127, 0, 0, 1], server.port())), "/");
        let answer = client(peer, false).get(uri).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("::ffff:{peer}"));
    }
    let mut seen: Vec<_> = policy
        .seen()
        .into_keys()
        .map(|key| key.to_string())
        .collect();
    seen.sort();
    assert_eq!(seen, ["127.0.0.2", "127.0.0.3"]);
}

/// Without `into_make_service_with_connect_info`, everybody shares a limit.
#[tokio::test]
async fn unknown_peers_are_limited_together() {
    let policy = Two::by(|req: &Request<Body>| ByAddr::peer().key(req));
    let layer = GuardLayer::new(policy.clone()).http().respond();
    let server = common::serve(Router::new().fallback(|| async {}).layer(layer)).await;
    for (peer, status) in [("127.0.0.2", OK), ("127.0.0.3", OK), ("127.0.0.4", REFUSED)] {
        assert_eq!(get(&client(peer, false), server, &[]).await, status);
    }
    assert_eq!(policy.seen(), HashMap::from([(CallerAddr::UNKNOWN, 3)]));
}

/// A proxy that passes everything on, and appends whom it was called by.
#[derive(Clone)]
struct Proxy {
    next: SocketAddr,
    client: FromThere,
    header: ProxyHeader,
    /// In a line of its own, or in the caller's last.
    own_line: bool,
}

impl Proxy {
    /// On a listener, with connections to `next` that come from `at`.
    async fn start(at: &str, next: SocketAddr, header: ProxyHeader, own_line: bool) -> SocketAddr {
        let client = client(at, false);
        let proxy = Self {
            next,
            client,
            header,
            own_line,
        };
        listen(at, Router::new().fallback(Self::pass).with_state(proxy)).await
    }

    async fn pass(
        State(proxy): State<Self>,
        ConnectInfo(peer): ConnectInfo<SocketAddr>,
        req: Request<Body>,
    ) -> Response<Body> {
        let (name, entry) = match proxy.header {
            ProxyHeader::Forwarded => ("forwarded", format!("for=\"{peer}\";host=\"a, b\"")),
            ProxyHeader::XForwardedFor => ("x-forwarded-for", peer.ip().to_string()),
        };
        let name = HeaderName::from_static(name);
        let mut on = Request::get(common::uri(proxy.next, "/"))
            .body(Empty::new())
            .unwrap();
        *on.headers_mut() = req.headers().clone();
        let mut lines: Vec<_> = on.headers().get_all(&name).iter().cloned().collect();
        let joined = match lines.pop_if(|_| !proxy.own_line) {
            Some(last) => [last.as_bytes(), b", ", entry.as_bytes()].concat(),
            None => entry.into_bytes(),
        };
        lines.push(HeaderValue::from_bytes(&joined).unwrap());
        on.headers_mut().remove(&name);
        for line in lines {
            on.headers_mut().append(&name, line);
        }
        proxy.client.request(on).await.unwrap().map(Body::new)
    }
}

#[tokio::test]
async fn behind_two_proxies_nobody_chooses_a_key() {
    for (header, own_line) in [
        (ProxyHeader::Forwarded, false),
        (ProxyHeader::Forwarded, true),
        (ProxyHeader::XForwardedFor, false),
        (ProxyHeader::XForwardedFor, true),
    ] {
        let by_addr = ByAddr::builder().behind(2, header).build().unwrap();
        let policy = Two::by(move |req: &Request<Body>| by_addr.key(req));
        let server = server(policy.clone()).await;
        let inner = Proxy::start("127.0.0.9", server, header, own_line).await;
        let outer = Proxy::start("127.0.0.8", inner, header, own_line).await;

        let spoofed: [Lines<'_>; 6] = [
            &[],
            &[
                ("x-forwarded-for", "203.0.113.7"),
                ("forwarded", "for=203.0.113.7"),
            ],
            &[
                ("x-forwarded-for", "203.0.113.8"),
                ("forwarded", "for=203.0.113.8, for=\""),
            ],
            &[
                ("x-forwarded-for", "a"),
                ("x-forwarded-for", "b,"),
                ("forwarded", "\""),
                ("forwarded", "for=\"\\"),
            ],
            &[("x-forwarded-for", ",,,,"), ("forwarded", ",;,=,")],
            &[
                ("x-forwarded-for", "\u{e9}"),
                ("forwarded", "for=1.1.1.1;for=1.1.1.1"),
            ],
        ];
        for peer in ["127.0.0.2", "127.0.0.3"] {
            let client = client(peer, false);
            for (call, lines) in spoofed.into_iter().enumerate() {
                let status = if call < 2 { OK } else { REFUSED };
                assert_eq!(
                    get(&client, outer, lines).await,
                    status,
                    "{header:?} {lines:?}"
                );
            }
        }
        let key = |addr: &str| by_addr.key_of(addr.parse().unwrap());
        let mut expected = HashMap::from([(key("127.0.0.2"), 6), (key("127.0.0.3"), 6)]);
        assert_eq!(policy.seen(), expected);

        // Around the outer proxy: too few entries, so the caller shares the key of all that the inner one sends so.
        assert_eq!(get(&client("127.0.0.4", false), inner, &[]).await, OK);
        expected.insert(key("127.0.0.9"), 1);
        assert_eq!(policy.seen(), expected);
    }
}

#[tokio::test]
async fn a_header_is_a_key_of_bounded_size() {
    let by_tenant = ByHeader::new("x-tenant").unwrap();
    let policy = {
        let by_tenant = by_tenant.clone();
        Two::by(move |req: &Request<Body>| by_tenant.key(req))
    };
    let server = server(policy.clone()).await;
    let client = client("127.0.0.1", false);
    for (value, status) in [("blue", OK), ("blue", OK), ("blue", REFUSED), ("green", OK)] {
        assert_eq!(get(&client, server, &[("x-tenant", value)]).await, status);
    }
    for (len, status) in [(129, OK), (130, OK), (4_000, REFUSED)] {
        let value = "a".repeat(len);
        assert_eq!(get(&client, server, &[("x-tenant", &value)]).await, status);
    }
    let expected = [
        (by_tenant.key_of("blue"), 3),
        (by_tenant.key_of("green"), 1),
        (HeaderKey::IRREGULAR, 3),
    ];
    assert_eq!(policy.seen(), HashMap::from(expected));
}

#[tokio::test]
async fn callers_of_a_tonic_server_are_told_apart() {
    let policy = Two::by(|req: &Request<tonic::body::Body>| ByAddr::peer().key(req));
    let layer = GuardLayer::new(policy.clone()).grpc().respond();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .layer(layer)
        .add_service(InventoryServer::new(Stock));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    for peer in ["127.0.0.2", "127.0.0.3"] {
        let connect = tower::service_fn(move |_| from(peer, address));
        let channel =
            Endpoint::from_static("http://inventory").connect_with_connector_lazy(connect);
        let mut client = InventoryClient::new(channel);
        for admitted in [true, true, false] {
            assert_eq!(client.stock(ask("tea")).await.is_ok(), admitted);
        }
    }
    let mut seen: Vec<_> = policy
        .seen()
        .into_keys()
        .map(|key| key.to_string())
        .collect();
    seen.sort();
    assert_eq!(seen, ["127.0.0.2", "127.0.0.3"]);
}

async fn from(peer: &str, to: SocketAddr) -> std::io::Result<TokioIo<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(peer.parse().unwrap(), 0))?;
    socket.connect(to).await.map(TokioIo::new)
}
