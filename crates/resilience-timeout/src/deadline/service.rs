use super::{Carry, DeadlineFuture, OnDeadline, layer::Shared};
use crate::{Allotted, DeadlineError};
use resilience_core::{Timestamp, clock};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Bounds the time that a whole call takes.
///
/// | | |
/// |---|---|
/// | `poll_ready` | the inner service's; not bounded |
/// | `call` | fixes the deadline, notes it in the request, calls the inner service; or refuses without having called, if there is no time left |
/// | dropping the future | drops the inner call |
/// | `clone` | has the same terms and its own inner service |
pub struct DeadlineService<S, C, H> {
    inner: S,
    shared: Arc<Shared>,
    carry: C,
    on_deadline: H,
}

impl<S, C, H> DeadlineService<S, C, H> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>, carry: C, on_deadline: H) -> Self {
        Self {
            inner,
            shared,
            carry,
            on_deadline,
        }
    }

    /// The inner service. Calling it directly goes past the deadline.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// How much time the call that `req` starts gets.
    #[inline]
    fn allot<Req>(&self, req: &Req, now: Timestamp) -> Result<Allotted, DeadlineError>
    where
        C: Carry<Req>,
    {
        let Shared {
            terms,
            ignore_malformed,
            telemetry,
        } = &*self.shared;
        let stated = self.carry.stated(req).or_else(|why| {
            telemetry.malformed(terms.policy(), &why);
            if *ignore_malformed {
                return Ok(None);
            }
            Err(DeadlineError::Malformed(why))
        })?;
        let carried = self.carry.carried(req);
        terms.allot(stated, carried, now).map_err(|why| {
            telemetry.refused(terms.policy());
            DeadlineError::Refused(why)
        })
    }
}

impl<S: Clone, C: Clone, H: Clone> Clone for DeadlineService<S, C, H> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            self.shared.clone(),
            self.carry.clone(),
            self.on_deadline.clone(),
        )
    }
}

impl<S: fmt::Debug, C, H> fmt::Debug for DeadlineService<S, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineService")
            .field("inner", &self.inner)
            .field("terms", &self.shared.terms)
            .finish_non_exhaustive()
    }
}

impl<Req, S, C, H> Service<Req> for DeadlineService<S, C, H>
where
    S: Service<Req>,
    C: Carry<Req>,
    H: OnDeadline<Req, S::Response, S::Error> + Clone,
{
    type Response = H::Response;
    type Error = H::Error;
    type Future = DeadlineFuture<Req, S::Future, H, H::Kept>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| self.on_deadline.map_err(error))
    }

    #[inline]
    fn call(&mut self, mut req: Req) -> Self::Future {
        let kept = self.on_deadline.keep(&req);
        let on_deadline = self.on_deadline.clone();
        // The present, even if somebody outside has lent another: this is whose time is left, and lends its own.
        let now = clock::now();
        match self.allot(&req, now) {
            Ok(allotted) => {
                self.carry.carry(&mut req, allotted.deadline());
                let inner = clock::during(now, || self.inner.call(req));
                DeadlineFuture::calling(inner, allotted, self.shared.clone(), kept, on_deadline)
            }
            Err(why) => DeadlineFuture::refused(why, kept, on_deadline),
        }
    }
}
