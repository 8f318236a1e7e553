//! The refusing form, through the Tower layer.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_core::{
    BoxError, GuardLayer, Now, Outcome, Permit, Policy, Reason, Rejected, Timestamp, clock,
};
use resilience_ratelimit::{Quota, RateLimit, RateLimitLayer};
use std::{
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, ServiceExt, layer::layer_fn, service_fn};
use tower_test::mock;

type Mock = mock::Mock<u32, u32>;

const SECOND: Duration = Duration::from_secs(1);

fn limit(quota: Quota) -> RateLimit {
    RateLimit::builder("r").quota(quota).build().unwrap()
}

fn refusal(error: &BoxError) -> (Reason, Option<Duration>) {
    let refusal = Rejected::find(&**error).expect("a refusal");
    (refusal.reason(), refusal.delay())
}

fn echo(req: u32) -> std::future::Ready<Result<u32, BoxError>> {
    ready(Ok(req))
}

fn now(seconds: u64) -> Now {
    Now::at(Timestamp::from_nanos(seconds * 1_000_000_000))
}

#[tokio::test(start_paused = true)]
async fn eight_services_of_one_layer_share_the_limit_and_retry_after_is_exact() {
    let limit = limit(Quota::per_second(5));
    let layer = limit.layer();
    let routes: Vec<_> = (0..8).map(|_| layer.layer(service_fn(echo))).collect();
    let mut refused = Vec::new();
    for route in &routes {
        if let Err(error) = route.clone().oneshot(1).await {
            refused.push(refusal(&error));
        }
    }
    let wait = Duration::from_millis(200);
    assert_eq!(refused, [(Reason::Rate, Some(wait)); 3]);
    advance(wait.checked_sub(Duration::from_millis(1)).unwrap()).await;
    let error = routes[0].clone().oneshot(1).await.unwrap_err();
    assert_eq!(
        refusal(&error),
        (Reason::Rate, Some(Duration::from_millis(1)))
    );
    advance(Duration::from_millis(1)).await;
    routes[7].clone().oneshot(1).await.unwrap();
    assert_eq!(limit.available(clock::now()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_does_not_reach_the_inner_service() {
    let limit = limit(Quota::per_hour(1));
    let (mut service, mut inner) =
        mock::spawn_layer::<u32, u32, _>(layer_fn(|mock: Mock| limit.layer().layer(mock)));
    inner.allow(2);
    assert_ready_ok!(service.poll_ready());
    let _first = service.call(1);
    assert_ready_ok!(service.poll_ready());
    assert_ready_err!(task::spawn(service.call(2)).poll());
    let (req, _respond) = inner.next_request().await.unwrap();
    assert_eq!(req, 1);
    assert_pending!(task::spawn(inner.next_request()).poll());
}

#[tokio::test(start_paused = true)]
async fn requests_cost_what_the_function_says() {
    let limit = limit(Quota::per_second(10).burst(10));
    let by_request = limit.clone().cost(|req: &u32| *req);
    let service = by_request.layer().layer(service_fn(echo));
    let call = |req| service.clone().oneshot(req);

    call(7).await.unwrap();
    assert_eq!(limit.available(clock::now()), 3);
    let error = call(5).await.unwrap_err();
    assert_eq!(
        refusal(&error),
        (Reason::Rate, Some(Duration::from_millis(200)))
    );
    let error = call(11).await.unwrap_err();
    assert_eq!(refusal(&error), (Reason::Rate, None), "never");
    call(3).await.unwrap();
    call(0).await.unwrap();
    assert_eq!(
        limit.available(clock::now()),
        0,
        "a free call is not counted"
    );
}

#[test]
fn a_panic_in_the_cost_function_takes_nothing() {
    let limit = limit(Quota::per_second(1));
    let panics = limit.clone().cost(|_: &u32| -> u32 { panic!("cost") });
    let asked = catch_unwind(AssertUnwindSafe(|| panics.admit(&1, &mut now(1)).is_ok()));
    assert!(asked.is_err());
    assert_eq!(limit.available(Timestamp::from_nanos(1_000_000_000)), 1);
}

#[test]
fn revert_returns_the_tokens_finish_and_drop_do_not() {
    let limit = limit(Quota::per_hour(3));
    let at = Timestamp::from_nanos(9_000_000_000);
    let admit = || limit.admit(&(), &mut Now::at(at)).unwrap();
    let (one, two, three) = (admit(), admit(), admit());
    assert_eq!(limit.available(at), 0);
    one.finish(Outcome::TRANSIENT, &mut Now::at(at));
    drop(two);
    assert_eq!(limit.available(at), 0);
    three.revert(&mut Now::at(at));
    assert_eq!(limit.available(at), 1);
}

/// Refuses everybody.
struct Full;

impl Policy<u32> for Full {
    type Permit = ();

    fn admit(&self, _: &u32, _: &mut Now) -> Result<(), Rejected> {
        Err(Rejected::new(Reason::Concurrency, "full"))
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_policy_of_the_tuple_refuses_costs_nothing() {
    let limit = limit(Quota::per_hour(1));
    let service = GuardLayer::new((limit.clone(), Full)).layer(service_fn(echo));
    for _ in 0..5 {
        let error = service.clone().oneshot(1).await.unwrap_err();
        assert_eq!(refusal(&error), (Reason::Concurrency, None));
        advance(SECOND).await;
    }
    assert_eq!(limit.available(clock::now()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_was_made() {
    let limit = limit(Quota::per_hour(1));
    let hang = service_fn(|_: u32| std::future::pending::<Result<u32, BoxError>>());
    let mut call = task::spawn(limit.layer().layer(hang).oneshot(1));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(limit.available(clock::now()), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_stuck_inner_service_is_sent_home_when_the_quota_is_spent() {
    let limit = limit(Quota::per_minute(60).burst(2));
    let (mut service, mut inner) =
        mock::spawn_layer::<u32, u32, _>(layer_fn(|mock: Mock| limit.layer().layer(mock)));
    inner.allow(0);
    assert_pending!(service.poll_ready());
    let _one = limit.admit(&(), &mut Now::lazy()).unwrap();
    assert!(!service.is_woken());
    let _two = limit.admit(&(), &mut Now::lazy()).unwrap();
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    let error = assert_ready_err!(task::spawn(service.call(1)).poll());
    assert_eq!(refusal(&error), (Reason::Rate, Some(SECOND)));
}

#[tokio::test(start_paused = true)]
async fn where_requests_may_be_free_nobody_is_sent_home() {
    let limit = limit(Quota::per_minute(1)).cost(|req: &u32| *req);
    assert!(!limit.refusing(&mut Now::lazy()));
    let _spent = limit.admit(&1, &mut Now::lazy()).unwrap();
    assert!(!limit.refusing(&mut Now::lazy()));
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_all_calls() {
    let limit = limit(Quota::per_hour(2));
    for _ in 0..2 {
        let _made = limit.admit(&(), &mut Now::lazy()).unwrap();
    }
    assert!(limit.admit(&(), &mut Now::lazy()).is_err());
    limit.reset();
    assert_eq!(limit.available(clock::now()), 2);
}

#[test]
fn a_clone_is_the_same_limit_for_requests_of_any_type() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn policy<Req: ?Sized>(_: &impl Policy<Req>) {}
    let limit = limit(Quota::per_second(9).burst(3));
    let layer: RateLimitLayer = limit.layer();
    shared(&limit);
    shared(&layer);
    policy::<str>(&limit);
    policy::<std::cell::Cell<*const u8>>(&limit);
    let weighted = limit.clone().cost(|req: &u32| *req).layer();
    shared(&weighted);
    let _made = limit.clone().admit(&(), &mut now(1)).unwrap();
    assert_eq!(layer.policy().available(now(1).get()), 2);
    assert_eq!(
        (&**limit.name(), limit.quota()),
        ("r", Quota::per_second(9).burst(3))
    );
    assert_eq!(
        format!("{limit:?}"),
        r#"RateLimit { name: "r", quota: Quota(9 per 1s, burst 3), waiting: 0, .. }"#
    );
}

#[test]
fn bad_configurations_name_field_value_and_range() {
    let (year, over) = (
        Duration::from_secs(365 * 86_400),
        Duration::from_secs(365 * 86_400 + 1),
    );
    let build = |quota| RateLimit::builder("r").quota(quota).build().map(drop);
    let wait = |max| limit(Quota::per_second(1)).wait_up_to(max);
    let queue = || wait(SECOND).unwrap();
    for (result, field, value, expected) in [
        (
            RateLimit::builder("r").build().map(drop),
            "quota",
            "not set",
            "set, for example",
        ),
        (
            build(Quota::per_second(0)),
            "quota.n",
            "0",
            "from 1 to 1000000000",
        ),
        (
            build(Quota::per(1, Duration::ZERO)),
            "quota.per",
            "0ns",
            "more than zero",
        ),
        (
            build(Quota::per_second(1).burst(0)),
            "quota.burst",
            "0",
            "from 1 to 31536000",
        ),
        (
            wait(Duration::ZERO).map(drop),
            "wait_up_to",
            "0ns",
            "more than zero",
        ),
        (
            wait(over).map(drop),
            "wait_up_to",
            "31536001s",
            "at most 365 days",
        ),
        (
            wait(Duration::MAX).map(drop),
            "wait_up_to",
            "18446744073709551615.999999999s",
            "365 days",
        ),
        (
            queue().max_waiting(0).map(drop),
            "max_waiting",
            "0",
            "from 1 to 10000000",
        ),
        (
            queue().max_waiting(10_000_001).map(drop),
            "max_waiting",
            "10000001",
            "from 1 to 10000000",
        ),
    ] {
        let error = result.unwrap_err();
        assert_eq!((error.field(), error.value()), (field, value));
        assert!(error.expected().contains(expected), "{error}");
    }
    assert!(wait(year).is_ok() && wait(Duration::from_nanos(1)).is_ok());
    assert!(queue().max_waiting(1).is_ok() && queue().max_waiting(10_000_000).is_ok());
}
