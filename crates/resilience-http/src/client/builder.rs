mod build;
mod connections;

use super::{
    Body, Client, Error, Target,
    connect::Connections,
    hooks::{AttemptEnd, AttemptError, AttemptInfo, Hooks},
};
use crate::HttpReplay;
use http::{HeaderName, Response};
use resilience_breaker::BreakerBuilder;
use resilience_core::{Backoff, BoxError, Budget, ConfigError, Name};
use resilience_fallback::Failure;
use resilience_retry::RetryBuilder;
use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

/// Builds a [`Client`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`timeout`](Self::timeout): the whole call, to the head of the response | 30 s | more than zero, at most 365 days |
/// | [`deadline_header`](Self::deadline_header): tells servers what is left, where a request has a time of its own | `x-request-timeout-ms` | |
/// | [`attempts`](Self::attempts): at most, the first included | 3 | 1 to 100 |
/// | [`backoff`](Self::backoff): before each retry | [`Backoff::default`]: from 100 ms, doubling, up to 10 s, full jitter | checked by [`Backoff`] |
/// | [`advice_cap`](Self::advice_cap): the longest `Retry-After` | 30 s | more than zero, at most 365 days |
/// | [`budget`](Self::budget), [`no_budget`](Self::no_budget): of all retries | 0.2 retries per call, and 1 per second | checked by [`Budget`] |
/// | [`replay`](Self::replay): which requests may be repeated, and how much of a body is kept | idempotent methods and those with `Idempotency-Key`; 64 KiB | |
/// | [`max_in_flight_per_host`](Self::max_in_flight_per_host): to the end of the body | 100 | 1 to 2³¹ − 1, or off |
/// | [`breaker`](Self::breaker), [`no_breaker`](Self::no_breaker): per host | [`Breaker::new`](resilience_breaker::Breaker::new) | checked by [`BreakerBuilder`] |
/// | [`max_hosts`](Self::max_hosts): for which breakers and bulkheads are kept | 1,000 | 1 to 100,000,000 |
/// | [`host_idle`](Self::host_idle): how long at least | 10 minutes | more than zero, at most 365 days |
/// | [`attempt_timeout`](Self::attempt_timeout): one attempt, to the head of the response | a third of the timeout, at most 10 s | more than zero, at most 365 days; with retries less than the timeout |
/// | [`body_idle`](Self::body_idle): from one frame of the body to the next | 30 s | more than zero, at most 365 days |
/// | [`connect_timeout`](Self::connect_timeout): for TCP, all addresses of a host together | 5 s | more than zero, at most 365 days |
/// | [`tcp_nodelay`](Self::tcp_nodelay) | yes | |
/// | [`tcp_keepalive`](Self::tcp_keepalive) | off | more than zero, at most 365 days |
/// | [`http2_only`](Self::http2_only) | no | |
/// | [`http2_keep_alive`](Self::http2_keep_alive) | off | more than zero, at most 365 days |
/// | [`pool_idle_timeout`](Self::pool_idle_timeout) | 90 s | more than zero, at most 365 days; or off |
/// | [`pool_max_idle_per_host`](Self::pool_max_idle_per_host) | 100 | 0 turns the pool off |
/// | [`fallback`](Self::fallback), [`fallback_async`](Self::fallback_async) | none | |
/// | [`on_start`](Self::on_start), [`on_end`](Self::on_end), [`on_error`](Self::on_error) | nothing | |
///
/// With the feature `client-rustls` also `tls`: whom to trust. Default: the authorities that Mozilla trusts.
///
/// Nothing is checked before the end: [`build`](Self::build) names the first setting that cannot be.
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    name: Name,
    timeout: Duration,
    deadline_header: Option<HeaderName>,
    retry: RetryBuilder,
    replay: HttpReplay,
    max_in_flight: Option<usize>,
    breaker: Option<Configure>,
    max_hosts: usize,
    host_idle: Duration,
    attempt_timeout: Option<Duration>,
    body_idle: Duration,
    connections: Connections,
    hooks: Hooks,
    fallback: Option<Fallback>,
}

type Configure = Arc<dyn Fn(BreakerBuilder) -> BreakerBuilder + Send + Sync>;
pub(super) type Fallback = Arc<dyn Fn(Failed, Target) -> Answer + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

/// What a fallback gets: the response that is a failure, or the error.
pub type Failed = Failure<Response<Body>, Error>;

impl ClientBuilder {
    pub(super) fn new(name: Name) -> Self {
        Self {
            timeout: Duration::from_secs(30),
            deadline_header: None,
            retry: RetryBuilder::new(name.clone()),
            replay: HttpReplay::new(),
            max_in_flight: Some(100),
            breaker: Some(Arc::new(|breaker| breaker)),
            max_hosts: 1_000,
            host_idle: Duration::from_secs(600),
            attempt_timeout: None,
            body_idle: Duration::from_secs(30),
            connections: Connections::default(),
            hooks: Hooks::default(),
            fallback: None,
            name,
        }
    }

    /// How long a call may take in all: waits, retries, connecting, up to the head of the response. Its body may go on.
    ///
    /// A request that says itself how long it may take, by [`RequestBuilder::timeout`](super::RequestBuilder::timeout) or a
    /// [`Deadline`](resilience_core::Deadline) in its extensions, gets that time in place of this one, and its body has to
    /// be over by then too. A deadline for the head only, such as a server's default that was passed on, and a
    /// [header](Self::deadline_header) that the request has already, which may be somebody else's, can only ask for less.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The header in which requests say how many milliseconds are left, those that have a time of their own. (The client's
    /// [`timeout`](Self::timeout) is not for bodies, and a server that is told a time has to be over with the body by then.)
    /// For gRPC, it is always `grpc-timeout`.
    pub fn deadline_header(mut self, name: HeaderName) -> Self {
        self.deadline_header = Some(name);
        self
    }

    /// How often a request is sent at most, the first time included. With 1 there are no retries.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.retry = self.retry.attempts(attempts);
        self
    }

    /// How long to wait before each retry: constant or exponential, with or without jitter.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.retry = self.retry.backoff(backoff);
        self
    }

    /// The longest delay that a server can ask for. When it asks for more, the retry comes after this time, and up to as long
    /// again: see [what the server asks for](resilience_retry#what-the-server-asks-for).
    pub fn advice_cap(mut self, cap: Duration) -> Self {
        self.retry = self.retry.advice_cap(cap);
        self
    }

    /// Takes retries out of this budget, which may be shared with other clients. By default the client has one of its own,
    /// for all hosts.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.retry = self.retry.budget(budget);
        self
    }

    /// Retries without a budget. When a server fails, it then gets `attempts` times the load.
    pub fn no_budget(mut self) -> Self {
        self.retry = self.retry.no_budget();
        self
    }

    /// Which requests may be sent again, and how much of their bodies is kept for that.
    pub fn replay(mut self, replay: HttpReplay) -> Self {
        self.replay = replay;
        self
    }

    /// How many calls to one host may be in flight, each to the end of its response's body; over HTTP/1, this is also the
    /// number of its connections that are in use. Further calls are refused. `None`: any number.
    pub fn max_in_flight_per_host(mut self, calls: impl Into<Option<usize>>) -> Self {
        self.max_in_flight = calls.into();
        self
    }

    /// How the breaker of each host differs from the default. Called once for each new host; the breaker has the name of the
    /// client, unless this function gives another.
    ///
    /// ```
    /// use resilience_http::Client;
    ///
    /// let client = Client::builder("shop").breaker(|breaker| breaker.consecutive_failures(5)).build()?;
    /// # let _ = client;
    /// # Ok::<(), resilience_core::ConfigError>(())
    /// ```
    pub fn breaker(
        mut self,
        configure: impl Fn(BreakerBuilder) -> BreakerBuilder + Send + Sync + 'static,
    ) -> Self {
        self.breaker = Some(Arc::new(configure));
        self
    }

    /// No breakers.
    pub fn no_breaker(mut self) -> Self {
        self.breaker = None;
        self
    }

    /// For how many hosts breakers and bulkheads are kept, a hard cap. Further hosts share one breaker and one bulkhead.
    pub fn max_hosts(mut self, hosts: usize) -> Self {
        self.max_hosts = hosts;
        self
    }

    /// How long the breaker and bulkhead of a host are kept that nobody calls, at least. Those that are open, or in use, are
    /// kept in any case.
    pub fn host_idle(mut self, idle: Duration) -> Self {
        self.host_idle = idle;
        self
    }

    /// How long one attempt may take: connecting, sending the request, up to the head of the response. Default: a third of
    /// the [`timeout`](Self::timeout), at most 10 s.
    ///
    /// With retries it has to be less than the timeout: a server that hangs would leave no time for another attempt, and
    /// breakers would see calls that were given up in place of failures. Best a third of it or less.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// How long the body of a response may stand still before it breaks off.
    pub fn body_idle(mut self, limit: Duration) -> Self {
        self.body_idle = limit;
        self
    }

    /// Answers in place of failures: of errors, refusals and timeouts, and of responses that are failures (5xx, 408, 429).
    /// The response carries [`Degraded`](crate::Degraded) in its extensions.
    ///
    /// ```
    /// use http::Response;
    /// use resilience_http::{Client, client::Body};
    ///
    /// let client = Client::builder("prices")
    ///     .fallback(|failed, target| match target.uri().path() {
    ///         "/price" => Response::new(Body::from("the list price")),
    ///         // What there is, or what stands for the error.
    ///         _ => failed.into_result().unwrap_or_else(|error| Response::new(error.to_string().into())),
    ///     })
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), resilience_core::ConfigError>(())
    /// ```
    pub fn fallback(
        self,
        answer: impl Fn(Failed, Target) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        self.fallback_async(move |failed, target| {
            std::future::ready(Ok::<_, BoxError>(answer(failed, target)))
        })
    }

    /// [`fallback`](Self::fallback) with an async function, which may fail too; then the error is a
    /// [`BothFailed`](resilience_core::BothFailed). Nothing bounds the time that it takes.
    pub fn fallback_async<F, G, E>(mut self, answer: F) -> Self
    where
        F: Fn(Failed, Target) -> G + Send + Sync + 'static,
        G: Future<Output = Result<Response<Body>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.fallback = Some(Arc::new(move |failed, target| {
            let answer = answer(failed, target);
            Box::pin(async move { answer.await.map_err(Into::into) })
        }));
        self
    }

    /// Calls `hook` when an attempt starts: before the host's bulkhead and breaker are asked. Like all hooks in the caller's
    /// task, so that it should be quick; a panic in it is caught.
    pub fn on_start(mut self, hook: impl Fn(&AttemptInfo) + Send + Sync + 'static) -> Self {
        self.hooks.start = Some(Box::new(hook));
        self
    }

    /// Calls `hook` when an attempt has brought a response, whatever its status, when the head is there.
    pub fn on_end(mut self, hook: impl Fn(&AttemptEnd<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.end = Some(Box::new(hook));
        self
    }

    /// Calls `hook` when an attempt has ended without a response, or was dropped. Every start has one end or one error.
    pub fn on_error(mut self, hook: impl Fn(&AttemptError<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.error = Some(Box::new(hook));
        self
    }

    /// The client, or what is wrong with its configuration.
    pub fn build(self) -> Result<Client, ConfigError> {
        let name = self.name.clone();
        self.checked().map_err(|error| error.of(name))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
