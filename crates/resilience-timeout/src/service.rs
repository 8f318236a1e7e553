use crate::{
    OnTimeout, ReadyCall, ResponseFuture,
    future::Call,
    layer::{OnceReady, Shared, WithReadiness},
};
use resilience_core::{config::LONGEST, sync::Handles};
use std::{
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
};
use tower_service::Service;

/// Bounds the time that the inner service takes for one response.
///
/// | | once ready (default) | with readiness |
/// |---|---|---|
/// | `poll_ready` | the inner service's; not bounded | always ready: waiting for the inner service is part of the call |
/// | `call` | calls the inner service | takes a clone of the inner service; its future waits until that is ready, then calls |
/// | the limit | runs from the first time that the inner future is pending | and from the first time that the inner service is not ready, for both together |
/// | dropping the future | drops the inner call | likewise, or the request that waits |
/// | `clone` | has the same limit and its own inner service | likewise |
pub struct Timeout<S, H, M = OnceReady> {
    inner: S,
    shared: Handles<Shared>,
    late: H,
    mode: PhantomData<fn() -> M>,
}

impl<S, H, M> Timeout<S, H, M> {
    pub(crate) fn new(inner: S, shared: Handles<Shared>, late: H) -> Self {
        Self {
            inner,
            shared,
            late,
            mode: PhantomData,
        }
    }

    /// The inner service. Calling it directly goes past the limit.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    #[inline]
    fn start<Req, Res, E>(&self, req: &Req) -> Call<H, H::Kept>
    where
        H: OnTimeout<Req, Res, E> + Clone,
    {
        let limit = match self.late.limit(req) {
            Some(own) => own.min(LONGEST),
            None => self.shared.limit.length(),
        };
        Call {
            kept: self.late.keep(req),
            on_timeout: self.late.clone(),
            limit,
            shared: self.shared.handle(),
        }
    }
}

/// By hand: a derived `Clone` would ask for `M: Clone`.
impl<S: Clone, H: Clone, M> Clone for Timeout<S, H, M> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.shared.clone(), self.late.clone())
    }
}

impl<S: fmt::Debug, H, M> fmt::Debug for Timeout<S, H, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("inner", &self.inner)
            .field("limit", &self.shared.limit)
            .finish_non_exhaustive()
    }
}

impl<Req, S, H> Service<Req> for Timeout<S, H, OnceReady>
where
    S: Service<Req>,
    H: OnTimeout<Req, S::Response, S::Error> + Clone,
{
    type Response = H::Response;
    type Error = H::Error;
    type Future = ResponseFuture<Req, S::Future, H, H::Kept>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| self.late.map_err(error))
    }

    // Inline, as `poll` is, and for its reason.
    #[inline]
    fn call(&mut self, req: Req) -> Self::Future {
        let call = self.start(&req);
        ResponseFuture::new(self.inner.call(req), |_| true, call)
    }
}

impl<Req, S, H> Service<Req> for Timeout<S, H, WithReadiness>
where
    S: Service<Req> + Clone,
    H: OnTimeout<Req, S::Response, S::Error> + Clone,
{
    type Response = H::Response;
    type Error = H::Error;
    type Future = ResponseFuture<Req, ReadyCall<S, Req, S::Future>, H, H::Kept>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, req: Req) -> Self::Future {
        let call = self.start(&req);
        let inner = ReadyCall::new(self.inner.clone(), req);
        ResponseFuture::new(inner, ReadyCall::is_called, call)
    }
}
