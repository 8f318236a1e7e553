//! `Guard`, the adapter: readiness, admission, and how every permit ends.
#![cfg(not(resilience_loom))]

mod spy;

use resilience_core::{
    BoxError, Classify, Guard, GuardLayer, Now, Outcome, Permit, Policy, Reason, Rejected, Verdict,
    by_result,
};
use spy::Spy;
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::{Future, pending},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, service_fn};
use tower_test::mock::{self, Mock};

type Pair = (Mock<u32, u32>, mock::Handle<u32, u32>);

fn mock_with_room(calls: u64) -> Pair {
    let (service, mut handle) = mock::pair();
    handle.allow(calls);
    (service, handle)
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Polls readiness once, with nobody to wake.
fn poll_ready<S: Service<u32>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut context())
}

/// Polls a future once, with nobody to wake.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut context())
}

fn reason(error: &(dyn Error + 'static)) -> Option<Reason> {
    Rejected::find(error).map(Rejected::reason)
}

/// Asserts that the inner service was not called. It needs room, so that it could have been.
fn assert_not_called(handle: &mut mock::Handle<u32, u32>) {
    assert!(handle.poll_request().is_pending(), "inner was called");
}

mod readiness {
    use super::*;

    #[test]
    fn is_that_of_the_inner_service() {
        let (spy, log) = Spy::new();
        let (inner, mut handle) = mock_with_room(0);
        let mut ready = task::spawn(GuardLayer::new(spy).layer(inner));

        assert_pending!(ready.enter(|cx, mut guard| guard.poll_ready(cx)));
        assert!(!ready.is_woken(), "a pending readiness wakes itself");
        handle.allow(1);
        assert!(ready.is_woken());
        assert_ready_ok!(ready.enter(|cx, mut guard| guard.poll_ready(cx)));
        assert_eq!(log.take(), [""; 0], "readiness admits nobody");
    }

    /// Counts how often it is asked, and panics when called without having said that it is ready.
    #[derive(Clone, Default)]
    struct Strict {
        ready: bool,
        asked: Arc<AtomicUsize>,
    }

    impl Service<u32> for Strict {
        type Response = u32;
        type Error = BoxError;
        type Future = std::future::Ready<Result<u32, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.ready = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, req: u32) -> Self::Future {
            assert!(std::mem::take(&mut self.ready), "called without readiness");
            std::future::ready(Ok(req))
        }
    }

    #[test]
    fn is_remembered_until_spent_by_a_call() {
        let (spy, _) = Spy::new();
        let inner = Strict::default();
        let asked = inner.asked.clone();
        let mut guard = GuardLayer::new(spy).layer(inner);

        assert_ready_ok!(poll_ready(&mut guard));
        assert_ready_ok!(poll_ready(&mut guard));
        assert_eq!(asked.load(Ordering::SeqCst), 1, "asked again while ready");
        assert_ready_ok!(poll_once(guard.call(1)));

        let error = assert_ready_err!(poll_once(guard.call(2)));
        assert_eq!(reason(&*error), Some(Reason::NotReady), "not spent");
        assert_ready_ok!(poll_ready(&mut guard));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert_ready_ok!(poll_once(guard.call(3)));
    }

    #[test]
    fn is_kept_by_a_refused_call() {
        let (spy, log) = Spy::new();
        let inner = Strict::default();
        let asked = inner.asked.clone();
        let mut guard = GuardLayer::new(spy.clone()).layer(inner);

        spy.set_full(true);
        assert_ready_ok!(poll_ready(&mut guard));
        let error = assert_ready_err!(poll_once(guard.call(1)));
        assert_eq!(reason(&*error), Some(Reason::Concurrency));

        spy.set_full(false);
        assert_ready_ok!(poll_ready(&mut guard));
        assert_eq!(asked.load(Ordering::SeqCst), 1, "the reservation was lost");
        assert_eq!(assert_ready_ok!(poll_once(guard.call(2))), 2);
        assert_eq!(
            log.take(),
            ["spy refused", "spy admitted", "spy finished success"]
        );
    }

    #[test]
    fn is_not_that_of_a_clone() {
        let (spy, log) = Spy::new();
        let (inner, mut handle) = mock_with_room(9);
        let mut guard = GuardLayer::new(spy).layer(inner);
        assert_ready_ok!(poll_ready(&mut guard));

        let error = assert_ready_err!(poll_once(guard.clone().call(1)));
        assert_eq!(reason(&*error), Some(Reason::NotReady));
        assert_eq!(log.take(), ["spy admitted", "spy reverted"]);
        assert_not_called(&mut handle);

        let _call = guard.call(2);
        assert_eq!(log.take(), ["spy admitted"], "the clone has spent it");
    }

    #[test]
    fn of_an_inner_service_that_failed_is_none() {
        let (spy, log) = Spy::new();
        let (inner, mut handle) = mock_with_room(0);
        let mut guard = GuardLayer::new(spy).layer(inner);

        handle.send_error(io::Error::other("gone"));
        let error = assert_ready_err!(poll_ready(&mut guard));
        assert_eq!(error.to_string(), "gone");
        assert_eq!(reason(&*error), None);

        let error = assert_ready_err!(poll_once(guard.call(1)));
        assert_eq!(reason(&*error), Some(Reason::NotReady));
        assert_eq!(log.take(), ["spy admitted", "spy reverted"]);
    }

    #[test]
    fn errors_pass_through_the_mapping() {
        #[derive(Clone)]
        struct Broken;

        impl Service<u32> for Broken {
            type Response = u32;
            type Error = io::Error;
            type Future = std::future::Ready<Result<u32, io::Error>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
                Poll::Ready(Err(io::Error::other("gone")))
            }

            fn call(&mut self, _: u32) -> Self::Future {
                unreachable!("it is never ready")
            }
        }

        let (spy, _) = Spy::new();
        let layer = GuardLayer::new(spy);
        let boxed: BoxError = assert_ready_err!(poll_ready(&mut layer.layer(Broken)));
        assert!(boxed.is::<io::Error>());
        let layer = layer.answer(|_: &u32, _| 0);
        let kept: io::Error = assert_ready_err!(poll_ready(&mut layer.layer(Broken)));
        assert_eq!(kept.to_string(), "gone");
    }
}

mod refusing {
    use super::*;

    #[test]
    fn does_not_wait_for_the_inner_service() {
        let (spy, log) = Spy::new();
        let (inner, mut handle) = mock_with_room(0);
        let mut guard = GuardLayer::new(spy.clone()).layer(inner);
        spy.set_full(true);
        spy.start_refusing();

        assert_ready_ok!(poll_ready(&mut guard), "a transient state is no error");
        let error = assert_ready_err!(poll_once(guard.call(1)));
        assert_eq!(reason(&*error), Some(Reason::Concurrency));
        assert_eq!(log.take(), ["spy refused"]);
        assert_not_called(&mut handle);
        assert!(spy.gate().is_empty());
    }

    /// A half-open breaker refuses those who would wait, and admits the probe.
    #[test]
    fn refuses_the_call_if_the_policy_admits_after_all() {
        let (spy, log) = Spy::new();
        let (inner, mut handle) = mock_with_room(0);
        let mut guard = GuardLayer::new(spy.clone()).layer(inner);
        spy.start_refusing();

        assert_ready_ok!(poll_ready(&mut guard));
        let error = assert_ready_err!(poll_once(guard.call(1)));
        assert_eq!(reason(&*error), Some(Reason::NotReady));
        assert_eq!(log.take(), ["spy admitted", "spy reverted"]);
        assert_not_called(&mut handle);
    }

    #[test]
    fn leaves_alone_an_inner_service_that_is_ready() {
        let (spy, log) = Spy::new();
        let (inner, mut handle) = mock_with_room(1);
        let mut guard = GuardLayer::new(spy.clone()).layer(inner);
        spy.start_refusing();

        assert_ready_ok!(poll_ready(&mut guard));
        let _call = guard.call(7);
        assert_eq!(log.take(), ["spy admitted"], "it was ready");
        assert!(handle.poll_request().is_ready());
    }

    #[test]
    fn releases_those_who_already_wait() {
        let (spy, _) = Spy::new();
        let (inner, _handle) = mock_with_room(0);
        let guard = GuardLayer::new(spy.clone()).layer(inner);
        let mut first = task::spawn(guard.clone());
        let mut second = task::spawn(guard);

        assert_pending!(first.enter(|cx, mut guard| guard.poll_ready(cx)));
        assert_pending!(second.enter(|cx, mut guard| guard.poll_ready(cx)));
        assert_eq!(spy.gate().len(), 2);
        assert!(!first.is_woken() && !second.is_woken());

        spy.start_refusing();
        assert!(first.is_woken() && second.is_woken());
        assert_ready_ok!(first.enter(|cx, mut guard| guard.poll_ready(cx)));
        assert_ready_ok!(second.enter(|cx, mut guard| guard.poll_ready(cx)));
        assert!(spy.gate().is_empty());
    }

    #[test]
    fn releases_the_task_that_polled_last() {
        let (spy, _) = Spy::new();
        let (inner, _handle) = mock_with_room(0);
        let mut guard = GuardLayer::new(spy.clone()).layer(inner);
        let (mut first, mut second) = (task::spawn(()), task::spawn(()));

        assert_pending!(first.enter(|cx, _| guard.poll_ready(cx)));
        assert_pending!(second.enter(|cx, _| guard.poll_ready(cx)));
        assert_eq!(spy.gate().len(), 1, "one guard, one place");
        spy.start_refusing();
        assert!(!first.is_woken());
        assert!(second.is_woken());
    }

    /// The policy opened and closed again before the waiter was polled; it must be found a second time.
    #[test]
    fn releases_those_who_missed_the_first_time() {
        let (spy, _) = Spy::new();
        let (inner, _handle) = mock_with_room(0);
        let mut waiter = task::spawn(GuardLayer::new(spy.clone()).layer(inner));

        assert_pending!(waiter.enter(|cx, mut guard| guard.poll_ready(cx)));
        spy.start_refusing();
        spy.stop_refusing();
        assert_pending!(waiter.enter(|cx, mut guard| guard.poll_ready(cx)));
        assert!(!waiter.is_woken());
        spy.start_refusing();
        assert!(waiter.is_woken());
        assert_ready_ok!(waiter.enter(|cx, mut guard| guard.poll_ready(cx)));
    }

    #[test]
    fn waiters_leave_the_gate_when_ready_failed_or_dropped() {
        let (spy, _) = Spy::new();
        let layer = GuardLayer::new(spy.clone());

        let (inner, mut handle) = mock_with_room(0);
        let mut guard = layer.layer(inner);
        assert_pending!(poll_ready(&mut guard));
        assert_eq!(spy.gate().len(), 1);
        handle.allow(1);
        assert_ready_ok!(poll_ready(&mut guard));
        assert_eq!(spy.gate().len(), 0, "ready");

        let (inner, mut handle) = mock_with_room(0);
        let mut guard = layer.layer(inner);
        assert_pending!(poll_ready(&mut guard));
        handle.send_error("gone");
        assert_ready_err!(poll_ready(&mut guard));
        assert_eq!(spy.gate().len(), 0, "failed");

        let (inner, _handle) = mock_with_room(0);
        let mut guard = layer.layer(inner);
        assert_pending!(poll_ready(&mut guard));
        assert_eq!(spy.gate().len(), 1);
        drop(guard);
        assert_eq!(spy.gate().len(), 0, "dropped");
    }
}

mod permits {
    use super::*;

    /// Runs `call` with a guard that is ready, and returns what happened to the permit.
    fn after<S, C>(inner: S, classify: C, call: impl FnOnce(&mut Guarded<S, C>)) -> Vec<String>
    where
        S: Service<u32, Response = u32, Error = BoxError>,
        C: Classify<u32, u32, BoxError> + Clone,
    {
        let (spy, log) = Spy::new();
        let mut guard = GuardLayer::new(spy).classify(classify).layer(inner);
        assert_ready_ok!(poll_ready(&mut guard));
        call(&mut guard);
        log.take()
    }

    /// The same for a call that panics.
    fn after_panic<S, C>(
        inner: S,
        classify: C,
        call: impl FnOnce(&mut Guarded<S, C>),
    ) -> Vec<String>
    where
        S: Service<u32, Response = u32, Error = BoxError>,
        C: Classify<u32, u32, BoxError> + Clone,
    {
        after(inner, classify, |guard| {
            let panicked = catch_unwind(AssertUnwindSafe(|| call(guard)));
            assert!(panicked.is_err(), "it did not panic");
        })
    }

    type Guarded<S, C> = Guard<S, Spy, C, resilience_core::AtHead, resilience_core::Boxed>;

    fn failures() -> impl Classify<u32, u32, BoxError, Call: Send> + Clone {
        by_result(|result: Result<&u32, &BoxError>| match result {
            Ok(0) => Outcome::Permanent,
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::OVERLOAD,
        })
    }

    #[test]
    fn finish_with_the_response() {
        let echo = || service_fn(|req: u32| async move { Ok::<_, BoxError>(req) });
        let events = after(echo(), failures(), |guard| {
            assert_eq!(assert_ready_ok!(poll_once(guard.call(7))), 7);
        });
        assert_eq!(events, ["spy admitted", "spy finished success"]);

        let events = after(echo(), failures(), |guard| {
            assert_ready_ok!(poll_once(guard.call(0)));
        });
        assert_eq!(events, ["spy admitted", "spy finished permanent"]);
    }

    #[test]
    fn finish_with_the_error() {
        let fail = service_fn(|_: u32| async { Err::<u32, BoxError>("down".into()) });
        let events = after(fail, failures(), |guard| {
            let error = assert_ready_err!(poll_once(guard.call(7)));
            assert_eq!(error.to_string(), "down");
        });
        assert_eq!(events, ["spy admitted", "spy finished overload"]);
    }

    #[test]
    fn are_held_until_the_response() {
        let (spy, log) = Spy::new();
        let (inner, mut handle) = mock_with_room(1);
        let mut guard = GuardLayer::new(spy).layer(inner);
        assert_ready_ok!(poll_ready(&mut guard));
        let mut call = task::spawn(guard.call(7));
        assert_pending!(call.poll());
        assert_eq!(log.take(), ["spy admitted"]);
        let (req, respond) = assert_ready!(handle.poll_request()).expect("one request");
        respond.send_response(req + 1);
        assert!(call.is_woken());
        assert_eq!(log.take(), [""; 0]);
        assert_eq!(assert_ready_ok!(call.poll()), 8);
        assert_eq!(log.take(), ["spy finished success"]);
        drop(call);
        assert_eq!(log.take(), [""; 0], "ended twice");
    }

    #[test]
    fn are_abandoned_with_the_future() {
        let hang = || service_fn(|_: u32| pending::<Result<u32, BoxError>>());
        let events = after(hang(), failures(), |guard| drop(guard.call(7)));
        assert_eq!(events, ["spy admitted", "spy abandoned"], "never polled");
        let events = after(hang(), failures(), |guard| {
            assert_pending!(poll_once(guard.call(7)));
        });
        assert_eq!(events, ["spy admitted", "spy abandoned"], "polled");
    }

    #[test]
    fn of_refused_calls_do_not_exist() {
        let (spy, log) = Spy::new();
        let (inner, mut handle) = mock_with_room(1);
        let mut guard = GuardLayer::new(spy.clone()).layer(inner);
        assert_ready_ok!(poll_ready(&mut guard));
        spy.set_full(true);
        drop(guard.call(1));
        assert_eq!(log.take(), ["spy refused"]);
        assert_not_called(&mut handle);
    }

    #[test]
    fn survive_a_panic_in_the_inner_call() {
        let bomb = service_fn(|req: u32| {
            assert_eq!(req, 0, "boom");
            pending::<Result<u32, BoxError>>()
        });
        let events = after_panic(bomb, failures(), |guard| {
            drop(guard.call(7));
        });
        assert_eq!(events, ["spy admitted", "spy abandoned"]);
    }

    #[test]
    fn survive_a_panic_in_the_inner_future() {
        let bomb = service_fn(|req: u32| async move {
            assert_eq!(req, 0, "boom");
            Ok::<_, BoxError>(req)
        });
        let events = after_panic(bomb, failures(), |guard| {
            let _ = poll_once(guard.call(7));
        });
        assert_eq!(events, ["spy admitted", "spy abandoned"]);
    }

    /// Panics when it is told to: at the start of a call, or when it judges a response or an error.
    #[derive(Clone, Copy, PartialEq)]
    enum Bomb {
        Start,
        Response,
        Error,
    }

    impl Classify<u32, u32, BoxError> for Bomb {
        type Call = Self;

        fn start(&self, _: &u32) -> Self {
            assert!(*self != Self::Start, "boom");
            *self
        }
    }

    impl Verdict<u32, BoxError> for Bomb {
        fn response(&mut self, _: &u32) -> Option<Outcome> {
            assert!(*self != Self::Response, "boom");
            None
        }

        fn error(&mut self, _: &BoxError) -> Outcome {
            assert!(*self != Self::Error, "boom");
            Outcome::Ignored
        }
    }

    #[test]
    fn survive_a_panic_in_the_classifier() {
        for bomb in [Bomb::Start, Bomb::Response, Bomb::Error] {
            let inner = service_fn(move |req: u32| async move {
                match bomb {
                    Bomb::Error => Err::<u32, BoxError>("down".into()),
                    _ => Ok(req),
                }
            });
            let events = after_panic(inner, bomb, |guard| {
                let _ = poll_once(guard.call(7));
            });
            assert_eq!(events, ["spy admitted", "spy abandoned"]);
        }
    }

    #[test]
    fn survive_a_panic_in_the_answer() {
        let (spy, log) = Spy::new();
        let layer = GuardLayer::new(spy).answer(|_: &u32, _| -> u32 { panic!("boom") });
        let mut guard = layer.layer(mock_with_room(1).0);
        // Not ready, so that there is a permit when the answer is made.
        let panicked = catch_unwind(AssertUnwindSafe(|| drop(guard.call(1))));
        assert!(panicked.is_err());
        assert_eq!(log.take(), ["spy admitted", "spy reverted"]);
    }

    /// A verdict that the response's head leaves open: without a body to wait for, a success.
    #[test]
    fn finish_as_success_if_the_verdict_is_open() {
        #[derive(Clone, Copy)]
        struct Open;

        impl Classify<u32, u32, BoxError> for Open {
            type Call = Self;

            fn start(&self, _: &u32) -> Self {
                Self
            }
        }

        impl Verdict<u32, BoxError> for Open {
            fn response(&mut self, _: &u32) -> Option<Outcome> {
                None
            }

            fn error(&mut self, _: &BoxError) -> Outcome {
                Outcome::Ignored
            }
        }

        let echo = service_fn(|req: u32| async move { Ok::<_, BoxError>(req) });
        let events = after(echo, Open, |guard| {
            assert_ready_ok!(poll_once(guard.call(7)));
        });
        assert_eq!(events, ["spy admitted", "spy finished success"]);
    }
}

mod layer {
    use super::*;

    /// At most so many calls at once; the count is in the value, not behind a pointer of its own.
    struct Limit {
        limit: usize,
        held: Arc<AtomicUsize>,
    }

    struct Held(Arc<AtomicUsize>);

    impl Policy<u32> for Limit {
        type Permit = Held;

        fn admit(&self, _: &u32, _: &mut Now) -> Result<Held, Rejected> {
            if self.held.fetch_add(1, Ordering::SeqCst) < self.limit {
                return Ok(Held(self.held.clone()));
            }
            self.held.fetch_sub(1, Ordering::SeqCst);
            Err(Rejected::new(Reason::Concurrency, "limit"))
        }
    }

    impl Permit for Held {
        fn finish(self, _: Outcome, _: &mut Now) {}
        fn revert(self, _: &mut Now) {}
    }

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn hang(_: u32) -> Pin<Box<dyn Future<Output = Result<u32, Infallible>>>> {
        Box::pin(pending())
    }

    #[test]
    fn is_one_policy_over_all_services_and_clones() {
        let layer = GuardLayer::new(Limit {
            limit: 2,
            held: Arc::default(),
        });
        let mut first = layer.layer(service_fn(hang));
        let mut second = layer.clone().layer(service_fn(hang));
        let mut third = second.clone();

        for guard in [&mut first, &mut second, &mut third] {
            assert_ready_ok!(poll_ready(guard));
        }
        let one = first.call(1);
        let two = second.call(2);
        let error = assert_ready_err!(poll_once(third.call(3)));
        assert_eq!(reason(&*error), Some(Reason::Concurrency));
        for policy in [layer.policy(), first.policy(), third.policy()] {
            assert_eq!(policy.held.load(Ordering::SeqCst), 2);
        }

        drop(one);
        assert_pending!(poll_once(third.call(3)));
        drop(two);
        assert_eq!(layer.policy().held.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn exempts_requests_and_keeps_the_policy() {
        let (spy, log) = Spy::new();
        let before = GuardLayer::new(spy.clone());
        let layer = before.clone().exempt(|req: &u32| *req == 0);
        let (inner, mut handle) = mock_with_room(2);
        let mut guard = layer.layer(inner);
        spy.set_full(true);

        assert_ready_ok!(poll_ready(&mut guard));
        let mut probe = task::spawn(guard.call(0));
        assert_pending!(probe.poll());
        let (_, respond) = assert_ready!(handle.poll_request()).expect("the probe");
        respond.send_response(1);
        assert_eq!(assert_ready_ok!(probe.poll()), 1);
        assert_eq!(log.take(), [""; 0], "the policy was asked about the probe");

        assert_ready_ok!(poll_ready(&mut guard));
        let error = assert_ready_err!(poll_once(guard.call(1)));
        assert_eq!(reason(&*error), Some(Reason::Concurrency));
        assert_eq!(log.take(), ["spy refused"]);
        assert!(before.policy().is(&spy));

        spy.set_full(false);
        drop(guard.call(1));
        assert_eq!(log.take(), ["spy admitted", "spy abandoned"]);
    }

    #[test]
    fn with_exemptions_still_releases_waiters() {
        let (spy, _) = Spy::new();
        let layer = GuardLayer::new(spy.clone()).exempt(|req: &u32| *req == 0);
        let (inner, _handle) = mock_with_room(0);
        let mut waiter = task::spawn(layer.layer(inner));
        assert_pending!(waiter.enter(|cx, mut guard| guard.poll_ready(cx)));
        spy.start_refusing();
        assert!(waiter.is_woken());
        assert_ready_ok!(waiter.enter(|cx, mut guard| guard.poll_ready(cx)));
    }
}

mod refusals {
    use super::*;

    #[derive(Debug)]
    enum ShopError {
        Refused(Rejected),
        Sold,
    }

    impl fmt::Display for ShopError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt::Debug::fmt(self, f)
        }
    }

    impl Error for ShopError {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            match self {
                Self::Refused(why) => Some(why),
                Self::Sold => None,
            }
        }
    }

    impl From<Rejected> for ShopError {
        fn from(why: Rejected) -> Self {
            Self::Refused(why)
        }
    }

    async fn shop(_: u32) -> Result<u32, ShopError> {
        Err(ShopError::Sold)
    }

    #[test]
    fn are_boxed_by_default() {
        let (spy, _) = Spy::new();
        let mut guard = GuardLayer::new(spy.clone()).layer(service_fn(shop));
        assert_ready_ok!(poll_ready(&mut guard));
        spy.set_full(true);
        let refused: BoxError = assert_ready_err!(poll_once(guard.call(1)));
        assert!(refused.is::<Rejected>());
        spy.set_full(false);
        let failed: BoxError = assert_ready_err!(poll_once(guard.call(1)));
        assert!(failed.is::<ShopError>());
    }

    #[test]
    fn become_the_services_own_error() {
        let (spy, _) = Spy::new();
        let layer = GuardLayer::new(spy.clone()).keep_error();
        let mut guard = layer.layer(service_fn(shop));
        assert_ready_ok!(poll_ready(&mut guard));
        spy.set_full(true);
        let refused: ShopError = assert_ready_err!(poll_once(guard.call(1)));
        assert!(matches!(&refused, ShopError::Refused(why) if why.reason() == Reason::Concurrency));
        spy.set_full(false);
        let failed: ShopError = assert_ready_err!(poll_once(guard.call(1)));
        assert!(matches!(failed, ShopError::Sold));
    }

    #[test]
    fn become_responses() {
        let (spy, _) = Spy::new();
        let layer = GuardLayer::new(spy.clone())
            .answer(|req: &u32, why| format!("{req}: {}", why.reason().label()));
        let mut guard = layer.layer(service_fn(|req: u32| async move {
            Ok::<_, Infallible>(req.to_string())
        }));
        assert_ready_ok!(poll_ready(&mut guard));
        spy.set_full(true);
        assert_eq!(assert_ready_ok!(poll_once(guard.call(7))), "7: concurrency");
        spy.set_full(false);
        assert_eq!(assert_ready_ok!(poll_once(guard.call(7))), "7");
    }

    #[test]
    fn are_not_failures_to_an_outer_guard() {
        let (outer, log) = Spy::new();
        let inner = log.spy("inner");
        let (one, two) = (GuardLayer::new(outer), GuardLayer::new(inner.clone()));
        let echo = service_fn(|req: u32| async move { Ok::<_, BoxError>(req) });
        let mut guard = one.layer(two.layer(echo));
        inner.set_full(true);
        assert_ready_ok!(poll_ready(&mut guard));
        assert_ready_err!(poll_once(guard.call(1)));
        assert_eq!(
            log.take(),
            ["spy admitted", "inner refused", "spy finished refused"]
        );
    }

    #[test]
    fn of_a_typed_error_are_seen_by_typed_errors() {
        let (outer, log) = Spy::new();
        let inner = log.spy("inner");
        let two = GuardLayer::new(inner.clone()).keep_error();
        let one = GuardLayer::new(outer)
            .classify(resilience_core::TypedErrors)
            .keep_error();
        let mut guard = one.layer(two.layer(service_fn(shop)));
        inner.set_full(true);
        assert_ready_ok!(poll_ready(&mut guard));
        assert_ready_err!(poll_once(guard.call(1)));
        inner.set_full(false);
        assert_ready_ok!(poll_ready(&mut guard));
        assert_ready_err!(poll_once(guard.call(1)));
        assert_eq!(
            log.take(),
            [
                "spy admitted",
                "inner refused",
                "spy finished refused",
                "spy admitted",
                "inner admitted",
                "inner finished transient",
                "spy finished transient"
            ]
        );
    }
}

mod deadlines {
    use super::*;
    use resilience_core::{Deadline, Errors, clock};
    use std::time::Duration;
    use tokio::time::advance;

    /// Every call has until then.
    #[derive(Clone)]
    struct Until(Deadline);

    impl Classify<u32, u32, BoxError> for Until {
        type Call = Errors;

        fn start(&self, _: &u32) -> Errors {
            Errors
        }

        fn deadline(&self, _: &u32) -> Option<Deadline> {
            Some(self.0)
        }
    }

    const TENTH: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn past_it_nobody_is_asked_and_readiness_is_kept() {
        let (spy, log) = Spy::new();
        let (inner, mut handle) = mock_with_room(2);
        let deadline = Deadline::within(TENTH);
        let layer = GuardLayer::new(spy).classify(Until(deadline));
        let mut guard = layer.layer(inner);

        advance(Duration::from_nanos(99_999_999)).await;
        assert_ready_ok!(poll_ready(&mut guard));
        let in_time = task::spawn(guard.call(1));
        assert_eq!(log.take(), ["spy admitted"]);
        let (req, respond) = assert_ready!(handle.poll_request()).expect("called");
        assert_eq!(req, 1);

        assert_ready_ok!(poll_ready(&mut guard));
        advance(Duration::from_nanos(1)).await;
        assert_eq!(clock::now(), deadline.timestamp());
        let error = assert_ready_err!(poll_once(guard.call(2)));
        assert_eq!(reason(&*error), Some(Reason::Deadline));
        assert_eq!(log.take(), [""; 0], "the policy was asked");
        assert_not_called(&mut handle);
        assert!(format!("{guard:?}").contains("ready: true"), "{guard:?}");

        // What has begun is not the guard's to break off.
        respond.send_response(7);
        let mut in_time = in_time;
        assert_eq!(assert_ready_ok!(in_time.poll()), 7);
    }
}
