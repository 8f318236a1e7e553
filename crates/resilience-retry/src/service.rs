use crate::{ResponseFuture, layer::Parts, machine::Course};
use resilience_core::{ByClone, Classify, Errors, Now, Replay, sync::Handles};
use std::{
    fmt,
    task::{Context, Poll},
};
use tower_service::Service;

/// Sends failed requests again, as its [`RetryLayer`](crate::RetryLayer) says.
///
/// | | |
/// |---|---|
/// | `poll_ready` | the inner service's |
/// | `call` | calls the inner service; keeps a clone of it for retries, if there can be any |
/// | dropping the future | drops the attempt, or gives up the wait; a retry that was not sent returns to the budget |
/// | `clone` | shares budget and jitter; has its own inner service, and is not ready |
pub struct Retry<S, C = Errors, R = ByClone> {
    inner: S,
    parts: Handles<Parts<C, R>>,
}

impl<S, C, R> Retry<S, C, R> {
    pub(crate) fn new(inner: S, parts: Handles<Parts<C, R>>) -> Self {
        Self { inner, parts }
    }

    /// The inner service. Calling it directly goes past the retries.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

/// By hand: a derived `Clone` would ask for `C: Clone` and `R: Clone`.
impl<S: Clone, C, R> Clone for Retry<S, C, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.parts.clone())
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for Retry<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("plan", &self.parts.shared.plan)
            .finish_non_exhaustive()
    }
}

impl<Req, S, C, R> Service<Req> for Retry<S, C, R>
where
    S: Service<R::Inner> + Clone,
    C: Classify<R::Inner, S::Response, S::Error>,
    R: Replay<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future =
        ResponseFuture<Req, S, C, R, R::Kept, C::Call, S::Future, Result<S::Response, S::Error>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    // Inline, as `poll` is, and for its reason.
    #[inline]
    fn call(&mut self, req: Req) -> Self::Future {
        let Parts {
            shared,
            classify,
            replay,
        } = &*self.parts;
        let (req, kept) = replay.first(req, shared.plan.retries());
        let verdict = classify.start(&req);
        let deadline = classify.deadline(&req);
        let course = Course::begin(&shared.plan, deadline, &mut Now::lazy());
        // The clone waits for retries; the service that is ready is the one that is called.
        let spare = kept.is_some().then(|| self.inner.clone());
        let future = self.inner.call(req);
        ResponseFuture::new(self.parts.handle(), spare, course, future, verdict, kept)
    }
}
