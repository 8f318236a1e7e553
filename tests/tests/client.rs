//! The client with servers that are protected too: axum and tonic.

mod common;

use axum::{Extension, Router, routing::get};
use common::{
    inventory::{ask, serve_behind},
    serve, uri,
};
use http::{HeaderName, StatusCode};
use inventory_proto::inventory_client::InventoryClient;
use resilience_stack::{
    core::Deadline,
    http::{
        Client, HttpDeadline,
        client::{ClientBuilder, Error, Origin},
    },
    prelude::*,
    timeout::DeadlineLayer,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tonic::Code;

const MINUTE: Duration = Duration::from_secs(60);

fn builder() -> ClientBuilder {
    let backoff = Backoff::constant(Duration::from_millis(1)).unwrap();
    Client::builder("test").backoff(backoff)
}

/// What is left of the time, in milliseconds.
async fn left(Extension(deadline): Extension<Deadline>) -> String {
    deadline.remaining().as_millis().to_string()
}

#[tokio::test]
async fn a_deadline_shrinks_from_tier_to_tier() {
    const HEADER: HeaderName = HeaderName::from_static("x-left");
    let deadlines = || {
        let carry = HttpDeadline::new().header(HEADER);
        let layer = DeadlineLayer::builder("server").max(2 * MINUTE);
        layer.build().unwrap().http().carry(carry).respond()
    };
    let client = builder().deadline_header(HEADER).build().unwrap();
    let inner = serve(Router::new().route("/", get(left)).layer(deadlines())).await;
    let through = client.clone();
    let outer = move |Extension(deadline): Extension<Deadline>| async move {
        let request = through.get(uri(inner, "/")).extension(deadline);
        let res = request.send().await.unwrap();
        let inner = res.into_body().text().await.unwrap();
        format!("{} {inner}", deadline.remaining().as_millis())
    };
    let outer = serve(Router::new().route("/", get(outer)).layer(deadlines())).await;

    let request = client.get(uri(outer, "/")).timeout(MINUTE);
    let text = request.send().await.unwrap().into_body().text().await;
    let text = text.unwrap();
    let (outer, inner) = text.split_once(' ').unwrap();
    let (outer, inner): (u128, u128) = (outer.parse().unwrap(), inner.parse().unwrap());
    // The outer one was read later.
    assert!(outer.max(inner) <= MINUTE.as_millis(), "{text}");
    assert!(outer.min(inner) > MINUTE.as_millis() / 2, "{text}");
}

#[tokio::test]
async fn refusals_of_a_protected_server_are_retried() {
    let calls = Arc::new(AtomicU32::new(0));
    let bulkhead = Bulkhead::new("server", 1).unwrap();
    let layer = GuardLayer::new(bulkhead.clone()).http().respond();
    let app = Router::new()
        .route("/", get(|| async { "ok" }))
        .layer(layer);
    let counted = calls.clone();
    let app = app.layer(axum::middleware::map_request(
        move |req: axum::extract::Request| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(req)
        },
    ));
    let address = serve(app).await;
    // Somebody else has the only place, and gives it back after the first attempt.
    let place = Policy::<()>::admit(&bulkhead, &(), &mut resilience_stack::core::Now::lazy());
    let place = std::sync::Mutex::new(place.ok());
    let client = builder()
        .advice_cap(Duration::from_millis(1))
        .on_end(move |event| {
            assert!(matches!(
                event.outcome,
                Some(Outcome::Overload { .. } | Outcome::Success)
            ));
            drop(place.lock().unwrap().take());
        })
        .build()
        .unwrap();
    let res = client.get(uri(address, "/")).send().await.unwrap();
    assert_eq!(res.status(), StatusCode::OK);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn serves_generated_grpc_clients() {
    let address = serve_behind(tower::layer::util::Identity::new()).await;
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = attempts.clone();
    let client = builder()
        .http2_only(true)
        .on_start(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .build()
        .unwrap();
    let origin = uri(address, "");
    let mut inventory = InventoryClient::with_origin(client.clone(), origin.clone());
    let reply = inventory.stock(ask("apples")).await.unwrap();
    assert_eq!(reply.into_inner().count, 1);
    assert_eq!(attempts.swap(0, Ordering::Relaxed), 1);

    // A status in the head is retried, one in the trailers comes too late.
    let status = inventory.stock(ask("lost")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(attempts.swap(0, Ordering::Relaxed), 3);
    let mut stream = inventory.watch(ask("lost")).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().count, 1);
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(attempts.swap(0, Ordering::Relaxed), 1);

    let mut hang = tonic::Request::new(ask("hang"));
    hang.metadata_mut()
        .insert("grpc-timeout", "30m".parse().unwrap());
    let status = inventory.stock(hang).await.unwrap_err();
    let error = resilience_stack::core::find_cause::<Error>(&status).unwrap();
    assert!(error.is_timeout(), "{error:?}");
    let host = Origin::of(&origin).unwrap();
    assert_eq!(client.bulkhead(&host).unwrap().in_flight(), 0);
}
