//! The service: when the limit strikes, and what it does not do.

#![cfg(not(resilience_loom))]

use proptest::prelude::*;
use resilience_core::{BothFailed, BoxError, MapErr, Outcome, Reason, Rejected, config::LONGEST};
use resilience_timeout::{Kind, OnTimeout, TimedOut, TimeoutLayer};
use std::{
    cell::Cell,
    convert::Infallible,
    error::Error,
    fmt,
    future::{pending, poll_fn, ready},
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};
use tokio::time::{advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock;

const LIMIT: Duration = Duration::from_millis(250);
/// The last tick of the timer before the limit.
const ALMOST: Duration = Duration::from_millis(249);
const TICK: Duration = Duration::from_millis(1);

fn layer() -> TimeoutLayer {
    TimeoutLayer::new("inventory", LIMIT).unwrap()
}

fn is_timeout(error: &BoxError) -> bool {
    TimedOut::find(&**error) == Some(&TimedOut::new(Kind::Head, "inventory", LIMIT))
}

#[tokio::test(start_paused = true)]
async fn strikes_at_the_limit_and_not_before() {
    let (mut service, mut handle) = mock::spawn_layer::<u64, u64, _>(layer());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(1));
    // The limit runs from the first poll, not from the call.
    advance(LIMIT * 4).await;
    assert_pending!(call.poll());
    advance(ALMOST).await;
    assert!(!call.is_woken());
    assert_pending!(call.poll());
    advance(TICK).await;
    assert!(call.is_woken());
    let error = assert_ready_err!(call.poll());
    assert!(is_timeout(&error), "{error}");
    assert!(Rejected::find(&*error).is_none(), "it is no refusal");
}

#[tokio::test(start_paused = true)]
async fn a_response_in_time_passes() {
    let (mut service, mut handle) = mock::spawn_layer::<u64, u64, _>(layer());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(1));
    assert_pending!(call.poll());
    advance(ALMOST).await;
    let (req, respond) = handle.next_request().await.unwrap();
    respond.send_response(req + 1);
    assert!(call.is_woken());
    assert_eq!(assert_ready_ok!(call.poll()), 2);
}

#[tokio::test(start_paused = true)]
async fn the_response_wins_when_the_time_is_up_too() {
    let (mut service, mut handle) = mock::spawn_layer::<u64, u64, _>(layer());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(1));
    assert_pending!(call.poll());
    advance(LIMIT * 2).await;
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_response(7);
    assert_eq!(assert_ready_ok!(call.poll()), 7);
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_service_pass() {
    let (mut service, mut handle) = mock::spawn_layer::<u64, u64, _>(layer());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(1));
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_error("broken");
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "broken");

    handle.send_error("closed");
    let error = assert_ready_err!(service.poll_ready());
    assert_eq!(error.to_string(), "closed");
}

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_service() {
    let (mut service, mut handle) = mock::spawn_layer::<u64, u64, _>(layer());
    handle.allow(0);
    assert_pending!(service.poll_ready());
    advance(LIMIT * 10).await;
    assert!(!service.is_woken());
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
}

/// Outside of any runtime, where making a timer panics.
#[test]
fn a_response_that_is_there_at_once_needs_no_timer() {
    let prompt = service_fn(|req: u64| ready(Ok::<_, BoxError>(req + 1)));
    let mut call = task::spawn(layer().layer(prompt).oneshot(1));
    assert_eq!(assert_ready_ok!(call.poll()), 2);

    let failing = service_fn(|_: u64| ready(Err::<u64, BoxError>("no".into())));
    let mut call = task::spawn(layer().layer(failing).oneshot(1));
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "no");
}

#[test]
fn a_runtime_without_time_serves_responses_that_are_there_at_once() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let service = layer().layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req))));
    assert_eq!(runtime.block_on(service.oneshot(3)).unwrap(), 3);
}

/// The other half of the two tests above: a pending response does make a timer.
#[test]
#[should_panic(expected = "no reactor running")]
fn a_pending_response_needs_a_timer() {
    let service = layer().layer(service_fn(|_: u64| pending::<Result<u64, BoxError>>()));
    let _ = task::spawn(service.oneshot(1)).poll();
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
    impl Service<u64, Response = u64, Error = BoxError, Future: Send> + Clone,
    Arc<AtomicBool>,
) {
    let dropped = Arc::new(AtomicBool::new(false));
    let held = dropped.clone();
    let service = service_fn(move |_: u64| {
        let held = Held(held.clone());
        async move {
            let _held = held;
            pending().await
        }
    });
    (service, dropped)
}

#[tokio::test(start_paused = true)]
async fn the_inner_call_is_gone_when_the_error_is_there() {
    let (service, dropped) = hanging();
    let mut call = task::spawn(layer().layer(service).oneshot(1));
    assert_pending!(call.poll());
    advance(ALMOST).await;
    assert_pending!(call.poll());
    assert!(!dropped.load(SeqCst));
    advance(TICK).await;
    // The same poll; the future itself is still there.
    assert_ready_err!(call.poll());
    assert!(dropped.load(SeqCst));
}

#[tokio::test(start_paused = true)]
async fn the_inner_call_is_gone_before_the_answer_is_made() {
    let (service, dropped) = hanging();
    let seen = dropped.clone();
    let layer = layer().answer(move |_: &u64| {
        let seen = seen.clone();
        move |_: TimedOut| u64::from(seen.load(SeqCst))
    });
    assert_eq!(layer.layer(service).oneshot(1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_drops_the_inner_one() {
    let (service, dropped) = hanging();
    let mut call = task::spawn(layer().layer(service).oneshot(1));
    assert_pending!(call.poll());
    drop(call);
    assert!(dropped.load(SeqCst));
}

/// An inner call that always has something to do uses up the task's whole budget in each poll.
#[tokio::test(start_paused = true)]
async fn a_busy_call_cannot_starve_the_timer() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let counter = rounds.clone();
    let service = service_fn(move |_: u64| {
        let rounds = counter.clone();
        async move {
            loop {
                rounds.fetch_add(1, SeqCst);
                tokio::task::consume_budget().await;
            }
            #[expect(unreachable_code, reason = "gives the block its type")]
            Ok::<u64, BoxError>(0)
        }
    });
    let call = tokio::spawn(layer().layer(service).oneshot(1));
    tokio::task::yield_now().await;
    assert!(rounds.load(SeqCst) > 100, "it spends the budget");
    advance(LIMIT).await;
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert!(call.is_finished());
    assert!(is_timeout(&call.await.unwrap().unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn a_pending_call_is_polled_only_when_something_changed() {
    let polls = Rc::new(Cell::new(0));
    let counter = polls.clone();
    let service = service_fn(move |_: u64| {
        let polls = counter.clone();
        poll_fn(move |_| {
            polls.set(polls.get() + 1);
            Poll::<Result<u64, BoxError>>::Pending
        })
    });
    layer().layer(service).oneshot(1).await.unwrap_err();
    assert_eq!(polls.get(), 2, "at the start, and when the time is up");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_service_leaks_nothing() {
    let dropped = Arc::new(AtomicBool::new(false));
    let held = dropped.clone();
    let service = service_fn(move |_: u64| {
        let held = Held(held.clone());
        async move {
            let _held = held;
            sleep(TICK).await;
            assert!(std::hint::black_box(false), "a bug in the service");
            Ok::<u64, BoxError>(0)
        }
    });
    let call = tokio::spawn(layer().layer(service).oneshot(1));
    assert!(call.await.unwrap_err().is_panic());
    assert!(dropped.load(SeqCst));
}

#[derive(Debug, PartialEq)]
enum OwnError {
    Late(TimedOut),
    Failed,
}

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Error for OwnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Late(why) => Some(why),
            Self::Failed => None,
        }
    }
}

impl From<TimedOut> for OwnError {
    fn from(why: TimedOut) -> Self {
        Self::Late(why)
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_type_can_stay() {
    let service = layer()
        .keep_error()
        .layer(service_fn(|req: u64| async move {
            match req {
                0 => Err(OwnError::Failed),
                _ => pending().await,
            }
        }));
    let service: tower::util::BoxCloneService<u64, u64, OwnError> = service.boxed_clone();
    let failed = service.clone().oneshot(0).await.unwrap_err();
    assert_eq!(failed, OwnError::Failed);
    let late = service.oneshot(1).await.unwrap_err();
    assert_eq!(
        late,
        OwnError::Late(TimedOut::new(Kind::Head, "inventory", LIMIT))
    );
    assert!(TimedOut::find(&late).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_answer_knows_what_was_kept_of_the_request() {
    let layer = layer().answer(|name: &String| {
        let length = name.len();
        move |why: TimedOut| format!("{}: {length} bytes", why.policy())
    });
    // The request is neither `Clone` nor kept, and the error cannot be made.
    let hang = service_fn(|_: String| pending::<Result<String, Infallible>>());
    let Ok(answer) = layer.layer(hang).oneshot("abc".into()).await;
    assert_eq!(answer, "inventory: 3 bytes");
}

#[tokio::test(start_paused = true)]
async fn a_clone_has_the_same_limit() {
    let service = layer().clone().layer(hanging().0);
    let before = resilience_core::clock::now();
    assert!(is_timeout(&service.clone().oneshot(1).await.unwrap_err()));
    assert_eq!(resilience_core::clock::now() - before, LIMIT);
}

/// Requests bring their limit along; boxes errors otherwise.
#[derive(Clone)]
struct OwnLimit;

impl<E: Into<BoxError>> MapErr<E> for OwnLimit {
    type Error = BoxError;

    fn map_err(&self, error: E) -> BoxError {
        error.into()
    }
}

impl<Res, E: Into<BoxError>> OnTimeout<Option<Duration>, Res, E> for OwnLimit {
    type Response = Res;
    type Kept = ();

    fn limit(&self, req: &Option<Duration>) -> Option<Duration> {
        *req
    }

    fn keep(&self, _: &Option<Duration>) {}

    fn in_time(&self, res: Res) -> Res {
        res
    }

    fn too_late(&self, (): (), why: TimedOut) -> Result<Res, BoxError> {
        Err(why.into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_may_bring_its_own_limit() {
    let hang = service_fn(|_: Option<Duration>| pending::<Result<(), BoxError>>());
    let once_ready = layer().on_timeout(OwnLimit).layer(hang);
    let covering = layer().cover_readiness().on_timeout(OwnLimit).layer(hang);
    let shorter = LIMIT / 5;
    let table = [
        (None, LIMIT),
        (Some(shorter), shorter),
        (Some(LIMIT * 5), LIMIT * 5),
        (Some(LONGEST), LONGEST),
        (Some(LONGEST + TICK), LONGEST),
        (Some(Duration::MAX), LONGEST),
    ];
    let now = resilience_core::clock::now;
    for (own, limit) in table {
        let expected = TimedOut::new(Kind::Head, "inventory", limit);
        let start = now();
        let error = once_ready.clone().oneshot(own).await.unwrap_err();
        assert_eq!(TimedOut::find(&*error), Some(&expected));
        assert_eq!(now() - start, limit);
        let error = covering.clone().oneshot(own).await.unwrap_err();
        assert_eq!(TimedOut::find(&*error), Some(&expected));
        assert_eq!(now() - start, limit * 2);
    }
}

/// Outside of any runtime, where making a timer panics.
#[test]
fn a_limit_of_zero_is_up_when_the_call_is_first_pending() {
    let zero = Some(Duration::ZERO);
    let expected = TimedOut::new(Kind::Head, "inventory", Duration::ZERO);
    let hang = service_fn(|_| pending::<Result<(), BoxError>>());
    let service = layer().on_timeout(OwnLimit).layer(hang);
    let error = assert_ready_err!(task::spawn(service.oneshot(zero)).poll());
    assert_eq!(TimedOut::find(&*error), Some(&expected));

    let prompt = service_fn(|_| ready(Ok::<_, BoxError>(7)));
    let service = layer().on_timeout(OwnLimit).layer(prompt);
    assert_eq!(
        assert_ready_ok!(task::spawn(service.oneshot(zero)).poll()),
        7
    );

    let (unready, mut handle) = mock::pair::<Option<Duration>, ()>();
    handle.allow(0);
    let covering = layer().cover_readiness().on_timeout(OwnLimit);
    let error = assert_ready_err!(task::spawn(covering.layer(unready).oneshot(zero)).poll());
    let expected = TimedOut::new(Kind::Ready, "inventory", Duration::ZERO);
    assert_eq!(TimedOut::find(&*error), Some(&expected));
}

/// The timeout inside of a policy: the policy sees a failure of the dependency.
#[tokio::test(start_paused = true)]
async fn an_outer_policy_counts_it() {
    use resilience_core::{GuardLayer, Now, Permit, Policy};
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Spy(Arc<Mutex<Vec<Outcome>>>);

    impl<Req> Policy<Req> for Spy {
        type Permit = Self;
        fn admit(&self, _: &Req, _: &mut Now) -> Result<Self, Rejected> {
            Ok(self.clone())
        }
    }

    impl Permit for Spy {
        fn finish(self, outcome: Outcome, _: &mut Now) {
            self.0.lock().unwrap().push(outcome);
        }
        fn revert(self, _: &mut Now) {}
    }

    let spy = Spy::default();
    let service = GuardLayer::new(spy.clone()).layer(layer().layer(hanging().0));
    assert!(is_timeout(&service.oneshot(1).await.unwrap_err()));
    assert_eq!(*spy.0.lock().unwrap(), [Outcome::TRANSIENT]);
}

#[test]
fn found_along_the_chain() {
    let why = || TimedOut::new(Kind::Head, "a", LIMIT);
    let other = || Rejected::new(Reason::Open, "b");
    let found = |error: BoxError| TimedOut::find(&*error).is_some();
    assert!(found(Box::new(why())));
    assert!(found(Box::new(OwnError::Late(why()))));
    assert!(found(Box::new(BothFailed::new(why(), other()))));
    assert!(found(Box::new(BothFailed::new(other(), why()))));
    assert!(found(Box::new(io::Error::other(OwnError::Late(why())))));
    assert!(!found(Box::new(BothFailed::new(other(), other()))));
    assert!(!found(Box::new(OwnError::Failed)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The model: a response after `after` milliseconds is seen exactly if `after <= limit`; and the caller waits
    /// for the shorter of the two.
    #[test]
    fn whoever_is_first_wins(limit in 1u64..50, after in 0u64..50) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let layer = TimeoutLayer::new("p", Duration::from_millis(limit)).unwrap();
            let service = layer.layer(service_fn(|after: u64| async move {
                if after > 0 {
                    sleep(Duration::from_millis(after)).await;
                }
                Ok::<_, BoxError>(())
            }));
            let start = resilience_core::clock::now();
            let result = service.oneshot(after).await;
            let took = resilience_core::clock::now() - start;
            assert_eq!(result.is_ok(), after <= limit);
            assert_eq!(took, Duration::from_millis(after.min(limit)));
        });
    }
}

#[test]
fn futures_are_as_send_as_the_service() {
    fn send<T: Send>(_: &T) {}
    let mut service = layer().layer(hanging().0);
    send(&service);
    send(&service.call(1));
}
