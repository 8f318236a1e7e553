//! The limit that covers readiness: what it bounds, and what was never sent.

#![cfg(not(resilience_loom))]

use proptest::prelude::*;
use resilience_core::{
    BoxError, Classify, Errors, Outcome, Reason, Rejected, TypedErrors, Verdict, clock,
};
use resilience_timeout::{Kind, TimedOut, TimeoutLayer, WithReadiness};
use std::{
    error::Error,
    fmt,
    future::{Future, Ready, pending, ready},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Sleep, advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock;

const LIMIT: Duration = Duration::from_millis(250);
/// The last tick of the timer before the limit.
const ALMOST: Duration = Duration::from_millis(249);
const TICK: Duration = Duration::from_millis(1);

fn layer() -> TimeoutLayer<resilience_core::Boxed, WithReadiness> {
    TimeoutLayer::new("inventory", LIMIT)
        .unwrap()
        .cover_readiness()
}

fn late(kind: Kind) -> TimedOut {
    TimedOut::new(kind, "inventory", LIMIT)
}

/// A service of the layer over a mock, and the mock's other end.
fn mocked() -> (
    impl Service<u64, Response = u64, Error = BoxError> + Clone,
    mock::Handle<u64, u64>,
) {
    let (inner, handle) = mock::pair::<u64, u64>();
    (layer().layer(inner), handle)
}

#[tokio::test(start_paused = true)]
async fn the_service_is_always_ready() {
    let (service, mut handle) = mocked();
    handle.allow(0);
    let mut service = mock::Spawn::new(service);
    assert_ready_ok!(service.poll_ready());
    assert!(!service.is_woken());
}

#[tokio::test(start_paused = true)]
async fn what_was_not_ready_in_time_is_never_sent() {
    let (service, mut handle) = mocked();
    handle.allow(0);
    let mut call = task::spawn(service.oneshot(1));
    // The limit runs from the first poll, not from the call.
    advance(LIMIT * 4).await;
    assert_pending!(call.poll());
    advance(ALMOST).await;
    assert!(!call.is_woken());
    assert_pending!(call.poll());
    advance(TICK).await;
    assert!(call.is_woken());
    let error = assert_ready_err!(call.poll());
    assert_eq!(TimedOut::find(&*error), Some(&late(Kind::Ready)));
    assert_eq!(error.to_string(), "inventory: not ready within 250ms");
    handle.allow(1);
    assert!(handle.next_request().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn readiness_and_response_share_the_limit() {
    let (service, mut handle) = mocked();
    handle.allow(0);
    let mut call = task::spawn(service.oneshot(1));
    assert_pending!(call.poll());
    advance(ALMOST).await;
    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    let (req, _respond) = handle.next_request().await.unwrap();
    assert_eq!(req, 1);
    advance(TICK).await;
    assert!(call.is_woken());
    let error = assert_ready_err!(call.poll());
    assert_eq!(TimedOut::find(&*error), Some(&late(Kind::Head)));
    assert!(Rejected::find(&*error).is_none(), "it was sent");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_there_wins() {
    let (service, mut handle) = mocked();
    let mut call = task::spawn(service.oneshot(1));
    handle.allow(1);
    assert_pending!(call.poll());
    let (req, respond) = handle.next_request().await.unwrap();
    advance(LIMIT * 2).await;
    respond.send_response(req + 1);
    assert_eq!(assert_ready_ok!(call.poll()), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_ready_when_the_time_is_up_is_not_called() {
    let (service, mut handle) = mocked();
    handle.allow(0);
    let mut call = task::spawn(service.oneshot(1));
    assert_pending!(call.poll());
    advance(LIMIT).await;
    handle.allow(1);
    let error = assert_ready_err!(call.poll());
    assert_eq!(TimedOut::find(&*error), Some(&late(Kind::Ready)));
    assert!(handle.next_request().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn errors_of_readiness_pass_at_once() {
    let (service, mut handle) = mocked();
    handle.allow(0);
    let mut call = task::spawn(service.oneshot(1));
    assert_pending!(call.poll());
    handle.send_error("closed");
    assert!(call.is_woken());
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "closed");
}

/// The mock panics when it is called without readiness, and a clone of it is not ready.
#[tokio::test(start_paused = true)]
async fn each_call_waits_for_its_own_clone() {
    let (mut service, mut handle) = mocked();
    handle.allow(1);
    let mut first = task::spawn(service.call(1));
    let mut second = task::spawn(service.call(2));
    assert_pending!(second.poll());
    assert_pending!(first.poll());
    let (req, respond) = handle.next_request().await.unwrap();
    assert_eq!(req, 2, "whoever is polled first");
    respond.send_response(20);
    assert_eq!(assert_ready_ok!(second.poll()), 20);
    handle.allow(1);
    assert_pending!(first.poll());
    assert_eq!(handle.next_request().await.unwrap().0, 1);
}

/// Outside of any runtime, where making a timer panics.
#[test]
fn a_response_that_is_there_at_once_needs_no_timer() {
    let prompt = service_fn(|req: u64| ready(Ok::<_, BoxError>(req + 1)));
    let mut call = task::spawn(layer().layer(prompt).oneshot(1));
    assert_eq!(assert_ready_ok!(call.poll()), 2);
}

#[test]
#[should_panic(expected = "no reactor running")]
fn a_service_that_is_not_ready_needs_a_timer() {
    let (service, mut handle) = mocked();
    handle.allow(0);
    let _ = task::spawn(service.oneshot(1)).poll();
}

/// What `poll_ready` does.
#[derive(Clone, Copy)]
enum Readiness {
    Never,
    Panics,
    /// Always has something to do, and spends the task's whole budget in each poll.
    Busy,
    Once,
}

/// Counts who holds something of it: itself, its clones, requests.
#[derive(Clone)]
struct Counted {
    holders: Arc<()>,
    polls: Arc<AtomicUsize>,
    readiness: Readiness,
}

impl Counted {
    fn new(readiness: Readiness) -> Self {
        Self {
            holders: Arc::default(),
            polls: Arc::default(),
            readiness,
        }
    }
}

impl Service<Arc<()>> for Counted {
    type Response = u64;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<u64, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.polls.fetch_add(1, SeqCst);
        match self.readiness {
            Readiness::Never => Poll::Pending,
            Readiness::Panics => panic!("a bug in the service"),
            Readiness::Busy => {
                while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
                Poll::Pending
            }
            Readiness::Once => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, req: Arc<()>) -> Self::Future {
        Box::pin(async {
            pending::<()>().await;
            drop(req);
            Ok(0)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_drops_what_waits() {
    let inner = Counted::new(Readiness::Never);
    let holders = inner.holders.clone();
    let mut service = layer().layer(inner);
    assert_eq!(Arc::strong_count(&holders), 2);
    let mut call = task::spawn(service.call(holders.clone()));
    assert_pending!(call.poll());
    assert_eq!(Arc::strong_count(&holders), 4, "a request, and a clone");
    drop(call);
    assert_eq!(Arc::strong_count(&holders), 2);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_gone_when_the_error_is_there() {
    let inner = Counted::new(Readiness::Never);
    let holders = inner.holders.clone();
    let mut service = layer().layer(inner);
    let mut call = task::spawn(service.call(holders.clone()));
    assert_pending!(call.poll());
    advance(LIMIT).await;
    assert_ready_err!(call.poll());
    assert_eq!(Arc::strong_count(&holders), 2, "the call is still there");
}

#[tokio::test(start_paused = true)]
async fn the_clone_is_gone_once_it_is_called() {
    let inner = Counted::new(Readiness::Once);
    let holders = inner.holders.clone();
    let mut service = layer().layer(inner);
    let mut call = task::spawn(service.call(holders.clone()));
    assert_pending!(call.poll());
    assert_eq!(Arc::strong_count(&holders), 3, "the request alone");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_readiness_leaks_nothing() {
    let inner = Counted::new(Readiness::Panics);
    let holders = inner.holders.clone();
    let service = layer().layer(inner);
    let call = tokio::spawn(service.oneshot(holders.clone()));
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(Arc::strong_count(&holders), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pending_service_is_polled_only_when_something_changed() {
    let inner = Counted::new(Readiness::Never);
    let polls = inner.polls.clone();
    layer()
        .layer(inner)
        .oneshot(Arc::default())
        .await
        .unwrap_err();
    assert_eq!(polls.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_service_cannot_starve_the_timer() {
    let service = layer().layer(Counted::new(Readiness::Busy));
    let call = tokio::spawn(service.oneshot(Arc::default()));
    tokio::task::yield_now().await;
    advance(LIMIT).await;
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert!(call.is_finished());
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(TimedOut::find(&*error), Some(&late(Kind::Ready)));
}

#[derive(Debug)]
struct OwnError(TimedOut);

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for OwnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl From<TimedOut> for OwnError {
    fn from(why: TimedOut) -> Self {
        Self(why)
    }
}

/// Not the dependency's failure, and safe to be sent again.
#[tokio::test(start_paused = true)]
async fn to_classifiers_it_is_a_refusal() {
    fn judged<E, C: Classify<(), (), E>>(by: &C, error: &E) -> Outcome {
        by.start(&()).error(error)
    }
    let refused = Outcome::Refused {
        reason: Reason::NotReady,
        retry_after: None,
    };
    assert!(refused.never_sent() && !refused.is_failure());

    let error: BoxError = late(Kind::Ready).into();
    assert_eq!(judged(&Errors, &error), refused);
    assert_eq!(judged(&TypedErrors, &OwnError(late(Kind::Ready))), refused);
    assert_eq!(&**Rejected::find(&*error).unwrap().policy(), "inventory");

    for kind in [Kind::Head, Kind::Idle, Kind::Total] {
        let error: BoxError = late(kind).into();
        assert_eq!(judged(&Errors, &error), Outcome::TRANSIENT, "{kind:?}");
    }
}

#[derive(Clone)]
struct NeverReady;

impl Service<String> for NeverReady {
    type Response = String;
    type Error = OwnError;
    type Future = Ready<Result<String, OwnError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OwnError>> {
        Poll::Pending
    }

    fn call(&mut self, _: String) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn every_way_to_answer_is_there() {
    let service = layer().keep_error().layer(NeverReady);
    let error = service.oneshot("abc".into()).await.unwrap_err();
    assert_eq!(error.0, late(Kind::Ready));

    let service = layer().answer(|req: &String| {
        let length = req.len();
        move |why: TimedOut| format!("{:?}, {length} bytes", why.kind())
    });
    let answer = service.layer(NeverReady).oneshot("abc".into()).await;
    assert_eq!(answer.unwrap(), "Ready, 3 bytes");
}

/// Ready once it has slept; the clone of a clone sleeps anew.
struct Slow {
    for_ready: Duration,
    for_response: Duration,
    sleeping: Option<Pin<Box<Sleep>>>,
}

impl Clone for Slow {
    fn clone(&self) -> Self {
        Self {
            sleeping: None,
            ..*self
        }
    }
}

impl Service<()> for Slow {
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.for_ready.is_zero() {
            return Poll::Ready(Ok(()));
        }
        let for_ready = self.for_ready;
        let sleeping = self
            .sleeping
            .get_or_insert_with(|| Box::pin(sleep(for_ready)));
        sleeping.as_mut().poll(cx).map(Ok)
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let for_response = self.for_response;
        Box::pin(async move {
            if !for_response.is_zero() {
                sleep(for_response).await;
            }
            Ok(())
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The model: it is sent exactly if the service is ready before the limit, or at once; a response comes exactly if
    /// it is there at the limit; and the caller waits for the shorter of the two.
    #[test]
    fn whoever_is_first_wins(limit in 1u64..40, for_ready in 0u64..40, for_response in 0u64..40) {
        let sent = for_ready < limit;
        let whole = for_ready + for_response;
        let expected = match (sent, whole <= limit) {
            (false, _) => Some(Kind::Ready),
            (true, false) => Some(Kind::Head),
            (true, true) => None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let ms = Duration::from_millis;
            let layer = TimeoutLayer::new("p", ms(limit)).unwrap().cover_readiness();
            let service = layer.layer(Slow {
                for_ready: ms(for_ready),
                for_response: ms(for_response),
                sleeping: None,
            });
            let start = clock::now();
            let result = service.oneshot(()).await;
            assert_eq!(clock::now() - start, ms(whole.min(limit)));
            let kind = result.err().map(|error| TimedOut::find(&*error).unwrap().kind());
            assert_eq!(kind, expected);
        });
    }
}

#[test]
fn futures_are_as_send_as_the_service() {
    fn send<T: Send>(_: &T) {}
    let mut service = layer().layer(Counted::new(Readiness::Never));
    send(&service);
    send(&service.call(Arc::default()));
}
