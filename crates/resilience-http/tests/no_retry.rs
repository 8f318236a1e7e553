//! A request that says so is sent once.
#![cfg(all(feature = "fallback", feature = "retry"))]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use resilience_core::BoxError;
use resilience_fallback::FallbackLayer;
use resilience_http::{HttpLayer, NoRetry, RetriesExhausted};
use resilience_retry::RetryLayer;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tower::{Layer, Service, ServiceExt, service_fn};

type Body = Full<Bytes>;

/// Fails every call, by an answer or without having sent it, and counts.
fn failing<B>(
    calls: &AtomicU32,
    sent: bool,
) -> impl Service<Request<B>, Response = Response<Body>, Error = BoxError> + Clone {
    service_fn(move |_: Request<B>| {
        calls.fetch_add(1, SeqCst);
        async move {
            if !sent {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into());
            }
            let res = Response::builder().status(503).body(Body::default());
            Ok(res.unwrap())
        }
    })
}

fn requests() -> [Request<Body>; 2] {
    let request = || Request::put("/").body(Body::from("body")).unwrap();
    let mut once = request();
    once.extensions_mut().insert(NoRetry);
    [request(), once]
}

#[tokio::test(start_paused = true)]
async fn it_is_not_retried_whatever_comes_of_it() {
    for sent in [true, false] {
        for (req, attempts) in requests().into_iter().zip([3, 1]) {
            let calls = AtomicU32::new(0);
            let layer = RetryLayer::builder("test").build().unwrap().http();
            let result = layer.layer(failing(&calls, sent)).oneshot(req).await;
            assert_eq!(calls.into_inner(), attempts, "sent: {sent}");
            // Not to retry here says nothing about others.
            if let Ok(res) = result {
                let marked = res.extensions().get::<RetriesExhausted>();
                assert_eq!(marked.is_some(), attempts > 1);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_other_service_is_asked_and_other_fallbacks_answer() {
    for (req, asked) in requests().into_iter().zip([1, 0]) {
        let (primary, other) = (AtomicU32::new(0), AtomicU32::new(0));
        let layer = FallbackLayer::service("test", failing(&other, true)).http();
        let service = layer.layer(failing(&primary, true));
        service.oneshot(req).await.unwrap();
        assert_eq!((primary.load(SeqCst), other.load(SeqCst)), (1, asked));
    }
    let [_, once] = requests();
    let calls = AtomicU32::new(0);
    let layer = FallbackLayer::value("test", Response::new(Body::from("old"))).http();
    let res = layer.layer(failing(&calls, true)).oneshot(once).await;
    assert_eq!(res.unwrap().status(), 200);
}
