//! The sliding window through the Tower layer, with tokio's clock paused.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_core::{
    BoxError, Forget, GuardLayer, Now, Outcome, Permit, Policy, Reason, Rejected, Timestamp, clock,
};
use resilience_ratelimit::{Quota, SlidingRateLimit, SlidingRateLimitLayer};
use std::{
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, ServiceExt, layer::layer_fn, service_fn};
use tower_test::mock;

type Mock = mock::Mock<u32, u32>;

const SECOND: Duration = Duration::from_secs(1);
const MILLIS: Duration = Duration::from_millis(1);

fn limit(quota: Quota) -> SlidingRateLimit {
    let builder = SlidingRateLimit::builder("r").quota(quota);
    builder.build().unwrap()
}

fn refusal(error: &BoxError) -> (Reason, Option<Duration>) {
    let refusal = Rejected::find(&**error).expect("a refusal");
    (refusal.reason(), refusal.delay())
}

fn echo(req: u32) -> std::future::Ready<Result<u32, BoxError>> {
    ready(Ok(req))
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(1 << 58) + MILLIS * u32::try_from(millis).unwrap()
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
    assert_eq!(refused, [(Reason::Rate, Some(SECOND)); 3]);
    advance(SECOND.checked_sub(MILLIS).unwrap()).await;
    let error = routes[0].clone().oneshot(1).await.unwrap_err();
    assert_eq!(refusal(&error), (Reason::Rate, Some(MILLIS)));
    advance(MILLIS).await;
    for route in &routes[3..] {
        route.clone().oneshot(1).await.unwrap();
    }
    assert_eq!(limit.available(clock::now()), 0);
}

#[tokio::test(start_paused = true)]
async fn no_second_whenever_it_begins_sees_more_than_the_quota() {
    // One call every 3 ms, for 20 s: more than three times as much as is admitted.
    let limit = limit(Quota::per_second(100));
    let service = limit.layer().layer(service_fn(echo));
    let (start, mut admitted) = (clock::now(), Vec::new());
    while clock::now() - start < SECOND * 20 {
        if service.clone().oneshot(1).await.is_ok() {
            admitted.push(clock::now());
        }
        advance(3 * MILLIS).await;
    }
    for (index, first) in admitted.iter().enumerate() {
        let within = admitted[index..]
            .iter()
            .take_while(|then| **then - *first < SECOND);
        assert!(within.count() <= 100);
    }
    assert!(admitted.len() >= 1_980, "{}", admitted.len());
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
    let limit = limit(Quota::per_second(10));
    let by_request = limit.clone().cost(|req: &u32| *req);
    let service = by_request.layer().layer(service_fn(echo));
    let call = |req| service.clone().oneshot(req);

    call(7).await.unwrap();
    assert_eq!(limit.available(clock::now()), 3);
    let error = call(5).await.unwrap_err();
    assert_eq!(refusal(&error), (Reason::Rate, Some(SECOND)));
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
    let now = &mut Now::at(at(0));
    let asked = catch_unwind(AssertUnwindSafe(|| panics.admit(&1, now).is_ok()));
    assert!(asked.is_err());
    assert_eq!(limit.available(at(0)), 1);
}

#[test]
fn revert_returns_the_cost_finish_and_drop_do_not() {
    let limit = limit(Quota::per_hour(3));
    let admit = || limit.admit(&(), &mut Now::at(at(0))).unwrap();
    let (one, two, three) = (admit(), admit(), admit());
    assert_eq!(limit.available(at(0)), 0);
    one.finish(Outcome::TRANSIENT, &mut Now::at(at(0)));
    drop(two);
    assert_eq!(limit.available(at(0)), 0);
    three.revert(&mut Now::at(at(0)));
    assert_eq!(limit.available(at(0)), 1);
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
    let limit = limit(Quota::per_minute(2));
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
    assert_eq!(refusal(&error), (Reason::Rate, Some(SECOND * 60)));
}

#[tokio::test(start_paused = true)]
async fn where_requests_may_be_free_nobody_is_sent_home() {
    let limit = limit(Quota::per_minute(1)).cost(|req: &u32| *req);
    let _spent = limit.admit(&1, &mut Now::lazy()).unwrap();
    assert!(!limit.refusing(&mut Now::lazy()));
    let service = limit.layer().layer(service_fn(echo));
    assert_ready!(task::spawn(service.oneshot(0)).poll()).unwrap();
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
fn it_may_be_forgotten_when_all_it_has_admitted_is_a_period_old() {
    let limit = limit(Quota::per_second(2));
    let is_fresh = |limit: &SlidingRateLimit, millis| limit.is_fresh(&mut Now::at(at(millis)));
    assert!(is_fresh(&limit, 0));
    let permit = limit.admit(&(), &mut Now::at(at(0))).unwrap();
    assert!(!is_fresh(&limit, 5_000), "a call is under way");
    drop(permit);
    assert!(!is_fresh(&limit, 999));
    assert!(is_fresh(&limit, 1_000));
    let layer = limit.layer();
    assert!(!is_fresh(&limit, 1_000), "another handle");
    drop(layer);
    assert!(is_fresh(&limit, 1_000));
}

#[test]
fn a_clone_is_the_same_limit_for_requests_of_any_type() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn policy<Req: ?Sized>(_: &impl Policy<Req>) {}
    let limit = limit(Quota::per_second(9));
    let layer: SlidingRateLimitLayer = limit.layer();
    shared(&limit);
    shared(&layer);
    policy::<str>(&limit);
    policy::<std::cell::Cell<*const u8>>(&limit);
    let weighted = limit.clone().cost(|req: &u32| *req).layer();
    shared(&weighted);
    let _made = limit.clone().admit(&(), &mut Now::at(at(0))).unwrap();
    assert_eq!(layer.policy().available(at(0)), 8);
    assert_eq!(
        (&**limit.name(), limit.quota()),
        ("r", Quota::per_second(9))
    );
    assert_eq!(
        format!("{limit:?}"),
        r#"SlidingRateLimit { name: "r", quota: Quota(9 per 1s, burst 9), buckets: 128, .. }"#
    );
}

#[test]
fn bad_configurations_name_field_value_and_range() {
    let builder = |quota| SlidingRateLimit::builder("r").quota(quota);
    let good = || builder(Quota::per_second(5));
    for (result, field, value, expected) in [
        (
            SlidingRateLimit::builder("r").build(),
            "quota",
            "not set",
            "set, for example",
        ),
        (
            builder(Quota::per_second(0)).build(),
            "quota.n",
            "0",
            "from 1 to",
        ),
        (
            builder(Quota::per(1, Duration::ZERO)).build(),
            "quota.per",
            "0ns",
            "more than zero",
        ),
        (
            builder(Quota::per_second(5).burst(4)).build(),
            "quota.burst",
            "4",
            "left out",
        ),
        (
            builder(Quota::per_second(5).burst(6)).build(),
            "quota.burst",
            "6",
            "left out",
        ),
        (good().buckets(0).build(), "buckets", "0", "from 1 to 4096"),
        (
            good().buckets(4_097).build(),
            "buckets",
            "4097",
            "from 1 to 4096",
        ),
    ] {
        let error = result.map(drop).unwrap_err();
        assert_eq!((error.field(), error.value()), (field, value));
        assert!(error.expected().contains(expected), "{error}");
    }
    assert!(good().buckets(1).build().is_ok() && good().buckets(4_096).build().is_ok());
}

#[cfg(feature = "metrics")]
mod numbers {
    use super::*;
    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };
    use std::{
        collections::BTreeMap,
        sync::{
            Arc, Mutex,
            atomic::{AtomicU64, Ordering},
        },
    };

    #[derive(Default)]
    struct Memory(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    impl Memory {
        fn word(&self, key: &Key) -> Arc<AtomicU64> {
            let mut labels = key.labels();
            let policy = labels.next().expect("the policy's name");
            assert_eq!(
                (policy.key(), policy.value(), labels.next()),
                ("policy", "r", None)
            );
            self.0
                .lock()
                .unwrap()
                .entry(key.name().to_owned())
                .or_default()
                .clone()
        }

        fn read(&self, what: &str) -> u64 {
            let key = format!("resilience_ratelimit_{what}_total");
            self.0.lock().unwrap()[&key].load(Ordering::Relaxed)
        }
    }

    impl Recorder for Memory {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.word(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.word(key))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn calls_that_were_made_and_refusals_are_counted_and_reverts_are_not() {
        let memory = Memory::default();
        let limit = limit(Quota::per_hour(3));
        limit.bind_recorder(&memory);
        let now = &mut Now::at(at(0));
        let admit = || limit.admit(&(), &mut Now::at(at(0))).unwrap();
        let (one, two, three) = (admit(), admit(), admit());
        assert!(limit.admit(&(), now).is_err());
        let counted = || (memory.read("admitted"), memory.read("rejected"));
        assert_eq!(counted(), (0, 1), "counted when they end");
        one.finish(Outcome::Success, now);
        drop(two);
        three.revert(now);
        assert_eq!(counted(), (2, 1));
        let free = limit.clone().cost(|(): &()| 0).admit(&(), now).unwrap();
        drop(free);
        assert_eq!(counted(), (3, 1), "a free call was made too");
    }
}
