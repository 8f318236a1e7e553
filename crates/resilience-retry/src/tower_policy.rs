use crate::{
    RetryLayer,
    future::{judge, sleep_until},
    machine::{Course, Decision, Sent, Stop},
};
use pin_project_lite::pin_project;
use resilience_core::{ByClone, Classify, Errors, Now, Timestamp, Verdict as _, Withdrawal, clock};
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::Sleep;

/// A [`RetryLayer`] as a policy of Tower's own retries, [`tower::retry::Policy`]: for stacks that are built around
/// [`tower::retry::Retry`] already, or combine policies.
///
/// Made of a layer, it decides as the layer does: attempts, backoff, advice, budget, classification, events and metrics
/// are the layer's, and what is made of the layer shares the budget and the source of jitter with it.
///
/// ```
/// use resilience_retry::{RetryLayer, TowerPolicy};
/// use tower::{BoxError, ServiceBuilder, service_fn};
///
/// # fn main() -> Result<(), BoxError> {
/// let layer = RetryLayer::builder("inventory").attempts(4).build()?;
/// let service = ServiceBuilder::new()
///     .retry(TowerPolicy::from(layer))
///     .service(service_fn(|item: u64| async move { Ok::<_, BoxError>(item) }));
/// # let _ = service;
/// # Ok(())
/// # }
/// ```
///
/// # What Tower's trait cannot express
///
/// Where you can choose, choose the layer:
///
/// | | [`RetryLayer`] | this policy |
/// |---|---|---|
/// | requests | whatever a [`Replay`](resilience_core::Replay) can send again: HTTP, with its body | those that are `Clone`; all may be sent again |
/// | copies | none where no retry can follow | one for each attempt, the last included, unless there is [one attempt](crate::RetryBuilder::attempts) at most |
/// | a budget, with one attempt at most | calls add to it | they do not |
/// | the classifier sees the request | before each attempt | after it |
/// | the deadline | bounds the wait for the inner service's readiness as well | is looked at before the backoff; what comes after may begin late |
/// | the inner service cannot become ready for a retry | the caller gets the result of the last attempt | the caller gets that error; counted as `abandoned` |
/// | the result of a failed attempt | is kept until the next one begins | is dropped before the backoff |
///
/// A clone is the same policy, for another call: it has the same budget and metrics, and begins with the first attempt.
/// Dropping it during a wait returns the retry to the budget.
pub struct TowerPolicy<C = Errors> {
    layer: RetryLayer<C, ByClone>,
    stage: Stage,
}

/// Tower's service holds a policy and clones it for each call, after it has cloned the request through it.
enum Stage {
    /// No attempt of this policy's call is over. If a deadline counts from the call: when that was.
    First(Option<Timestamp>),
    /// An attempt is over, and a retry has been decided.
    Pausing {
        course: Course,
        /// Goes back when it is dropped.
        withdrawal: Option<Withdrawal>,
    },
    /// A retry is under way.
    Retrying { course: Course, sent: Sent },
}

impl<C> TowerPolicy<C> {
    /// The layer that this policy was made of.
    pub fn layer(&self) -> &RetryLayer<C> {
        &self.layer
    }

    fn take(&mut self) -> Stage {
        mem::replace(&mut self.stage, Stage::First(None))
    }
}

impl<C> From<RetryLayer<C, ByClone>> for TowerPolicy<C> {
    fn from(layer: RetryLayer<C, ByClone>) -> Self {
        Self {
            layer,
            stage: Stage::First(None),
        }
    }
}

impl<C> Clone for TowerPolicy<C> {
    fn clone(&self) -> Self {
        let began = match &self.stage {
            Stage::First(began) => *began,
            _ => None,
        };
        Self {
            layer: self.layer.clone(),
            stage: Stage::First(began),
        }
    }
}

impl<C> Drop for TowerPolicy<C> {
    fn drop(&mut self) {
        if let Stage::Pausing { .. } = &self.stage {
            let telemetry = &self.layer.parts.shared.telemetry;
            telemetry.stopped(Stop::Abandoned);
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for TowerPolicy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerPolicy")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

impl<Req, Res, E, C> tower::retry::Policy<Req, Res, E> for TowerPolicy<C>
where
    Req: Clone,
    C: Classify<Req, Res, E>,
{
    type Future = Pause;

    fn retry(&mut self, req: &mut Req, result: &mut Result<Res, E>) -> Option<Pause> {
        let mut verdict = self.layer.parts.classify.start(req);
        let outcome = judge(&mut verdict, result);
        let stage = self.take();
        let shared = &self.layer.parts.shared;
        let (mut course, sent) = match stage {
            Stage::First(began) => {
                let mut began = began.map_or_else(Now::lazy, Now::at);
                let deadline = self.layer.parts.classify.deadline(req);
                let course = Course::begin(&shared.plan, deadline, &mut began);
                (course, Sent::default())
            }
            Stage::Retrying { course, sent } => (course, sent),
            // Not what Tower does; then the last word counts.
            Stage::Pausing { course, .. } => (course, Sent::default()),
        };
        sent.ended(outcome);
        let mut now = Now::lazy();
        let refusing = |now: &mut Now| self.layer.parts.refusing(now);
        match course.ended(&shared.plan, outcome, || true, refusing, &mut now) {
            Decision::Retry(retry) => {
                shared.decided(course.attempt() + 1, outcome, &retry);
                let timer = (!retry.wait.is_zero()).then(|| sleep_until(now.get() + retry.wait));
                self.stage = Stage::Pausing {
                    course,
                    withdrawal: retry.withdrawal,
                };
                Some(Pause { timer })
            }
            ended => {
                if shared.ended(course.attempt(), outcome, &ended) {
                    verdict.exhausted(result);
                }
                None
            }
        }
    }

    fn clone_request(&mut self, req: &Req) -> Option<Req> {
        let plan = &self.layer.parts.shared.plan;
        if !plan.retries() {
            return None;
        }
        // Tower clones the request right before it sends it.
        self.stage = if let Stage::Pausing {
            mut course,
            withdrawal,
        } = self.take()
        {
            let sent = course.send(withdrawal);
            self.layer.parts.shared.telemetry.sent();
            Stage::Retrying { course, sent }
        } else {
            let deadline = self.layer.parts.shared.plan.deadline;
            Stage::First(deadline.map(|_| clock::now()))
        };
        Some(req.clone())
    }
}

pin_project! {
    /// The wait of a [`TowerPolicy`] before a retry.
    pub struct Pause {
        // `None` where there is nothing to wait for.
        #[pin]
        timer: Option<Sleep>,
    }
}

impl Future for Pause {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = self.project().timer.as_pin_mut() {
            ready!(timer.poll(cx));
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause").finish_non_exhaustive()
    }
}
