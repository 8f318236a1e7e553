//! Policies per key on a real router: one client's limit is not another's, and clients who find no room share one.

mod common;

use axum::{Router, body::Body, routing::get};
use common::inventory::{ask, channel, serve_behind};
use http::{HeaderValue, Request, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use inventory_proto::inventory_client::InventoryClient;
use resilience_stack::{
    breaker::{BreakerBuilder, State},
    http::{ByAddr, ByHeader, Client, PeerAddr, client::Origin},
    keyed::Overflow,
    prelude::*,
};
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tonic::Code;
use tower::{Layer, ServiceExt, util::MapRequestLayer};

fn from(client: &str) -> Request<Body> {
    let req = Request::get("/").header("x-api-key", client);
    let mut req = req.body(Body::empty()).unwrap();
    if let Ok(addr) = client.parse::<IpAddr>() {
        req.extensions_mut().insert(PeerAddr(addr));
    }
    req
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

#[tokio::test(start_paused = true)]
async fn each_api_key_has_a_quota_of_its_own() {
    let by_key = ByHeader::new("x-api-key").unwrap();
    let clients = Keyed::builder("clients")
        .key(move |req: &Request<Body>| Some(by_key.key(req)))
        .quota(Quota::per_minute(6).burst(1))
        .build()
        .unwrap();
    let app = clients.layer().http().respond().layer(hello());
    let status = |client| {
        let app = app.clone();
        async move {
            let res = app.oneshot(from(client)).await.unwrap();
            let after = res.headers().get(RETRY_AFTER).cloned();
            (
                res.status(),
                after.map(|value| value.to_str().unwrap().to_owned()),
            )
        }
    };
    assert_eq!(status("one").await, (StatusCode::OK, None));
    let refused = (StatusCode::TOO_MANY_REQUESTS, Some("10".into()));
    assert_eq!(status("one").await, refused);
    assert_eq!(status("two").await, (StatusCode::OK, None));
    assert_eq!(clients.len(), 2);
}

#[tokio::test]
async fn each_address_has_a_bulkhead_until_the_end_of_the_body() {
    let by_addr = ByAddr::builder().build().unwrap();
    let clients = Keyed::builder("clients")
        .key(move |req: &Request<Body>| Some(by_addr.key(req)))
        .each(|_| Bulkhead::new("clients", 1).unwrap())
        .max_keys(2)
        .overflow(Overflow::Refuse)
        .build()
        .unwrap();
    let app = clients.layer().http().respond().layer(hello());
    let call = |client| app.clone().oneshot(from(client));

    let first = call("192.0.2.1").await.unwrap();
    let second = call("192.0.2.2").await.unwrap();
    assert_eq!(
        (first.status(), second.status()),
        (StatusCode::OK, StatusCode::OK)
    );
    let again = call("192.0.2.1").await.unwrap();
    assert_eq!(again.status(), StatusCode::SERVICE_UNAVAILABLE);
    // Both have a body under way, and so there is no room for a third.
    let third = call("192.0.2.3").await.unwrap();
    assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
    first.into_body().collect().await.unwrap();
    let third = call("192.0.2.3").await.unwrap();
    assert_eq!(third.status(), StatusCode::OK);
    drop(second);
}

/// Counts the attempts that arrive.
fn count<B: 'static>(
    attempts: &Arc<AtomicUsize>,
) -> MapRequestLayer<impl Fn(Request<B>) -> Request<B> + Clone + use<B>> {
    let attempts = attempts.clone();
    MapRequestLayer::new(move |req: Request<B>| {
        attempts.fetch_add(1, SeqCst);
        req
    })
}

/// A quota for each tenant.
fn by_tenant<B: 'static>()
-> KeyedRateLimit<HeaderValue, impl Fn(&Request<B>) -> Option<HeaderValue> + Clone + use<B>> {
    let tenants = Keyed::builder("tenants")
        .key(|req: &Request<B>| req.headers().get("x-tenant").cloned())
        .quota(Quota::per_second(100));
    tenants.build().unwrap()
}

/// A breaker that the first failure opens.
fn touchy(breaker: BreakerBuilder) -> BreakerBuilder {
    breaker
        .consecutive_failures(1)
        .minimum_spread(Duration::ZERO)
}

#[tokio::test]
async fn a_request_without_a_key_is_a_bad_one_which_is_neither_repeated_nor_a_failure() {
    let attempts = Arc::default();
    let (count, tenants) = (count::<Body>(&attempts), by_tenant::<Body>());
    let broken = Router::new().route("/broken", get(|| async { StatusCode::BAD_GATEWAY }));
    let app = hello()
        .merge(broken)
        .layer(tenants.layer().http().respond());
    let address = common::serve(app.layer(count)).await;

    let client = Client::builder("shop").breaker(touchy).build().unwrap();
    let get = |path| client.get(common::uri(address, path));
    let breaker = || {
        let origin = Origin::of(&common::uri(address, "/")).unwrap();
        client.breaker(&origin).unwrap().state()
    };
    let res = get("/").send().await.unwrap();
    assert_eq!(res.status(), StatusCode::BAD_REQUEST);
    let said = res.into_body().text().await.unwrap();
    assert_eq!(said, "tenants: there is no key in the request");
    assert_eq!((attempts.load(SeqCst), breaker()), (1, State::Closed));

    // With a key it is served, and what is a failure opens the breaker.
    let served = get("/").header("x-tenant", "a").send().await.unwrap();
    assert_eq!(served.status(), StatusCode::OK);
    let _ = get("/broken").header("x-tenant", "a").send().await;
    assert_eq!(breaker(), State::Open);
}

#[tokio::test]
async fn over_grpc_a_request_without_a_key_is_an_invalid_argument() {
    let attempts = Arc::default();
    let (count, tenants) = (
        count::<tonic::body::Body>(&attempts),
        by_tenant::<tonic::body::Body>(),
    );
    let address = serve_behind((count, tenants.layer().grpc().respond())).await;

    let breaker = touchy(Breaker::builder("inventory")).build().unwrap();
    let stack = ClientStack::grpc("inventory").breaker(breaker.clone());
    let stack = stack.build().unwrap();
    let mut inventory = InventoryClient::new(stack.layer(channel(address)));
    let status = inventory.stock(ask("lamp")).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "tenants: there is no key in the request");
    assert_eq!((attempts.load(SeqCst), breaker.state()), (1, State::Closed));

    let with_key = |product| {
        let mut request = tonic::Request::new(ask(product));
        request
            .metadata_mut()
            .insert("x-tenant", "a".parse().unwrap());
        request
    };
    inventory.stock(with_key("lamp")).await.unwrap();
    inventory.stock(with_key("lost")).await.unwrap_err();
    assert_eq!(breaker.state(), State::Open);
}
