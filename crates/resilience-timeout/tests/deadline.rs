//! Deadlines of whole calls: how long each gets, what is refused, what is broken off.

#![cfg(not(resilience_loom))]

use proptest::prelude::*;
use resilience_core::{
    BothFailed, BoxError, Deadline, Now, Reason, Rejected, Timestamp, clock, config::LONGEST,
};
use resilience_timeout::{
    Carry, DeadlineError, DeadlineExceeded, DeadlineLayer, MalformedDeadline, Terms, before,
};
use std::{
    cell::Cell,
    error::Error,
    fmt,
    future::{Ready, pending, poll_fn, ready},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock;

const TICK: Duration = Duration::from_millis(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A request, and what it says of its deadline.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ask {
    stated: Option<&'static str>,
    carried: Option<Deadline>,
}

/// Milliseconds, or nonsense.
#[derive(Clone, Copy, Debug)]
struct InMillis;

impl Carry<Ask> for InMillis {
    fn stated(&self, req: &Ask) -> Result<Option<Duration>, MalformedDeadline> {
        let malformed = |value| MalformedDeadline::new("ms", value, "a number");
        let parse = |value: &'static str| value.parse().map_err(|_| malformed(value));
        Ok(req.stated.map(parse).transpose()?.map(ms))
    }

    fn carried(&self, req: &Ask) -> Option<Deadline> {
        req.carried
    }

    fn carry(&self, req: &mut Ask, deadline: Deadline) {
        req.carried = Some(deadline);
    }
}

fn stating(stated: &'static str) -> Ask {
    Ask {
        stated: Some(stated),
        carried: None,
    }
}

/// At most a second, and 200 ms unless something else is stated.
fn layer() -> DeadlineLayer<InMillis> {
    let builder = DeadlineLayer::builder("api")
        .max(ms(1_000))
        .unstated(ms(200));
    builder.build().unwrap().carry(InMillis)
}

fn left_of(req: &Ask) -> Duration {
    req.carried.expect("noted").remaining()
}

mod allotted {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1 << 40);

    fn nanos() -> impl Strategy<Value = Duration> {
        prop_oneof![
            1 => Just(Duration::ZERO),
            1 => Just(Duration::MAX),
            1 => Just(Duration::from_nanos(1)),
            4 => (0_u64..3_000).prop_map(Duration::from_nanos),
        ]
    }

    proptest! {
        /// In plain signed numbers, relative to now.
        #[test]
        fn is_the_least_of_all_that_is_said(
            max in 1_u64..2_000,
            unstated in proptest::option::of(1_u64..2_000),
            bounds in any::<bool>(),
            stated in proptest::option::of(nanos()),
            carried in proptest::option::of(-500_i64..3_000),
            head_only in any::<bool>(),
        ) {
            let length = Duration::from_nanos;
            let terms = Terms::new("api", length(max), unstated.map(length));
            prop_assert_eq!(terms.is_ok(), unstated.is_none_or(|unstated| unstated <= max));
            let Ok(terms) = terms else { return Ok(()) };
            let terms = terms.unstated_bounds_bodies(bounds);

            let at = |offset: i64| Timestamp::from_nanos(NOW.as_nanos().strict_add_signed(offset));
            let carries = |offset| {
                let deadline = Deadline::at(at(offset));
                if head_only { deadline.head_only() } else { deadline }
            };
            let got = terms.allot(stated, carried.map(carries), NOW);

            let stated = stated.map(|stated| i128::try_from(stated.as_nanos()).unwrap());
            let callers: Vec<i128> = stated.into_iter().chain(carried.map(i128::from)).collect();
            let unsaid = stated.is_none() && head_only;
            let expected = match callers.iter().min() {
                Some(least) if unsaid => i128::from(unstated.unwrap_or(max)).min(*least),
                Some(least) => i128::from(max).min(*least),
                None => unstated.unwrap_or(max).into(),
            };
            match got {
                Ok(got) => {
                    prop_assert_eq!(got.length().as_nanos(), u128::try_from(expected).unwrap());
                    prop_assert!(expected > 0);
                    prop_assert_eq!(got.deadline().timestamp(), NOW + got.length());
                    // The body has what was said for it, or may go on.
                    let body = match carried.filter(|_| !head_only) {
                        _ if callers.is_empty() => bounds.then_some(expected),
                        None => stated.map(|stated| stated.min(max.into())),
                        Some(carried) => {
                            let carried = i128::from(carried).min(max.into());
                            Some(stated.map_or(carried, |stated| stated.min(carried)))
                        }
                    };
                    let body = body.map(|body| NOW + length(u64::try_from(body).unwrap()));
                    prop_assert_eq!(got.deadline().body(), body);
                }
                Err(why) => {
                    prop_assert!(expected <= 0);
                    prop_assert_eq!(why, Rejected::new(Reason::Deadline, "api"));
                }
            }
        }
    }

    #[test]
    fn configuration_is_checked() {
        let build = |max, unstated: Option<Duration>| {
            let mut builder = DeadlineLayer::builder("api").max(max);
            if let Some(unstated) = unstated {
                builder = builder.unstated(unstated);
            }
            let error = builder.build().err()?;
            Some((error.field().to_owned(), error.to_string()))
        };
        assert_eq!(build(ms(1), None), None);
        assert_eq!(build(LONGEST, Some(LONGEST)), None);
        let too_long = LONGEST + Duration::from_nanos(1);
        for (max, unstated, wrong) in [
            (
                Duration::ZERO,
                None,
                (
                    "max",
                    "policy \"api\": `max` is 0ns; it must be more than zero and at most 365 days",
                ),
            ),
            (
                too_long,
                None,
                (
                    "max",
                    "policy \"api\": `max` is 31536000.000000001s; it must be more than zero and at most 365 days",
                ),
            ),
            (
                ms(5),
                Some(ms(6)),
                (
                    "unstated",
                    "policy \"api\": `unstated` is 6ms; it must be more than zero and at most `max`, 5ms",
                ),
            ),
            (
                ms(5),
                Some(Duration::ZERO),
                (
                    "unstated",
                    "policy \"api\": `unstated` is 0ns; it must be more than zero and at most `max`, 5ms",
                ),
            ),
        ] {
            let (field, message) = wrong;
            assert_eq!(build(max, unstated), Some((field.into(), message.into())));
        }
        let default = DeadlineLayer::builder("api").build().unwrap();
        assert_eq!(default.terms().max(), Duration::from_secs(30));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_gets_what_it_states_within_the_limits_and_says_so_to_all_within() {
    let earlier = || Some(Deadline::within(ms(30)));
    let later = || Some(Deadline::within(ms(9_000)));
    for (stated, carried, left) in [
        (None, None, 200),
        (Some("250"), None, 250),
        (Some("99999"), None, 1_000),
        (Some("250"), earlier(), 30),
        (Some("20"), earlier(), 20),
        (None, earlier(), 30),
        (None, later(), 1_000),
        (Some("250"), later(), 250),
    ] {
        let seen = service_fn(|req: Ask| ready(Ok::<_, BoxError>(left_of(&req))));
        let service = layer().layer(seen);
        let req = Ask { stated, carried };
        assert_eq!(
            service.oneshot(req.clone()).await.unwrap(),
            ms(left),
            "{req:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_time_the_inner_service_is_not_called() {
    let past = Deadline::within(ms(10));
    advance(ms(10)).await;
    let carried = Ask {
        stated: None,
        carried: Some(past),
    };
    let (mut service, mut handle) = mock::spawn_layer::<Ask, u64, _>(layer());
    handle.allow(1);
    for req in [stating("0"), carried] {
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call(req));
        let error = assert_ready_err!(call.poll());
        let why = Rejected::find(&*error).expect("a refusal");
        assert_eq!((why.reason(), &**why.policy()), (Reason::Deadline, "api"));
        assert!(handle.poll_request().is_pending(), "inner was called");
    }
    // The readiness was not spent.
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(stating("10")));
    assert_pending!(call.poll());
    assert!(handle.poll_request().is_ready());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_understood_is_refused_or_ignored() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let inner = service_fn(move |req: Ask| {
        count.fetch_add(1, SeqCst);
        ready(Ok::<_, BoxError>(left_of(&req)))
    });
    let error = layer().layer(inner.clone()).oneshot(stating("soon")).await;
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "`ms` is \"soon\"; it must be a number");
    assert!(error.downcast_ref::<MalformedDeadline>().is_some());
    assert_eq!(calls.load(SeqCst), 0);

    let ignoring = DeadlineLayer::builder("api").ignore_malformed(true).build();
    let service = ignoring.unwrap().carry(InMillis).layer(inner);
    let left = service.oneshot(stating("soon")).await.unwrap();
    assert_eq!(left, Terms::MAX, "as if nothing was stated");
}

#[test]
fn a_value_is_repeated_in_part_if_it_is_long() {
    let long = "ä".repeat(1_000);
    let why = MalformedDeadline::new("ms", &long, "a number");
    assert_eq!(why.value().chars().count(), 65);
    assert!(why.value().ends_with("ä…"));
    let fits = "ä".repeat(64);
    assert_eq!(MalformedDeadline::new("ms", &fits, "x").value(), fits);
}

/// Says when it is dropped.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// A service that hangs, and the flag that says whether its future has been dropped.
fn hanging() -> (
    impl Service<Ask, Response = u64, Error = BoxError, Future: Send> + Clone,
    Arc<AtomicBool>,
) {
    let dropped = Arc::new(AtomicBool::new(false));
    let held = dropped.clone();
    let service = service_fn(move |_: Ask| {
        let held = Held(held.clone());
        async move {
            let _held = held;
            pending().await
        }
    });
    (service, dropped)
}

fn assert_exceeded(error: &BoxError, allotted: u64) {
    let expected = DeadlineExceeded::new("api", ms(allotted));
    assert_eq!(DeadlineExceeded::find(&**error), Some(&expected));
    assert!(Rejected::find(&**error).is_none(), "work had begun");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_fixed_by_the_call_and_strikes_then_and_not_before() {
    let (service, dropped) = hanging();
    let mut service = layer().layer(service);
    assert_ready_ok!(task::spawn(service.ready()).poll());
    let mut call = task::spawn(service.call(stating("250")));
    // Unlike an attempt's timeout, it does not wait for the first poll.
    advance(ms(100)).await;
    assert_pending!(call.poll());
    advance(ms(149)).await;
    assert!(!call.is_woken());
    assert_pending!(call.poll());
    assert!(!dropped.load(SeqCst));
    advance(TICK).await;
    assert!(call.is_woken());
    let error = assert_ready_err!(call.poll());
    assert_exceeded(&error, 250);
    assert_eq!(error.to_string(), "api: deadline exceeded after 250ms");
    // The same poll; the future itself is still there.
    assert!(dropped.load(SeqCst));
}

#[tokio::test(start_paused = true)]
async fn the_response_wins_when_the_time_is_up_too() {
    let (mut service, mut handle) = mock::spawn_layer::<Ask, u64, _>(layer());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(stating("250")));
    assert_pending!(call.poll());
    advance(ms(500)).await;
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_response(7);
    assert_eq!(assert_ready_ok!(call.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn errors_and_readiness_of_the_service_pass() {
    let (mut service, mut handle) = mock::spawn_layer::<Ask, u64, _>(layer());
    handle.allow(0);
    assert_pending!(service.poll_ready());
    advance(ms(5_000)).await;
    assert!(!service.is_woken());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(Ask::default()));
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_error("broken");
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "broken");
    handle.send_error("closed");
    let error = assert_ready_err!(service.poll_ready());
    assert_eq!(error.to_string(), "closed");
}

/// Outside of any runtime, where making a timer panics.
#[test]
fn a_response_that_is_there_at_once_needs_no_timer() {
    let prompt = service_fn(|_: Ask| ready(Ok::<_, BoxError>(2)));
    let mut call = task::spawn(layer().layer(prompt).oneshot(stating("1")));
    assert_eq!(assert_ready_ok!(call.poll()), 2);
    let (hanging, _) = hanging();
    let mut refused = task::spawn(layer().layer(hanging).oneshot(stating("0")));
    assert_ready_err!(refused.poll());
}

/// The other half of the test above: a pending response does make a timer.
#[test]
#[should_panic(expected = "no reactor running")]
fn a_pending_response_needs_a_timer() {
    let (hanging, _) = hanging();
    let _ = task::spawn(layer().layer(hanging).oneshot(stating("1"))).poll();
}

#[tokio::test(start_paused = true)]
async fn the_inner_call_is_gone_before_the_answer_is_made() {
    let (service, dropped) = hanging();
    let seen = dropped.clone();
    let layer = layer().answer(move |_: &Ask| {
        let seen = seen.clone();
        move |why: DeadlineError| {
            assert!(matches!(why, DeadlineError::Exceeded(_)), "{why}");
            u64::from(seen.load(SeqCst))
        }
    });
    assert_eq!(layer.layer(service).oneshot(stating("9")).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_drops_the_inner_one() {
    let (service, dropped) = hanging();
    let mut call = task::spawn(layer().layer(service).oneshot(Ask::default()));
    assert_pending!(call.poll());
    drop(call);
    assert!(dropped.load(SeqCst));
}

/// Uses up the task's whole budget in each poll.
async fn busy<T>(rounds: Arc<AtomicUsize>) -> T {
    loop {
        rounds.fetch_add(1, SeqCst);
        tokio::task::consume_budget().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_call_cannot_starve_the_timer() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let counter = rounds.clone();
    let service = service_fn(move |_: Ask| busy::<Result<u64, BoxError>>(counter.clone()));
    let call = tokio::spawn(layer().layer(service).oneshot(stating("50")));
    let work = tokio::spawn(before(Deadline::within(ms(50)), busy::<()>(rounds.clone())));
    tokio::task::yield_now().await;
    assert!(rounds.load(SeqCst) > 200, "they spend the budget");
    advance(ms(50)).await;
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert!(call.is_finished() && work.is_finished());
    assert_exceeded(&call.await.unwrap().unwrap_err(), 50);
    work.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_pending_call_is_polled_only_when_something_changed() {
    let polls = Rc::new(Cell::new(0));
    let counter = polls.clone();
    let service = service_fn(move |_: Ask| {
        let polls = counter.clone();
        poll_fn(move |_| {
            polls.set(polls.get() + 1);
            Poll::<Result<u64, BoxError>>::Pending
        })
    });
    layer()
        .layer(service)
        .oneshot(stating("40"))
        .await
        .unwrap_err();
    assert_eq!(polls.get(), 2, "at the start, and when the time is up");
}

/// Panics when called without having said that it is ready, which a clone of a ready one has not.
#[derive(Default)]
struct Strict(bool);

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl Service<Ask> for Strict {
    type Response = Duration;
    type Error = BoxError;
    type Future = Ready<Result<Duration, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0 = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Ask) -> Self::Future {
        assert!(std::mem::take(&mut self.0), "called without readiness");
        ready(Ok(left_of(&req)))
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_that_is_ready_is_the_one_that_is_called() {
    let mut service = layer().layer(Strict::default());
    let mut clone = service.clone();
    for service in [&mut service, &mut clone] {
        let left = service.ready().await.unwrap().call(stating("7")).await;
        assert_eq!(left.unwrap(), ms(7));
    }
}

#[derive(Debug)]
struct ShopError(DeadlineError);

impl From<DeadlineError> for ShopError {
    fn from(why: DeadlineError) -> Self {
        Self(why)
    }
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shop is closed")
    }
}

impl Error for ShopError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn the_services_own_error_stays() {
    let hang = service_fn(|_: Ask| pending::<Result<u64, ShopError>>());
    let service = layer().keep_error().layer(hang);
    let call = |stated| service.clone().oneshot(stating(stated));
    let exceeded = call("5").await.unwrap_err();
    assert_eq!(
        DeadlineExceeded::find(&exceeded),
        Some(&DeadlineExceeded::new("api", ms(5)))
    );
    let refused = call("0").await.unwrap_err();
    assert_eq!(
        Rejected::find(&refused).map(Rejected::reason),
        Some(Reason::Deadline)
    );
    let malformed = call("?").await.unwrap_err();
    assert!(matches!(malformed.0, DeadlineError::Malformed(_)));
    assert_eq!(
        malformed.0.to_string(),
        "`ms` is \"?\"; it must be a number"
    );
}

#[test]
fn is_found_in_either_half_of_two_failures() {
    let why = DeadlineExceeded::new("api", ms(5));
    let both = BothFailed::new(why.clone(), "and the stand-in");
    assert_eq!(DeadlineExceeded::find(&both), Some(&why));
}

/// Without anything that carries deadlines, every call gets the same.
#[tokio::test(start_paused = true)]
async fn requests_of_any_type_can_be_bounded() {
    let layer = DeadlineLayer::builder("api").max(ms(20)).build().unwrap();
    let service = layer.layer(service_fn(|_: &str| pending::<Result<u64, BoxError>>()));
    let start = clock::now();
    assert_exceeded(&service.oneshot("request").await.unwrap_err(), 20);
    assert_eq!(clock::now() - start, ms(20));
}

mod work {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_dropped_when_the_deadline_passes() {
        let dropped = Arc::new(AtomicBool::new(false));
        let held = Held(dropped.clone());
        let mut work = task::spawn(before(Deadline::within(ms(50)), async move {
            let _held = held;
            pending::<()>().await;
        }));
        advance(ms(20)).await;
        assert_pending!(work.poll());
        advance(ms(29)).await;
        assert!(!work.is_woken() && !dropped.load(SeqCst));
        advance(TICK).await;
        let error = assert_ready!(work.poll()).unwrap_err();
        assert!(dropped.load(SeqCst));
        assert_eq!(error.allotted(), ms(30), "what there was when it began");
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_done_wins() {
        let deadline = Deadline::within(ms(50));
        let (done, told) = tokio::sync::oneshot::channel();
        let mut work = task::spawn(before(deadline, told));
        assert_pending!(work.poll());
        advance(ms(60)).await;
        done.send(3).unwrap();
        assert_eq!(assert_ready!(work.poll()), Ok(Ok(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn is_not_begun_when_it_is_too_late() {
        let deadline = Deadline::within(ms(50));
        let begun = AtomicBool::new(false);
        let mut work = task::spawn(before(deadline, async { begun.store(true, SeqCst) }));
        advance(ms(50)).await;
        let error = assert_ready!(work.poll()).unwrap_err();
        assert!(!begun.load(SeqCst));
        assert_eq!(error.to_string(), "work: deadline exceeded after 0ns");
    }

    /// Outside of any runtime.
    #[test]
    fn that_is_done_at_once_needs_no_timer() {
        let mut work = task::spawn(before(Deadline::within(ms(50)), ready(1)));
        assert_eq!(assert_ready!(work.poll()), Ok(1));
    }
}

#[test]
fn the_layers_inside_share_its_look_at_the_clock() {
    let mut service = layer().layer(service_fn(|req: Ask| {
        // As the layers of this family read it.
        let now = Now::of_call().get();
        async move { Ok::<_, BoxError>((now, req.carried.unwrap())) }
    }));
    // Whatever somebody outside has lent: how much time is left is reckoned from the present.
    let before = clock::now();
    let (answer, after) = clock::during(before - ms(3_000), || {
        (service.call(Ask::default()), Now::of_call().get())
    });
    let (seen, deadline) = assert_ready_ok!(task::spawn(answer).poll());
    assert_eq!(seen + ms(200), deadline.timestamp());
    assert!(seen >= before, "{seen:?} {before:?}");
    assert_eq!(after, before - ms(3_000), "it is lent for the call alone");
}
