use super::{BodyBound, OnDeadline, layer::Shared};
use crate::{Allotted, DeadlineError};
use pin_project_lite::pin_project;
use resilience_core::clock;
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{task::coop, time::Sleep};

pin_project! {
    /// The future of a call through a [`DeadlineService`](crate::DeadlineService).
    ///
    /// Dropping it drops the inner call and the timer.
    pub struct DeadlineFuture<Req, F, H, K> {
        #[pin]
        state: State<F>,
        // Taken at the end.
        kept: Option<K>,
        on_deadline: H,
        req: PhantomData<fn(Req)>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling {
            #[pin]
            inner: F,
            // Made when `inner` is first pending.
            #[pin]
            timer: Option<Sleep>,
            allotted: Allotted,
            shared: Arc<Shared>,
        },
        // Taken when the caller is told.
        Refused { why: Option<DeadlineError> },
        Done,
    }
}

impl<Req, F, H, K> DeadlineFuture<Req, F, H, K> {
    #[inline]
    pub(crate) fn calling(
        inner: F,
        allotted: Allotted,
        shared: Arc<Shared>,
        kept: K,
        on_deadline: H,
    ) -> Self {
        let state = State::Calling {
            inner,
            timer: None,
            allotted,
            shared,
        };
        Self::new(state, kept, on_deadline)
    }

    pub(crate) fn refused(why: DeadlineError, kept: K, on_deadline: H) -> Self {
        Self::new(State::Refused { why: Some(why) }, kept, on_deadline)
    }

    #[inline]
    fn new(state: State<F>, kept: K, on_deadline: H) -> Self {
        Self {
            state,
            kept: Some(kept),
            on_deadline,
            req: PhantomData,
        }
    }
}

impl<Req, F, H, Res, E> Future for DeadlineFuture<Req, F, H, H::Kept>
where
    F: Future<Output = Result<Res, E>>,
    H: OnDeadline<Req, Res, E>,
{
    type Output = Result<H::Response, H::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let why = match this.state.as_mut().project() {
            StateProj::Calling {
                inner,
                mut timer,
                allotted,
                shared,
            } => {
                // A response that is there wins over a time that is up.
                if let Poll::Ready(result) = inner.poll(cx) {
                    let bound = BodyBound::of(*allotted, shared);
                    this.state.set(State::Done);
                    let kept = this.kept.take().expect("taken only at the end");
                    return Poll::Ready(match result {
                        Ok(res) => Ok(this.on_deadline.in_time(kept, res, bound)),
                        Err(error) => Err(this.on_deadline.map_err(error)),
                    });
                }
                if timer.is_none() {
                    let at = clock::instant(allotted.deadline().timestamp());
                    timer.set(Some(tokio::time::sleep_until(at)));
                }
                let timer = timer.as_pin_mut().expect("made above");
                // Outside of the task's budget, which a busy inner call may have used up.
                ready!(pin!(coop::unconstrained(timer)).poll(cx));
                let why = allotted.exceeded(&shared.terms);
                shared.telemetry.head_exceeded(&why);
                DeadlineError::Exceeded(why)
            }
            StateProj::Refused { why } => why.take().expect("taken only here"),
            StateProj::Done => panic!("polled after completion"),
        };
        // What the inner call holds comes back before anybody learns that the time is up.
        this.state.set(State::Done);
        let kept = this.kept.take().expect("taken only at the end");
        Poll::Ready(this.on_deadline.too_late(kept, why))
    }
}

impl<Req, F, H, K> fmt::Debug for DeadlineFuture<Req, F, H, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Calling { timer: None, .. } => "called",
            State::Calling { timer: Some(_), .. } => "waiting",
            State::Refused { .. } => "refused",
            State::Done => "done",
        };
        f.debug_struct("DeadlineFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
