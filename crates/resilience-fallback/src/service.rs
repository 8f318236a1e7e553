use crate::{KeepRequest, Mark, ResponseFuture, StandIn, layer::Shared};
use resilience_core::{ByClone, Classify, sync::Handles};
use std::{
    fmt,
    task::{Context, Poll},
};
use tower_service::Service;

/// Answers in place of the inner service's failures.
///
/// | | |
/// |---|---|
/// | `poll_ready` | the inner service's; its error is not answered for, as it means the end of that service |
/// | `call` | calls the inner service; a failure, or a refusal on the way, is answered by the fallback |
/// | dropping the future | drops the inner call, the fallback's function, or the wait for and the call of the other service |
/// | `clone` | has the same fallback and its own inner service |
pub struct Fallback<S, A, C, M, R = ByClone> {
    inner: S,
    shared: Handles<Shared<A>>,
    classify: C,
    mark: M,
    replay: R,
}

impl<S, A, C, M, R> Fallback<S, A, C, M, R> {
    pub(crate) fn new(
        inner: S,
        shared: Handles<Shared<A>>,
        classify: C,
        mark: M,
        replay: R,
    ) -> Self {
        Self {
            inner,
            shared,
            classify,
            mark,
            replay,
        }
    }

    /// The inner service. Calling it directly goes past the fallback.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

/// By hand, because what stands in need not be `Clone`.
impl<S: Clone, A, C: Clone, M: Clone, R: Clone> Clone for Fallback<S, A, C, M, R> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            self.shared.clone(),
            self.classify.clone(),
            self.mark.clone(),
            self.replay.clone(),
        )
    }
}

impl<S: fmt::Debug, A: fmt::Debug, C, M, R> fmt::Debug for Fallback<S, A, C, M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("inner", &self.inner)
            .field("policy", &self.shared.policy)
            .field("stand_in", &self.shared.stand_in)
            .finish_non_exhaustive()
    }
}

impl<Req, S, A, C, M, R> Service<Req> for Fallback<S, A, C, M, R>
where
    A: KeepRequest<Req, R> + StandIn<S::Response, S::Error, A::Kept>,
    S: Service<A::Inner>,
    C: Classify<A::Inner, S::Response, S::Error>,
    M: Mark<S::Response, <A as StandIn<S::Response, S::Error, A::Kept>>::Response> + Clone,
{
    type Response = M::Response;
    type Error = A::Error;
    type Future = ResponseFuture<
        S::Future,
        C::Call,
        A::Kept,
        <A as StandIn<S::Response, S::Error, A::Kept>>::Future,
        A,
        M,
    >;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| self.shared.stand_in.map_err(error))
    }

    // Inline, as `poll` is, and for its reason.
    #[inline]
    fn call(&mut self, req: Req) -> Self::Future {
        let (req, kept) = self.shared.stand_in.keep(req, &self.replay);
        let verdict = self.classify.start(&req);
        ResponseFuture::new(
            self.inner.call(req),
            verdict,
            kept,
            self.shared.handle(),
            self.mark.clone(),
        )
    }
}
