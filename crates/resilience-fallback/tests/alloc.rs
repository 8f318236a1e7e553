//! What a call costs in allocations: nothing, unless there may be two failures to tell of.

#![cfg(not(resilience_loom))]

use allocation_counter::measure;
use resilience_core::BoxError;
use resilience_fallback::{Failure, FallbackLayer};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
use tower::{Layer, Service, service_fn};

fn call<S: Service<u64>>(service: &mut S, req: u64) -> Result<S::Response, S::Error> {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(ready) = service.poll_ready(&mut cx) else {
        panic!("inner is always ready")
    };
    ready?;
    match pin!(service.call(req)).poll(&mut cx) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("inner answers at once"),
    }
}

/// Allocations of 100 calls, after one to warm up.
fn allocations<L, S>(layer: &L, req: u64) -> u64
where
    L: Layer<
            tower::util::ServiceFn<fn(u64) -> std::future::Ready<Result<u64, &'static str>>>,
            Service = S,
        >,
    S: Service<u64, Response = u64>,
{
    // Odd requests fail.
    let inner: fn(u64) -> _ =
        |req| std::future::ready(if req % 2 == 1 { Err("odd") } else { Ok(req) });
    let mut service = layer.layer(service_fn(inner));
    let mut run = || assert!(call(&mut service, req).is_ok());
    run();
    measure(|| (0..100).for_each(|_| run())).count_total
}

fn zero(_: u64) -> std::future::Ready<Result<u64, BoxError>> {
    std::future::ready(Ok(0))
}

#[test]
fn a_call_that_succeeds_allocates_nothing() {
    let value = FallbackLayer::value("v", 0);
    let function = FallbackLayer::function("f", |_: Failure<u64, &'static str>| 0);
    let later = FallbackLayer::async_function("a", |_: Failure<u64, &'static str>| async {
        Ok::<u64, BoxError>(0)
    });
    assert_eq!(allocations(&value, 2), 0);
    assert_eq!(allocations(&function, 2), 0);
    assert_eq!(allocations(&later, 2), 0);
    let other = FallbackLayer::service("s", service_fn(zero));
    assert_eq!(allocations(&other, 2), 0);
}

#[test]
fn degrading_allocates_nothing_but_where_two_failures_may_meet() {
    let value = FallbackLayer::value("v", 0);
    let function = FallbackLayer::function("f", |_: Failure<u64, &'static str>| 0);
    let later = FallbackLayer::async_function("a", |_: Failure<u64, &'static str>| async {
        Ok::<u64, BoxError>(0)
    });
    assert_eq!(allocations(&value, 1), 0);
    assert_eq!(allocations(&function, 1), 0);
    // Where the error comes home if the function drops it.
    assert_eq!(allocations(&later, 1), 100);
    // The first error is boxed: the text, and the box.
    let other = FallbackLayer::service("s", service_fn(zero));
    assert_eq!(allocations(&other, 1), 200);
}
