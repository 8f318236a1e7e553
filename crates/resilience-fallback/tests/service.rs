//! Another service as the fallback: when it is asked, with what, and what comes back when it fails too.

#![cfg(not(resilience_loom))]

use proptest::prelude::*;
use resilience_core::{
    BothFailed, BoxError, ByClone, Name, Outcome, Reason, Rejected, Replay, by_result, clock,
};
use resilience_fallback::{FallbackLayer, FirstFailure, Mark};
use std::{
    error::Error,
    fmt,
    future::{Future, ready},
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock;

/// What a service has seen, and how much of it is alive.
#[derive(Debug, Default)]
struct Seen {
    clones: AtomicUsize,
    polls: AtomicUsize,
    calls: AtomicUsize,
    alive: AtomicUsize,
}

impl Seen {
    fn counts(&self) -> [usize; 3] {
        [&self.clones, &self.polls, &self.calls].map(|count| count.load(SeqCst))
    }

    fn alive(&self) -> usize {
        self.alive.load(SeqCst)
    }
}

/// One thing that is alive.
#[derive(Debug)]
struct Held(Arc<Seen>);

impl Held {
    fn by(seen: &Arc<Seen>) -> Self {
        seen.alive.fetch_add(1, SeqCst);
        Self(seen.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, SeqCst);
    }
}

/// Where a service gets stuck or panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Clone,
    Ready,
    Call,
    Future,
    Nowhere,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Hang,
    Panic,
}

/// Answers with ten times the request, and insists on being ready. Every clone, and every future, is alive in `seen`.
#[derive(Debug)]
struct Spy {
    seen: Arc<Seen>,
    _held: Held,
    ready: bool,
    at: At,
    then: Then,
}

impl Spy {
    fn new(seen: &Arc<Seen>, at: At, then: Then) -> Self {
        Self {
            seen: seen.clone(),
            _held: Held::by(seen),
            ready: false,
            at,
            then,
        }
    }

    fn fine(seen: &Arc<Seen>) -> Self {
        Self::new(seen, At::Nowhere, Then::Hang)
    }

    /// Whether to get stuck here.
    fn stuck(&self, at: At) -> bool {
        let here = self.at == at;
        assert!(!here || matches!(self.then, Then::Hang), "a bug");
        here
    }
}

impl Clone for Spy {
    fn clone(&self) -> Self {
        self.seen.clones.fetch_add(1, SeqCst);
        self.stuck(At::Clone);
        Self::new(&self.seen, self.at, self.then)
    }
}

impl Service<u64> for Spy {
    type Response = u64;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<u64, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.seen.polls.fetch_add(1, SeqCst);
        if self.stuck(At::Ready) {
            return Poll::Pending;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: u64) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without readiness");
        self.seen.calls.fetch_add(1, SeqCst);
        self.stuck(At::Call);
        let (at, then) = (self.at, self.then);
        let held = Held::by(&self.seen);
        Box::pin(async move {
            let _held = held;
            if at == At::Future {
                assert!(matches!(then, Then::Hang), "a bug");
                std::future::pending::<()>().await;
            }
            Ok(req * 10)
        })
    }
}

async fn fail(_: u64) -> Result<u64, BoxError> {
    Err("primary".into())
}

fn both(error: &BoxError) -> &BothFailed {
    error.downcast_ref().expect("both have failed")
}

#[tokio::test]
async fn a_call_that_succeeds_leaves_the_other_service_alone() {
    let seen = Arc::new(Seen::default());
    let layer = FallbackLayer::service("f", Spy::fine(&seen));
    let mut service = layer.layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req + 1))));
    for req in 0..3 {
        let answer = service.ready().await.unwrap().call(req).await.unwrap();
        assert_eq!(answer, req + 1);
    }
    assert_eq!(
        seen.counts(),
        [0; 3],
        "neither cloned nor polled nor called"
    );
}

#[tokio::test]
async fn a_failure_is_answered_by_the_other_service() {
    let seen = Arc::new(Seen::default());
    let layer = FallbackLayer::service("f", Spy::fine(&seen));
    let service = layer.layer(service_fn(fail));
    // Spawned, so that all of it is `Send`.
    let answer = tokio::spawn(service.clone().oneshot(4)).await.unwrap();
    assert_eq!(answer.unwrap(), 40);
    assert_eq!(seen.counts(), [1, 1, 1]);
    assert_eq!(service.oneshot(5).await.unwrap(), 50);
    assert_eq!(seen.counts(), [2, 2, 2], "a fresh clone for each call");
    assert_eq!(seen.alive(), 1, "but for the layer's own, all are gone");
}

/// Pages from 500 on are transient failures, from 400 on ignored; errors are transient failures.
fn judge(result: Result<&u64, &BoxError>) -> Outcome {
    match result {
        Ok(500..) | Err(_) => Outcome::TRANSIENT,
        Ok(400..) => Outcome::Ignored,
        Ok(_) => Outcome::Success,
    }
}

#[tokio::test]
async fn the_shared_classification_decides() {
    let seen = Arc::new(Seen::default());
    let layer = FallbackLayer::service("f", Spy::fine(&seen)).classify(by_result(judge));
    let service = layer.layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req))));
    for (req, answer) in [(399, 399), (404, 404), (503, 5030)] {
        assert_eq!(service.clone().oneshot(req).await.unwrap(), answer);
    }
    assert_eq!(seen.counts(), [1; 3]);
}

/// The readiness of the layer is the primary's, and so is its error.
#[tokio::test]
async fn readiness_is_that_of_the_primary() {
    let seen = Arc::new(Seen::default());
    let (primary, mut handle) = mock::pair::<u64, u64>();
    let mut service =
        mock::Spawn::new(FallbackLayer::service("f", Spy::fine(&seen)).layer(primary));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    handle.send_error("gone");
    assert_eq!(assert_ready_err!(service.poll_ready()).to_string(), "gone");
    assert_eq!(seen.counts(), [0; 3]);
}

#[tokio::test]
async fn the_call_waits_until_the_other_service_is_ready() {
    let (primary, mut first) = mock::pair::<u64, u64>();
    let (secondary, mut second) = mock::pair::<u64, u64>();
    second.allow(0);
    let mut service = mock::Spawn::new(FallbackLayer::service("f", secondary).layer(primary));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(3));
    assert_pending!(call.poll());
    let (req, respond) = first.next_request().await.unwrap();
    assert_eq!(req, 3);
    assert_pending!(task::spawn(second.next_request()).poll());

    respond.send_error("primary");
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert!(!call.is_woken(), "it waits, and does not wake itself");
    assert_pending!(task::spawn(second.next_request()).poll());

    second.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    let (req, respond) = second.next_request().await.unwrap();
    assert_eq!(req, 3);
    respond.send_response(30);
    assert!(call.is_woken());
    assert_eq!(assert_ready_ok!(call.poll()), 30);
    assert_eq!(format!("{call:?}").matches("done").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_takes_as_long_as_both() {
    let after = |seconds, result: Result<u64, &'static str>| {
        service_fn(move |_: u64| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            result.map_err(BoxError::from)
        })
    };
    let start = clock::now();
    let layer = FallbackLayer::service("f", after(2, Ok(2)));
    let service = layer.layer(after(5, Err("late")));
    assert_eq!(service.oneshot(1).await.unwrap(), 2);
    assert_eq!(clock::now() - start, Duration::from_secs(7));
}

#[tokio::test]
async fn when_both_fail_both_are_there() {
    let layer = FallbackLayer::service(
        "f",
        service_fn(|_: u64| ready(Err::<u64, _>(io::Error::other("secondary")))),
    );
    // Errors of two types.
    let primary = service_fn(|_: u64| ready(Err::<u64, _>(fmt::Error)));
    let error = layer.layer(primary).oneshot(1).await.unwrap_err();
    assert!(
        both(&error).primary().is::<fmt::Error>(),
        "the error itself"
    );
    assert!(error.source().unwrap().is::<io::Error>());
    assert_eq!(error.source().unwrap().to_string(), "secondary");
}

#[tokio::test]
async fn the_other_service_that_cannot_become_ready_has_failed() {
    let (secondary, mut handle) = mock::pair::<u64, u64>();
    handle.send_error("gone");
    let service = FallbackLayer::service("f", secondary).layer(service_fn(fail));
    let error = service.oneshot(1).await.unwrap_err();
    assert_eq!(both(&error).primary().to_string(), "primary");
    assert_eq!(error.source().unwrap().to_string(), "gone");
}

/// Says that pages of 503 are refusals.
#[derive(Clone)]
struct Describe(Rejected);
impl Mark<u64, u64> for Describe {
    type Response = u64;
    fn whole(&self, res: u64) -> u64 {
        res
    }
    fn degraded(&self, res: u64, _: &Name, _: Outcome) -> u64 {
        res
    }
    fn describe(&self, res: &u64) -> Option<BoxError> {
        (*res == 503).then(|| self.0.clone().into())
    }
}

#[tokio::test]
async fn a_failing_response_is_described_when_the_other_service_fails() {
    let refused = || Rejected::new(Reason::Rate, "inner");
    let layer = FallbackLayer::service("f", service_fn(fail)).classify(by_result(judge));
    let inner = || service_fn(|req: u64| ready(Ok::<_, BoxError>(req)));
    let error = layer.layer(inner()).oneshot(503).await.unwrap_err();
    let first: &FirstFailure = both(&error).primary().downcast_ref().unwrap();
    assert_eq!(first.outcome(), Outcome::TRANSIENT);
    assert_eq!(first.to_string(), "a failing response (transient)");

    let layer = layer.mark(Describe(refused()));
    let error = layer.layer(inner()).oneshot(503).await.unwrap_err();
    assert_eq!(Rejected::find(&*error), Some(&refused()));
}

/// A response that is alive in `seen`.
#[derive(Debug)]
struct Page(Held);

/// What the failing response holds may be what the other service needs.
#[tokio::test]
async fn the_failing_response_and_the_call_are_gone_before_the_other_service_is_asked() {
    let seen = Arc::new(Seen::default());
    let (one, two) = (seen.clone(), seen.clone());
    let other = service_fn(move |_: u64| {
        assert_eq!(two.alive(), 0);
        ready(Ok::<_, BoxError>(Page(Held::by(&two))))
    });
    let layer = FallbackLayer::service("f", other)
        .classify(by_result(|_: Result<&Page, &BoxError>| Outcome::Permanent));
    let service = layer.layer(service_fn(move |_: u64| {
        let (seen, held) = (one.clone(), Held::by(&one));
        // Stays alive after it has completed, as futures written by hand do.
        std::future::poll_fn(move |_| {
            assert_eq!(held.0.alive(), 1);
            Poll::Ready(Ok::<_, BoxError>(Page(Held::by(&seen))))
        })
    }));
    let page = service.oneshot(1).await.unwrap();
    assert_eq!(page.0.0.alive(), 1);
}

/// Sends again what is even, and loses what is divisible by four when it comes to it.
#[derive(Clone, Debug)]
struct Even;

impl Replay<u64> for Even {
    type Inner = u64;
    type Kept = u64;

    fn first(&self, req: u64, repeatable: bool) -> (u64, Option<u64>) {
        assert!(repeatable);
        // Ones are not even kept.
        (req, (req != 1).then_some(req))
    }

    fn allows(&self, kept: &u64, outcome: Outcome) -> bool {
        assert_eq!(outcome, Outcome::TRANSIENT);
        kept.is_multiple_of(2)
    }

    fn again(&self, kept: u64, attempt: u32, last: bool) -> Option<(u64, Option<u64>)> {
        assert_eq!((attempt, last), (2, true));
        (!kept.is_multiple_of(4)).then_some((kept, None))
    }
}

#[tokio::test]
async fn what_cannot_be_sent_again_gets_what_the_primary_gave() {
    let seen = Arc::new(Seen::default());
    let layer = FallbackLayer::service("f", Spy::fine(&seen))
        .classify(by_result(|_: Result<&u64, &BoxError>| Outcome::TRANSIENT))
        .replay(Even);
    let response = layer.layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req + 500))));
    let error = layer.layer(service_fn(fail));
    for req in [1, 3, 4] {
        assert_eq!(response.clone().oneshot(req).await.unwrap(), req + 500);
        let error = error.clone().oneshot(req).await.unwrap_err();
        assert_eq!(error.to_string(), "primary", "not `BothFailed`");
    }
    assert_eq!(seen.counts(), [0; 3]);
    assert_eq!(response.oneshot(2).await.unwrap(), 20);
    assert_eq!(error.oneshot(6).await.unwrap(), 60);
}

#[tokio::test]
async fn what_stays_with_the_primary_is_whole() {
    /// Tells whole answers from degraded ones.
    #[derive(Clone)]
    struct Tell;
    impl Mark<u64, u64> for Tell {
        type Response = String;
        fn whole(&self, res: u64) -> String {
            format!("whole {res}")
        }
        fn degraded(&self, res: u64, policy: &Name, outcome: Outcome) -> String {
            format!("{res} by {policy}: {}", outcome.label())
        }
    }
    let seen = Arc::new(Seen::default());
    let layer = FallbackLayer::service("spy", Spy::fine(&seen))
        .classify(by_result(|_: Result<&u64, &BoxError>| Outcome::TRANSIENT))
        .mark(Tell)
        .replay(Even);
    let service = layer.layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req))));
    assert_eq!(service.clone().oneshot(3).await.unwrap(), "whole 3");
    let degraded = service.oneshot(2).await.unwrap();
    assert_eq!(degraded, "20 by spy: transient");
}

/// What a level of a chain does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Answer,
    Fail,
    Refuse,
}

type Levels = [Does; 4];

/// Level `number` of a chain: asked once, in order, with the same request as those before.
fn level(
    number: usize,
    levels: Levels,
    asked: &Arc<AtomicUsize>,
) -> impl Service<u64, Response = usize, Error = BoxError, Future: Send> + Clone + Send + Sync + use<>
{
    let asked = asked.clone();
    service_fn(move |req: u64| {
        assert_eq!(asked.fetch_add(1, SeqCst), number);
        assert_eq!(req, 7);
        ready(match levels[number] {
            Does::Answer => Ok(number),
            Does::Fail => Err(BoxError::from(format!("level {number}"))),
            Does::Refuse => Err(Rejected::new(Reason::Open, number.to_string()).into()),
        })
    })
}

/// The result of a call through a chain, and how many of its levels were asked.
async fn through(levels: Levels) -> (Result<usize, BoxError>, usize) {
    let asked = Arc::default();
    let service = tower::ServiceBuilder::new()
        .layer(FallbackLayer::service("third", level(3, levels, &asked)))
        .layer(FallbackLayer::service("second", level(2, levels, &asked)))
        .layer(FallbackLayer::service("first", level(1, levels, &asked)))
        .service(level(0, levels, &asked));
    let result = tokio::spawn(service.oneshot(7)).await.unwrap();
    (result, asked.load(SeqCst))
}

#[tokio::test]
async fn a_chain_asks_one_after_the_other() {
    use Does::{Answer, Fail, Refuse};
    let table = [
        [Answer, Fail, Fail, Fail],
        [Fail, Answer, Fail, Fail],
        [Refuse, Fail, Answer, Fail],
        [Fail, Refuse, Refuse, Answer],
    ];
    for (which, levels) in table.into_iter().enumerate() {
        let (result, asked) = through(levels).await;
        assert_eq!(result.unwrap(), which);
        assert_eq!(asked, which + 1, "those further out are not asked");
    }
}

#[tokio::test]
async fn when_a_whole_chain_fails_every_error_is_there() {
    let (result, asked) = through([Does::Fail; 4]).await;
    assert_eq!(asked, 4);
    let error = result.unwrap_err();
    assert!(Rejected::find(&*error).is_none());
    let mut below: &(dyn Error + 'static) = &*error;
    for number in [3, 2, 1] {
        let level: &BothFailed = below.downcast_ref().expect("one for each level");
        let own = level.source().unwrap().to_string();
        assert_eq!(own, format!("level {number}"));
        below = level.primary();
    }
    assert_eq!(below.to_string(), "level 0");
}

#[tokio::test]
async fn a_refusal_is_found_through_all_levels_of_a_chain() {
    for which in 0..4 {
        let mut levels = [Does::Fail; 4];
        levels[which] = Does::Refuse;
        let error = through(levels).await.0.unwrap_err();
        let found = Rejected::find(&*error).expect("it is in there");
        assert_eq!(&**found.policy(), which.to_string());
    }
}

/// A value, outermost, is the last resort: the caller never sees an error.
#[tokio::test]
async fn the_last_resort_of_a_chain_may_be_a_value() {
    let service = tower::ServiceBuilder::new()
        .layer(FallbackLayer::value("last", 0))
        .layer(FallbackLayer::service("second", service_fn(fail)))
        .layer(FallbackLayer::service("first", service_fn(fail)))
        .service(service_fn(fail));
    assert_eq!(service.oneshot(7).await.unwrap(), 0);
}

/// A call whose primary fails, until it is stuck in the other service.
fn stuck(
    seen: &Arc<Seen>,
    at: At,
    then: Then,
) -> impl Future<Output = Result<u64, BoxError>> + Send + use<> {
    let primary = seen.clone();
    let layer = FallbackLayer::service("f", Spy::new(seen, at, then)).replay(ByClone);
    let service = layer.layer(service_fn(move |_: u64| {
        let held = Held::by(&primary);
        async move {
            tokio::task::yield_now().await;
            drop(held);
            Err::<u64, BoxError>("primary".into())
        }
    }));
    service.oneshot(1)
}

#[tokio::test]
async fn dropping_the_call_drops_what_is_under_way() {
    // While the primary is at work.
    let seen = Arc::new(Seen::default());
    let mut call = task::spawn(stuck(&seen, At::Nowhere, Then::Hang));
    assert_pending!(call.poll());
    assert_eq!((seen.counts(), seen.alive()), ([0; 3], 2));
    drop(call);
    assert_eq!(seen.alive(), 0);

    for (at, counts) in [(At::Ready, [1, 1, 0]), (At::Future, [1, 1, 1])] {
        let seen = Arc::new(Seen::default());
        let mut call = task::spawn(stuck(&seen, at, Then::Hang));
        assert_pending!(call.poll());
        assert_pending!(call.poll());
        assert_eq!(seen.counts(), counts);
        // The value, and the clone or, once that was called, its future.
        assert_eq!(seen.alive(), 2, "{at:?}");
        drop(call);
        assert_eq!(seen.alive(), 0, "{at:?}");
    }
    // Before the first poll.
    let seen = Arc::new(Seen::default());
    let mut service = FallbackLayer::service("f", Spy::fine(&seen)).layer(Spy::fine(&seen));
    let call = service.ready().await.unwrap().call(1);
    drop((call, service));
    assert_eq!((seen.counts(), seen.alive()), ([0, 1, 1], 0));
}

#[tokio::test]
async fn a_panic_leaks_nothing() {
    for at in [At::Clone, At::Ready, At::Call, At::Future] {
        let seen = Arc::new(Seen::default());
        let call = tokio::spawn(stuck(&seen, at, Then::Panic));
        assert!(call.await.unwrap_err().is_panic(), "{at:?}");
        assert_eq!(seen.alive(), 0, "{at:?}");
    }
    for at in [At::Ready, At::Call, At::Future] {
        let seen = Arc::new(Seen::default());
        let other = Arc::new(Seen::default());
        let primary = Spy::new(&seen, at, Then::Panic);
        let service = FallbackLayer::service("f", Spy::fine(&other)).layer(primary);
        let call = tokio::spawn(service.oneshot(1));
        assert!(call.await.unwrap_err().is_panic(), "{at:?}");
        assert_eq!((seen.alive(), other.alive()), (0, 0), "{at:?}");
        assert_eq!(other.counts(), [0; 3], "a panic is nobody's failure");
    }
}

#[tokio::test]
async fn shown_for_debugging() {
    let seen = Arc::new(Seen::default());
    let layer = FallbackLayer::service("f", Spy::fine(&seen));
    let shown = format!("{layer:?}");
    assert!(shown.contains("stand_in: OtherService"), "{shown}");
    assert!(shown.contains("replay: ByClone"), "{shown}");
    let mut service = mock::Spawn::new(layer.layer(service_fn(fail)));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(1));
    assert!(format!("{call:?}").contains("calling"));
    assert_eq!(assert_ready!(call.poll()).unwrap(), 10);
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let refused = |reason| Rejected::new(reason, "inner").outcome();
    prop_oneof![
        Just(Outcome::Success),
        Just(Outcome::Ignored),
        Just(Outcome::Permanent),
        Just(Outcome::TRANSIENT),
        Just(Outcome::OVERLOAD),
        Just(Outcome::Unsent),
        Just(refused(Reason::Open)),
        Just(refused(Reason::Rate)),
    ]
}

/// Allows what the test says.
#[derive(Clone)]
struct Scripted {
    allows: bool,
    there: bool,
}

impl Replay<u64> for Scripted {
    type Inner = u64;
    type Kept = u64;

    fn first(&self, req: u64, _: bool) -> (u64, Option<u64>) {
        (req, Some(req))
    }

    fn allows(&self, _: &u64, _: Outcome) -> bool {
        self.allows
    }

    fn again(&self, kept: u64, _: u32, _: bool) -> Option<(u64, Option<u64>)> {
        assert!(self.allows, "asked for what is not allowed");
        self.there.then_some((kept, None))
    }
}

proptest! {
    /// The model: success and ignored pass; so does everything that cannot be sent again; for the rest the other
    /// service answers, or both have failed.
    #[test]
    fn passes_or_asks_the_other_service(
        first in prop_oneof![any::<u64>().prop_map(Ok), any::<u64>().prop_map(Err)],
        second in prop_oneof![any::<u64>().prop_map(Ok), any::<u64>().prop_map(Err)],
        outcome in outcomes(),
        (allows, there) in any::<(bool, bool)>(),
    ) {
        let text = |result: Result<u64, u64>| result.map_err(|number| BoxError::from(number.to_string()));
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let other = service_fn(move |req: u64| {
            assert_eq!(req, 7);
            count.fetch_add(1, SeqCst);
            ready(text(second))
        });
        let layer = FallbackLayer::service("f", other)
            .classify(by_result(move |_: Result<&u64, &BoxError>| outcome))
            .replay(Scripted { allows, there });
        let service = layer.layer(service_fn(move |_: u64| ready(text(first))));
        let result = assert_ready!(task::spawn(service.oneshot(7)).poll());

        let passes = matches!(outcome, Outcome::Success | Outcome::Ignored) || !(allows && there);
        prop_assert_eq!(asked.load(SeqCst), usize::from(!passes));
        let shown = result.map_err(|error| error.to_string());
        let expected = match (first, second) {
            _ if passes => first.map_err(|number| number.to_string()),
            (_, Ok(answer)) => Ok(answer),
            (Err(first), Err(second)) => Err(format!("{second}, after: {first}")),
            (Ok(_), Err(second)) => {
                Err(format!("{second}, after: a failing response ({})", outcome.label()))
            }
        };
        prop_assert_eq!(shown, expected);
    }
}
