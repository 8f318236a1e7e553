//! What a call costs in allocations: nothing, and a timeout as a boxed error: the box.

#![cfg(not(resilience_loom))]

use allocation_counter::measure;
use resilience_core::BoxError;
use resilience_timeout::{DeadlineLayer, TimeoutLayer};
use std::{
    future::{Future, pending},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tower::{Layer, Service, service_fn};

#[tokio::test(start_paused = true)]
async fn a_call_allocates_nothing() {
    let layer = TimeoutLayer::new("t", Duration::from_millis(10)).unwrap();
    let inner = || {
        service_fn(|hang: bool| async move {
            if hang {
                pending::<()>().await;
            }
            Ok::<_, BoxError>(())
        })
    };
    counts(layer.layer(inner()));
    counts(layer.cover_readiness().layer(inner()));
}

fn counts(mut service: impl Service<bool, Response = (), Error = BoxError>) {
    let mut poll_once = |hang| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let polled = pin!(service.call(hang)).poll(&mut cx);
        assert_eq!(matches!(polled, Poll::Pending), hang);
    };
    poll_once(true);
    assert_eq!(measure(|| poll_once(false)).count_total, 0);
    // With a timer, made and dropped.
    assert_eq!(measure(|| poll_once(true)).count_total, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_deadline_allocates_nothing() {
    let layer = DeadlineLayer::builder("t").build().unwrap();
    let mut service = layer.layer(service_fn(|hang: bool| async move {
        if hang {
            pending::<()>().await;
        }
        Ok::<_, BoxError>(())
    }));
    let mut poll_once = |hang| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let polled = pin!(service.call(hang)).poll(&mut cx);
        assert_eq!(matches!(polled, Poll::Pending), hang);
    };
    poll_once(true);
    assert_eq!(measure(|| poll_once(false)).count_total, 0);
    assert_eq!(measure(|| poll_once(true)).count_total, 0);
}
