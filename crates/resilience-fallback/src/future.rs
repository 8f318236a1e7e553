use crate::{Failure, Mark, StandIn, degrades, layer::Shared, telemetry::Ending};
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
    /// Dropping it drops the inner call, or what stands in for it.
    pub struct ResponseFuture<F, V, K, G, A, M> {
        #[pin]
        state: State<F, V, K, G>,
        shared: Arc<Shared<A>>,
        mark: M,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, V, K, G> {
        Calling {
            #[pin]
            inner: F,
            // The verdict, and what is kept of the request. Taken when the inner call is over.
            call: Option<(V, K)>,
        },
        Degrading {
            #[pin]
            stand_in: G,
            outcome: Outcome,
        },
        Done,
    }
}

impl<F, V, K, G, A, M> ResponseFuture<F, V, K, G, A, M> {
    pub(crate) fn new(inner: F, verdict: V, kept: K, shared: Arc<Shared<A>>, mark: M) -> Self {
        let call = Some((verdict, kept));
        Self {
            state: State::Calling { inner, call },
            shared,
            mark,
        }
    }
}

impl<F, V, K, A, M, Res, E> Future for ResponseFuture<F, V, K, A::Future, A, M>
where
    F: Future<Output = Result<Res, E>>,
    V: Verdict<Res, E>,
    A: StandIn<Res, E, K>,
    M: Mark<Res, A::Response>,
{
    type Output = Result<M::Response, A::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { inner, call } => {
                    let result = ready!(inner.poll(cx));
                    let (mut verdict, kept) = call.take().expect("taken only here");
                    // What the inner call holds comes back before the fallback begins; and should the user's code
                    // panic below, nothing is left here.
                    this.state.set(State::Done);

                    let outcome = match &result {
                        // Where only the end of the body tells, it is too late for a fallback.
                        Ok(res) => verdict.response(res).unwrap_or(Outcome::Success),
                        Err(error) => verdict.error(error),
                    };
                    let shared = &**this.shared;
                    let pass = |result: Result<Res, E>| match result {
                        Ok(res) => Ok(this.mark.whole(res)),
                        Err(error) => Err(shared.stand_in.map_err(error)),
                    };
                    if !degrades(outcome) {
                        return Poll::Ready(pass(result));
                    }
                    let described = match &result {
                        Ok(res) => this.mark.describe(res),
                        Err(_) => None,
                    };
                    let failure = Failure::new(result, outcome).described(described);
                    match shared.stand_in.stand_in(failure, kept) {
                        Ok(stand_in) => this.state.set(State::Degrading { stand_in, outcome }),
                        Err(failure) => {
                            let telemetry = &shared.telemetry;
                            telemetry.over(&shared.policy, outcome, Ending::Skipped);
                            return Poll::Ready(pass(failure.into_result()));
                        }
                    }
                }
                StateProj::Degrading { stand_in, outcome } => {
                    let result = ready!(stand_in.poll(cx));
                    let outcome = *outcome;
                    this.state.set(State::Done);

                    let shared = &**this.shared;
                    let ending = match result {
                        Ok(_) => Ending::Degraded,
                        Err(_) => Ending::Failed,
                    };
                    shared.telemetry.over(&shared.policy, outcome, ending);
                    return Poll::Ready(
                        result.map(|alt| this.mark.degraded(alt, &shared.policy, outcome)),
                    );
                }
                StateProj::Done => panic!("polled after completion"),
            }
        }
    }
}

impl<F, V, K, G, A, M> fmt::Debug for ResponseFuture<F, V, K, G, A, M> {
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
