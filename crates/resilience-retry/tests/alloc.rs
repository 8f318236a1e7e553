//! What a call costs in allocations while nothing fails: nothing.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use allocation_counter::measure;
use resilience_core::BoxError;
use resilience_retry::{RetryBuilder, RetryLayer};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tower::{Layer, Service, service_fn};

fn allocations(builder: RetryBuilder) -> u64 {
    let layer = builder.build().expect("valid");
    // Only a retry clones the service.
    let costly = String::from("a clone of this allocates");
    let mut service = layer.layer(service_fn(move |req: u64| {
        let _ = &costly;
        async move { Ok::<_, BoxError>(req) }
    }));
    let mut call = || {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let polled = pin!(service.call(7)).poll(&mut cx);
        assert!(matches!(polled, Poll::Ready(Ok(7))));
    };
    call();
    measure(|| (0..100).for_each(|_| call())).count_total
}

#[test]
fn a_call_that_succeeds_allocates_nothing() {
    let builder = || RetryLayer::builder("test");
    assert_eq!(allocations(builder()), 0);
    assert_eq!(allocations(builder().attempts(1)), 0);
    assert_eq!(allocations(builder().no_budget()), 0);
    assert_eq!(allocations(builder().deadline(Duration::from_secs(1))), 0);
    assert_eq!(allocations(builder().on_retry(|_| {})), 0);
}
