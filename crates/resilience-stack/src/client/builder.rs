use super::{ClientPolicies, ClientStack, Http, HttpClientStack, HttpRetryLayer};
#[cfg(feature = "tonic")]
use super::{Grpc, GrpcClientStack, SendTonicBody};
use crate::config::{ATTEMPT_TIMEOUT, CLIENT_LIMIT, ClientConfig, Protocol, limited, part};
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
use resilience_timeout::{DeadlineLayer, TimeoutLayer, attempt_timeout};
use std::{any::Any, marker::PhantomData, time::Duration};
use tower_layer::Identity;

/// Builds a [`ClientStack`]: see the [module](super) for what is in it, and the defaults.
///
/// Parts are handed in as they are built, so that they can be shared, kept and steered. `F` is the fallback; `L`, `B` and
/// `K` are rate limit, bulkhead and breaker: any policy can stand for them, such as one per key.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder<P, F = Identity, L = RateLimit, B = Bulkhead, K = Breaker> {
    fallback: F,
    rate_limit: Result<Option<L>, ConfigError>,
    bulkhead: Result<Option<B>, ConfigError>,
    breaker: Result<Option<K>, ConfigError>,
    rest: Rest<P>,
}

/// What has the same type in every stack for a protocol.
#[derive(Clone, Debug)]
struct Rest<P> {
    name: Name,
    speaks: Protocol,
    /// Whether that is what the configuration says.
    agreed: Result<(), ConfigError>,
    classify: HttpClassify,
    retry: Result<HttpRetryLayer, ConfigError>,
    deadline: Duration,
    attempt_timeout: Option<Duration>,
    protocol: PhantomData<fn() -> P>,
}

impl<P> ClientBuilder<P> {
    pub(super) fn new(name: Name, speaks: Protocol, config: ClientConfig) -> Self {
        let (classify, replay) = match speaks {
            Protocol::Http => (HttpClassify::new(), HttpReplay::new()),
            Protocol::Grpc => (HttpClassify::grpc(), HttpReplay::grpc()),
        };
        let agreed = if config.protocol == speaks {
            Ok(())
        } else {
            let expected = format!("{:?}, for which this stack was begun", speaks.name());
            Err(ConfigError::new(
                "protocol",
                config.protocol.name(),
                expected,
            ))
        };
        let retry = match config.retry {
            Some(retry) => RetryLayer::from_config(name.clone(), retry),
            None => once(&name),
        };
        let retry = retry.map_err(|error| error.under("retry"));
        Self {
            fallback: Identity::new(),
            rate_limit: part("rate_limit", config.rate_limit, |limit| {
                RateLimit::from_config(name.clone(), limit)
            }),
            bulkhead: part("bulkhead", config.bulkhead, |bulkhead| {
                Bulkhead::from_config(name.clone(), limited(bulkhead, CLIENT_LIMIT))
            }),
            breaker: part("breaker", config.breaker, |breaker| {
                Breaker::from_config(name.clone(), breaker)
            }),
            rest: Rest {
                name,
                speaks,
                agreed,
                classify,
                retry: retry.map(|retry| retry.classify(classify).replay(replay)),
                deadline: config.deadline,
                attempt_timeout: config.attempt_timeout,
                protocol: PhantomData,
            },
        }
    }

    /// All layers as `config` says, but for the fallback, which no configuration holds.
    ///
    /// What is wrong with it is said in the end, under the name of the part: `breaker.open_for`.
    pub fn config(self, config: ClientConfig) -> Self {
        Self::new(self.rest.name, self.rest.speaks, config)
    }
}

fn once(name: &Name) -> Result<RetryLayer, ConfigError> {
    RetryLayer::builder(name.clone()).attempts(1).build()
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

    /// Retries as `layer` does, instead of the default: up to three attempts, within a budget of the stack's own. While the
    /// stack's [`Breaker`] refuses everybody nothing is retried, whatever the layer has been
    /// [told](RetryLayer::unless_refusing) besides.
    ///
    /// The layer is one for HTTP or gRPC, as `.http()` or `.grpc()` makes it. For gRPC calls that are not idempotent, see
    /// [`HttpReplay::deny_if`].
    pub fn retry(mut self, layer: HttpRetryLayer) -> Self {
        self.rest.retry = Ok(layer);
        self
    }

    /// Sends every request once.
    pub fn without_retry(mut self) -> Self {
        self.rest.retry = once(&self.rest.name).map(HttpLayer::http);
        self
    }

    /// Limits the rate of attempts: a [`RateLimit`], a `SlidingRateLimit`, one per key, or any other policy. Default: no
    /// limit.
    pub fn rate_limit<M>(self, limit: M) -> ClientBuilder<P, F, M, B, K> {
        ClientBuilder {
            fallback: self.fallback,
            rate_limit: Ok(Some(limit)),
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
    ///
    /// While a `Breaker` refuses everybody, what has failed is not retried; any other policy is [not
    /// asked](RetryLayer::unless_refusing).
    pub fn breaker<C>(self, breaker: C) -> ClientBuilder<P, F, L, B, C> {
        ClientBuilder {
            fallback: self.fallback,
            rate_limit: self.rate_limit,
            bulkhead: self.bulkhead,
            breaker: Ok(Some(breaker)),
            rest: self.rest,
        }
    }

    /// Goes on calling a dependency that is down.
    pub fn without_breaker(mut self) -> Self {
        self.breaker = Ok(None);
        self
    }

    /// How long one attempt may take until the head of its response: more than zero and at most 365 days. Default: a third
    /// of the [`deadline`](Self::deadline), at most 3 s.
    ///
    /// With retries it has to be less than the deadline: a dependency that hangs would leave no time for another attempt,
    /// and the breaker would see calls that were given up in place of failures. Best a third of it or less.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.rest.attempt_timeout = Some(limit);
        self
    }
}

impl<P> Rest<P> {
    /// The retries, which do not wait for a `breaker` that refuses everybody.
    ///
    /// Any type can stand in the breaker's place, and what it is a policy for is not known here: a breaker per key is none for
    /// `()`. So it is looked at, and only the one that can be asked is.
    fn retry(&self, breaker: Option<&impl Any>) -> Result<HttpRetryLayer, ConfigError> {
        let retry = self.retry.clone()?;
        let breaker = breaker.and_then(|breaker| <dyn Any>::downcast_ref::<Breaker>(breaker));
        Ok(match breaker {
            Some(breaker) => retry.unless_refusing(breaker.clone()),
            None => retry,
        })
    }

    fn deadline(&self) -> Result<DeadlineLayer<HttpDeadline, HttpAnswer<Boxed>>, ConfigError> {
        let max = config::duration("deadline", self.deadline)?;
        let deadline = DeadlineLayer::builder(self.name.clone()).max(max);
        Ok(deadline.build()?.http())
    }

    fn attempt_timeout(
        &self,
        repeated: bool,
    ) -> Result<TimeoutLayer<HttpTimeout<Boxed>>, ConfigError> {
        let whole = ("deadline", self.deadline);
        let limit = attempt_timeout(self.attempt_timeout, ATTEMPT_TIMEOUT, whole, repeated)?;
        Ok(TimeoutLayer::new(self.name.clone(), limit)?.http())
    }
}

impl<F, L, B, K: 'static> ClientBuilder<Http, F, L, B, K> {
    /// The stack, or which setting cannot be.
    pub fn build(self) -> Result<HttpClientStack<F, ClientPolicies<L, B, K>>, ConfigError> {
        let name = self.rest.name.clone();
        self.checked().map_err(|error| error.of(name))
    }

    fn checked(self) -> Result<HttpClientStack<F, ClientPolicies<L, B, K>>, ConfigError> {
        self.rest.agreed.clone()?;
        let policies = GuardLayer::new((self.rate_limit?, self.bulkhead?, self.breaker?));
        let guard = policies.clone().classify(self.rest.classify);
        let deadline = self.rest.deadline()?;
        let retry = self.rest.retry(policies.policy().2.as_ref())?;
        let timeout = self.rest.attempt_timeout(retry.retries())?;
        let layers = (
            self.fallback,
            deadline,
            retry,
            guard.complete(AtEnd),
            timeout,
            SendDeadlineLayer::new(),
        );
        Ok(ClientStack { layers, policies })
    }
}

#[cfg(feature = "tonic")]
impl<F, L, B, K: 'static> ClientBuilder<Grpc, F, L, B, K> {
    /// The stack, or which setting cannot be.
    pub fn build(self) -> Result<GrpcClientStack<F, ClientPolicies<L, B, K>>, ConfigError> {
        let name = self.rest.name.clone();
        self.checked().map_err(|error| error.of(name))
    }

    fn checked(self) -> Result<GrpcClientStack<F, ClientPolicies<L, B, K>>, ConfigError> {
        self.rest.agreed.clone()?;
        let policies = GuardLayer::new((self.rate_limit?, self.bulkhead?, self.breaker?));
        let guard = policies.clone().classify(self.rest.classify);
        let deadline = self.rest.deadline()?;
        let retry = self.rest.retry(policies.policy().2.as_ref())?;
        let timeout = self.rest.attempt_timeout(retry.retries())?;
        let layers = (
            self.fallback,
            deadline.with_status(),
            retry,
            SendTonicBody::new(|req| req.map(tonic::body::Body::new)),
            guard.complete(AtEnd).with_status(),
            timeout.with_status(),
            SendDeadlineLayer::new().with_status(),
        );
        Ok(ClientStack { layers, policies })
    }
}
