use crate::{
    Completion, Deadline, Now, Permit, Queue, Reason, Reject, Rejected, Timestamp, Turn, Verdict,
    clock, guard::settle, sync::Arc,
};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::Sleep;
use tower_service::Service;

pin_project! {
    /// The future of a call through a [`QueueService`](crate::QueueService).
    ///
    /// Joins the queue when it is first polled, so that one that nobody polls stands in nobody's way. Dropping it
    /// leaves the queue, reverts an admission whose call was not made yet, or abandons the call.
    pub struct QueueFuture<Req, S, P, T, Q, V, F, K, R> {
        policy: Arc<P>,
        completion: K,
        reject: R,
        #[pin]
        stage: Stage<Req, S, T, Q, V, F>,
        // One timer for both waits, made when the first of them begins, and gone when the call is made: left
        // armed, it would wake the task in the middle of the call for nothing.
        #[pin]
        timer: Option<Sleep>,
        timer_at: Timestamp,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<Req, S, T, Q, V, F> {
        /// Before the call; `call` is taken when it is over.
        Before { call: Option<Before<Req, S, T, Q, V>> },
        Calling {
            #[pin]
            inner: F,
            // Taken when the response arrives.
            call: Option<(Q, V)>,
        },
    }
}

/// A call that has not been made yet.
struct Before<Req, S, T, Q, V> {
    req: Req,
    deadline: Option<Deadline>,
    inner: S,
    verdict: V,
    /// When the caller has waited for long enough; the end of time until it joins.
    until: Timestamp,
    place: Place<T, Q>,
}

enum Place<T, Q> {
    Outside,
    InLine(T),
    /// Admitted, and waiting for the inner service.
    Admitted(Uncalled<Q>),
}

/// A permit whose call was not made yet: dropping it reverts the admission.
struct Uncalled<Q> {
    permit: Option<Q>,
    /// [`Permit::revert`]. A pointer, since a bound here would have to be repeated on every struct around it.
    revert: fn(Q, &mut Now),
}

impl<Q> Uncalled<Q> {
    fn revert(mut self, now: &mut Now) {
        if let Some(permit) = self.permit.take() {
            (self.revert)(permit, now);
        }
    }

    fn call(mut self) -> Q {
        self.permit
            .take()
            .expect("only `call` and `revert` take it")
    }
}

impl<Q> Drop for Uncalled<Q> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            (self.revert)(permit, &mut Now::lazy());
        }
    }
}

impl<Req, S, P, T, Q, V, F, K, R> QueueFuture<Req, S, P, T, Q, V, F, K, R> {
    pub(crate) fn new(
        req: Req,
        deadline: Option<Deadline>,
        inner: S,
        policy: Arc<P>,
        verdict: V,
        completion: K,
        reject: R,
    ) -> Self {
        Self {
            policy,
            completion,
            reject,
            stage: Stage::Before {
                call: Some(Before {
                    req,
                    deadline,
                    inner,
                    verdict,
                    until: Timestamp::MAX,
                    place: Place::Outside,
                }),
            },
            timer: None,
            timer_at: Timestamp::MAX,
        }
    }
}

impl<Req, S, P, V, K, R> Future for QueueFuture<Req, S, P, P::Ticket, P::Permit, V, S::Future, K, R>
where
    S: Service<Req>,
    P: Queue<Req>,
    V: Verdict<S::Response, S::Error>,
    K: Completion<S::Response, P::Permit, V>,
    R: Reject<Req, K::Response, S::Error>,
{
    type Output = Result<K::Response, R::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProj::Before { call: slot } => {
                    let call = slot.as_mut().expect("polled after completion");
                    let mut now = Now::lazy();
                    let wake_at = match advance(call, &**this.policy, cx, &mut now) {
                        Step::Wait(wake_at) => wake_at.min(call.until),
                        Step::Ready(result) => {
                            let mut call = slot.take().expect("it was there above");
                            let Place::Admitted(permit) = call.place else {
                                unreachable!("only an admitted call becomes ready")
                            };
                            if let Err(error) = result {
                                permit.revert(&mut now);
                                return Poll::Ready(Err(this.reject.map_err(error)));
                            }
                            let permit = permit.call();
                            let inner = call.inner.call(call.req);
                            let call = Some((permit, call.verdict));
                            this.stage.set(Stage::Calling { inner, call });
                            this.timer.set(None);
                            continue;
                        }
                        Step::Refused(why) => {
                            let call = slot.take().expect("it was there above");
                            if let Place::Admitted(permit) = call.place {
                                permit.revert(&mut now);
                            }
                            return Poll::Ready(this.reject.reject(&call.req, why));
                        }
                    };
                    ready!(poll_until(this.timer.as_mut(), this.timer_at, wake_at, cx));
                }
                StageProj::Calling { inner, call } => {
                    let result = ready!(inner.poll(cx));
                    let (permit, verdict) = call.take().expect("polled after completion");
                    let result = settle(result, permit, verdict, this.completion, this.reject);
                    return Poll::Ready(result);
                }
            }
        }
    }
}

enum Step<E> {
    Ready(Result<(), E>),
    Refused(Rejected),
    Wait(Timestamp),
}

/// Takes a call as far as it can go now.
fn advance<Req, S, P, V>(
    call: &mut Before<Req, S, P::Ticket, P::Permit, V>,
    policy: &P,
    cx: &mut Context<'_>,
    now: &mut Now,
) -> Step<S::Error>
where
    S: Service<Req>,
    P: Queue<Req>,
{
    loop {
        // Before every step, so that a call which is past its deadline is not made, whatever has become ready.
        if call
            .deadline
            .is_some_and(|deadline| deadline.has_passed(now))
        {
            return Step::Refused(Rejected::new(Reason::Deadline, "queue"));
        }
        match &mut call.place {
            Place::Outside => match policy.join(&call.req, call.deadline, now) {
                Ok(ticket) => {
                    let end = call.deadline.map_or(Timestamp::MAX, Deadline::timestamp);
                    call.until = end.min(now.get() + policy.max_wait());
                    call.place = Place::InLine(ticket);
                }
                Err(why) => return Step::Refused(why),
            },
            Place::InLine(ticket) => match policy.turn(ticket, cx, now) {
                Turn::Admitted(permit) => {
                    call.place = Place::Admitted(Uncalled {
                        permit: Some(permit),
                        revert: P::Permit::revert,
                    });
                }
                Turn::Refused(why) => return Step::Refused(why),
                Turn::Wait(wake_at) if now.get() < call.until => {
                    return Step::Wait(wake_at.unwrap_or(Timestamp::MAX));
                }
                Turn::Wait(_) => {
                    let Place::InLine(ticket) = mem::replace(&mut call.place, Place::Outside)
                    else {
                        unreachable!("it was in line above")
                    };
                    return Step::Refused(policy.too_late(ticket));
                }
            },
            Place::Admitted(_) => match call.inner.poll_ready(cx) {
                Poll::Ready(result) => return Step::Ready(result),
                Poll::Pending if now.get() < call.until => return Step::Wait(Timestamp::MAX),
                Poll::Pending => {
                    return Step::Refused(Rejected::new(Reason::NotReady, "queue"));
                }
            },
        }
    }
}

/// Ready at `wake_at`, or not before somebody else wakes the task.
fn poll_until(
    mut timer: Pin<&mut Option<Sleep>>,
    timer_at: &mut Timestamp,
    wake_at: Timestamp,
    cx: &mut Context<'_>,
) -> Poll<()> {
    match timer.as_mut().as_pin_mut() {
        None => timer.set(Some(tokio::time::sleep_until(clock::instant(wake_at)))),
        Some(armed) if *timer_at != wake_at => armed.reset(clock::instant(wake_at)),
        Some(_) => {}
    }
    *timer_at = wake_at;
    let armed = timer.as_pin_mut().expect("armed above");
    armed.poll(cx)
}

impl<Req, S, P, T, Q, V, F, K, R> fmt::Debug for QueueFuture<Req, S, P, T, Q, V, F, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Before { .. } => "before the call",
            Stage::Calling { .. } => "calling",
        };
        f.debug_struct("QueueFuture")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}
