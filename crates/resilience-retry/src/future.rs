use crate::{
    layer::Parts,
    machine::{Course, Decision, Sent, Stop},
    service::Made,
};
use pin_project_lite::pin_project;
use resilience_core::{
    Classify, Now, Outcome, Replay, Timestamp, Verdict, Withdrawal, clock, sync::Handle,
};
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::Sleep;
use tower_service::Service;

pin_project! {
    /// The future of a call through [`Retry`](crate::Retry).
    ///
    /// Dropping it drops the attempt that is under way, or gives up the wait for the next one.
    pub struct ResponseFuture<Req, S, C, R, K, V, F, T> {
        made: Handle<Made<S, C, R>>,
        course: Course,
        #[pin]
        stage: Stage<S, K, V, F, T>,
        req: PhantomData<fn(Req)>,
    }

    impl<Req, S, C, R, K, V, F, T> PinnedDrop for ResponseFuture<Req, S, C, R, K, V, F, T> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let StageProj::Waiting { pause: Some(_), .. } = this.stage.as_mut().project() {
                this.made.parts.shared.telemetry.stopped(Stop::Abandoned);
            }
        }
    }
}

pin_project! {
    // The timer of a wait and the service for a retry lie where the future of an attempt lay: they make the future no larger
    // where that of the inner service has as many bytes, of which the timer alone has 112.
    #[project = StageProj]
    #[project_replace = StageOwn]
    enum Stage<S, K, V, F, T> {
        Calling {
            #[pin]
            future: F,
            attempt: Attempt<K, V>,
        },
        Waiting {
            // Taken when the wait is over.
            pause: Option<Pause<S, K, V, T>>,
            // For the end of the backoff, and then for the deadline.
            #[pin]
            timer: Option<Sleep>,
        },
        Over,
    }
}

/// What goes along with an attempt.
struct Attempt<K, V> {
    verdict: V,
    kept: Option<K>,
    sent: Sent,
}

/// What is held between two attempts.
struct Pause<S, K, V, T> {
    /// What the caller gets if the next attempt cannot be made; dropped only when it can.
    result: T,
    /// What has judged it.
    verdict: V,
    kept: K,
    withdrawal: Option<Withdrawal>,
    /// What the next attempt is sent through once it is ready. There from the end of the backoff on.
    inner: Option<S>,
}

impl<Req, S, C, R, K, V, F, T> ResponseFuture<Req, S, C, R, K, V, F, T> {
    #[inline]
    pub(crate) fn new(
        made: Handle<Made<S, C, R>>,
        course: Course,
        future: F,
        verdict: V,
        kept: Option<K>,
    ) -> Self {
        let attempt = Attempt {
            verdict,
            kept,
            sent: Sent::default(),
        };
        Self {
            made,
            course,
            stage: Stage::Calling { future, attempt },
            req: PhantomData,
        }
    }
}

impl<Req, S, C, R> Future
    for ResponseFuture<Req, S, C, R, R::Kept, C::Call, S::Future, Result<S::Response, S::Error>>
where
    S: Service<R::Inner> + Clone,
    C: Classify<R::Inner, S::Response, S::Error>,
    R: Replay<Req>,
{
    type Output = Result<S::Response, S::Error>;

    // Inline, as far as nothing fails: where the stack's futures are polled in one function, they need not be stored and
    // loaded again between their layers (on the happy path 46 ns → 20 ns, with `call`).
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let StageProj::Calling { future, attempt } = this.stage.as_mut().project() else {
                match ready!(self.as_mut().poll_wait(cx)) {
                    Some(result) => return Poll::Ready(result),
                    None => continue,
                }
            };
            let result = ready!(future.poll(cx));
            let outcome = judge(&mut attempt.verdict, &result);
            if outcome == Outcome::Success {
                // The attempt stays where it is until this future is dropped, as it is with Tower's own: to drop it here as
                // well would cost 6 ns.
                let shared = &this.made.parts.shared;
                this.course.succeeded(&shared.plan);
                shared.ended(this.course.attempt(), outcome, &Decision::Done);
                return Poll::Ready(result);
            }
            // What the attempt's future holds goes at once, its result after the wait.
            let calling = this.stage.as_mut().project_replace(Stage::Over);
            let StageOwn::Calling { attempt, .. } = calling else {
                unreachable!("it was calling above")
            };
            if let Some(result) = self.as_mut().failed(attempt, result, outcome) {
                return Poll::Ready(result);
            }
        }
    }
}

impl<Req, S, C, R>
    ResponseFuture<Req, S, C, R, R::Kept, C::Call, S::Future, Result<S::Response, S::Error>>
where
    S: Service<R::Inner> + Clone,
    C: Classify<R::Inner, S::Response, S::Error>,
    R: Replay<Req>,
{
    /// After an attempt that was no success: waits for the next, or gives the result back, if there is to be none.
    #[inline(never)]
    fn failed(
        self: Pin<&mut Self>,
        attempt: Attempt<R::Kept, C::Call>,
        mut result: Result<S::Response, S::Error>,
        outcome: Outcome,
    ) -> Option<Result<S::Response, S::Error>> {
        let mut this = self.project();
        let parts = &this.made.parts;
        let Parts { shared, replay, .. } = parts;
        let Attempt {
            mut verdict,
            kept,
            sent,
        } = attempt;
        sent.ended(outcome);
        let replayable = || matches!(&kept, Some(kept) if replay.allows(kept, outcome));
        let mut now = Now::lazy();
        let refusing = |now: &mut Now| parts.refusing(now);
        let ended = this
            .course
            .ended(&shared.plan, outcome, replayable, refusing, &mut now);
        let (retry, kept) = match (ended, kept) {
            (Decision::Retry(retry), Some(kept)) => (retry, kept),
            (ended, _) => {
                if shared.ended(this.course.attempt(), outcome, &ended) {
                    verdict.exhausted(&mut result);
                }
                return Some(result);
            }
        };
        shared.decided(this.course.attempt() + 1, outcome, &retry);
        let timer = (!retry.wait.is_zero()).then(|| sleep_until(now.get() + retry.wait));
        let pause = Some(Pause {
            result,
            verdict,
            kept,
            withdrawal: retry.withdrawal,
            inner: None,
        });
        this.stage.set(Stage::Waiting { pause, timer });
        None
    }

    /// Waits, and begins the next attempt; if that cannot be, gives back the result of the last one.
    #[inline(never)]
    fn poll_wait(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<S::Response, S::Error>>> {
        let mut this = self.project();
        let Parts {
            shared,
            classify,
            replay,
            ..
        } = &this.made.parts;
        let StageProj::Waiting {
            pause: slot,
            mut timer,
        } = this.stage.as_mut().project()
        else {
            panic!("polled after completion")
        };
        let pause = slot.as_mut().expect("polled after completion");
        if pause.inner.is_none() {
            ready!(poll_timer(timer.as_mut(), cx));
        }
        let inner = pause.inner.get_or_insert_with(|| this.made.spare());
        let resumed = ready!(poll_inner(inner, this.course, timer, cx));
        let mut pause = slot.take().expect("it was there above");
        let attempt = this.course.attempt() + 1;
        let last = this.course.next_is_last(&shared.plan);
        let again = resumed.and_then(|()| {
            let again = replay.again(pause.kept, attempt, last);
            again.ok_or(Stop::NotReplayable)
        });
        let (req, kept) = match again {
            Ok(again) => again,
            Err(why) => {
                this.stage.set(Stage::Over);
                shared.telemetry.stopped(why);
                let mut result = pause.result;
                if why.exhausts() {
                    let mut verdict = pause.verdict;
                    verdict.exhausted(&mut result);
                }
                return Poll::Ready(Some(result));
            }
        };
        // It may hold a connection or a permit that the next attempt needs.
        drop(pause.result);
        let verdict = classify.start(&req);
        let sent = this.course.send(pause.withdrawal);
        shared.telemetry.sent();
        let inner = pause.inner.as_mut();
        let future = inner.expect("it is ready").call(req);
        let attempt = Attempt {
            verdict,
            kept,
            sent,
        };
        this.stage.set(Stage::Calling { future, attempt });
        Poll::Ready(None)
    }
}

/// Ready when the next attempt can be made, or never can.
fn poll_inner<S: Service<I>, I>(
    inner: &mut S,
    course: &Course,
    mut timer: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Stop>> {
    if course.too_late(&mut Now::lazy()) {
        return Poll::Ready(Err(Stop::Deadline));
    }
    match inner.poll_ready(cx) {
        Poll::Ready(ready) => Poll::Ready(ready.map_err(|_| Stop::NotReady)),
        Poll::Pending => {
            let Some(until) = course.until() else {
                return Poll::Pending;
            };
            if timer.is_none() {
                timer.set(Some(sleep_until(until)));
            }
            poll_timer(timer, cx).map(|()| Err(Stop::Deadline))
        }
    }
}

pub(crate) fn sleep_until(at: Timestamp) -> Sleep {
    tokio::time::sleep_until(clock::instant(at))
}

/// Ready, and without a timer, when the time has come.
fn poll_timer(mut timer: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
    if let Some(armed) = timer.as_mut().as_pin_mut() {
        ready!(armed.poll(cx));
    }
    timer.set(None);
    Poll::Ready(())
}

pub(crate) fn judge<Res, E>(
    verdict: &mut impl Verdict<Res, E>,
    result: &Result<Res, E>,
) -> Outcome {
    match result {
        // A head that leaves the verdict to the end of the body has committed the call to this response.
        Ok(res) => verdict.response(res).unwrap_or(Outcome::Success),
        Err(error) => verdict.error(error),
    }
}

impl<Req, S, C, R, K, V, F, T> fmt::Debug for ResponseFuture<Req, S, C, R, K, V, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Calling { .. } => "calling",
            Stage::Waiting { .. } => "waiting",
            Stage::Over => "over",
        };
        f.debug_struct("ResponseFuture")
            .field("attempt", &self.course.attempt())
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}
