use crate::{Kind, OnTimeout, TimedOut, layer::Shared};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{task::coop, time::Sleep};

pin_project! {
    /// The future of a call through a [`Timeout`](crate::Timeout).
    ///
    /// `F` is the inner service's future, or the [`ReadyCall`](crate::ReadyCall) that makes it.
    ///
    /// Dropping it drops the inner call and the timer.
    pub struct ResponseFuture<Req, F, H, K> {
        #[pin]
        state: State<F>,
        // Taken when the time is up.
        kept: Option<K>,
        on_timeout: H,
        // Of this call.
        limit: Duration,
        // Whether the inner service has been called. A pointer, so that the two kinds of `F` need no trait.
        is_called: fn(&F) -> bool,
        shared: Arc<Shared>,
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
        },
        Done,
    }
}

impl<Req, F, H, K> ResponseFuture<Req, F, H, K> {
    pub(crate) fn new(inner: F, is_called: fn(&F) -> bool, call: Call<H, K>) -> Self {
        Self {
            state: State::Calling { inner, timer: None },
            kept: Some(call.kept),
            on_timeout: call.on_timeout,
            limit: call.limit,
            is_called,
            shared: call.shared,
            req: PhantomData,
        }
    }
}

/// What is known of a call from its request, whoever makes it.
pub(crate) struct Call<H, K> {
    pub(crate) kept: K,
    pub(crate) on_timeout: H,
    pub(crate) limit: Duration,
    pub(crate) shared: Arc<Shared>,
}

impl<Req, F, H, Res, E> Future for ResponseFuture<Req, F, H, H::Kept>
where
    F: Future<Output = Result<Res, E>>,
    H: OnTimeout<Req, Res, E>,
{
    type Output = Result<H::Response, H::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let StateProj::Calling { inner, timer } = this.state.as_mut().project() else {
            panic!("polled after completion")
        };
        let polled = poll_within(inner, *this.is_called, timer, *this.limit, cx);
        let kind = match ready!(polled) {
            Ok(result) => {
                this.state.set(State::Done);
                return Poll::Ready(match result {
                    Ok(res) => Ok(this.on_timeout.in_time(res)),
                    Err(error) => Err(this.on_timeout.map_err(error)),
                });
            }
            Err(kind) => kind,
        };

        // What the inner call holds comes back before anybody learns that the time is up.
        this.state.set(State::Done);
        let policy = this.shared.limit.policy().clone();
        let why = TimedOut::new(kind, policy, *this.limit);
        this.shared.telemetry.expired(&why);
        let kept = this.kept.take().expect("taken only here");
        Poll::Ready(this.on_timeout.too_late(kept, why))
    }
}

/// The output of `inner`, or what did not come within the `limit`.
fn poll_within<F: Future>(
    mut inner: Pin<&mut F>,
    is_called: fn(&F) -> bool,
    mut timer: Pin<&mut Option<Sleep>>,
    limit: Duration,
    cx: &mut Context<'_>,
) -> Poll<Result<F::Output, Kind>> {
    // A service that becomes ready when the time is up is not called any more: nobody would wait for its response.
    if let Some(timer) = timer.as_mut().as_pin_mut()
        && !is_called(&inner)
        && poll_timer(timer, cx).is_ready()
    {
        return Poll::Ready(Err(Kind::Ready));
    }
    // A response that is there wins over a time that is up.
    if let Poll::Ready(output) = inner.as_mut().poll(cx) {
        return Poll::Ready(Ok(output));
    }
    // Even a timer of no length takes its time.
    if !limit.is_zero() {
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep(limit)));
        }
        let timer = timer.as_pin_mut().expect("made above");
        ready!(poll_timer(timer, cx));
    }
    let kind = if is_called(&inner) {
        Kind::Head
    } else {
        Kind::Ready
    };
    Poll::Ready(Err(kind))
}

/// Polls the timer outside of the task's budget: an inner call that always has something to do uses it all up, and the
/// timer would never be looked at.
fn poll_timer(timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
    pin!(coop::unconstrained(timer)).poll(cx)
}

impl<Req, F, H, K> fmt::Debug for ResponseFuture<Req, F, H, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Calling { timer: None, .. } => "called",
            State::Calling { timer: Some(_), .. } => "waiting",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
