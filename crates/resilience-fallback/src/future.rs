use crate::{Failure, Mark, StandIn, degrades, layer::Shared};
use pin_project_lite::pin_project;
use resilience_core::{Outcome, Verdict};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a call through a [`Fallback`](crate::Fallback).
    ///
    /// Dropping it drops the inner call, or the fallback's function.
    pub struct ResponseFuture<F, V, G, A, M> {
        #[pin]
        state: State<F, V, G>,
        shared: Arc<Shared<A>>,
        mark: M,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, V, G> {
        Calling {
            #[pin]
            inner: F,
            // Taken when the inner call is over.
            verdict: Option<V>,
        },
        Degrading {
            #[pin]
            stand_in: G,
            outcome: Outcome,
        },
        Done,
    }
}

impl<F, V, G, A, M> ResponseFuture<F, V, G, A, M> {
    pub(crate) fn new(inner: F, verdict: V, shared: Arc<Shared<A>>, mark: M) -> Self {
        let verdict = Some(verdict);
        Self {
            state: State::Calling { inner, verdict },
            shared,
            mark,
        }
    }
}

impl<F, V, A, M, Res, E> Future for ResponseFuture<F, V, A::Future, A, M>
where
    F: Future<Output = Result<Res, E>>,
    V: Verdict<Res, E>,
    A: StandIn<Res, E>,
    M: Mark<Res, A::Response>,
{
    type Output = Result<M::Response, A::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { inner, verdict } => {
                    let result = ready!(inner.poll(cx));
                    let mut verdict = verdict.take().expect("taken only here");
                    // What the inner call holds comes back before the fallback begins; and should the user's code
                    // panic below, nothing is left here.
                    this.state.set(State::Done);

                    let outcome = match &result {
                        // Where only the end of the body tells, it is too late for a fallback.
                        Ok(res) => verdict.response(res).unwrap_or(Outcome::Success),
                        Err(error) => verdict.error(error),
                    };
                    let described = match result {
                        Ok(res) if !degrades(outcome) => {
                            return Poll::Ready(Ok(this.mark.whole(res)));
                        }
                        Err(error) if !degrades(outcome) => {
                            return Poll::Ready(Err(this.shared.stand_in.map_err(error)));
                        }
                        Ok(ref res) => this.mark.describe(res),
                        Err(_) => None,
                    };
                    let failure = Failure::new(result, outcome).described(described);
                    let stand_in = this.shared.stand_in.stand_in(failure);
                    this.state.set(State::Degrading { stand_in, outcome });
                }
                StateProj::Degrading { stand_in, outcome } => {
                    let result = ready!(stand_in.poll(cx));
                    let outcome = *outcome;
                    this.state.set(State::Done);

                    let shared = &**this.shared;
                    let degraded = result.is_ok();
                    shared.telemetry.over(&shared.policy, outcome, degraded);
                    return Poll::Ready(
                        result.map(|alt| this.mark.degraded(alt, &shared.policy, outcome)),
                    );
                }
                StateProj::Done => panic!("polled after completion"),
            }
        }
    }
}

impl<F, V, G, A, M> fmt::Debug for ResponseFuture<F, V, G, A, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Calling { .. } => "calling",
            State::Degrading { .. } => "degrading",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
