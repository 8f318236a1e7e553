use super::{ClientPolicies, ClientStack, Http, HttpClientStack, HttpRetryLayer};
#[cfg(feature = "tonic")]
use super::{Grpc, GrpcClientStack, SendTonicBody};
use resilience_breaker::Breaker;
use resilience_bulkhead::Bulkhead;
use resilience_core::{Boxed, ConfigError, GuardLayer, Name, config};
use resilience_fallback::FallbackLayer;
#[cfg(feature = "tonic")]
use resilience_http::StatusLayer;
use resilience_http::{
    AtEnd, HttpAnswer, HttpClassify, HttpDeadline, HttpLayer, HttpMark, HttpReplay, HttpTimeout,
    SendDeadlineLayer,
};
use resilience_ratelimit::RateLimit;
use resilience_retry::RetryLayer;
use resilience_timeout::{DeadlineLayer, TimeoutLayer};
use std::{marker::PhantomData, time::Duration};
use tower_layer::Identity;

/// Builds a [`ClientStack`]: see the [module](super) for what is in it, and the defaults.
///
/// Parts are handed in as they are built, so that they can be shared, kept and steered. `F` is the fallback; `L`, `B` and
/// `K` are rate limit, bulkhead and breaker: any policy can stand for them, such as one per key.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder<P, F = Identity, L = RateLimit, B = Bulkhead, K = Breaker> {
    fallback: F,
    rate_limit: Option<L>,
    bulkhead: Result<Option<B>, ConfigError>,
    breaker: Option<K>,
    rest: Rest<P>,
}

/// What has the same type in every stack for a protocol.
#[derive(Clone, Debug)]
struct Rest<P> {
    name: Name,
    classify: HttpClassify,
    retry: Result<HttpRetryLayer, ConfigError>,
    deadline: Duration,
    attempt_timeout: Duration,
    protocol: PhantomData<fn() -> P>,
}

impl<P> ClientBuilder<P> {
    pub(super) fn new(name: Name, classify: HttpClassify, replay: HttpReplay) -> Self {
        let retry = RetryLayer::builder(name.clone()).build();
        Self {
            fallback: Identity::new(),
            rate_limit: None,
            bulkhead: Bulkhead::new(name.clone(), 100).map(Some),
            breaker: Some(Breaker::new(name.clone())),
            rest: Rest {
                name,
                classify,
                retry: retry.map(|retry| retry.classify(classify).replay(replay)),
                deadline: Duration::from_secs(10),
                attempt_timeout: Duration::from_secs(3),
                protocol: PhantomData,
            },
        }
    }
}

impl<P, F, L, B, K> ClientBuilder<P, F, L, B, K> {
    /// Answers in place of failures, refusals by the layers inside included. Default: there is none.
    ///
    /// The layer is one for HTTP or gRPC, as `.http()` or `.grpc()` makes it. Instead of another fallback that has been
    /// given before: put chains of fallbacks around the stack.
    pub fn fallback<A>(
        self,
        layer: FallbackLayer<A, HttpClassify, HttpMark, HttpReplay>,
    ) -> ClientBuilder<P, FallbackLayer<A, HttpClassify, HttpMark, HttpReplay>, L, B, K> {
        ClientBuilder {
            fallback: layer,
            rate_limit: self.rate_limit,
            bulkhead: self.bulkhead,
            breaker: self.breaker,
            rest: self.rest,
        }
    }

    /// How long a call may take until the head of its response, all attempts and waits included: more than zero and at
    /// most 365 days. Default 10 s.
    ///
    /// A call may [state](HttpDeadline) less. What it states bounds the body of the response too, and what it states
    /// beyond this does not count.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.rest.deadline = deadline;
        self
    }

    /// Retries as `layer` does, instead of the default: up to three attempts, within a budget of the stack's own.
    ///
    /// The layer is one for HTTP or gRPC, as `.http()` or `.grpc()` makes it. For gRPC calls that are not idempotent, see
    /// [`HttpReplay::deny_if`].
    pub fn retry(mut self, layer: HttpRetryLayer) -> Self {
        self.rest.retry = Ok(layer);
        self
    }

    /// Sends every request once.
    pub fn without_retry(mut self) -> Self {
        let once = RetryLayer::builder(self.rest.name.clone()).attempts(1);
        self.rest.retry = once.build().map(HttpLayer::http);
        self
    }

    /// Limits the rate of attempts: a [`RateLimit`], a `SlidingRateLimit`, one per key, or any other policy. Default: no
    /// limit.
    pub fn rate_limit<M>(self, limit: M) -> ClientBuilder<P, F, M, B, K> {
        ClientBuilder {
            fallback: self.fallback,
            rate_limit: Some(limit),
            bulkhead: self.bulkhead,
            breaker: self.breaker,
            rest: self.rest,
        }
    }

    /// Limits attempts in flight: a [`Bulkhead`], one per key, or any other policy. Default: 100.
    pub fn bulkhead<C>(self, bulkhead: C) -> ClientBuilder<P, F, L, C, K> {
        ClientBuilder {
            fallback: self.fallback,
            rate_limit: self.rate_limit,
            bulkhead: Ok(Some(bulkhead)),
            breaker: self.breaker,
            rest: self.rest,
        }
    }

    /// Does not limit attempts in flight.
    pub fn without_bulkhead(mut self) -> Self {
        self.bulkhead = Ok(None);
        self
    }

    /// Refuses calls while the dependency is taken to be down: a [`Breaker`], one per key, or any other policy. Default:
    /// [`Breaker::new`].
    pub fn breaker<C>(self, breaker: C) -> ClientBuilder<P, F, L, B, C> {
        ClientBuilder {
            fallback: self.fallback,
            rate_limit: self.rate_limit,
            bulkhead: self.bulkhead,
            breaker: Some(breaker),
            rest: self.rest,
        }
    }

    /// Goes on calling a dependency that is down.
    pub fn without_breaker(mut self) -> Self {
        self.breaker = None;
        self
    }

    /// How long one attempt may take until the head of its response: more than zero and at most 365 days. Default 3 s.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.rest.attempt_timeout = limit;
        self
    }
}

impl<P> Rest<P> {
    fn deadline(&self) -> Result<DeadlineLayer<HttpDeadline, HttpAnswer<Boxed>>, ConfigError> {
        let max = config::duration("deadline", self.deadline)?;
        let deadline = DeadlineLayer::builder(self.name.clone()).max(max);
        Ok(deadline.build()?.http())
    }

    fn attempt_timeout(&self) -> Result<TimeoutLayer<HttpTimeout<Boxed>>, ConfigError> {
        let limit = config::duration("attempt_timeout", self.attempt_timeout)?;
        Ok(TimeoutLayer::new(self.name.clone(), limit)?.http())
    }
}

impl<F, L, B, K> ClientBuilder<Http, F, L, B, K> {
    /// The stack, or which setting cannot be.
    pub fn build(self) -> Result<HttpClientStack<F, ClientPolicies<L, B, K>>, ConfigError> {
        let policies = GuardLayer::new((self.rate_limit, self.bulkhead?, self.breaker));
        let guard = policies.clone().classify(self.rest.classify);
        let (deadline, timeout) = (self.rest.deadline()?, self.rest.attempt_timeout()?);
        let layers = (
            self.fallback,
            deadline,
            self.rest.retry?,
            guard.complete(AtEnd),
            timeout,
            SendDeadlineLayer::new(),
        );
        Ok(ClientStack { layers, policies })
    }
}

#[cfg(feature = "tonic")]
impl<F, L, B, K> ClientBuilder<Grpc, F, L, B, K> {
    /// The stack, or which setting cannot be.
    pub fn build(self) -> Result<GrpcClientStack<F, ClientPolicies<L, B, K>>, ConfigError> {
        let policies = GuardLayer::new((self.rate_limit, self.bulkhead?, self.breaker));
        let guard = policies.clone().classify(self.rest.classify);
        let (deadline, timeout) = (self.rest.deadline()?, self.rest.attempt_timeout()?);
        let layers = (
            self.fallback,
            deadline.with_status(),
            self.rest.retry?,
            SendTonicBody::new(|req| req.map(tonic::body::Body::new)),
            guard.complete(AtEnd).with_status(),
            timeout.with_status(),
            SendDeadlineLayer::new().with_status(),
        );
        Ok(ClientStack { layers, policies })
    }
}
