//! The policy for Tower's own retries: it decides as the layer does, and where it cannot, it does what it says.
#![cfg(all(feature = "tower-retry", not(resilience_loom)))]

mod support;

use proptest::{collection::vec, prelude::*};
use resilience_core::{
    Backoff, Budget, Classify, Entropy, Jitter, Outcome, Reason, Timestamp, clock,
};
use resilience_retry::{RetryBuilder, RetryEvent, RetryLayer, TowerPolicy};
use std::{
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use support::{
    Answer, BAD, Failure, GOOD, Judge, Judged, Readiness, Reply, Script, available, budget_of,
    build, builder, millis, number,
};
use tokio_test::{assert_pending, task};
use tower::{
    BoxError, Layer, Service, ServiceExt,
    retry::{Policy, Retry},
    service_fn,
};

fn by_tower<S>(layer: RetryLayer<Judge>, inner: S) -> Retry<TowerPolicy<Judge>, S> {
    Retry::new(TowerPolicy::from(layer), inner)
}

/// One call through Tower's retries: its result, and how long it took.
async fn call(builder: RetryBuilder, script: &Script) -> (Judged, Duration) {
    let service = by_tower(build(builder), script.clone());
    let start = clock::now();
    let result = service.oneshot(7).await;
    (result, clock::now() - start)
}

/// Everything that can be seen of a run.
#[derive(Debug, PartialEq)]
struct Run {
    /// Which result each call got, whether it was a response, and when.
    results: Vec<(usize, bool, Duration)>,
    /// When each attempt was made, and with what.
    attempts: Vec<(Duration, u64)>,
    events: Vec<RetryEvent>,
    /// What is left of the budget after each call.
    left: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Settings {
    attempts: u32,
    backoff: Backoff,
    deadline: Option<Duration>,
    cap: Duration,
    retries: Option<u64>,
    seed: u64,
}

impl Settings {
    fn layer(&self, events: &Arc<Mutex<Vec<RetryEvent>>>) -> (RetryLayer<Judge>, Option<Budget>) {
        let events = events.clone();
        let mut builder = RetryLayer::builder("test")
            .attempts(self.attempts)
            .backoff(self.backoff.clone())
            .advice_cap(self.cap)
            .entropy(Entropy::seeded(self.seed))
            .on_retry(move |event| events.lock().unwrap().push(event.clone()));
        if let Some(deadline) = self.deadline {
            builder = builder.deadline(deadline);
        }
        let budget = self.retries.map(budget_of);
        builder = match &budget {
            Some(budget) => builder.budget(budget.clone()),
            None => builder.no_budget(),
        };
        (build(builder), budget)
    }
}

/// Makes calls, one after the other, until the script is almost at its end.
fn run<S, L>(settings: &Settings, answers: &[Answer], retries: L) -> Run
where
    S: Service<u64, Response = Reply, Error = Failure>,
    L: FnOnce(RetryLayer<Judge>, Script) -> S,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let start = clock::now();
        let since = |at: Timestamp| at - start;
        let events = Arc::default();
        let (layer, budget) = settings.layer(&events);
        let script = Script::new(answers.iter().copied());
        let mut service = retries(layer, script.clone());
        let (mut results, mut left) = (Vec::new(), Vec::new());
        let mut req = 0;
        while script.calls() + settings.attempts as usize <= answers.len() {
            req += 1;
            let result = service.ready().await.unwrap().call(req).await;
            let at = since(clock::now());
            results.push((number(&result), result.is_ok(), at));
            left.extend(budget.as_ref().map(available));
        }
        let attempts = script.seen().calls.clone();
        Run {
            results,
            attempts: attempts
                .into_iter()
                .map(|(at, req)| (since(at), req))
                .collect(),
            events: events.lock().unwrap().clone(),
            left,
        }
    })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let delay = proptest::option::of((0_u64..2_000).prop_map(millis));
    let reasons = vec![
        Reason::Concurrency,
        Reason::Rate,
        Reason::Open,
        Reason::NotReady,
        Reason::Other,
    ];
    prop_oneof![
        1 => Just(Outcome::Success),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Permanent),
        6 => delay.clone().prop_map(|retry_after| Outcome::Transient { retry_after }),
        3 => delay.clone().prop_map(|retry_after| Outcome::Overload { retry_after }),
        3 => Just(Outcome::Unsent),
        3 => (proptest::sample::select(reasons), delay)
            .prop_map(|(reason, retry_after)| Outcome::Refused { reason, retry_after }),
    ]
}

/// With jitter, or with a deadline: tokio's timer counts in milliseconds, so that a jittered wait may end after a
/// deadline that it would have kept, and the layer, which looks again, would stop.
fn spread() -> impl Strategy<Value = (Jitter, Option<Duration>)> {
    prop_oneof![
        Just((Jitter::Full, None)),
        (1_u64..10_000).prop_map(|deadline| (Jitter::None, Some(millis(deadline)))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The model is the layer itself: the same calls, attempts, times, events and withdrawals.
    #[test]
    fn decides_as_the_layer_does(
        attempts in 2_u32..6,
        (jitter, deadline) in spread(),
        cap in 1_u64..3_000,
        retries in proptest::option::of(0_u64..8),
        seed in any::<u64>(),
        answers in vec((any::<bool>(), outcomes()), 6..40),
    ) {
        let backoff = Backoff::exponential(millis(10), 2.0, millis(200)).expect("valid");
        let settings = Settings {
            attempts,
            backoff: backoff.jitter(jitter),
            deadline,
            cap: millis(cap),
            retries,
            seed,
        };
        let kind = |fails| if fails { Answer::Fail } else { Answer::Reply };
        let answers: Vec<_> = answers
            .into_iter()
            .map(|(fails, outcome)| kind(fails)(outcome))
            .collect();
        let by_layer = run(&settings, &answers, |layer, script| layer.layer(script));
        let by_policy = run(&settings, &answers, by_tower);
        prop_assert!(!by_layer.results.is_empty());
        prop_assert_eq!(by_policy, by_layer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_retried_after_the_backoff() {
    let script = Script::new([BAD, Answer::Reply(Outcome::OVERLOAD), GOOD]);
    let (result, took) = call(builder(), &script).await;
    assert_eq!((number(&result), result.is_ok()), (3, true));
    assert_eq!(took, millis(200));
    assert!(script.seen().calls.iter().all(|(_, req)| *req == 7));
}

/// A request that counts its copies.
#[derive(Debug)]
struct Copied(Arc<AtomicUsize>);

impl Clone for Copied {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, SeqCst);
        Self(self.0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_copied_for_each_attempt_unless_there_can_only_be_one() {
    for (attempts, copies) in [(1, 0), (2, 2), (3, 3)] {
        let layer = builder().attempts(attempts).build().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let inner = service_fn(move |_: Copied| {
            count.fetch_add(1, SeqCst);
            ready(Err::<(), BoxError>("down".into()))
        });
        let copied = Arc::new(AtomicUsize::new(0));
        let service = Retry::new(TowerPolicy::from(layer), inner);
        service.oneshot(Copied(copied.clone())).await.unwrap_err();
        assert_eq!(calls.load(SeqCst), attempts as usize);
        assert_eq!(copied.load(SeqCst), copies);
    }
}

/// It counts neither from the first failure nor from an earlier call.
#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_the_call() {
    let layer = builder().attempts(9).deadline(millis(450)).build().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let inner = service_fn(move |_: u64| {
        count.fetch_add(1, SeqCst);
        async {
            tokio::time::sleep(millis(200)).await;
            Err::<(), BoxError>("down".into())
        }
    });
    let mut service = Retry::new(TowerPolicy::from(layer), inner);
    for number in 1..=2 {
        let start = clock::now();
        service.ready().await.unwrap().call(1).await.unwrap_err();
        // From 0 to 200 ms, and from 300 to 500.
        assert_eq!(clock::now() - start, millis(500));
        assert_eq!(calls.load(SeqCst), 2 * number);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_service_are_apart() {
    let script = Script::new([BAD; 6]);
    let budget = budget_of(9);
    let mut service = by_tower(build(builder().budget(budget.clone())), script.clone());
    let one = service.ready().await.unwrap().call(1);
    let two = service.ready().await.unwrap().call(2);
    let (one, two) = tokio::join!(one, two);
    assert_eq!((number(&one), number(&two)), (5, 6));
    let reqs: Vec<_> = script.seen().calls.iter().map(|(_, req)| *req).collect();
    assert_eq!(reqs, [1, 2, 1, 2, 1, 2]);
    assert_eq!(available(&budget), 5);
}

/// Tower asks the inner service without a limit, and gives the caller its error.
#[tokio::test(start_paused = true)]
async fn an_inner_service_that_breaks_is_seen_by_the_caller() {
    let script = Script::new([BAD]);
    let budget = budget_of(3);
    let layer = build(builder().budget(budget.clone()));
    let mut service = by_tower(layer, script.clone());
    let mut call = task::spawn(service.ready().await.unwrap().call(1));
    // Its answer takes one turn.
    assert_pending!(call.poll());
    assert_pending!(call.poll());
    assert_eq!(available(&budget), 2);
    script.set(Readiness::Broken);
    assert_eq!(number(&call.await), usize::MAX);
    assert_eq!(available(&budget), 3, "it was never sent");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_dropped_unsent_returns_to_the_budget() {
    let script = Script::new([BAD, Answer::Hang]);
    let budget = budget_of(3);
    let layer = build(builder().budget(budget.clone()));
    let mut service = by_tower(layer, script.clone());
    let mut call = task::spawn(service.ready().await.unwrap().call(1));
    assert_pending!(call.poll());
    assert_pending!(call.poll());
    assert_eq!(available(&budget), 2);
    drop(call);
    assert_eq!(available(&budget), 3);

    let script = Script::new([BAD, Answer::Hang]);
    let layer = build(builder().budget(budget.clone()));
    let mut call = task::spawn(by_tower(layer, script.clone()).oneshot(1));
    assert!(tokio::time::timeout(millis(150), &mut call).await.is_err());
    assert_eq!(script.calls(), 2);
    drop(call);
    assert_eq!(available(&budget), 2, "what was sent stays spent");
}

#[tokio::test(start_paused = true)]
async fn shares_the_budget_with_its_layer() {
    let layer = build(builder().budget(budget_of(1)));
    let policy = TowerPolicy::from(layer.clone());
    let by_layer = layer.layer(Script::new([BAD, GOOD])).oneshot(1).await;
    assert_eq!(number(&by_layer), 2);
    assert_eq!(available(policy.layer().budget().unwrap()), 0);
    let by_policy = Retry::new(policy, Script::new([BAD])).oneshot(1).await;
    assert_eq!(number(&by_policy), 1);
}

/// Whoever drives the policy by hand, and asks it twice, has one retry, not two.
#[tokio::test(start_paused = true)]
async fn only_the_last_decision_counts() {
    let budget = budget_of(5);
    let layer = builder().budget(budget.clone()).build().unwrap();
    let mut policy = TowerPolicy::from(layer);
    let mut failed = Err::<u64, BoxError>("down".into());
    let mut decide = |policy: &mut TowerPolicy| policy.retry(&mut 1_u64, &mut failed).is_some();
    assert!(decide(&mut policy));
    assert!(decide(&mut policy));
    assert_eq!(available(&budget), 4);
    // A clone is for another call.
    let again = policy.clone();
    drop(policy);
    assert_eq!(available(&budget), 5);
    let shown = format!("{again:?}");
    assert!(
        shown.starts_with("TowerPolicy { layer: RetryLayer"),
        "{shown}"
    );
}

/// The classifier sees the request that was sent.
#[tokio::test(start_paused = true)]
async fn the_classifier_sees_the_request() {
    #[derive(Clone)]
    struct OnlyOdd;
    impl Classify<u64, u64, BoxError> for OnlyOdd {
        type Call = resilience_core::ByResult<fn(Result<&u64, &BoxError>) -> Outcome>;
        fn start(&self, req: &u64) -> Self::Call {
            resilience_core::by_result(match req % 2 {
                1 => |_| Outcome::TRANSIENT,
                _ => |_| Outcome::Success,
            })
        }
    }
    for (req, expected) in [(1, 3), (2, 1)] {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let inner = service_fn(move |req: u64| {
            count.fetch_add(1, SeqCst);
            ready(Ok::<_, BoxError>(req))
        });
        let layer = builder().build().unwrap().classify(OnlyOdd);
        let service = Retry::new(TowerPolicy::from(layer), inner);
        // Spawned, so that all of it is `Send`.
        assert_eq!(
            tokio::spawn(service.oneshot(req)).await.unwrap().unwrap(),
            req
        );
        assert_eq!(calls.load(SeqCst), expected);
    }
}
