//! Policies per key on a real router: one client's limit is not another's, and clients who find no room share one.

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use resilience_stack::http::{ByAddr, ByHeader, PeerAddr};
use resilience_stack::{keyed::Overflow, prelude::*};
use std::net::IpAddr;
use tower::{Layer, ServiceExt};

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
