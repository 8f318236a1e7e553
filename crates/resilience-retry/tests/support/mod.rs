//! An inner service that answers by a script, and insists on being ready.
#![allow(dead_code, reason = "not every test uses all of it")]

use resilience_core::{Backoff, Budget, ByResult, Outcome, Timestamp, by_result, clock};
use resilience_retry::{RetryBuilder, RetryLayer};
use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tower::Service;

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A response that says how it is to be judged.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) number: usize,
    pub(crate) outcome: Outcome,
    held: Held,
}

/// An error that says how it is to be judged.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) number: usize,
    pub(crate) outcome: Outcome,
    held: Held,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} failed: {:?}", self.number, self.outcome)
    }
}

impl Error for Failure {}

pub(crate) type Judged = Result<Reply, Failure>;

pub(crate) fn judge(result: Result<&Reply, &Failure>) -> Outcome {
    match result {
        Ok(reply) => reply.outcome,
        Err(failure) => failure.outcome,
    }
}

pub(crate) type Judge = ByResult<fn(Result<&Reply, &Failure>) -> Outcome>;

pub(crate) const BAD: Answer = Answer::Fail(Outcome::TRANSIENT);
pub(crate) const GOOD: Answer = Answer::Reply(Outcome::Success);

/// Waits 100 ms, always.
pub(crate) fn builder() -> RetryBuilder {
    let steady = Backoff::constant(millis(100)).expect("valid");
    RetryLayer::builder("test").backoff(steady)
}

pub(crate) fn build(builder: RetryBuilder) -> RetryLayer<Judge> {
    let layer = builder.build().expect("valid");
    layer.classify(by_result(judge as fn(Result<&Reply, &Failure>) -> Outcome))
}

/// Which call of the script a result is that of.
pub(crate) fn number(result: &Judged) -> usize {
    match result {
        Ok(reply) => reply.number,
        Err(failure) => failure.number,
    }
}

/// Counts what is alive.
#[derive(Debug)]
pub(crate) struct Held(Arc<AtomicUsize>);

impl Held {
    fn by(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// A response, judged so.
    Reply(Outcome),
    /// An error, judged so.
    Fail(Outcome),
    Hang,
    Panic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    Pending,
    Broken,
}

#[derive(Debug)]
pub(crate) struct Seen {
    answers: VecDeque<Answer>,
    readiness: Readiness,
    wakers: Vec<Waker>,
    /// When each call came, and with what.
    pub(crate) calls: Vec<(Timestamp, u64)>,
    /// Which clone was called each time.
    pub(crate) called: Vec<usize>,
    pub(crate) clones: usize,
    /// Results that were alive when each call came.
    pub(crate) results_at_call: Vec<usize>,
}

/// The service. Clones share the script; each has its own readiness.
#[derive(Debug)]
pub(crate) struct Script {
    seen: Arc<Mutex<Seen>>,
    pub(crate) results: Arc<AtomicUsize>,
    /// Calls whose futures are alive.
    pub(crate) in_flight: Arc<AtomicUsize>,
    which: usize,
    ready: bool,
}

impl Script {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            seen: Arc::new(Mutex::new(Seen {
                answers: answers.into_iter().collect(),
                readiness: Readiness::Ready,
                wakers: Vec::new(),
                calls: Vec::new(),
                called: Vec::new(),
                clones: 0,
                results_at_call: Vec::new(),
            })),
            results: Arc::default(),
            in_flight: Arc::default(),
            which: 0,
            ready: false,
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub(crate) fn set(&self, readiness: Readiness) {
        let mut seen = self.seen();
        seen.readiness = readiness;
        seen.wakers.drain(..).for_each(Waker::wake);
    }

    /// How many calls came.
    pub(crate) fn calls(&self) -> usize {
        self.seen().calls.len()
    }

    /// The times between the calls.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        let seen = self.seen();
        let calls = seen.calls.windows(2);
        calls.map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

impl Clone for Script {
    fn clone(&self) -> Self {
        let mut seen = self.seen();
        seen.clones += 1;
        Self {
            seen: self.seen.clone(),
            results: self.results.clone(),
            in_flight: self.in_flight.clone(),
            which: seen.clones,
            ready: false,
        }
    }
}

impl Service<u64> for Script {
    type Response = Reply;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Judged> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let readiness = self.seen().readiness;
        match readiness {
            Readiness::Ready => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
            Readiness::Pending => {
                self.seen().wakers.push(cx.waker().clone());
                Poll::Pending
            }
            Readiness::Broken => Poll::Ready(Err(Failure {
                number: usize::MAX,
                outcome: Outcome::Permanent,
                held: Held::by(&self.results),
            })),
        }
    }

    fn call(&mut self, req: u64) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without readiness");
        let results = self.results.clone();
        let in_flight = Held::by(&self.in_flight);
        let (number, answer) = {
            let mut seen = self.seen();
            seen.calls.push((clock::now(), req));
            seen.called.push(self.which);
            seen.results_at_call.push(results.load(Ordering::SeqCst));
            (seen.calls.len(), seen.answers.pop_front())
        };
        let answer = answer.expect("one call more than the script has answers");
        assert!(!matches!(answer, Answer::Panic), "by the script");
        Box::pin(async move {
            let _in_flight = in_flight;
            // One turn of the executor, so that calls are not always ready at once.
            tokio::task::yield_now().await;
            match answer {
                Answer::Reply(outcome) => Ok(Reply {
                    number,
                    outcome,
                    held: Held::by(&results),
                }),
                Answer::Fail(outcome) => Err(Failure {
                    number,
                    outcome,
                    held: Held::by(&results),
                }),
                Answer::Hang => pending().await,
                Answer::Panic => unreachable!(),
            }
        })
    }
}

/// A budget of so many retries, for the next nine seconds; a call earns next to nothing.
pub(crate) fn budget_of(retries: u64) -> Budget {
    let budget = Budget::builder().ratio(0.001).floor_per_second(0.0);
    let budget = budget.build().expect("valid");
    budget.available(clock::now());
    (0..retries * 1_000).for_each(|_| budget.deposit());
    assert_eq!(budget.available(clock::now()), retries);
    budget
}

pub(crate) fn available(budget: &Budget) -> u64 {
    budget.available(clock::now())
}
