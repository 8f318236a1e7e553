//! Through the Tower layer: one set of policies, permits that come back, inner's own readiness.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_breaker::{Breaker, State};
use resilience_bulkhead::Bulkhead;
use resilience_core::{BoxError, GuardLayer, Reason, Rejected};
use resilience_keyed::{Keyed, Quota};
use std::{
    convert::Infallible,
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, layer::layer_fn, service_fn};
use tower_test::mock;

type Mock = mock::Mock<u64, u64>;

type Key = fn(&u64) -> Option<u64>;

const KEY: Key = |req| Some(*req % 10);

fn bulkheads() -> Keyed<u64, Bulkhead, Key> {
    Keyed::builder("tenants")
        .key(KEY)
        .each(|_| Bulkhead::new("tenant", 1).unwrap())
        .build()
        .unwrap()
}

fn reason(error: &BoxError) -> Option<Reason> {
    Rejected::find(&**error).map(Rejected::reason)
}

#[test]
fn one_layer_is_one_set_of_policies_and_a_full_key_is_nobody_elses_business() {
    let keyed = bulkheads();
    let layer = keyed.layer();
    let hangs = || service_fn(|_: u64| pending::<Result<u64, BoxError>>());
    let (mut one, mut two) = (layer.layer(hangs()), layer.clone().layer(hangs()));
    let mut first = task::spawn(ServiceExt::<u64>::ready(&mut one));
    assert_ready_ok!(first.poll());
    drop(first);
    let mut call = task::spawn(one.call(1));
    assert_pending!(call.poll());

    let mut again = task::spawn(two.clone().oneshot(11));
    let error = assert_ready_err!(again.poll());
    assert_eq!(reason(&error), Some(Reason::Concurrency));
    let mut other_key = task::spawn(two.clone().oneshot(2));
    assert_pending!(other_key.poll());

    drop(call);
    assert_eq!(keyed.get(&1).unwrap().in_flight(), 0);
    let mut again = task::spawn(two.ready());
    assert_ready_ok!(again.poll());
}

#[test]
fn readiness_is_the_inner_services_even_if_a_key_is_refused() {
    let keyed = bulkheads();
    let (mut service, mut inner) =
        mock::spawn_layer::<u64, u64, _>(layer_fn(|mock: Mock| keyed.layer().layer(mock)));
    inner.allow(0);
    assert_pending!(service.poll_ready());
    inner.allow(1);
    assert_ready_ok!(service.poll_ready());
    let call = service.call(1);
    assert_pending!(service.poll_ready());
    assert_eq!(keyed.get(&1).unwrap().in_flight(), 1);
    drop(call);
    assert_eq!(keyed.get(&1).unwrap().in_flight(), 0);
}

#[test]
fn a_call_without_readiness_reverts_and_does_not_reach_inner() {
    let keyed = Keyed::builder("clients")
        .key(KEY)
        .quota(Quota::per_hour(1))
        .build()
        .unwrap();
    let mut service = keyed.layer().layer(service_fn(
        |_: u64| -> std::future::Ready<Result<u64, BoxError>> { panic!("inner was not ready") },
    ));
    let mut call = task::spawn(service.call(1));
    let error = assert_ready_err!(call.poll());
    assert_eq!(reason(&error), Some(Reason::NotReady));
    assert_eq!(keyed.available(&1, resilience_core::clock::now()), 1);
}

#[test]
fn a_policy_behind_it_that_refuses_costs_the_key_nothing() {
    let limit = Keyed::builder("clients")
        .key(KEY)
        .quota(Quota::per_hour(1))
        .build()
        .unwrap();
    let full = Bulkhead::new("all", 1).unwrap();
    full.close();
    let layer = GuardLayer::new((limit.clone(), full));
    let service = layer.layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req))));
    for _ in 0..3 {
        let error = assert_ready_err!(task::spawn(service.clone().oneshot(1)).poll());
        assert_eq!(reason(&error), Some(Reason::ShuttingDown));
    }
    assert_eq!(limit.available(&1, resilience_core::clock::now()), 1);
}

#[test]
fn a_panic_of_inner_gives_the_permit_back() {
    let keyed = bulkheads();
    let service = keyed.layer().layer(service_fn(|_: u64| async {
        panic!("inner panics") as Result<u64, BoxError>
    }));
    let mut call = task::spawn(service.oneshot(1));
    assert!(catch_unwind(AssertUnwindSafe(|| call.poll())).is_err());
    drop(call);
    assert_eq!(keyed.get(&1).unwrap().in_flight(), 0);
}

#[test]
fn refusals_can_be_answers_for_services_that_never_fail() {
    let keyed = bulkheads();
    let service = keyed
        .layer()
        .answer(|req: &u64, _| *req + 1_000)
        .layer(service_fn(|req: u64| ready(Ok::<_, Infallible>(req))));
    assert_eq!(
        assert_ready_ok!(task::spawn(service.clone().oneshot(1)).poll()),
        1
    );
    let held = keyed.get(&1).unwrap();
    held.close();
    assert_eq!(
        assert_ready_ok!(task::spawn(service.oneshot(1)).poll()),
        1_001
    );
}

#[tokio::test(start_paused = true)]
async fn a_breaker_per_host_opens_for_one_host_alone_and_is_forgotten_when_it_is_closed_and_idle() {
    let keyed = Keyed::builder("hosts")
        .key(KEY)
        .each(|host: Option<&u64>| {
            Breaker::builder(host.map_or("others".to_owned(), u64::to_string))
                .consecutive_failures(2)
                .minimum_spread(Duration::ZERO)
                .open_for(Duration::from_secs(1))
                .successes_to_close(1)
                .build()
                .unwrap()
        })
        .idle(Duration::from_secs(60))
        .build()
        .unwrap();
    let service = keyed.layer().layer(service_fn(|req: u64| {
        ready(if req == 1 { Err("down") } else { Ok(req) })
    }));
    for _ in 0..2 {
        service.clone().oneshot(1).await.unwrap_err();
    }
    service.clone().oneshot(2).await.unwrap();
    let error = service.clone().oneshot(11).await.unwrap_err();
    assert_eq!(reason(&error), Some(Reason::Open));
    assert_eq!(keyed.get(&1).unwrap().state(), State::Open);

    let sweep = || keyed.sweep(resilience_core::clock::now());
    assert_eq!(sweep(), 0);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(sweep(), 1);
    assert_eq!(
        keyed.keys(),
        [1],
        "an open one is not forgotten, however long"
    );
    service.clone().oneshot(11).await.unwrap();
    assert_eq!(sweep(), 0);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(sweep(), 1);
    assert!(keyed.is_empty());
}
