use crate::{OnTimeout, ResponseFuture, layer::Shared};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Bounds the time that the inner service takes for one response.
///
/// | | |
/// |---|---|
/// | `poll_ready` | the inner service's; not bounded |
/// | `call` | calls the inner service; the limit runs from the first time that its future is pending |
/// | dropping the future | drops the inner call |
/// | `clone` | has the same limit and its own inner service |
pub struct Timeout<S, H> {
    inner: S,
    shared: Arc<Shared>,
    late: H,
}

impl<S, H> Timeout<S, H> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>, late: H) -> Self {
        Self {
            inner,
            shared,
            late,
        }
    }

    /// The inner service. Calling it directly goes past the limit.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: Clone, H: Clone> Clone for Timeout<S, H> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.shared.clone(), self.late.clone())
    }
}

impl<S: fmt::Debug, H> fmt::Debug for Timeout<S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("inner", &self.inner)
            .field("limit", &self.shared.limit)
            .finish_non_exhaustive()
    }
}

impl<Req, S, H> Service<Req> for Timeout<S, H>
where
    S: Service<Req>,
    H: OnTimeout<Req, S::Response, S::Error> + Clone,
{
    type Response = H::Response;
    type Error = H::Error;
    type Future = ResponseFuture<Req, S::Future, H, H::Kept>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| self.late.map_err(error))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let kept = self.late.keep(&req);
        ResponseFuture::new(
            self.inner.call(req),
            kept,
            self.late.clone(),
            self.shared.clone(),
        )
    }
}
