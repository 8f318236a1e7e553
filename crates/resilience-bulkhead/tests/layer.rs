//! Through the Tower layer: who gets in, who is refused, and that every slot comes back.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_bulkhead::{Bulkhead, BulkheadLayer};
use resilience_core::{
    BoxError, GuardLayer, Now, Outcome, Permit, Policy, Reason, Rejected, Timestamp,
};
use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, layer::layer_fn, service_fn};
use tower_test::mock;

type Mock = mock::Mock<u32, u32>;

fn now() -> Now {
    Now::at(Timestamp::from_nanos(1))
}

fn reason(error: &BoxError) -> Option<Reason> {
    Rejected::find(&**error).map(Rejected::reason)
}

fn admit(bulkhead: &Bulkhead) -> Result<impl Permit + use<>, Rejected> {
    bulkhead.admit(&(), &mut now())
}

#[test]
fn at_the_limit_calls_are_refused_at_once_and_inner_is_not_asked() {
    let bulkhead = Bulkhead::new("b", 2).unwrap();
    let (mut service, mut inner) =
        mock::spawn_layer::<u32, u32, _>(layer_fn(|mock: Mock| bulkhead.layer().layer(mock)));
    inner.allow(3);

    let mut calls = Vec::new();
    for req in 0..2 {
        assert_ready_ok!(service.poll_ready());
        calls.push(task::spawn(service.call(req)));
    }
    assert_ready_ok!(service.poll_ready());
    let mut refused = task::spawn(service.call(9));
    let error = assert_ready_err!(refused.poll());
    let refusal = Rejected::find(&*error).unwrap();
    assert_eq!(refusal.reason(), Reason::Concurrency);
    assert_eq!((&**refusal.policy(), refusal.delay()), ("b", None));
    assert_eq!(bulkhead.in_flight(), 2);

    for req in 0..2 {
        let mut next = task::spawn(inner.next_request());
        let (got, respond) = assert_ready!(next.poll()).unwrap();
        assert_eq!(got, req);
        respond.send_response(req);
    }
    assert_pending!(task::spawn(inner.next_request()).poll());
    for call in &mut calls {
        assert_ready_ok!(call.poll());
    }
    assert_eq!(bulkhead.in_flight(), 0);
}

#[test]
fn eight_services_of_one_layer_share_the_limit() {
    let bulkhead = Bulkhead::new("b", 5).unwrap();
    let layer = bulkhead.layer();
    let hang = || service_fn(|_: u32| pending::<Result<u32, BoxError>>());
    let routes: Vec<_> = (0..8).map(|_| layer.layer(hang())).collect();

    let mut calls: Vec<_> = routes
        .iter()
        .map(|route| task::spawn(route.clone().oneshot(1)))
        .collect();
    let refused = calls
        .iter_mut()
        .map(|call| matches!(call.poll(), Poll::Ready(Err(_))));
    assert_eq!(refused.filter(|refused| *refused).count(), 3);
    assert_eq!(bulkhead.in_flight(), 5);
    drop(calls);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[test]
fn finish_revert_and_drop_each_give_back_one_slot() {
    let bulkhead = Bulkhead::new("b", 3).unwrap();
    let (one, two, three) = (admit(&bulkhead), admit(&bulkhead), admit(&bulkhead));
    assert_eq!(bulkhead.in_flight(), 3);
    one.unwrap().finish(Outcome::Success, &mut now());
    assert_eq!(bulkhead.in_flight(), 2);
    two.unwrap().revert(&mut now());
    assert_eq!(bulkhead.in_flight(), 1);
    drop(three);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[test]
fn the_head_of_a_response_that_goes_on_does_not_end_the_permit() {
    let bulkhead = Bulkhead::new("b", 1).unwrap();
    let mut permit = admit(&bulkhead).unwrap();
    permit.head(Some(Outcome::Success), &mut now());
    assert_eq!(bulkhead.in_flight(), 1);
    permit.finish(Outcome::Success, &mut now());
    assert_eq!(bulkhead.in_flight(), 0);
}

/// Panics in `call`, or when its future is polled.
#[derive(Clone)]
struct Panics {
    in_call: bool,
}

impl Service<u32> for Panics {
    type Response = u32;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<u32, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        assert!(!self.in_call, "in call");
        Box::pin(async { panic!("in the future") })
    }
}

#[test]
fn a_panic_in_the_inner_service_or_its_future_leaks_nothing() {
    let bulkhead = Bulkhead::new("b", 1).unwrap();
    for in_call in [true, false] {
        let service = bulkhead.layer().layer(Panics { in_call });
        let run = AssertUnwindSafe(|| task::spawn(service.oneshot(1)).poll().is_ready());
        assert!(catch_unwind(run).is_err());
        assert_eq!(bulkhead.in_flight(), 0, "in_call: {in_call}");
    }
}

#[test]
fn a_cancelled_call_gives_its_slot_back() {
    let bulkhead = Bulkhead::new("b", 1).unwrap();
    let hang = service_fn(|_: u32| pending::<Result<u32, BoxError>>());
    let mut call = task::spawn(bulkhead.layer().layer(hang).oneshot(1));
    assert_pending!(call.poll());
    assert_eq!(bulkhead.in_flight(), 1);
    drop(call);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[test]
fn a_refused_call_leaves_the_other_policies_of_a_tuple_untouched() {
    let (full, room) = (
        Bulkhead::new("full", 1).unwrap(),
        Bulkhead::new("room", 9).unwrap(),
    );
    let _held = admit(&full).unwrap();
    let layer = GuardLayer::new((room.clone(), full));
    let echo = service_fn(|req: u32| ready(Ok::<_, BoxError>(req)));
    let mut call = task::spawn(layer.layer(echo).oneshot(1));
    let error = assert_ready_err!(call.poll());
    assert_eq!(reason(&error), Some(Reason::Concurrency));
    assert_eq!(room.in_flight(), 0);
}

#[test]
fn closed_it_refuses_new_calls_and_lets_those_in_flight_go_on() {
    let bulkhead = Bulkhead::new("b", 2).unwrap();
    let permit = admit(&bulkhead).unwrap();
    bulkhead.close();
    bulkhead.close();
    assert!(bulkhead.is_closed());
    assert_eq!(
        admit(&bulkhead).err().map(|why| why.reason()),
        Some(Reason::ShuttingDown)
    );
    assert_eq!(bulkhead.in_flight(), 1);
    permit.finish(Outcome::Success, &mut now());
    assert_eq!(bulkhead.in_flight(), 0);
    assert!(admit(&bulkhead).is_err(), "closed for good");
}

#[test]
fn drained_wakes_every_waiter_once_when_the_last_call_is_over() {
    let bulkhead = Bulkhead::new("b", 2).unwrap();
    assert_ready!(task::spawn(bulkhead.drained()).poll());

    let (one, two) = (admit(&bulkhead), admit(&bulkhead));
    let mut waiters: Vec<_> = (0..3).map(|_| task::spawn(bulkhead.drained())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    let gone = waiters.pop();
    drop(gone);
    drop(one);
    bulkhead.close();
    assert!(waiters.iter().all(|waiter| !waiter.is_woken()));
    drop(two);
    for waiter in &mut waiters {
        assert!(waiter.is_woken());
        assert_ready!(waiter.poll());
    }
}

#[test]
fn filling_sends_home_who_waits_for_a_stuck_inner_service() {
    sends_home(|bulkhead| admit(bulkhead).unwrap(), Reason::Concurrency);
}

#[test]
fn closing_sends_home_who_waits_for_a_stuck_inner_service() {
    sends_home(Bulkhead::close, Reason::ShuttingDown);
}

fn sends_home<T>(start_refusing: impl FnOnce(&Bulkhead) -> T, expected: Reason) {
    let bulkhead = Bulkhead::new("b", 1).unwrap();
    let (mut service, mut inner) =
        mock::spawn_layer::<u32, u32, _>(layer_fn(|mock: Mock| bulkhead.layer().layer(mock)));
    inner.allow(0);
    assert_pending!(service.poll_ready());
    assert!(!service.is_woken());

    let _kept = start_refusing(&bulkhead);
    assert!(service.is_woken(), "released when refusing starts");
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(1));
    let error = assert_ready_err!(call.poll());
    assert_eq!(reason(&error), Some(expected));
    assert_pending!(task::spawn(inner.next_request()).poll());
}

#[test]
fn a_clone_is_the_same_bulkhead() {
    fn same<T: Clone + Send + Sync + 'static>(_: &T) {}
    let bulkhead = Bulkhead::builder(format!("b-{}", 1))
        .limit(1)
        .build()
        .unwrap();
    same(&bulkhead);
    let layer: BulkheadLayer = bulkhead.layer();
    same(&layer);
    let _held = admit(&bulkhead.clone()).unwrap();
    assert_eq!((bulkhead.in_flight(), bulkhead.limit()), (1, 1));
    assert_eq!(layer.policy().in_flight(), 1);
    assert_eq!(
        format!("{bulkhead:?}"),
        r#"Bulkhead { name: "b-1", limit: 1, in_flight: 1, closed: false }"#
    );
}

#[test]
fn bad_configurations_name_field_value_and_range() {
    let over = Bulkhead::MAX_LIMIT + 1;
    for (builder, value) in [
        (Bulkhead::builder("b"), "not set".to_owned()),
        (Bulkhead::builder("b").limit(0), "0".to_owned()),
        (Bulkhead::builder("b").limit(over), over.to_string()),
        (
            Bulkhead::builder("b").limit(usize::MAX),
            usize::MAX.to_string(),
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!((error.field(), error.value()), ("limit", &*value));
        assert!(error.expected().contains("from 1 to 2147483647"), "{error}");
    }
    for limit in [1, Bulkhead::MAX_LIMIT] {
        assert_eq!(Bulkhead::new("b", limit).unwrap().limit(), limit);
    }
}

#[test]
fn it_admits_requests_of_any_type() {
    fn policy<Req: ?Sized, P: Policy<Req>>(_: &P) {}
    let bulkhead = Bulkhead::new("b", 1).unwrap();
    policy::<str, _>(&bulkhead);
    policy::<Cell<*const u8>, _>(&bulkhead);
}
