//! When a call's retries are exhausted, whoever judged its last attempt is told, once, and may mark the result.
#![cfg(all(feature = "tower", not(resilience_loom)))]

mod support;

use resilience_core::{Classify, Deadline, Outcome, Reason, Rejected, Verdict};
use resilience_retry::{RetryBuilder, machine::Stop};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    Answer, BAD, Failure, GOOD, Judged, Readiness, Reply, Script, budget_of, builder, judge,
    millis, number,
};
use tower::{Layer, Service, ServiceExt};

/// Writes down what its verdicts are told: which call's result, and whether it was a response.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<(usize, bool)>>>);

/// The mark in a result, for those further out.
const MARK: Outcome = Outcome::Permanent;

impl Classify<u64, Reply, Failure> for Told {
    type Call = Judging;

    fn start(&self, _: &u64) -> Judging {
        Judging {
            told: self.clone(),
            judged: 0,
        }
    }
}

struct Judging {
    told: Told,
    judged: usize,
}

impl Judging {
    fn judge(&mut self, result: Result<&Reply, &Failure>) -> Outcome {
        self.judged = match result {
            Ok(reply) => reply.number,
            Err(failure) => failure.number,
        };
        judge(result)
    }
}

impl Verdict<Reply, Failure> for Judging {
    fn response(&mut self, reply: &Reply) -> Option<Outcome> {
        Some(self.judge(Ok(reply)))
    }

    fn error(&mut self, failure: &Failure) -> Outcome {
        self.judge(Err(failure))
    }

    fn exhausted(&mut self, result: &mut Judged) {
        assert_eq!(self.judged, number(result), "another attempt's verdict");
        let mut told = self.told.0.lock().unwrap();
        told.push((number(result), result.is_ok()));
        match result {
            Ok(reply) => reply.outcome = MARK,
            Err(failure) => failure.outcome = MARK,
        }
    }
}

fn refused(reason: Reason) -> Answer {
    Answer::Fail(Rejected::new(reason, "inner").outcome())
}

/// How a call is retried, what the inner service answers, and which answer, if any, is told to be the last.
fn table() -> Vec<(RetryBuilder, Vec<Answer>, Option<usize>)> {
    let overload = Answer::Reply(Outcome::OVERLOAD);
    vec![
        // All attempts are made.
        (builder(), vec![BAD; 3], Some(3)),
        (builder(), vec![BAD, BAD, overload], Some(3)),
        (builder().no_budget(), vec![BAD; 3], Some(3)),
        // The budget is spent: before the first retry, and before the second.
        (builder().budget(budget_of(0)), vec![overload], Some(1)),
        (builder().budget(budget_of(1)), vec![BAD, BAD], Some(2)),
        // The next wait, of 100 ms, would reach the deadline.
        (
            builder().deadline(millis(150)),
            vec![BAD, overload],
            Some(2),
        ),
        // An open breaker is in the way.
        (builder(), vec![BAD, refused(Reason::Open)], Some(2)),
        // There is nothing to tell those further out.
        (builder(), vec![GOOD], None),
        (builder(), vec![BAD, overload, GOOD], None),
        (builder(), vec![Answer::Fail(Outcome::Ignored)], None),
        // It says itself what it is.
        (builder(), vec![Answer::Fail(Outcome::Permanent)], None),
        (
            builder(),
            vec![BAD, Answer::Reply(Outcome::Permanent)],
            None,
        ),
        // A layer that makes no retries leaves them to others.
        (builder().attempts(1), vec![BAD], None),
        (builder().attempts(1), vec![refused(Reason::Open)], None),
    ]
}

async fn check<S>(call: impl Fn(RetryBuilder, Told, Script) -> S)
where
    S: Service<u64, Response = Reply, Error = Failure>,
{
    for (row, (builder, answers, exhausted)) in table().into_iter().enumerate() {
        let (told, script) = (Told::default(), Script::new(answers.clone()));
        let result = call(builder, told.clone(), script.clone()).oneshot(7).await;
        assert_eq!(script.calls(), answers.len(), "{row}");
        let expected = exhausted.map(|number| (number, result.is_ok()));
        assert_eq!(*told.0.lock().unwrap(), Vec::from_iter(expected), "{row}");
        let outcome = judge(result.as_ref());
        let last = match answers.last() {
            Some(Answer::Reply(outcome) | Answer::Fail(outcome)) => *outcome,
            _ => unreachable!(),
        };
        let marked = if exhausted.is_some() { MARK } else { last };
        assert_eq!(outcome, marked, "{row}: the caller gets what was marked");
    }
}

#[tokio::test(start_paused = true)]
async fn the_verdict_is_told_when_nothing_is_left_to_try() {
    check(|builder, told, script| builder.build().unwrap().classify(told).layer(script)).await;
}

#[cfg(feature = "tower-retry")]
#[tokio::test(start_paused = true)]
async fn the_verdict_is_told_by_the_policy_for_towers_retries_too() {
    check(|builder, told, script| {
        let layer = builder.build().unwrap().classify(told);
        tower::retry::Retry::new(resilience_retry::TowerPolicy::from(layer), script)
    })
    .await;
}

/// What may not be repeated here may be repeated further out.
#[tokio::test(start_paused = true)]
async fn a_request_that_may_not_be_repeated_has_exhausted_nothing() {
    #[derive(Clone)]
    struct Once;
    impl resilience_core::Replay<u64> for Once {
        type Inner = u64;
        type Kept = ();
        fn first(&self, req: u64, _: bool) -> (u64, Option<()>) {
            (req, Some(()))
        }
        fn allows(&self, (): &(), outcome: Outcome) -> bool {
            outcome == Outcome::OVERLOAD
        }
        fn again(&self, (): (), _: u32, _: bool) -> Option<(u64, Option<()>)> {
            None
        }
    }
    // The first may not be repeated; the second is not there any more after the wait.
    for answer in [BAD, Answer::Fail(Outcome::OVERLOAD)] {
        let (told, script) = (Told::default(), Script::new([answer]));
        let layer = builder().build().unwrap().classify(told.clone());
        let result = layer.replay(Once).layer(script).oneshot(7).await;
        assert_ne!(judge(result.as_ref()), MARK);
        assert!(told.0.lock().unwrap().is_empty());
    }
}

/// After the wait, the inner service breaks, or is not ready before the deadline.
#[tokio::test(start_paused = true)]
async fn the_verdict_is_told_when_the_next_attempt_cannot_be_made() {
    for readiness in [Readiness::Broken, Readiness::Pending] {
        let (told, script) = (Told::default(), Script::new([BAD]));
        let layer = builder().deadline(Duration::from_secs(1)).build().unwrap();
        let mut service = layer.classify(told.clone()).layer(script.clone());
        let call = service.ready().await.unwrap().call(7);
        script.set(readiness);
        let result = call.await;
        assert_eq!(script.calls(), 1);
        assert_eq!(judge(result.as_ref()), MARK, "{readiness:?}");
        assert_eq!(*told.0.lock().unwrap(), [(1, false)]);
    }
}

/// The deadline of the call counts as the layer's own.
#[tokio::test(start_paused = true)]
async fn the_verdict_is_told_when_the_calls_deadline_ends_its_retries() {
    #[derive(Clone)]
    struct Soon(Told, Deadline);
    impl Classify<u64, Reply, Failure> for Soon {
        type Call = Judging;
        fn start(&self, req: &u64) -> Judging {
            self.0.start(req)
        }
        fn deadline(&self, _: &u64) -> Option<Deadline> {
            Some(self.1)
        }
    }
    let (told, script) = (Told::default(), Script::new([BAD, BAD]));
    let soon = Soon(told.clone(), Deadline::within(millis(150)));
    let layer = builder().build().unwrap().classify(soon);
    let result = layer.layer(script.clone()).oneshot(7).await;
    assert_eq!((script.calls(), judge(result.as_ref())), (2, MARK));
    assert_eq!(*told.0.lock().unwrap(), [(2, false)]);
}

/// Three attempts at each of three levels are three attempts, not 27.
#[tokio::test(start_paused = true)]
async fn layers_in_layers_do_not_multiply() {
    let script = Script::new([BAD; 27]);
    let layer = || builder().no_budget().build().unwrap();
    let marked = || layer().classify(Told::default());
    let result = marked()
        .layer(marked().layer(marked().layer(script.clone())))
        .oneshot(7)
        .await;
    assert_eq!((script.calls(), number(&result)), (3, 3));

    // By a classifier that leaves no mark they do.
    let script = Script::new([BAD; 27]);
    let blind = || layer().classify(resilience_core::by_result(judge));
    let result = blind()
        .layer(blind().layer(blind().layer(script.clone())))
        .oneshot(7)
        .await;
    assert_eq!((script.calls(), number(&result)), (27, 27));
}

#[test]
fn what_exhausts() {
    for (stop, exhausts) in [
        (Stop::Attempts, true),
        (Stop::Budget, true),
        (Stop::Deadline, true),
        (Stop::NotReady, true),
        (Stop::Refused, true),
        (Stop::NotReplayable, false),
        (Stop::Permanent, false),
        (Stop::Abandoned, false),
    ] {
        assert_eq!(stop.exhausts(), exhausts, "{stop:?}");
    }
}
