//! What is retried, when, and what the caller gets in the end.
#![cfg(all(feature = "tower", not(resilience_loom)))]

mod support;

use resilience_core::{
    Backoff, Classify, Entropy, Jitter, Outcome, Reason, Rejected, Replay, Verdict, clock,
};
use resilience_retry::{RetryBuilder, RetryEvent, RetryLayer};
use std::{
    cell::Cell,
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use support::{
    Answer, BAD, Failure, GOOD, Judged, Readiness, Reply, Script, budget_of, build, builder,
    millis, number,
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

/// One call: its result, and how long it took.
async fn call(builder: RetryBuilder, script: &Script) -> (Judged, Duration) {
    let service = build(builder).layer(script.clone());
    let start = clock::now();
    let result = service.oneshot(7).await;
    (result, clock::now() - start)
}

#[tokio::test(start_paused = true)]
async fn success_is_returned() {
    let script = Script::new([GOOD]);
    let (result, took) = call(builder(), &script).await;
    assert_eq!(number(&result), 1);
    assert_eq!(took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_retried_after_the_backoff() {
    let script = Script::new([BAD, Answer::Reply(Outcome::OVERLOAD), GOOD]);
    let (result, _) = call(builder(), &script).await;
    assert_eq!(number(&result), 3);
    assert!(result.is_ok());
    assert_eq!(script.waits(), [millis(100); 2]);
    assert!(script.seen().calls.iter().all(|(_, req)| *req == 7));
}

/// The caller gets what the last attempt got, error or response.
#[tokio::test(start_paused = true)]
async fn when_the_attempts_are_made_the_last_result_is_the_callers() {
    for last in [BAD, Answer::Reply(Outcome::TRANSIENT)] {
        let script = Script::new([BAD, BAD, BAD, last]);
        let (result, took) = call(builder().attempts(4), &script).await;
        assert_eq!(number(&result), 4);
        assert_eq!(result.is_ok(), matches!(last, Answer::Reply(_)));
        assert_eq!(took, millis(300));
    }
}

#[tokio::test(start_paused = true)]
async fn three_attempts_are_the_default() {
    let script = Script::new([BAD; 3]);
    assert_eq!(number(&call(builder(), &script).await.0), 3);
}

fn refused(reason: Reason, delay: impl Into<Option<Duration>>) -> Outcome {
    Rejected::new(reason, "inner").retry_after(delay).outcome()
}

#[tokio::test(start_paused = true)]
async fn only_what_waiting_may_mend_is_retried() {
    let table = [
        (Outcome::Success, None),
        (Outcome::Ignored, None),
        (Outcome::Permanent, None),
        (Outcome::TRANSIENT, Some(100)),
        (Outcome::OVERLOAD, Some(100)),
        (Outcome::Unsent, Some(100)),
        (refused(Reason::NotReady, None), Some(100)),
        (refused(Reason::NotReady, millis(50)), Some(150)),
        (refused(Reason::Rate, millis(250)), Some(350)),
        (refused(Reason::Other, millis(250)), Some(350)),
        // Exact, and beyond the cap: it would only be refused again.
        (refused(Reason::Rate, millis(30_001)), None),
        // Never admitted, and not known when.
        (refused(Reason::Rate, None), None),
        (refused(Reason::Other, None), None),
        // A bulkhead is there to have nobody wait.
        (refused(Reason::Concurrency, None), None),
        (refused(Reason::Concurrency, millis(50)), None),
        (refused(Reason::Open, None), None),
        (refused(Reason::Open, millis(10)), None),
        (refused(Reason::Shed, millis(10)), None),
        (refused(Reason::Deadline, None), None),
        (refused(Reason::ShuttingDown, None), None),
    ];
    for (outcome, wait) in table {
        for first in [Answer::Fail(outcome), Answer::Reply(outcome)] {
            let script = Script::new([first, GOOD]);
            let (result, took) = call(builder(), &script).await;
            let attempts = 1 + usize::from(wait.is_some());
            assert_eq!(number(&result), attempts, "{outcome:?}");
            assert_eq!(script.calls(), attempts);
            assert_eq!(took, millis(wait.unwrap_or(0)), "{outcome:?}");
        }
    }
}

/// A stream whose verdict comes with its end has begun: it is the caller's.
#[tokio::test(start_paused = true)]
async fn a_response_without_a_verdict_is_returned() {
    #[derive(Clone, Copy)]
    struct Later;
    impl Classify<u64, Reply, Failure> for Later {
        type Call = Self;
        fn start(&self, _: &u64) -> Self {
            *self
        }
    }
    impl Verdict<Reply, Failure> for Later {
        fn response(&mut self, _: &Reply) -> Option<Outcome> {
            None
        }
        fn error(&mut self, _: &Failure) -> Outcome {
            Outcome::TRANSIENT
        }
    }
    let script = Script::new([BAD, GOOD]);
    let layer = builder().build().expect("valid").classify(Later);
    let result = layer.layer(script.clone()).oneshot(1).await;
    assert_eq!(number(&result), 2);
}

#[tokio::test(start_paused = true)]
async fn the_default_classifier_retries_errors_and_knows_refusals() {
    let calls = AtomicUsize::new(0);
    let service = builder()
        .build()
        .expect("valid")
        .layer(service_fn(|req: u64| {
            calls.fetch_add(1, SeqCst);
            async move {
                match req {
                    0 => Err::<u64, BoxError>(Rejected::new(Reason::Open, "breaker").into()),
                    _ => Err("down".into()),
                }
            }
        }));
    let error = service.clone().oneshot(0).await.unwrap_err();
    assert!(error.is::<Rejected>());
    assert_eq!(calls.load(SeqCst), 1);
    assert_eq!(service.oneshot(1).await.unwrap_err().to_string(), "down");
    assert_eq!(calls.load(SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn advice_is_honoured_with_the_backoff_on_top() {
    let retry_after = Some(millis(2_000));
    for advised in [
        Outcome::Overload { retry_after },
        Outcome::Transient { retry_after },
    ] {
        let script = Script::new([Answer::Fail(advised), GOOD]);
        call(builder(), &script).await.0.unwrap();
        assert_eq!(script.waits(), [millis(2_100)]);
    }
}

/// Whom a server has told the same at the same moment, it does not meet again at the same moment.
#[tokio::test(start_paused = true)]
async fn advice_for_many_is_spread_over_as_long_again() {
    let retry_after = Some(millis(2_000));
    let layer = build(
        RetryLayer::builder("test")
            .no_budget()
            .entropy(Entropy::seeded(1)),
    );
    let mut per_quarter = [0; 4];
    for _ in 0..200 {
        let script = Script::new([Answer::Fail(Outcome::Overload { retry_after }), GOOD]);
        layer.layer(script.clone()).oneshot(1).await.unwrap();
        let over = script.waits()[0].checked_sub(millis(2_000));
        let over = over.expect("none is early");
        per_quarter[usize::try_from(over.as_millis() / 500).unwrap().min(3)] += 1;
        assert!(over <= millis(2_001), "{over:?}");
    }
    assert!(
        per_quarter.iter().all(|count| (30..=70).contains(count)),
        "{per_quarter:?}"
    );
}

/// There is time for the delay, and not for all of the spread: nobody is given up for that.
#[tokio::test(start_paused = true)]
async fn the_spread_leaves_half_of_the_time_that_is_left() {
    let retry_after = Some(millis(2_000));
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
        let backoff = Backoff::exponential(millis(100), 2.0, millis(1_000));
        let backoff = backoff.unwrap().jitter(jitter);
        for seed in 0..50 {
            let script = Script::new([Answer::Fail(Outcome::Overload { retry_after }), GOOD]);
            let builder = RetryLayer::builder("test").entropy(Entropy::seeded(seed));
            let builder = builder.backoff(backoff.clone()).deadline(millis(2_100));
            let (result, took) = call(builder, &script).await;
            assert_eq!(number(&result), 2);
            // The timer counts in milliseconds.
            assert!(took >= millis(2_000) && took <= millis(2_051), "{took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn advice_is_capped() {
    let advised = |seconds| {
        let retry_after = Some(Duration::from_secs(seconds));
        Answer::Fail(Outcome::Overload { retry_after })
    };
    let script = Script::new([advised(u64::MAX), GOOD]);
    call(builder(), &script).await.0.unwrap();
    assert_eq!(script.waits(), [millis(30_100)]);

    let script = Script::new([advised(5), GOOD]);
    let capped = builder().advice_cap(millis(700));
    call(capped, &script).await.0.unwrap();
    assert_eq!(script.waits(), [millis(800)]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_reach_the_deadline_is_not_waited() {
    // 100 ms each: after two of them, the third would end just at the deadline.
    let script = Script::new([BAD; 3]);
    let late = builder().attempts(10).deadline(millis(300));
    let (result, took) = call(late, &script).await;
    assert_eq!((number(&result), took), (3, millis(200)));

    let retry_after = Some(millis(250));
    let script = Script::new([Answer::Fail(Outcome::Overload { retry_after })]);
    let (result, took) = call(builder().deadline(millis(300)), &script).await;
    assert_eq!((number(&result), took), (1, Duration::ZERO));
}

/// The last result is there until inner is ready, and gone before the call: it may hold what the call needs.
#[tokio::test(start_paused = true)]
async fn the_last_result_is_held_until_inner_is_ready() {
    let script = Script::new([BAD, GOOD]);
    let mut service = build(builder()).layer(script.clone());
    service.ready().await.unwrap();
    let mut future = task::spawn(service.call(1));
    assert_pending!(future.poll());
    assert_pending!(future.poll());
    assert_eq!(script.results.load(SeqCst), 1);
    assert_eq!(
        script.in_flight.load(SeqCst),
        0,
        "the attempt's future is gone"
    );

    script.set(Readiness::Pending);
    tokio::time::advance(millis(101)).await;
    assert!(future.is_woken());
    assert_pending!(future.poll());
    assert_eq!(script.results.load(SeqCst), 1);
    script.set(Readiness::Ready);
    assert!(future.is_woken());
    assert_pending!(future.poll());
    assert_eq!(script.seen().results_at_call, [0, 0]);
    assert_eq!(number(&assert_ready!(future.poll())), 2);
}

#[tokio::test(start_paused = true)]
async fn a_readiness_error_never_replaces_the_last_result() {
    let script = Script::new([BAD]);
    let budget = budget_of(5);
    let mut service = build(builder().budget(budget.clone())).layer(script.clone());
    service.ready().await.unwrap();
    let future = service.call(1);
    script.set(Readiness::Broken);
    let result = future.await;
    assert_eq!(number(&result), 1);
    assert_eq!(support::available(&budget), 5, "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_readiness_ends_at_the_deadline() {
    let script = Script::new([BAD]);
    let budget = budget_of(5);
    let limited = builder().deadline(millis(750)).budget(budget.clone());
    let mut service = build(limited).layer(script.clone());
    service.ready().await.unwrap();
    let start = clock::now();
    let future = service.call(1);
    script.set(Readiness::Pending);
    let result = future.await;
    assert_eq!(number(&result), 1);
    assert_eq!(clock::now() - start, millis(750));
    assert_eq!(support::available(&budget), 5, "nothing was sent");
}

/// Even if inner is ready by then.
#[tokio::test(start_paused = true)]
async fn no_attempt_begins_after_the_deadline() {
    let script = Script::new([BAD]);
    let mut service = build(builder().deadline(millis(300))).layer(script.clone());
    service.ready().await.unwrap();
    let mut future = task::spawn(service.call(1));
    assert_pending!(future.poll());
    assert_pending!(future.poll());
    // The task was not scheduled for a while.
    tokio::time::advance(millis(400)).await;
    assert_eq!(number(&assert_ready!(future.poll())), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_readiness_is_waited_for() {
    let script = Script::new([BAD, GOOD]);
    let mut service = build(builder()).layer(script.clone());
    service.ready().await.unwrap();
    let future = tokio::spawn(service.call(1));
    script.set(Readiness::Pending);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(script.calls(), 1);
    script.set(Readiness::Ready);
    assert_eq!(number(&future.await.unwrap()), 2);
}

/// The script panics when a clone is called that is not ready.
#[tokio::test(start_paused = true)]
async fn the_ready_service_is_the_one_that_is_called() {
    let script = Script::new([BAD, BAD, GOOD]);
    let mut service = build(builder()).layer(script.clone());
    service.ready().await.unwrap();
    service.call(1).await.unwrap();
    let called = script.seen().called.clone();
    // The test's own clone, which is ready, then one of the second, which the layer has made, for each retry.
    assert_eq!(called, [1, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn the_service_is_cloned_when_a_retry_is_due_and_not_before() {
    let script = Script::new([GOOD, BAD, BAD, GOOD]);
    let mut service = build(builder()).layer(script.clone());
    let clones = || script.seen().clones;
    let before = clones();
    service.ready().await.unwrap().call(1).await.unwrap();
    assert_eq!(clones(), before, "a success needs none");

    let mut future = task::spawn(service.ready().await.unwrap().call(1));
    assert_pending!(future.poll());
    assert_pending!(future.poll());
    drop(future);
    assert_eq!(script.calls(), 2);
    assert_eq!(clones(), before, "nobody waited for the retry");

    service.ready().await.unwrap().call(1).await.unwrap();
    assert_eq!(clones(), before + 1);
}

/// Tells what has become of it: fails with the number of times that it was called before.
#[derive(Clone)]
struct Worn(u32);

impl Service<u64> for Worn {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u64) -> Self::Future {
        self.0 += 1;
        ready(Err(format!("{}", self.0 - 1).into()))
    }
}

#[tokio::test(start_paused = true)]
async fn retries_go_to_the_service_as_it_was_given_to_the_layer() {
    let layer = builder().attempts(1).build().expect("valid");
    let mut once = layer.layer(Worn(7));
    let layer = builder().build().expect("valid");
    let mut service = layer.layer(Worn(7));
    for called in ["7", "8"] {
        let error = once.ready().await.unwrap().call(1).await.unwrap_err();
        assert_eq!(error.to_string(), called);
        let error = service.ready().await.unwrap().call(1).await.unwrap_err();
        assert_eq!(error.to_string(), "7", "of the third attempt");
    }
}

/// The call's own handle keeps the template, and nobody keeps it longer.
#[tokio::test(start_paused = true)]
async fn the_service_is_gone_with_the_last_clone_and_call() {
    let alive = Arc::new(());
    let layer = builder().build().expect("valid");
    let held = alive.clone();
    let service = layer.layer(service_fn(move |_: u64| {
        let _ = &held;
        async { Err::<(), BoxError>("down".into()) }
    }));
    assert_eq!(Arc::strong_count(&alive), 3, "one to call, one to clone");
    let mut future = task::spawn(service.clone().oneshot(1));
    assert_pending!(future.poll());
    drop(service);
    assert_eq!(Arc::strong_count(&alive), 2, "one to clone");
    future.await.unwrap_err();
    assert_eq!(Arc::strong_count(&alive), 1);
}

/// Panics when it is cloned, if told so.
struct Fragile(Arc<AtomicBool>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(!self.0.load(SeqCst), "as told");
        Self(self.0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_in_its_clone_is_cloned_for_the_next_retry() {
    let panics = Arc::new(AtomicBool::new(false));
    let fragile = Fragile(panics.clone());
    let calls = Arc::new(AtomicUsize::new(0));
    let called = calls.clone();
    let budget = budget_of(5);
    let layer = builder().budget(budget.clone()).build().expect("valid");
    let mut service = layer.layer(service_fn(move |_: u64| {
        let _ = &fragile;
        let number = called.fetch_add(1, SeqCst);
        async move {
            if number == 0 {
                return Err::<(), BoxError>("down".into());
            }
            Ok(())
        }
    }));
    panics.store(true, SeqCst);
    let future = tokio::spawn(service.ready().await.unwrap().call(1));
    assert!(future.await.unwrap_err().is_panic());
    assert_eq!(calls.load(SeqCst), 1);
    assert_eq!(support::available(&budget), 5, "nothing was sent");

    panics.store(false, SeqCst);
    calls.store(0, SeqCst);
    service.ready().await.unwrap().call(1).await.unwrap();
    assert_eq!(calls.load(SeqCst), 2);
    assert_eq!(support::available(&budget), 4);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_inners() {
    let script = Script::new([]);
    let mut service = build(builder()).layer(script.clone());
    let mut ready = task::spawn(());
    script.set(Readiness::Pending);
    assert_pending!(ready.enter(|cx, _| service.poll_ready(cx)));
    script.set(Readiness::Ready);
    assert!(ready.is_woken());
    assert_ready!(ready.enter(|cx, _| service.poll_ready(cx))).unwrap();
    script.set(Readiness::Broken);
    assert_eq!(
        assert_ready!(ready.enter(|cx, _| service.poll_ready(cx)))
            .unwrap_err()
            .number,
        usize::MAX
    );
}

#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, SeqCst);
        Self(self.0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_copied_where_no_retry_is_possible() {
    let copies = Arc::new(AtomicUsize::new(0));
    let services = Counted(Arc::default());
    for (attempts, expected) in [(1, 0), (2, 1), (3, 2)] {
        let inner = services.clone();
        let clones = inner.0.clone();
        let service = service_fn(move |_: Counted| {
            let _ = &inner;
            async { Err::<(), BoxError>("down".into()) }
        });
        let layer = builder().attempts(attempts).build().expect("valid");
        let mut service = layer.layer(service);
        copies.store(0, SeqCst);
        clones.store(0, SeqCst);
        let result = service.ready().await.unwrap().call(Counted(copies.clone()));
        result.await.unwrap_err();
        assert_eq!(copies.load(SeqCst), expected, "of the request");
        assert_eq!(clones.load(SeqCst), expected, "of the service");
    }
}

/// Outside of a runtime, a timer would panic.
#[test]
fn a_wait_of_nothing_needs_no_timer() {
    let nothing = Duration::from_nanos(1);
    let backoff = Backoff::exponential(nothing, 1.0, nothing).expect("valid");
    let immediate = |seed: &u64| {
        let wait = backoff.waits(Entropy::seeded(*seed)).next_wait();
        wait.is_zero()
    };
    let seed = (0..100).find(immediate).expect("half of all");
    let calls = AtomicUsize::new(0);
    let inner = service_fn(|_: u64| {
        let number = calls.fetch_add(1, SeqCst);
        async move {
            if number == 0 {
                return Err::<usize, BoxError>("down".into());
            }
            Ok(number)
        }
    });
    let immediate = builder().backoff(backoff.clone());
    let layer = immediate
        .entropy(Entropy::seeded(seed))
        .build()
        .expect("valid");
    let result = task::spawn(layer.layer(inner).oneshot(1)).poll();
    assert!(matches!(result, Poll::Ready(Ok(1))));
}

/// Numbers the attempts; allows some outcomes; can lose the request.
#[derive(Clone, Default)]
struct Numbered {
    allows: Option<fn(Outcome) -> bool>,
    lost_at: u32,
    seen: Arc<Mutex<Vec<(u32, bool)>>>,
}

impl Replay<u64> for Numbered {
    type Inner = u64;
    type Kept = u64;

    fn first(&self, req: u64, repeatable: bool) -> (u64, Option<u64>) {
        (req, repeatable.then_some(req))
    }

    fn allows(&self, _: &u64, outcome: Outcome) -> bool {
        assert!(!matches!(outcome, Outcome::Success | Outcome::Permanent));
        self.allows.is_none_or(|allows| allows(outcome))
    }

    fn again(&self, kept: u64, attempt: u32, last: bool) -> Option<(u64, Option<u64>)> {
        self.seen.lock().unwrap().push((attempt, last));
        if attempt == self.lost_at {
            return None;
        }
        Some((kept * 10 + u64::from(attempt), (!last).then_some(kept)))
    }
}

#[tokio::test(start_paused = true)]
async fn the_attempts_number_reaches_the_request() {
    let script = Script::new([BAD; 4]);
    let replay = Numbered::default();
    let layer = build(builder().attempts(4)).replay(replay.clone());
    layer.layer(script.clone()).oneshot(7).await.unwrap_err();
    let requests: Vec<_> = script.seen().calls.iter().map(|call| call.1).collect();
    assert_eq!(requests, [7, 72, 73, 74]);
    let seen = replay.seen.lock().unwrap().clone();
    assert_eq!(seen, [(2, false), (3, false), (4, true)]);
}

#[tokio::test(start_paused = true)]
async fn the_replay_decides_what_is_safe_to_repeat() {
    for (outcome, attempts) in [
        (Outcome::TRANSIENT, 1),
        (Outcome::Unsent, 2),
        (Outcome::Permanent, 1),
        (Outcome::Success, 1),
    ] {
        let script = Script::new([Answer::Reply(outcome), GOOD]);
        let replay = Numbered {
            allows: Some(Outcome::never_sent),
            ..Numbered::default()
        };
        let budget = budget_of(5);
        let layer = build(builder().budget(budget.clone())).replay(replay);
        let result = layer.layer(script.clone()).oneshot(7).await;
        assert_eq!(number(&result), attempts, "{outcome:?}");
        assert_eq!(support::available(&budget), 6 - attempts as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_lost_meanwhile_leaves_the_last_result() {
    let script = Script::new([BAD, Answer::Reply(Outcome::TRANSIENT)]);
    let budget = budget_of(5);
    let replay = Numbered {
        lost_at: 3,
        ..Numbered::default()
    };
    let layer = build(builder().budget(budget.clone())).replay(replay);
    let result = layer.layer(script.clone()).oneshot(7).await;
    assert_eq!(result.unwrap().number, 2);
    assert_eq!(support::available(&budget), 4, "one was sent");
}

#[tokio::test(start_paused = true)]
async fn the_hook_sees_every_retry_before_its_wait() {
    let events = Arc::new(Mutex::new(Vec::<RetryEvent>::new()));
    let seen = events.clone();
    let script = Script::new([BAD, Answer::Fail(Outcome::Unsent), BAD]);
    let script_at_hook = script.clone();
    let hooked = builder().on_retry(move |event| {
        assert_eq!(event.attempt as usize, script_at_hook.calls() + 1);
        seen.lock().unwrap().push(event.clone());
    });
    call(hooked, &script).await.0.unwrap_err();
    let events = events.lock().unwrap();
    let seen: Vec<_> = events
        .iter()
        .map(|event| (&*event.policy, event.attempt, event.outcome, event.wait))
        .collect();
    assert_eq!(
        seen,
        [
            ("test", 2, Outcome::TRANSIENT, millis(100)),
            ("test", 3, Outcome::Unsent, millis(100)),
        ]
    );
}

/// Whoever fails together must not come back together.
#[tokio::test(start_paused = true)]
async fn clones_do_not_back_off_in_step() {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let seen = waits.clone();
    let hooked = RetryLayer::builder("jitter")
        .entropy(Entropy::seeded(1))
        .backoff(Backoff::default().jitter(Jitter::Full))
        .on_retry(move |event| seen.lock().unwrap().push(event.wait));
    let layer = build(hooked);
    let script = Script::new([BAD; 30]);
    let first = layer.layer(script.clone());
    let services = [
        first.clone(),
        first.clone(),
        layer.layer(script.clone()),
        layer.clone().layer(script.clone()),
        first,
    ];
    let calls = services.map(|service| tokio::spawn(service.oneshot(1)));
    for call in calls {
        call.await.unwrap().unwrap_err();
    }
    let mut waits = waits.lock().unwrap().clone();
    assert_eq!(waits.len(), 10);
    waits.sort_unstable();
    waits.dedup();
    assert_eq!(waits.len(), 10, "no two waits are the same");
}

/// Only a timer, the attempt or inner's readiness wakes the caller.
#[tokio::test(start_paused = true)]
async fn a_waiting_call_does_not_wake_itself() {
    let script = Script::new([BAD]);
    let mut service = build(builder().deadline(millis(500))).layer(script.clone());
    service.ready().await.unwrap();
    let mut future = task::spawn(service.call(1));
    assert_pending!(future.poll());
    assert_pending!(future.poll());
    assert!(!future.is_woken());
    script.set(Readiness::Pending);
    tokio::time::advance(millis(101)).await;
    assert!(future.is_woken());
    assert_pending!(future.poll());
    assert_pending!(future.poll());
    assert!(!future.is_woken());
}

#[test]
fn futures_and_services_can_move_between_threads() {
    fn sendable<T: Send>(_: &T) {}
    let mut service = build(builder()).layer(Script::new([GOOD]));
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    sendable(&service);
    sendable(&service.call(1));
    let not_sync = Cell::new(0);
    let inner = service_fn(move |number: u64| {
        not_sync.set(number);
        ready(Err::<(), BoxError>("down".into()))
    });
    let mut service = builder().build().expect("valid").layer(inner);
    sendable(&service);
    sendable(&service.call(1));
    assert!(format!("{service:?} {:?}", build(builder())).contains("test"));
}
