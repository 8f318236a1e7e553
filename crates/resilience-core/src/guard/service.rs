use super::ResponseFuture;
use crate::{
    Classify, Completion, Now, Permit, Policy, Reason, Registration, Reject, Rejected, sync::Arc,
};
use std::{
    fmt,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// Asks a policy before every call of the inner service.
///
/// | | |
/// |---|---|
/// | `poll_ready` | the inner service's; while the policy refuses everybody, ready at once |
/// | `call` | admits, then calls; or refuses, without having called. Called without readiness, or past the call's [deadline](crate::Deadline), it refuses |
/// | dropping the future | before the response: the call is *abandoned*, and the permit comes back |
/// | `clone` | shares the policy; has its own readiness, and is not ready |
pub struct Guard<S, P, C, K, R> {
    inner: S,
    policy: Arc<P>,
    classify: C,
    completion: K,
    reject: R,
    /// `inner` has said that it is ready, and has not been called since. Spent by `call`, kept by a refusal.
    ready: bool,
    /// Where to be woken when the policy starts refusing; not empty only while `inner` is pending.
    waiting: Vec<Registration>,
}

impl<S, P, C, K, R> Guard<S, P, C, K, R> {
    pub(crate) fn new(inner: S, policy: Arc<P>, classify: C, completion: K, reject: R) -> Self {
        Self {
            inner,
            policy,
            classify,
            completion,
            reject,
            ready: false,
            waiting: Vec::new(),
        }
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// The inner service. Calling it directly goes past the policy.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

/// By hand, because readiness belongs to one clone, and a derived `Clone` would copy it.
impl<S: Clone, P, C: Clone, K: Clone, R: Clone> Clone for Guard<S, P, C, K, R> {
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

impl<S: fmt::Debug, P: fmt::Debug, C, K, R> fmt::Debug for Guard<S, P, C, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("inner", &self.inner)
            .field("policy", &self.policy)
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

impl<Req, S, P, C, K, R> Service<Req> for Guard<S, P, C, K, R>
where
    S: Service<Req>,
    P: Policy<Req>,
    C: Classify<Req, S::Response, S::Error>,
    K: Completion<S::Response, P::Permit, C::Call> + Clone,
    R: Reject<Req, K::Response, S::Error> + Clone,
{
    type Response = K::Response;
    type Error = R::Error;
    type Future =
        ResponseFuture<S::Future, P::Permit, C::Call, K, R, Result<K::Response, R::Error>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(inner) = self.inner.poll_ready(cx) {
            if !self.waiting.is_empty() {
                self.waiting.clear();
            }
            self.ready = inner.is_ok();
            return Poll::Ready(inner.map_err(|error| self.reject.map_err(error)));
        }
        ready!(self.poll_refusing(cx));
        // Ready without inner: the call will be refused, at once.
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, req: Req) -> Self::Future {
        let mut now = Now::of_call();
        let deadline = self.classify.deadline(&req);
        if deadline.is_some_and(|deadline| deadline.has_passed(&mut now)) {
            let why = Rejected::new(Reason::Deadline, "guard");
            return ResponseFuture::refused(self.reject.reject(&req, why));
        }
        let permit = match self.policy.admit(&req, &mut now) {
            Ok(permit) => permit,
            Err(why) => return ResponseFuture::refused(self.reject.reject(&req, why)),
        };
        if !std::mem::take(&mut self.ready) {
            permit.revert(&mut now);
            let why = Rejected::new(Reason::NotReady, "guard");
            return ResponseFuture::refused(self.reject.reject(&req, why));
        }
        let verdict = self.classify.start(&req);
        ResponseFuture::called(
            self.inner.call(req),
            permit,
            verdict,
            self.completion.clone(),
            self.reject.clone(),
        )
    }
}

impl<S, P, C, K, R> Guard<S, P, C, K, R> {
    /// Ready once the policy refuses everybody; registered at its gates until then.
    #[cold]
    fn poll_refusing<Req>(&mut self, cx: &mut Context<'_>) -> Poll<()>
    where
        P: Policy<Req>,
    {
        if self.waiting.is_empty() {
            let waiting = &mut self.waiting;
            self.policy
                .gates(&mut |gate| waiting.push(gate.wait(cx.waker())));
        } else {
            for place in &mut self.waiting {
                place.renew(cx.waker());
            }
        }
        // Asked after registering: a policy that changes its mind in between finds the waker.
        if self.policy.refusing(&mut Now::lazy()) {
            self.waiting.clear();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
