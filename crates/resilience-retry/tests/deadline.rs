//! The deadline of the call itself, which the classifier finds in the request.
#![cfg(all(feature = "tower-retry", not(resilience_loom)))]

mod support;

use proptest::{collection::vec, prelude::*};
use resilience_core::{Classify, Deadline, Outcome, Reason, Rejected, clock};
use resilience_retry::{RetryBuilder, RetryLayer, TowerPolicy};
use std::time::Duration;
use support::{
    Answer, BAD, Failure, GOOD, Judge, Judged, Readiness, Reply, Script, build, builder, millis,
    number,
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, ServiceExt, retry::Retry};

/// Every call has until then.
#[derive(Clone, Debug)]
struct Until(Deadline, Judge);

impl Classify<u64, Reply, Failure> for Until {
    type Call = <Judge as Classify<u64, Reply, Failure>>::Call;

    fn start(&self, req: &u64) -> Self::Call {
        self.1.start(req)
    }

    fn deadline(&self, _: &u64) -> Option<Deadline> {
        Some(self.0)
    }
}

fn layer(builder: RetryBuilder, left: Duration) -> RetryLayer<Until> {
    let deadline = Deadline::within(left);
    let judge = support::judge as fn(Result<&Reply, &Failure>) -> Outcome;
    let judge = resilience_core::by_result(judge);
    build(builder).classify(Until(deadline, judge))
}

/// One call with so much time left: its result, and how long it took; the same by the layer and by Tower's retries.
async fn call(
    builder: RetryBuilder,
    left: Duration,
    answers: &[Answer],
) -> (usize, Duration, Vec<Duration>) {
    let mut seen = Vec::new();
    for by_tower in [false, true] {
        let script = Script::new(answers.iter().copied());
        let layer = layer(builder.clone(), left);
        let start = clock::now();
        let result: Judged = if by_tower {
            Retry::new(TowerPolicy::from(layer), script.clone())
                .oneshot(7)
                .await
        } else {
            layer.layer(script.clone()).oneshot(7).await
        };
        let waits = script.waits();
        seen.push((number(&result), clock::now() - start, waits));
    }
    let by_tower = seen.pop().unwrap();
    assert_eq!(seen[0], by_tower);
    by_tower
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_pass_it_is_not_waited_for() {
    let answers = [BAD, BAD, GOOD];
    // After 100 and 200 ms.
    let all = (3, millis(200), vec![millis(100); 2]);
    assert_eq!(call(builder(), millis(201), &answers).await, all);
    let (last, took, _) = call(builder(), millis(200), &answers).await;
    assert_eq!(
        (last, took),
        (2, millis(100)),
        "the third attempt would begin at it"
    );
    let (last, took, _) = call(builder(), millis(50), &answers).await;
    assert_eq!((last, took), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_two_counts() {
    let answers = [BAD; 3];
    for (own, left) in [(150, 1_000), (1_000, 150)] {
        let limited = builder().deadline(millis(own));
        let (last, took, _) = call(limited, millis(left), &answers).await;
        assert_eq!((last, took), (2, millis(100)), "{own} {left}");
    }
}

/// Whatever the layer is told, there is one attempt: to refuse a call that is late already is for others.
#[tokio::test(start_paused = true)]
async fn a_first_attempt_is_always_made() {
    let (last, took, _) = call(builder(), Duration::ZERO, &[BAD]).await;
    assert_eq!((last, took), (1, Duration::ZERO));
}

/// The wait fits, but then the inner service is not ready until the time is over.
#[tokio::test(start_paused = true)]
async fn no_attempt_begins_past_it_though_the_inner_service_is_ready_then() {
    let script = Script::new([BAD, GOOD]);
    let mut call = task::spawn(
        layer(builder(), millis(150))
            .layer(script.clone())
            .oneshot(7),
    );
    // Its answer takes one turn.
    assert_pending!(call.poll());
    assert_pending!(call.poll());
    script.set(Readiness::Pending);
    tokio::time::advance(millis(100)).await;
    assert_pending!(call.poll());
    tokio::time::advance(millis(50)).await;
    script.set(Readiness::Ready);
    assert_eq!(number(&assert_ready!(call.poll())), 1);
    assert_eq!(script.calls(), 1);
}

/// What an outer layer refuses past the deadline is no reason for another attempt.
#[tokio::test(start_paused = true)]
async fn a_refusal_for_it_is_not_retried() {
    let late = Answer::Fail(Rejected::new(Reason::Deadline, "inner").outcome());
    let (last, took, _) = call(builder(), millis(1_000), &[late, GOOD]).await;
    assert_eq!((last, took), (1, Duration::ZERO));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However much is left: as many attempts as begin before it, at the times at which they would begin without it.
    #[test]
    fn is_kept_to(
        left in 0_u64..900,
        attempts in 1_u32..9,
        failing in vec(any::<bool>(), 9),
    ) {
        let answers: Vec<_> = failing.iter().map(|fails| if *fails { BAD } else { GOOD }).collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let builder = builder().attempts(attempts).no_budget();
        let (last, took, waits) = runtime.block_on(call(builder, millis(left), &answers));
        let wanted = failing.iter().position(|fails| !fails).map_or(9, |first| first + 1);
        // The first is at 0 ms, the next at 100, and so on.
        let fitting = usize::try_from(left.div_ceil(100)).unwrap().max(1);
        let expected = wanted.min(attempts as usize).min(fitting);
        prop_assert_eq!(last, expected);
        prop_assert_eq!(took, millis(100) * u32::try_from(expected - 1).unwrap());
        prop_assert!(waits.iter().all(|wait| *wait == millis(100)));
    }
}
