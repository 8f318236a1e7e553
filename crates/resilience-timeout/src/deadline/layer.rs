use super::{DeadlineService, telemetry::Telemetry};
use crate::{Answer, DeadlineConfig, DeadlineError, Terms};
use resilience_core::{Boxed, ConfigError, Keep, Name};
use std::{fmt, sync::Arc, time::Duration};
use tower_layer::Layer;

/// Bounds the time that a whole call takes: see [`DeadlineService`].
///
/// | part | default | change it with |
/// |---|---|---|
/// | how requests carry deadlines | `()`: not at all | [`carry`](Self::carry) |
/// | what the caller gets when there is no time | [`Boxed`]: a boxed error | [`keep_error`](Self::keep_error), [`answer`](Self::answer), [`on_deadline`](Self::on_deadline) |
///
/// For HTTP and gRPC, `.http()` of `resilience_http` sets both. A clone has the same terms, name and metrics.
#[derive(Clone)]
pub struct DeadlineLayer<C = (), H = Boxed> {
    shared: Arc<Shared>,
    carry: C,
    on_deadline: H,
}

/// What a layer, its clones, their services and calls have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) terms: Terms,
    pub(crate) ignore_malformed: bool,
    pub(crate) telemetry: Telemetry,
}

impl DeadlineLayer {
    /// At most 30 seconds for each call. `name` stands in errors and metrics.
    pub fn builder(name: impl Into<Name>) -> DeadlineBuilder {
        DeadlineBuilder {
            name: name.into(),
            config: DeadlineConfig::default(),
        }
    }

    /// The layer that `config` describes, or which field makes no sense.
    pub fn from_config(name: impl Into<Name>, config: DeadlineConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }
}

impl<C, H> DeadlineLayer<C, H> {
    /// Requests carry deadlines as `carry` says, an implementation of [`Carry`](super::Carry).
    pub fn carry<D>(self, carry: D) -> DeadlineLayer<D, H> {
        DeadlineLayer {
            shared: self.shared,
            carry,
            on_deadline: self.on_deadline,
        }
    }

    /// Answers calls that are too late as `on_deadline` says, an implementation of [`OnDeadline`](super::OnDeadline).
    pub fn on_deadline<J>(self, on_deadline: J) -> DeadlineLayer<C, J> {
        self.map_on_deadline(|_| on_deadline)
    }

    /// [`on_deadline`](Self::on_deadline) with something made from what says it now.
    pub fn map_on_deadline<J>(self, wrap: impl FnOnce(H) -> J) -> DeadlineLayer<C, J> {
        DeadlineLayer {
            shared: self.shared,
            carry: self.carry,
            on_deadline: wrap(self.on_deadline),
        }
    }

    /// Keeps the service's own error type, which is `From<DeadlineError>`.
    pub fn keep_error(self) -> DeadlineLayer<C, Keep> {
        self.on_deadline(Keep)
    }

    /// Answers calls that are too late with a response. `keep` is asked at the start of each call: it sees the request,
    /// keeps what it needs of it, and returns the function that makes the answer.
    pub fn answer<Req: ?Sized, Res, F, G>(self, keep: F) -> DeadlineLayer<C, Answer<F>>
    where
        F: Fn(&Req) -> G,
        G: FnOnce(DeadlineError) -> Res,
    {
        self.on_deadline(Answer::new(keep))
    }

    /// How much time calls get.
    pub fn terms(&self) -> &Terms {
        &self.shared.terms
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.shared.telemetry
    }
}

impl<C: fmt::Debug, H: fmt::Debug> fmt::Debug for DeadlineLayer<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineLayer")
            .field("terms", &self.shared.terms)
            .field("carry", &self.carry)
            .field("on_deadline", &self.on_deadline)
            .finish_non_exhaustive()
    }
}

impl<S, C: Clone, H: Clone> Layer<S> for DeadlineLayer<C, H> {
    type Service = DeadlineService<S, C, H>;

    fn layer(&self, inner: S) -> Self::Service {
        DeadlineService::new(
            inner,
            self.shared.clone(),
            self.carry.clone(),
            self.on_deadline.clone(),
        )
    }
}

/// Configures a [`DeadlineLayer`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct DeadlineBuilder {
    name: Name,
    config: DeadlineConfig,
}

impl DeadlineBuilder {
    /// All settings at once.
    pub fn config(mut self, config: DeadlineConfig) -> Self {
        self.config = config;
        self
    }

    /// The most time that any call gets, whatever it states: more than zero and at most 365 days. Default: 30 seconds.
    pub fn max(mut self, max: Duration) -> Self {
        self.config.max = max;
        self
    }

    /// The time for calls that do not state how long they may take: more than zero and at most [`max`](Self::max). Those
    /// that carry a deadline for the [head only](resilience_core::Deadline::head_only), such as another tier's default,
    /// get no more either. Default: `max`.
    pub fn unstated(mut self, length: Duration) -> Self {
        self.config.unstated = Some(length);
        self
    }

    /// Whether the deadline of a call that does not state one bounds the response's body too, and not its head alone.
    /// Default: no, so that downloads and streams of events go on for as long as they like.
    ///
    /// A deadline that the call does state always bounds the body, where the layer knows of bodies.
    pub fn unstated_bounds_bodies(mut self, bounds: bool) -> Self {
        self.config.unstated_bounds_bodies = bounds;
        self
    }

    /// Whether a call whose stated deadline cannot be understood is made as if it had stated none. Default: no, it is
    /// refused with [`MalformedDeadline`](crate::MalformedDeadline).
    pub fn ignore_malformed(mut self, ignore: bool) -> Self {
        self.config.ignore_malformed = ignore;
        self
    }

    /// The layer, or which field makes no sense.
    pub fn build(self) -> Result<DeadlineLayer, ConfigError> {
        let telemetry = Telemetry::new(&self.name);
        let terms = Terms::new(self.name.clone(), self.config.max, self.config.unstated);
        let terms = terms
            .map_err(|error| error.of(self.name))?
            .unstated_bounds_bodies(self.config.unstated_bounds_bodies);
        Ok(DeadlineLayer {
            shared: Arc::new(Shared {
                terms,
                ignore_malformed: self.config.ignore_malformed,
                telemetry,
            }),
            carry: (),
            on_deadline: Boxed,
        })
    }
}
