//! What a call allocates through the forms that wait, where nobody has to, and through the sliding window: nothing.

use allocation_counter::measure;
use resilience_stack::prelude::*;
use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tower::{Layer, Service, service_fn, util::ServiceFn};

type Echo = ServiceFn<fn(u64) -> Ready<Result<u64, BoxError>>>;

fn call(
    service: &mut impl Service<u64, Response = u64, Error = BoxError>,
) -> Result<u64, BoxError> {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(ready) = service.poll_ready(&mut cx) else {
        panic!("not ready")
    };
    ready?;
    match pin!(service.call(7)).poll(&mut cx) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("pending"),
    }
}

fn echo() -> Echo {
    service_fn(|req| ready(Ok(req)))
}

/// Allocations of a hundred calls, after one that looks up the clock's anchor.
fn count<L>(layer: &L, refused: bool) -> u64
where
    L: Layer<Echo>,
    L::Service: Service<u64, Response = u64, Error = BoxError>,
{
    let mut service = layer.layer(echo());
    let mut run = || assert_eq!(call(&mut service).is_err(), refused);
    run();
    measure(|| (0..100).for_each(|_| run())).count_total
}

#[test]
fn a_queue_where_nobody_has_to_wait_allocates_nothing() {
    let bulkhead = Bulkhead::new("alloc", 5).unwrap();
    let queue = bulkhead.wait_up_to(Duration::from_secs(1)).unwrap();
    assert_eq!(count(&queue.layer(), false), 0);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[test]
fn a_sliding_window_allocates_nothing_and_a_refusal_the_box() {
    let limit = |n| {
        let builder = SlidingRateLimit::builder("alloc").quota(Quota::per_hour(n));
        builder.build().unwrap()
    };
    assert_eq!(count(&limit(1_000).layer(), false), 0);
    let spent = limit(1);
    assert!(call(&mut spent.layer().layer(echo())).is_ok());
    assert_eq!(count(&spent.layer(), true), 100);
}
