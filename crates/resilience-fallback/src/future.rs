use crate::{Failure, Mark, StandIn, degrades, layer::Shared, telemetry::Ending};
use pin_project_lite::pin_project;
use resilience_core::{Outcome, Verdict, sync::Handle};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a call through a [`Fallback`](crate::Fallback).
    ///
    /// Dropping it drops the inner call, or what stands in for it.
    pub struct ResponseFuture<F, V, K, G, A, M> {
        #[pin]
        state: State<F, V, K, G>,
        shared: Handle<Shared<A>>,
        mark: M,
    }
}

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwn]
    enum State<F, V, K, G> {
        Calling {
            #[pin]
            inner: F,
            verdict: V,
            // Of the request.
            kept: K,
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
    #[inline]
    pub(crate) fn new(inner: F, verdict: V, kept: K, shared: Handle<Shared<A>>, mark: M) -> Self {
        Self {
            state: State::Calling {
                inner,
                verdict,
                kept,
            },
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

    // Inline, as far as nothing fails: where the stack's futures are polled in one function, they need not be stored and
    // loaded again between their layers (on the happy path 15 ns → 3 ns, with `call`).
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        let StateProj::Calling { inner, .. } = this.state.as_mut().project() else {
            return self.poll_stand_in(cx);
        };
        let result = ready!(inner.poll(cx));
        // What the inner call holds comes back before the fallback begins; and should the user's code panic below,
        // nothing is left here.
        let calling = this.state.as_mut().project_replace(State::Done);
        let StateOwn::Calling {
            mut verdict, kept, ..
        } = calling
        else {
            unreachable!("it was calling above")
        };
        let outcome = match &result {
            // Where only the end of the body tells, it is too late for a fallback.
            Ok(res) => verdict.response(res).unwrap_or(Outcome::Success),
            Err(error) => verdict.error(error),
        };
        if degrades(outcome) {
            return self.degrade(result, outcome, kept, cx);
        }
        Poll::Ready(self.pass(result))
    }
}

impl<F, V, K, G, A, M> ResponseFuture<F, V, K, G, A, M> {
    /// What the caller gets without a fallback.
    #[inline]
    fn pass<Res, E>(&self, result: Result<Res, E>) -> Result<M::Response, A::Error>
    where
        A: StandIn<Res, E, K>,
        M: Mark<Res, A::Response>,
    {
        match result {
            Ok(res) => Ok(self.mark.whole(res)),
            Err(error) => Err(self.shared.stand_in.map_err(error)),
        }
    }

    /// Begins to answer for the failure.
    #[inline(never)]
    fn degrade<Res, E>(
        mut self: Pin<&mut Self>,
        result: Result<Res, E>,
        outcome: Outcome,
        kept: K,
        cx: &mut Context<'_>,
    ) -> Poll<Result<M::Response, A::Error>>
    where
        A: StandIn<Res, E, K, Future = G>,
        M: Mark<Res, A::Response>,
        G: Future<Output = Result<A::Response, A::Error>>,
    {
        let mut this = self.as_mut().project();
        let shared = &**this.shared;
        let described = match &result {
            Ok(res) => this.mark.describe(res),
            Err(_) => None,
        };
        let failure = Failure::new(result, outcome).described(described);
        match shared.stand_in.stand_in(failure, kept) {
            Ok(stand_in) => {
                this.state.set(State::Degrading { stand_in, outcome });
                self.poll_stand_in(cx)
            }
            Err(failure) => {
                let telemetry = &shared.telemetry;
                telemetry.over(&shared.policy, outcome, Ending::Skipped);
                Poll::Ready(self.pass(failure.into_result()))
            }
        }
    }

    #[inline(never)]
    fn poll_stand_in<Res, E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<M::Response, A::Error>>
    where
        A: StandIn<Res, E, K, Future = G>,
        M: Mark<Res, A::Response>,
        G: Future<Output = Result<A::Response, A::Error>>,
    {
        let mut this = self.project();
        let StateProj::Degrading { stand_in, outcome } = this.state.as_mut().project() else {
            panic!("polled after completion")
        };
        let result = ready!(stand_in.poll(cx));
        let outcome = *outcome;
        this.state.set(State::Done);

        let shared = &**this.shared;
        let ending = match result {
            Ok(_) => Ending::Degraded,
            Err(_) => Ending::Failed,
        };
        shared.telemetry.over(&shared.policy, outcome, ending);
        Poll::Ready(result.map(|alt| this.mark.degraded(alt, &shared.policy, outcome)))
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
