use crate::{Kind, OnTimeout, layer::Shared};
use pin_project_lite::pin_project;
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
    /// The future of a call through a [`Timeout`](crate::Timeout).
    ///
    /// Dropping it drops the inner call and the timer.
    pub struct ResponseFuture<Req, F, H, K> {
        #[pin]
        state: State<F>,
        // Taken when the time is up.
        kept: Option<K>,
        on_timeout: H,
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
    pub(crate) fn new(inner: F, kept: K, on_timeout: H, shared: Arc<Shared>) -> Self {
        Self {
            state: State::Calling { inner, timer: None },
            kept: Some(kept),
            on_timeout,
            shared,
            req: PhantomData,
        }
    }
}

impl<Req, F, H, Res, E> Future for ResponseFuture<Req, F, H, H::Kept>
where
    F: Future<Output = Result<Res, E>>,
    H: OnTimeout<Req, Res, E>,
{
    type Output = Result<H::Response, H::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let StateProj::Calling { inner, mut timer } = this.state.as_mut().project() else {
            panic!("polled after completion")
        };
        // A response that is there wins over a time that is up.
        if let Poll::Ready(result) = inner.poll(cx) {
            this.state.set(State::Done);
            return Poll::Ready(match result {
                Ok(res) => Ok(this.on_timeout.in_time(res)),
                Err(error) => Err(this.on_timeout.map_err(error)),
            });
        }

        let limit = &this.shared.limit;
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep(limit.length())));
        }
        let timer = timer.as_pin_mut().expect("made above");
        // Outside of the task's budget: an inner call that always has something to do uses it all up, and the
        // timer would never be looked at.
        ready!(pin!(coop::unconstrained(timer)).poll(cx));

        // What the inner call holds comes back before anybody learns that the time is up.
        this.state.set(State::Done);
        let why = limit.passed();
        this.shared.telemetry.expired(Kind::Head, &why);
        let kept = this.kept.take().expect("taken only here");
        Poll::Ready(this.on_timeout.too_late(kept, why))
    }
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
