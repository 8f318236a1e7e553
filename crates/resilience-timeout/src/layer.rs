use crate::{Answer, Limit, TimedOut, Timeout, TimeoutConfig, telemetry::Telemetry};
use resilience_core::{Boxed, ConfigError, Keep, Name, sync::Handles};
use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};
use tower_layer::Layer;

/// Bounds the time that a service takes for one response: see [`Timeout`].
///
/// | part | default | change it with |
/// |---|---|---|
/// | what the caller gets when the time is up | [`Boxed`]: a boxed [`TimedOut`] | [`keep_error`](Self::keep_error), [`answer`](Self::answer), [`on_timeout`](Self::on_timeout) |
/// | what is bounded | the response of a service that is ready | [`cover_readiness`](Self::cover_readiness) |
///
/// A clone has the same limit, name and metrics.
pub struct TimeoutLayer<H = Boxed, M = OnceReady> {
    shared: Handles<Shared>,
    on_timeout: H,
    mode: PhantomData<fn() -> M>,
}

/// The limit is for the response of a service that is ready: the default.
#[derive(Clone, Copy, Debug)]
pub enum OnceReady {}

/// The limit is for the service to become ready and for its response, together: the mode of
/// [`cover_readiness`](TimeoutLayer::cover_readiness).
#[derive(Clone, Copy, Debug)]
pub enum WithReadiness {}

/// What a layer, its clones, their services and calls have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limit: Limit,
    pub(crate) telemetry: Arc<Telemetry>,
}

impl TimeoutLayer {
    /// A limit of `limit` for each response.
    ///
    /// `name` stands in errors and metrics. The limit is more than zero and at most 365 days; timers tick in
    /// milliseconds, and a fraction of one is rounded up.
    pub fn new(name: impl Into<Name>, limit: Duration) -> Result<Self, ConfigError> {
        Self::builder(name).limit(limit).build()
    }

    /// Configures a timeout. `name` stands in errors and metrics.
    pub fn builder(name: impl Into<Name>) -> TimeoutBuilder {
        TimeoutBuilder {
            name: name.into(),
            config: TimeoutConfig::default(),
        }
    }

    /// The timeout that `config` describes, or what is wrong with it.
    pub fn from_config(name: impl Into<Name>, config: TimeoutConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }
}

impl<H> TimeoutLayer<H> {
    /// Bounds the time in which the inner service becomes ready *and* responds.
    ///
    /// For services that can be unready for long: connections that are made on demand, balancers without an endpoint,
    /// limits that make callers wait. The layer's service is always ready then; each call takes a clone of the inner
    /// service, which has to be `Clone`, and waits for it in its future.
    ///
    /// When the service did not become ready in time, the request was never sent: the [`TimedOut`] is of
    /// [`Kind::Ready`](crate::Kind::Ready), and a refusal to whoever judges the call. A breaker outside does *not* count
    /// it: most often, what makes a service unready is our own queueing.
    ///
    /// A service that becomes ready when the time is up is not called.
    ///
    /// ```
    /// use std::time::Duration;
    /// use resilience_core::{BoxError, Reason, Rejected};
    /// use resilience_timeout::{Kind, TimedOut, TimeoutLayer};
    /// use tower::{ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), BoxError> {
    /// let inventory = ServiceBuilder::new()
    ///     .layer(TimeoutLayer::new("inventory", Duration::from_millis(250))?.cover_readiness())
    ///     .layer(ConcurrencyLimitLayer::new(0))
    ///     .service(service_fn(|sku: u64| async move { Ok::<_, BoxError>(sku) }));
    ///
    /// let error = inventory.oneshot(7).await.unwrap_err();
    /// assert_eq!(error.to_string(), "inventory: not ready within 250ms");
    /// assert_eq!(TimedOut::find(&*error).map(TimedOut::kind), Some(Kind::Ready));
    /// assert_eq!(Rejected::find(&*error).map(Rejected::reason), Some(Reason::NotReady));
    /// # Ok(())
    /// # }
    /// ```
    pub fn cover_readiness(self) -> TimeoutLayer<H, WithReadiness> {
        TimeoutLayer::from_parts(self.shared, self.on_timeout)
    }
}

impl<H, M> TimeoutLayer<H, M> {
    fn from_parts(shared: Handles<Shared>, on_timeout: H) -> Self {
        Self {
            shared,
            on_timeout,
            mode: PhantomData,
        }
    }

    /// Answers calls whose time is up as `on_timeout` says, an implementation of
    /// [`OnTimeout`](crate::OnTimeout).
    pub fn on_timeout<J>(self, on_timeout: J) -> TimeoutLayer<J, M> {
        self.map_on_timeout(|_| on_timeout)
    }

    /// [`on_timeout`](Self::on_timeout) with something made from what says it now.
    pub fn map_on_timeout<J>(self, wrap: impl FnOnce(H) -> J) -> TimeoutLayer<J, M> {
        TimeoutLayer::from_parts(self.shared, wrap(self.on_timeout))
    }

    /// Keeps the service's own error type, which is `From<TimedOut>`.
    pub fn keep_error(self) -> TimeoutLayer<Keep, M> {
        self.on_timeout(Keep)
    }

    /// Answers calls whose time is up with a response. `keep` is asked at the start of each call: it sees the
    /// request, keeps what it needs of it, and returns the function that makes the answer.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use resilience_timeout::{TimedOut, TimeoutLayer};
    /// let layer = TimeoutLayer::new("search", Duration::from_millis(200))?.answer(|query: &String| {
    ///     let length = query.len();
    ///     move |why: TimedOut| format!("{why} (the query has {length} bytes)")
    /// });
    /// # let _ = layer;
    /// # Ok::<(), resilience_core::ConfigError>(())
    /// ```
    pub fn answer<Req: ?Sized, Res, F, G>(self, keep: F) -> TimeoutLayer<Answer<F>, M>
    where
        F: Fn(&Req) -> G,
        G: FnOnce(TimedOut) -> Res,
    {
        self.on_timeout(Answer::new(keep))
    }

    /// The limit.
    pub fn limit(&self) -> &Limit {
        &self.shared.limit
    }

    /// The metrics, for layers that bound another part of the same call.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.shared.telemetry
    }
}

/// By hand: a derived `Clone` would ask for `M: Clone`.
impl<H: Clone, M> Clone for TimeoutLayer<H, M> {
    fn clone(&self) -> Self {
        Self::from_parts(self.shared.clone(), self.on_timeout.clone())
    }
}

impl<H: fmt::Debug, M> fmt::Debug for TimeoutLayer<H, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutLayer")
            .field("limit", &self.shared.limit)
            .field("on_timeout", &self.on_timeout)
            .finish_non_exhaustive()
    }
}

impl<S, H: Clone, M> Layer<S> for TimeoutLayer<H, M> {
    type Service = Timeout<S, H, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.shared.clone(), self.on_timeout.clone())
    }
}

/// Configures a [`TimeoutLayer`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct TimeoutBuilder {
    name: Name,
    config: TimeoutConfig,
}

impl TimeoutBuilder {
    /// All settings at once.
    pub fn config(mut self, config: TimeoutConfig) -> Self {
        self.config = config;
        self
    }

    /// How long one response may take: more than zero and at most 365 days. Has no default.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.config.limit = Some(limit);
        self
    }

    /// The layer, or which field makes no sense.
    pub fn build(self) -> Result<TimeoutLayer, ConfigError> {
        let Some(length) = self.config.limit else {
            let expected = "set: more than zero and at most 365 days";
            let error = ConfigError::new("limit", format_args!("not set"), expected);
            return Err(error.of(self.name));
        };
        let telemetry = Arc::new(Telemetry::new(&self.name));
        let limit = Limit::new(self.name, "limit", length)?;
        let shared = Handles::new(Shared { limit, telemetry });
        Ok(TimeoutLayer::from_parts(shared, Boxed))
    }
}
