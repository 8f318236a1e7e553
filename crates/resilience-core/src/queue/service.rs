use super::QueueFuture;
use crate::{Classify, Completion, Queue, Reject, sync::Arc};
use std::{
    fmt,
    task::{Context, Poll},
};
use tower_service::Service;

/// Lets calls wait for their turn before they reach the inner service.
///
/// | | |
/// |---|---|
/// | `poll_ready` | always ready: waiting, for the turn and then for the inner service, is part of the call |
/// | `call` | takes a clone of the inner service. Its future joins the queue when it is first polled, waits at most as long as the policy says and the call's [deadline](crate::Deadline) allows, then calls |
/// | dropping the future | leaves the queue, or reverts the admission if the inner service has not been called; during the call it abandons the call |
/// | `clone` | shares the policy and its queue |
///
/// Waiting takes a tokio runtime with its timer enabled. Tokio's timers count in milliseconds, so that a turn may
/// come up to a millisecond late.
pub struct QueueService<S, P, C, K, R> {
    inner: S,
    policy: Arc<P>,
    classify: C,
    completion: K,
    reject: R,
}

impl<S, P, C, K, R> QueueService<S, P, C, K, R> {
    pub(crate) fn new(inner: S, policy: Arc<P>, classify: C, completion: K, reject: R) -> Self {
        Self {
            inner,
            policy,
            classify,
            completion,
            reject,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }
}

/// By hand: a derived `Clone` would ask for `P: Clone`.
impl<S: Clone, P, C: Clone, K: Clone, R: Clone> Clone for QueueService<S, P, C, K, R> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            self.policy.clone(),
            self.classify.clone(),
            self.completion.clone(),
            self.reject.clone(),
        )
    }
}

impl<S: fmt::Debug, P: fmt::Debug, C, K, R> fmt::Debug for QueueService<S, P, C, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueService")
            .field("inner", &self.inner)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl<Req, S, P, C, K, R> Service<Req> for QueueService<S, P, C, K, R>
where
    S: Service<Req> + Clone,
    P: Queue<Req>,
    C: Classify<Req, S::Response, S::Error>,
    K: Completion<S::Response, P::Permit, C::Call> + Clone,
    R: Reject<Req, K::Response, S::Error> + Clone,
{
    type Response = K::Response;
    type Error = R::Error;
    type Future = QueueFuture<Req, S, P, P::Ticket, P::Permit, C::Call, S::Future, K, R>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let verdict = self.classify.start(&req);
        let deadline = self.classify.deadline(&req);
        QueueFuture::new(
            req,
            deadline,
            self.inner.clone(),
            self.policy.clone(),
            verdict,
            self.completion.clone(),
            self.reject.clone(),
        )
    }
}
