//! The builder of the two adapters over policies: [`GuardLayer`] and [`QueueLayer`].

use crate::{
    Answer, AtHead, Boxed, Errors, Exempt, Guard, Keep, QueueService, Rejected, sync::Arc,
};
use std::{fmt, marker::PhantomData};
use tower_layer::Layer;

/// Makes a Tower layer of a policy, or of a tuple of policies, that decides at once: see [`Guard`].
///
/// The methods are those of [`PolicyLayer`].
pub type GuardLayer<P, C = Errors, K = AtHead, R = Boxed> = PolicyLayer<Immediate, P, C, K, R>;

/// Makes a Tower layer of a policy where callers may wait for their turn: see [`QueueService`].
///
/// The methods are those of [`PolicyLayer`].
pub type QueueLayer<P, C = Errors, K = AtHead, R = Boxed> = PolicyLayer<Waiting, P, C, K, R>;

/// Calls are admitted or refused at once: the mode of [`GuardLayer`].
#[derive(Clone, Copy, Debug)]
pub enum Immediate {}

/// Calls may wait for their turn: the mode of [`QueueLayer`].
#[derive(Clone, Copy, Debug)]
pub enum Waiting {}

/// A Tower layer over a policy.
///
/// One layer value is one policy: every service that it makes, every clone of the layer and of those services
/// share the same state.
///
/// | part | default | change it with |
/// |---|---|---|
/// | which outcomes are failures | [`Errors`]: every error | [`classify`](Self::classify) |
/// | when a call is over | [`AtHead`]: with the response | [`complete`](Self::complete) |
/// | what a refused caller gets | [`Boxed`]: a boxed [`Rejected`] | [`reject`](Self::reject), [`keep_error`](Self::keep_error), [`answer`](Self::answer) |
///
/// `resilience-http` sets all three for HTTP and gRPC, with `.http()` and `.respond()`. On an axum `Router`, whose
/// services have no errors, refusals have to be responses: without `.respond()`, the compiler misses
/// `From<Box<dyn Error + Send + Sync>>` for `Infallible`.
pub struct PolicyLayer<M, P, C, K, R> {
    policy: Arc<P>,
    classify: C,
    completion: K,
    reject: R,
    mode: PhantomData<fn() -> M>,
}

impl<M, P> PolicyLayer<M, P, Errors, AtHead, Boxed> {
    /// A layer that asks `policy` before every call.
    pub fn new(policy: P) -> Self {
        Self {
            policy: Arc::new(policy),
            classify: Errors,
            completion: AtHead,
            reject: Boxed,
            mode: PhantomData,
        }
    }
}

impl<M, P, C, K, R> PolicyLayer<M, P, C, K, R> {
    /// Decides with `classify` which outcomes are failures.
    pub fn classify<D>(self, classify: D) -> PolicyLayer<M, P, D, K, R> {
        PolicyLayer {
            policy: self.policy,
            classify,
            completion: self.completion,
            reject: self.reject,
            mode: PhantomData,
        }
    }

    /// Holds permits for as long as `completion` says.
    pub fn complete<D>(self, completion: D) -> PolicyLayer<M, P, C, D, R> {
        PolicyLayer {
            policy: self.policy,
            classify: self.classify,
            completion,
            reject: self.reject,
            mode: PhantomData,
        }
    }

    /// Answers refused calls as `reject` says.
    pub fn reject<D>(self, reject: D) -> PolicyLayer<M, P, C, K, D> {
        PolicyLayer {
            policy: self.policy,
            classify: self.classify,
            completion: self.completion,
            reject,
            mode: PhantomData,
        }
    }

    /// Keeps the service's own error type, which is `From<Rejected>`.
    pub fn keep_error(self) -> PolicyLayer<M, P, C, K, Keep> {
        self.reject(Keep)
    }

    /// Answers refused calls with a response, made by a function of the request and the refusal.
    pub fn answer<Req: ?Sized, Res, F>(self, answer: F) -> PolicyLayer<M, P, C, K, Answer<F>>
    where
        F: Fn(&Req, Rejected) -> Res,
    {
        self.reject(Answer::new(answer))
    }

    /// Lets requests pass unasked for which `exempt` is true, for example health probes.
    ///
    /// They are still calls of the inner service, and do not wait for it longer than others: whether a request is
    /// exempt is not known before it is there, so while the policy refuses everybody else and the inner service is not
    /// ready, an exempt call is refused too, with [`Reason::NotReady`](crate::Reason::NotReady). The services of a
    /// `Router` are always ready.
    pub fn exempt<Req: ?Sized, F>(self, exempt: F) -> PolicyLayer<M, Exempt<Arc<P>, F>, C, K, R>
    where
        F: Fn(&Req) -> bool,
    {
        PolicyLayer {
            policy: Arc::new(Exempt::new(self.policy, exempt)),
            classify: self.classify,
            completion: self.completion,
            reject: self.reject,
            mode: PhantomData,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }
}

/// A clone is the same policy.
impl<M, P, C: Clone, K: Clone, R: Clone> Clone for PolicyLayer<M, P, C, K, R> {
    fn clone(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            classify: self.classify.clone(),
            completion: self.completion.clone(),
            reject: self.reject.clone(),
            mode: PhantomData,
        }
    }
}

impl<M, P: fmt::Debug, C: fmt::Debug, K: fmt::Debug, R: fmt::Debug> fmt::Debug
    for PolicyLayer<M, P, C, K, R>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyLayer")
            .field("policy", &self.policy)
            .field("classify", &self.classify)
            .field("completion", &self.completion)
            .field("reject", &self.reject)
            .finish()
    }
}

impl<S, P, C: Clone, K: Clone, R: Clone> Layer<S> for PolicyLayer<Immediate, P, C, K, R> {
    type Service = Guard<S, P, C, K, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Guard::new(
            inner,
            self.policy.clone(),
            self.classify.clone(),
            self.completion.clone(),
            self.reject.clone(),
        )
    }
}

impl<S, P, C: Clone, K: Clone, R: Clone> Layer<S> for PolicyLayer<Waiting, P, C, K, R> {
    type Service = QueueService<S, P, C, K, R>;

    fn layer(&self, inner: S) -> Self::Service {
        QueueService::new(
            inner,
            self.policy.clone(),
            self.classify.clone(),
            self.completion.clone(),
            self.reject.clone(),
        )
    }
}
