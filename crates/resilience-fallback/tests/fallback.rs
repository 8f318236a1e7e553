//! The service: what is answered for, what passes, and what comes back when the fallback fails too.

#![cfg(not(resilience_loom))]

use proptest::prelude::*;
use resilience_core::{
    BothFailed, BoxError, GuardLayer, Now, Outcome, Policy, Reason, Rejected, by_result,
};
use resilience_fallback::{Failure, FallbackLayer, FirstFailure, Mark, degrades};
use std::{
    cell::Cell,
    convert::Infallible,
    error::Error,
    fmt,
    future::{pending, ready},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock;

/// Can be sent, but is neither `Clone` nor `Sync`.
#[derive(Debug, PartialEq)]
struct Page(Cell<u64>);

fn page(content: u64) -> Page {
    Page(Cell::new(content))
}

/// An error with a source, neither `Clone` nor `Sync`.
#[derive(Debug, PartialEq)]
struct Broken(Cell<u64>, Option<Rejected>);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken {}", self.0.get())
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_ref().map(|why| why as _)
    }
}

/// Answers 0 with an error, other numbers with a page of that number.
async fn pages(req: u64) -> Result<Page, Broken> {
    tokio::task::yield_now().await;
    match req {
        0 => Err(Broken(Cell::new(7), None)),
        content => Ok(page(content)),
    }
}

/// Pages from 500 on are transient failures, from 400 on ignored; errors are transient failures.
fn judge(result: Result<&Page, &Broken>) -> Outcome {
    match result.map(|page| page.0.get()) {
        Ok(500..) | Err(_) => Outcome::TRANSIENT,
        Ok(400..) => Outcome::Ignored,
        Ok(_) => Outcome::Success,
    }
}

#[tokio::test]
async fn a_function_answers_for_responses_and_errors_that_can_only_be_sent() {
    let layer = FallbackLayer::function("pages", |failure: Failure<Page, Broken>| {
        assert_eq!(failure.outcome(), Outcome::TRANSIENT);
        match failure.into_result() {
            Ok(page) => Page(Cell::new(page.0.get() + 1)),
            Err(Broken(number, _)) => Page(number),
        }
    })
    .classify(by_result(judge));
    let service = layer.layer(service_fn(pages));
    // Spawned, so that all of it is `Send`.
    let call = |req| tokio::spawn(service.clone().oneshot(req));
    assert_eq!(call(1).await.unwrap(), Ok(page(1)));
    assert_eq!(call(404).await.unwrap(), Ok(page(404)));
    assert_eq!(call(503).await.unwrap(), Ok(page(504)));
    assert_eq!(call(0).await.unwrap(), Ok(page(7)));
}

#[tokio::test]
async fn a_function_sees_what_it_gets() {
    let layer = FallbackLayer::function("pages", |failure: Failure<Page, Broken>| {
        let seen = match (failure.response(), failure.error()) {
            (Some(page), None) => page.0.get(),
            (None, Some(error)) => error.0.get(),
            _ => unreachable!("one of the two"),
        };
        assert!(failure.rejected().is_none());
        page(seen + 1000)
    })
    .classify(by_result(judge));
    let service = layer.layer(service_fn(pages));
    assert_eq!(service.clone().oneshot(503).await, Ok(page(1503)));
    assert_eq!(service.oneshot(0).await, Ok(page(1007)));
}

#[tokio::test]
async fn a_value_answers_as_often_as_needed() {
    let layer = FallbackLayer::value("n", 42);
    let service = layer.layer(service_fn(|req: u64| {
        ready(req.checked_sub(1).ok_or("underflow"))
    }));
    assert_eq!(service.clone().oneshot(5).await, Ok(4));
    for _ in 0..3 {
        // The error type stays `&str`.
        assert_eq!(service.clone().oneshot(0).await, Ok::<_, &str>(42));
    }
}

#[tokio::test]
async fn an_async_function_answers() {
    async fn elsewhere(failure: Failure<Page, Broken>) -> Result<Page, Infallible> {
        tokio::task::yield_now().await;
        Ok(page(failure.error().unwrap().0.get() * 2))
    }
    // `Broken` is not `Sync`; a boxed error is.
    let layer = FallbackLayer::async_function("pages", |failure: Failure<Page, BoxError>| {
        let number = failure.error().unwrap().downcast_ref::<io::Error>();
        let code = number.unwrap().raw_os_error().unwrap();
        async move {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(page(u64::from(code.unsigned_abs())))
        }
    });
    let service = layer.layer(service_fn(|_: u64| async {
        Err::<Page, BoxError>(io::Error::from_raw_os_error(5).into())
    }));
    let answer = tokio::spawn(service.oneshot(1)).await.unwrap();
    assert_eq!(answer.unwrap(), page(5));

    // A named async function, with a failure of its own type.
    let failure = Failure::new(Err(Broken(Cell::new(7), None)), Outcome::TRANSIENT);
    assert_eq!(elsewhere(failure).await, Ok(page(14)));
}

/// The two failures of a call where the service fails with `primary`, and the async function does `then`.
async fn both<F>(primary: impl Into<BoxError>, then: F) -> BothFailed
where
    F: Fn(Failure<u64, BoxError>) -> BoxError + Send + Sync + 'static,
{
    let primary = Mutex::new(Some(primary.into()));
    let then = Arc::new(then);
    let layer = FallbackLayer::async_function("both", move |failure: Failure<u64, BoxError>| {
        let then = then.clone();
        async move {
            tokio::task::yield_now().await;
            Err::<u64, _>(then(failure))
        }
    });
    let service = layer.layer(service_fn(|()| {
        ready(Err(primary.lock().unwrap().take().unwrap()))
    }));
    let error = service.oneshot(()).await.unwrap_err();
    *error.downcast().expect("both have failed")
}

#[tokio::test]
async fn when_both_fail_both_are_there() {
    let refused = |name| Rejected::new(Reason::Open, name);

    let failed = both(io::Error::other("first"), |_| "second".into()).await;
    assert!(failed.primary().is::<io::Error>(), "the error itself");
    assert_eq!(failed.primary().to_string(), "first");
    assert_eq!(failed.source().unwrap().to_string(), "second");
    assert!(Rejected::find(&failed).is_none());

    let failed = both(refused("first"), |_| "second".into()).await;
    assert_eq!(Rejected::find(&failed), Some(&refused("first")));

    let failed = both("first", move |_| refused("second").into()).await;
    assert_eq!(failed.primary().to_string(), "first");
    assert_eq!(Rejected::find(&failed), Some(&refused("second")));
}

/// A future written by hand may keep the failure until it is dropped itself.
#[tokio::test]
async fn the_first_error_is_found_in_a_future_that_kept_it() {
    let layer = FallbackLayer::async_function("f", |failure: Failure<u64, BoxError>| {
        std::future::poll_fn(move |_| {
            assert!(failure.error().is_some());
            std::task::Poll::Ready(Err::<u64, _>("second"))
        })
    });
    let service = layer.layer(service_fn(|()| ready(Err::<u64, BoxError>("first".into()))));
    let error = service.oneshot(()).await.unwrap_err();
    let failed: &BothFailed = error.downcast_ref().unwrap();
    assert_eq!(failed.primary().to_string(), "first");
}

#[tokio::test]
async fn an_error_that_was_taken_is_described() {
    let refused = || Rejected::new(Reason::Open, "first").retry_after(Duration::from_secs(1));
    let take = |failure: Failure<u64, BoxError>| {
        assert!(failure.into_result().is_err());
        BoxError::from("second")
    };

    let failed = both("first", take).await;
    let first: &FirstFailure = failed.primary().downcast_ref().unwrap();
    assert_eq!(first.outcome(), Outcome::TRANSIENT);
    assert_eq!(first.to_string(), "an error (transient)");

    // A refusal is not lost.
    let failed = both(refused(), take).await;
    assert_eq!(failed.primary().downcast_ref(), Some(&refused()));

    // The function may also put it into its own error.
    let failed = both("first", |failure| failure.into_result().unwrap_err()).await;
    assert_eq!(failed.source().unwrap().to_string(), "first");
}

#[tokio::test]
async fn a_failing_response_is_described() {
    let classify = by_result(|result: Result<&u64, &BoxError>| match result {
        Ok(500..) => Outcome::Permanent,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Ignored,
    });
    let layer = FallbackLayer::async_function("a", |failure: Failure<u64, BoxError>| async move {
        assert_eq!(failure.response(), Some(&500));
        Err::<u64, _>("second")
    })
    .classify(classify);
    let service = layer.layer(service_fn(|req: u64| {
        ready(if req == 0 {
            Err("ignored".into())
        } else {
            Ok(req)
        })
    }));
    let error = service.clone().oneshot(500).await.unwrap_err();
    let failed: &BothFailed = error.downcast_ref().unwrap();
    let first: &FirstFailure = failed.primary().downcast_ref().unwrap();
    assert_eq!(first.outcome(), Outcome::Permanent);
    assert_eq!(first.to_string(), "a failing response (permanent)");
    assert_eq!(failed.source().unwrap().to_string(), "second");

    // An ignored error is nobody's failure: it passes as it is.
    let error = service.oneshot(0).await.unwrap_err();
    assert_eq!(error.to_string(), "ignored");
}

/// Refuses everybody.
struct Closed;

impl<Req> Policy<Req> for Closed {
    type Permit = ();
    fn admit(&self, _: &Req, _: &mut Now) -> Result<(), Rejected> {
        Err(Rejected::new(Reason::Open, "closed").retry_after(Duration::from_secs(3)))
    }
}

#[tokio::test]
async fn a_refusal_by_a_layer_inside_is_answered_for() {
    let layer = FallbackLayer::function("pages", |failure: Failure<Page, BoxError>| {
        let why = failure.rejected().expect("a refusal");
        assert_eq!(failure.outcome(), why.outcome());
        assert_eq!(&**why.policy(), "closed");
        page(why.delay().unwrap().as_secs())
    });
    let (inner, mut handle) = mock::pair::<u64, Page>();
    let service = layer.layer(GuardLayer::new(Closed).layer(inner));
    handle.allow(1);
    assert_eq!(service.oneshot(1).await.unwrap(), page(3));
    assert!(handle.next_request().await.is_none());
}

#[tokio::test]
async fn readiness_is_that_of_the_service() {
    let layer = FallbackLayer::value("v", 0);
    let (mut service, mut handle) = mock::spawn_layer::<u64, u64, _>(layer);
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());

    let mut call = task::spawn(service.call(1));
    assert_pending!(call.poll());
    assert_pending!(service.poll_ready());
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_error("failed");
    assert!(call.is_woken());
    assert_eq!(assert_ready_ok!(call.poll()), 0);

    // The end of the service is not a failure of a call.
    handle.send_error("closed");
    let error = assert_ready_err!(service.poll_ready());
    assert_eq!(error.to_string(), "closed");
}

/// Says when it is dropped.
#[derive(Debug)]
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Fails at once; its future stays alive after having completed, as hand-written ones do.
fn failing(
    dropped: &Arc<AtomicBool>,
) -> impl Service<(), Response = u64, Error = BoxError> + use<> {
    let held = dropped.clone();
    service_fn(move |()| {
        let held = Held(held.clone());
        std::future::poll_fn(move |_| {
            assert!(!held.0.load(SeqCst));
            std::task::Poll::Ready(Err("failed".into()))
        })
    })
}

#[tokio::test]
async fn the_inner_call_is_gone_before_the_fallback_begins() {
    let dropped = Arc::new(AtomicBool::new(false));
    let seen = dropped.clone();
    let layer = FallbackLayer::function("f", move |_: Failure<u64, BoxError>| {
        u64::from(seen.load(SeqCst))
    });
    assert_eq!(layer.layer(failing(&dropped)).oneshot(()).await.unwrap(), 1);
}

#[tokio::test]
async fn dropping_the_call_drops_what_is_under_way() {
    let dropped = Arc::new(AtomicBool::new(false));
    let held = dropped.clone();
    let layer = FallbackLayer::async_function("f", move |failure: Failure<u64, BoxError>| {
        let held = Held(held.clone());
        async move {
            let _held = (held, failure);
            pending::<Result<u64, BoxError>>().await
        }
    });
    let fail = service_fn(|()| ready(Err::<u64, BoxError>("failed".into())));
    let mut call = task::spawn(layer.layer(fail).oneshot(()));
    assert_pending!(call.poll());
    assert!(!dropped.load(SeqCst));
    drop(call);
    assert!(dropped.load(SeqCst));
}

/// Where there is a bug.
#[derive(Clone, Copy, PartialEq)]
enum In {
    Classifier,
    Function,
    Future,
}

/// An error that holds something.
#[derive(Clone, Debug)]
struct Costly(Arc<Held>);

impl fmt::Display for Costly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "costs {:?}", self.0)
    }
}

impl Error for Costly {}

/// Panics in the function, at once or after a while, and in the classifier.
#[tokio::test]
async fn a_panic_leaks_nothing() {
    for place in [In::Classifier, In::Function, In::Future] {
        let inner_dropped = Arc::new(AtomicBool::new(false));
        let error_dropped = Arc::new(AtomicBool::new(false));

        let layer = FallbackLayer::async_function("f", move |failure: Failure<u64, BoxError>| {
            assert!(place != In::Function, "a bug in the function");
            async move {
                tokio::task::yield_now().await;
                assert!(place != In::Future, "a bug in the future");
                Err::<u64, _>(failure.into_result().unwrap_err())
            }
        })
        .classify(by_result(move |_: Result<&u64, &BoxError>| {
            assert!(place != In::Classifier, "a bug in the classifier");
            Outcome::TRANSIENT
        }));
        let (inner, error) = (inner_dropped.clone(), error_dropped.clone());
        let service = layer.layer(service_fn(move |()| {
            let held = Held(inner.clone());
            let costly = Costly(Arc::new(Held(error.clone())));
            std::future::poll_fn(move |_| {
                let _held = &held;
                std::task::Poll::Ready(Err::<u64, BoxError>(costly.clone().into()))
            })
        }));
        let service = tokio::spawn(async move {
            let mut service = service;
            let call = service.ready().await.unwrap().call(());
            call.await
        });
        assert!(service.await.unwrap_err().is_panic());
        assert!(inner_dropped.load(SeqCst));
        assert!(error_dropped.load(SeqCst));
    }
}

/// Counts what it marks, and adds a note.
#[derive(Clone)]
struct Note(Arc<AtomicUsize>);

impl Mark<u64, &'static str> for Note {
    type Response = String;

    fn whole(&self, res: u64) -> String {
        format!("whole {res}")
    }

    fn degraded(
        &self,
        alt: &'static str,
        policy: &resilience_core::Name,
        outcome: Outcome,
    ) -> String {
        self.0.fetch_add(1, SeqCst);
        format!("{alt} by {policy}: {}", outcome.label())
    }

    fn describe(&self, res: &u64) -> Option<BoxError> {
        Some(format!("page {res}").into())
    }
}

#[tokio::test]
async fn degraded_answers_are_marked_and_may_be_of_another_type() {
    let marked = Note(Arc::default());
    let service = FallbackLayer::value("list", "empty")
        .mark(marked.clone())
        .layer(service_fn(|req: u64| {
            ready(if req == 0 { Err("failed") } else { Ok(req) })
        }));
    assert_eq!(service.clone().oneshot(3).await.unwrap(), "whole 3");
    assert_eq!(marked.0.load(SeqCst), 0);
    let degraded = service.oneshot(0).await.unwrap();
    assert_eq!(degraded, "empty by list: transient");
    assert_eq!(marked.0.load(SeqCst), 1);
}

#[tokio::test]
async fn a_mark_describes_failing_responses() {
    let layer = FallbackLayer::async_function("f", |_: Failure<u64, BoxError>| {
        ready(Err::<&'static str, _>("second"))
    })
    .classify(by_result(|_: Result<&u64, &BoxError>| Outcome::Permanent))
    .mark(Note(Arc::default()));
    let service = layer.layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req))));
    let error = service.oneshot(500).await.unwrap_err();
    let failed: &BothFailed = error.downcast_ref().unwrap();
    assert_eq!(failed.primary().to_string(), "page 500");
}

/// A verdict that the end of the body would bring comes too late.
#[tokio::test]
async fn a_response_whose_verdict_is_open_passes() {
    struct Later;
    impl resilience_core::Classify<u64, u64, BoxError> for Later {
        type Call = Self;
        fn start(&self, _: &u64) -> Self {
            Self
        }
    }
    impl resilience_core::Verdict<u64, BoxError> for Later {
        fn response(&mut self, _: &u64) -> Option<Outcome> {
            None
        }
        fn error(&mut self, _: &BoxError) -> Outcome {
            Outcome::TRANSIENT
        }
    }
    impl Clone for Later {
        fn clone(&self) -> Self {
            Self
        }
    }
    let layer = FallbackLayer::value("v", 0).classify(Later);
    let service = layer.layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req))));
    assert_eq!(service.oneshot(9).await.unwrap(), 9);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let delay = proptest::option::of((0u64..100).prop_map(Duration::from_millis));
    (0..7u8, delay).prop_map(|(kind, retry_after)| match kind {
        0 => Outcome::Success,
        1 => Outcome::Ignored,
        2 => Outcome::Permanent,
        3 => Outcome::Transient { retry_after },
        4 => Outcome::Overload { retry_after },
        5 => Outcome::Unsent,
        _ => Outcome::Refused {
            reason: Reason::Rate,
            retry_after,
        },
    })
}

proptest! {
    /// The model is the table of `Outcome`: success and ignored pass untouched, response or error; everything else is
    /// answered, and the function gets exactly what came.
    #[test]
    fn passes_or_degrades(came in prop_oneof![any::<u64>().prop_map(Ok), any::<u64>().prop_map(Err)], outcome in outcome()) {
        let passes = matches!(outcome.label(), "success" | "ignored");
        prop_assert_eq!(degrades(outcome), !passes);

        let layer = FallbackLayer::function("p", move |failure: Failure<Page, Broken>| {
            assert_eq!(failure.outcome(), outcome);
            match failure.into_result() {
                Ok(page) => Page(Cell::new(!page.0.get())),
                Err(error) => Page(Cell::new(!error.0.get())),
            }
        })
        .classify(by_result(move |_: Result<&Page, &Broken>| outcome));
        let service = layer.layer(service_fn(|()| {
            ready(came.map(page).map_err(|number| Broken(Cell::new(number), None)))
        }));
        let result = assert_ready(task::spawn(service.oneshot(())).poll());
        let expected = match came {
            _ if !passes => Ok(page(!came.unwrap_or_else(|number| number))),
            Ok(number) => Ok(page(number)),
            Err(number) => Err(Broken(Cell::new(number), None)),
        };
        prop_assert_eq!(result, expected);
    }
}

fn assert_ready<T>(poll: std::task::Poll<T>) -> T {
    match poll {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("not ready"),
    }
}
