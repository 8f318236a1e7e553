//! The breaker as a Tower layer.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_breaker::{Breaker, BreakerBuilder, State};
use resilience_core::{
    BoxError, GuardLayer, Now, Outcome, Permit, Policy, Reason, Rejected, by_result,
};
use std::{
    convert::Infallible,
    future::{Pending, pending},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const OPEN: Duration = Duration::from_secs(1);

/// Opens with its first failure, for a second; closes with the first good probe.
fn touchy() -> BreakerBuilder {
    Breaker::builder("touchy")
        .consecutive_failures(1)
        .minimum_spread(Duration::ZERO)
        .open_for(OPEN)
        .successes_to_close(1)
}

fn admit(breaker: &Breaker) -> Result<impl Permit + use<>, Rejected> {
    Policy::<()>::admit(breaker, &(), &mut Now::lazy())
}

fn fail(breaker: &Breaker) {
    let permit = admit(breaker).expect("admitted");
    permit.finish(Outcome::TRANSIENT, &mut Now::lazy());
}

async fn half_open(builder: BreakerBuilder) -> Breaker {
    let breaker = builder.build().unwrap();
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    advance(OPEN).await;
    breaker
}

fn rejected(error: &BoxError) -> &Rejected {
    Rejected::find(&**error).expect("a refusal")
}

/// What the inner service is to do.
#[derive(Clone, Copy, Debug)]
enum Do {
    Succeed,
    Fail,
    Hang,
    Panic,
    PanicInCall,
}

/// Hands a request to the inner service that obeys it.
async fn obey(what: Do) -> Result<(), BoxError> {
    match what {
        Do::Succeed => Ok(()),
        Do::Fail => Err("failed".into()),
        Do::Hang => pending().await,
        Do::Panic | Do::PanicInCall => panic!("as told"),
    }
}

fn service(
    breaker: &Breaker,
) -> impl Service<Do, Response = (), Error = BoxError, Future: Send> + Clone + Send + use<> {
    breaker.layer().layer(service_fn(|what: Do| {
        assert!(!matches!(what, Do::PanicInCall), "as told");
        obey(what)
    }))
}

/// An inner service that never becomes ready.
#[derive(Clone, Copy, Debug)]
struct NeverReady;

impl Service<Do> for NeverReady {
    type Response = ();
    type Error = Infallible;
    type Future = Pending<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Do) -> Self::Future {
        unreachable!("it was never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_dependency_behind_an_outer_timeout_opens_it() {
    let breaker = Breaker::new("hanging");
    let service = ServiceBuilder::new()
        .timeout(Duration::from_millis(50))
        .layer(breaker.layer())
        .service_fn(obey);
    for _ in 0..10 {
        assert_eq!(breaker.state(), State::Closed);
        let error = service.clone().oneshot(Do::Hang).await.unwrap_err();
        assert!(error.is::<tower::timeout::error::Elapsed>());
    }
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(
        breaker.snapshot().calls,
        0,
        "abandoned calls are not in the window"
    );
    let error = service.oneshot(Do::Hang).await.unwrap_err();
    assert_eq!(rejected(&error).reason(), Reason::Open);
    assert_eq!(rejected(&error).delay(), breaker.snapshot().until_probe);
}

#[tokio::test(start_paused = true)]
async fn refusals_name_the_policy_and_the_exact_time() {
    let breaker = touchy().build().unwrap();
    let service = service(&breaker);
    service.clone().oneshot(Do::Fail).await.unwrap_err();
    advance(Duration::from_millis(400)).await;
    let error = service.clone().oneshot(Do::Succeed).await.unwrap_err();
    let expected = Rejected::new(Reason::Open, "touchy").retry_after(Duration::from_millis(600));
    assert_eq!(rejected(&error), &expected);
    advance(Duration::from_millis(600)).await;
    service.oneshot(Do::Succeed).await.unwrap();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn readiness_does_not_wait_for_inner_while_it_refuses() {
    let breaker = touchy().build().unwrap();
    let mut service = breaker.layer().layer(NeverReady);
    let mut waiting = task::spawn(service.ready());
    assert_pending!(waiting.poll());

    // Opened by somebody else: those who wait are released, and see it.
    fail(&breaker);
    assert!(waiting.is_woken());
    let ready = assert_ready_ok!(waiting.poll());
    let error = ready.call(Do::Succeed).await.unwrap_err();
    assert_eq!(rejected(&error).delay(), Some(OPEN));
    drop(waiting);

    // And who comes now is answered at once.
    let mut late = breaker.layer().layer(NeverReady);
    let mut ready = task::spawn(late.ready());
    assert_ready_ok!(ready.poll());
}

#[tokio::test(start_paused = true)]
async fn forcing_it_open_releases_those_who_wait_too() {
    let breaker = Breaker::new("forced");
    let mut service = breaker.layer().layer(NeverReady);
    let mut waiting = task::spawn(service.ready());
    assert_pending!(waiting.poll());
    breaker.force_closed();
    assert!(!waiting.is_woken());
    assert_pending!(waiting.poll());
    breaker.force_open();
    assert!(waiting.is_woken());
    let ready = assert_ready_ok!(waiting.poll());
    let error = ready.call(Do::Succeed).await.unwrap_err();
    assert_eq!(rejected(&error), &Rejected::new(Reason::Open, "forced"));
}

#[tokio::test(start_paused = true)]
async fn half_open_with_a_pending_inner_refuses_and_gives_the_place_back() {
    let breaker = half_open(touchy()).await;
    let mut stuck = breaker.layer().layer(NeverReady);
    for _ in 0..3 {
        let ready = stuck.ready().await.unwrap();
        let error = ready.call(Do::Succeed).await.unwrap_err();
        assert_eq!(rejected(&error).reason(), Reason::NotReady);
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.state, snapshot.probes), (State::HalfOpen, 0));
    }
    service(&breaker).oneshot(Do::Succeed).await.unwrap();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_probe_reopens() {
    let breaker = half_open(touchy()).await;
    let mut probe = task::spawn(service(&breaker).oneshot(Do::Hang));
    assert_pending!(probe.poll());
    let error = service(&breaker).oneshot(Do::Succeed).await.unwrap_err();
    assert_eq!(rejected(&error).delay(), None, "that depends on the probe");
    drop(probe);
    assert_eq!(breaker.state(), State::Open);
    advance(OPEN).await;
    service(&breaker).oneshot(Do::Succeed).await.unwrap();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_probe_reopens() {
    for panic in [Do::Panic, Do::PanicInCall] {
        let breaker = half_open(touchy()).await;
        let probe = tokio::spawn(service(&breaker).oneshot(panic));
        assert!(probe.await.unwrap_err().is_panic());
        assert_eq!(breaker.state(), State::Open, "{panic:?}");
        advance(OPEN).await;
        service(&breaker).oneshot(Do::Succeed).await.unwrap();
        assert_eq!(breaker.state(), State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panicking_classifier_leaks_nothing() {
    let breaker = half_open(touchy()).await;
    let classify = by_result(|_: Result<&(), &BoxError>| -> Outcome { panic!("as told") });
    let broken = breaker.layer().classify(classify).layer(service_fn(obey));
    let probe = tokio::spawn(broken.oneshot(Do::Succeed));
    assert!(probe.await.unwrap_err().is_panic());
    assert_eq!(breaker.state(), State::Open);
    advance(OPEN).await;
    service(&breaker).oneshot(Do::Succeed).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hung_probe_frees_its_place_after_the_limit() {
    let breaker = half_open(touchy()).await;
    let mut probe = task::spawn(service(&breaker).oneshot(Do::Hang));
    assert_pending!(probe.poll());
    advance(Duration::from_secs(5)).await;
    let error = service(&breaker).oneshot(Do::Succeed).await.unwrap_err();
    assert_eq!(rejected(&error).delay(), Some(OPEN), "it has failed");
    advance(OPEN).await;
    service(&breaker).oneshot(Do::Succeed).await.unwrap();
    drop(probe);
    assert_eq!(
        breaker.state(),
        State::Closed,
        "a call of an earlier epoch moves nothing"
    );
    assert_eq!(breaker.snapshot().consecutive_failures, 0);
}

#[tokio::test(start_paused = true)]
async fn an_ignored_probe_gives_its_place_back() {
    let breaker = half_open(touchy()).await;
    let classify = by_result(|_: Result<&(), &BoxError>| Outcome::Ignored);
    let ignoring = breaker.layer().classify(classify).layer(service_fn(obey));
    for _ in 0..5 {
        ignoring.clone().oneshot(Do::Fail).await.unwrap_err();
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.state, snapshot.probes), (State::HalfOpen, 0));
    }
    service(&breaker).oneshot(Do::Succeed).await.unwrap();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn results_of_calls_admitted_before_the_trip_move_nothing() {
    let breaker = touchy().build().unwrap();
    let early = [admit(&breaker).unwrap(), admit(&breaker).unwrap()];
    fail(&breaker);
    advance(OPEN).await;
    let probe = admit(&breaker).unwrap();
    let [success, failure] = early;
    success.finish(Outcome::Success, &mut Now::lazy());
    failure.finish(Outcome::TRANSIENT, &mut Now::lazy());
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.probes), (State::HalfOpen, 1));
    probe.finish(Outcome::Success, &mut Now::lazy());
    assert_eq!(breaker.state(), State::Closed);
}

/// Refuses everybody, as a full bulkhead or a spent rate limit does.
#[derive(Debug)]
struct Full;

impl<Req> Policy<Req> for Full {
    type Permit = ();

    fn admit(&self, _: &Req, _: &mut Now) -> Result<(), Rejected> {
        Err(Rejected::new(Reason::Concurrency, "full"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_beside_it_leaves_its_window_untouched() {
    let breaker = Breaker::new("beside");
    service(&breaker).oneshot(Do::Fail).await.unwrap_err();
    let before = breaker.snapshot();
    assert_eq!((before.calls, before.failures), (1, 1));
    let both = GuardLayer::new((breaker.clone(), Full)).layer(service_fn(obey));
    for _ in 0..100 {
        let error = both.clone().oneshot(Do::Succeed).await.unwrap_err();
        assert_eq!(rejected(&error).reason(), Reason::Concurrency);
    }
    assert_eq!(breaker.snapshot(), before);
    // Nor does one from within, which the classification recognises.
    let inside = ServiceBuilder::new()
        .layer(breaker.layer())
        .layer(GuardLayer::new(Full))
        .service_fn(obey);
    inside.oneshot(Do::Succeed).await.unwrap_err();
    assert_eq!(breaker.snapshot(), before);
}

#[tokio::test(start_paused = true)]
async fn one_layer_is_one_breaker() {
    let layer = touchy().build().unwrap().layer();
    let services = [0; 3].map(|_| layer.layer(service_fn(obey)));
    let [first, second, third] = services;
    first.oneshot(Do::Fail).await.unwrap_err();
    for service in [second, third] {
        let error = service.oneshot(Do::Succeed).await.unwrap_err();
        assert_eq!(rejected(&error).reason(), Reason::Open);
    }
    assert_eq!(layer.policy().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_at_the_head_counts_then_and_once() {
    let breaker = touchy().consecutive_failures(3).build().unwrap();
    let mut permit = admit(&breaker).unwrap();
    permit.head(Some(Outcome::TRANSIENT), &mut Now::lazy());
    assert_eq!(breaker.snapshot().failures, 1);
    permit.finish(Outcome::TRANSIENT, &mut Now::lazy());
    let mut permit = admit(&breaker).unwrap();
    permit.head(Some(Outcome::TRANSIENT), &mut Now::lazy());
    drop(permit);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.failures, snapshot.consecutive_failures), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_verdict_after_the_head_counts_at_the_end() {
    let breaker = Breaker::new("stream");
    let mut permit = admit(&breaker).unwrap();
    permit.head(None, &mut Now::lazy());
    assert_eq!(breaker.snapshot().calls, 0);
    permit.finish(Outcome::TRANSIENT, &mut Now::lazy());
    let mut permit = admit(&breaker).unwrap();
    permit.head(None, &mut Now::lazy());
    drop(permit);
    let snapshot = breaker.snapshot();
    assert_eq!(
        (snapshot.calls, snapshot.failures),
        (1, 1),
        "a dropped stream is ignored"
    );
    assert_eq!(snapshot.consecutive_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn the_hook_sees_every_transition_and_may_use_the_handle() {
    let handle = Arc::new(std::sync::OnceLock::<Breaker>::new());
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let hook = {
        let (handle, seen) = (handle.clone(), seen.clone());
        move |transition: resilience_breaker::Transition| {
            let breaker = handle.get().unwrap();
            assert_eq!(breaker.state(), transition.to, "already changed");
            assert_eq!(breaker.snapshot().state, transition.to, "no lock is held");
            seen.lock().unwrap().push((transition.epoch, transition.to));
        }
    };
    let breaker = touchy().on_transition(hook).build().unwrap();
    handle.set(breaker.clone()).unwrap();
    fail(&breaker);
    advance(OPEN).await;
    service(&breaker).oneshot(Do::Succeed).await.unwrap();
    breaker.force_open();
    breaker.force_closed();
    breaker.reset();
    breaker.reset();
    let expected = [
        (1, State::Open),
        (2, State::HalfOpen),
        (3, State::Closed),
        (4, State::ForcedOpen),
        (5, State::ForcedClosed),
        (6, State::Closed),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Also in the drop of a permit while the thread unwinds, where a second panic would end the process.
#[tokio::test(start_paused = true)]
async fn a_panicking_hook_leaks_nothing() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let hook = move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        panic!("as told");
    };
    let breaker = touchy().on_transition(hook).build().unwrap();
    let error = service(&breaker).oneshot(Do::Fail).await.unwrap_err();
    assert_eq!(error.to_string(), "failed", "the call is not to blame");
    advance(OPEN).await;
    // Half-open, and open again by the unwinding probe.
    let probe = tokio::spawn(service(&breaker).oneshot(Do::Panic));
    assert!(probe.await.unwrap_err().is_panic());
    assert_eq!(
        (breaker.state(), calls.load(Ordering::Relaxed)),
        (State::Open, 3)
    );
    advance(OPEN).await;
    service(&breaker).oneshot(Do::Succeed).await.unwrap();
    assert_eq!(
        (breaker.state(), calls.load(Ordering::Relaxed)),
        (State::Closed, 5)
    );
}
