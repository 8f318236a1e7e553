//! What a call through a guard allocates: nothing; and a refusal as a boxed error: the box.
#![cfg(not(resilience_loom))]

use allocation_counter::measure;
use resilience_core::{
    AtHead, BoxError, Boxed, Classify, GuardLayer, Now, Outcome, Policy, Reason, Rejected,
    by_result,
};
use std::{
    cell::Cell,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tower::{Layer, Service, service_fn};

/// Admits or refuses, as it is told.
struct Switch(Cell<bool>);

impl Policy<u64> for Switch {
    type Permit = ();

    fn admit(&self, _: &u64, now: &mut Now) -> Result<(), Rejected> {
        now.get();
        if self.0.get() {
            return Ok(());
        }
        let why = Rejected::new(Reason::Other, "switch");
        Err(why.retry_after(Duration::from_secs(1)))
    }
}

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

/// Allocations of 100 calls, after one to warm up: the clock's anchor, for example.
fn allocations<C, P>(layer: &GuardLayer<P, C, AtHead, Boxed>, refused: bool) -> u64
where
    P: Policy<u64>,
    C: Classify<u64, u64, BoxError> + Clone,
{
    let echo = service_fn(|req: u64| async move { Ok::<_, BoxError>(req) });
    let mut guard = layer.layer(echo);
    let mut run = || assert_eq!(call(&mut guard, 7).is_err(), refused);
    run();
    measure(|| (0..100).for_each(|_| run())).count_total
}

#[test]
fn a_call_allocates_nothing() {
    let layer = GuardLayer::new(Switch(Cell::new(true)));
    assert_eq!(allocations(&layer, false), 0);
    let layer = layer.classify(by_result(|result: Result<&u64, &BoxError>| match result {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::TRANSIENT,
    }));
    assert_eq!(allocations(&layer, false), 0);
}

#[test]
fn a_call_through_a_tuple_allocates_nothing() {
    let on = || Switch(Cell::new(true));
    let layer = GuardLayer::new((on(), Some(on()), (on(), None::<Switch>)));
    assert_eq!(allocations(&layer, false), 0);
    let layer = layer.exempt(|req: &u64| *req == 0);
    assert_eq!(allocations(&layer, false), 0);
}

#[test]
fn a_refusal_allocates_its_box() {
    let layer = GuardLayer::new(Switch(Cell::new(false)));
    assert_eq!(allocations(&layer, true), 100);
    let layer = GuardLayer::new((Switch(Cell::new(true)), Switch(Cell::new(false))));
    assert_eq!(allocations(&layer, true), 100);
}
