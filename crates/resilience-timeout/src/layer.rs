use crate::{Answer, Limit, TimedOut, Timeout, telemetry::Telemetry};
use resilience_core::{Boxed, ConfigError, Keep, Name};
use std::{fmt, sync::Arc, time::Duration};
use tower_layer::Layer;

/// Bounds the time that a service takes for one response: see [`Timeout`].
///
/// | part | default | change it with |
/// |---|---|---|
/// | what the caller gets when the time is up | [`Boxed`]: a boxed [`TimedOut`] | [`keep_error`](Self::keep_error), [`answer`](Self::answer), [`on_timeout`](Self::on_timeout) |
///
/// A clone has the same limit, name and metrics.
#[derive(Clone)]
pub struct TimeoutLayer<H = Boxed> {
    shared: Arc<Shared>,
    on_timeout: H,
}

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
            limit: None,
        }
    }
}

impl<H> TimeoutLayer<H> {
    /// Answers calls whose time is up as `on_timeout` says, an implementation of
    /// [`OnTimeout`](crate::OnTimeout).
    pub fn on_timeout<J>(self, on_timeout: J) -> TimeoutLayer<J> {
        TimeoutLayer {
            shared: self.shared,
            on_timeout,
        }
    }

    /// [`on_timeout`](Self::on_timeout) with something made from what says it now.
    pub fn map_on_timeout<J>(self, wrap: impl FnOnce(H) -> J) -> TimeoutLayer<J> {
        TimeoutLayer {
            shared: self.shared,
            on_timeout: wrap(self.on_timeout),
        }
    }

    /// Keeps the service's own error type, which is `From<TimedOut>`.
    pub fn keep_error(self) -> TimeoutLayer<Keep> {
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
    pub fn answer<Req: ?Sized, Res, F, G>(self, keep: F) -> TimeoutLayer<Answer<F>>
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

impl<H: fmt::Debug> fmt::Debug for TimeoutLayer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutLayer")
            .field("limit", &self.shared.limit)
            .field("on_timeout", &self.on_timeout)
            .finish_non_exhaustive()
    }
}

impl<S, H: Clone> Layer<S> for TimeoutLayer<H> {
    type Service = Timeout<S, H>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.shared.clone(), self.on_timeout.clone())
    }
}

/// Configures a [`TimeoutLayer`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct TimeoutBuilder {
    name: Name,
    limit: Option<Duration>,
}

impl TimeoutBuilder {
    /// How long one response may take: more than zero and at most 365 days. Has no default.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The layer, or which field makes no sense.
    pub fn build(self) -> Result<TimeoutLayer, ConfigError> {
        let Some(length) = self.limit else {
            return Err(ConfigError::new(
                "limit",
                format_args!("not set"),
                "set: more than zero and at most 365 days",
            ));
        };
        let telemetry = Arc::new(Telemetry::new(&self.name));
        let limit = Limit::new(self.name, "limit", length)?;
        Ok(TimeoutLayer {
            shared: Arc::new(Shared { limit, telemetry }),
            on_timeout: Boxed,
        })
    }
}
