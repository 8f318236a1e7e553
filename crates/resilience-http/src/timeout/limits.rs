use super::{HttpTimeout, TimedBody};
#[cfg(feature = "tonic")]
use crate::StatusError;
use http_body::Body;
use resilience_core::{BoxError, ConfigError};
use resilience_timeout::{BodyTimeoutConfig, Kind, Limit, Telemetry, TimeoutLayer};
use std::{sync::Arc, time::Duration};

/// Layers that can bound the body of a response whose head came in time.
///
/// `.respond()` may come before or after; what else the caller gets instead of a head, say before `.http()`. What is said twice
/// counts as said last. How the body breaks off: [`TimedBody`].
///
/// ```
/// use std::time::Duration;
/// use resilience_http::{BodyTimeoutLayer, HttpLayer, RespondLayer};
/// use resilience_timeout::TimeoutLayer;
///
/// let layer = TimeoutLayer::new("inventory", Duration::from_secs(2))?
///     .http()
///     .respond()
///     .body_idle(Duration::from_secs(5))?
///     .body_total(Duration::from_secs(60))?;
/// # let _ = layer;
/// # Ok::<(), resilience_core::ConfigError>(())
/// ```
pub trait BodyTimeoutLayer: Sized {
    /// The layer that bounds it.
    type WithBodyTimeout;

    /// Breaks a response's body off when no frame comes for `limit`: more than zero and at most 365 days.
    ///
    /// The limit runs while the body is pending, from one frame to the next; the time that its reader takes does not count.
    fn body_idle(self, limit: Duration) -> Result<Self::WithBodyTimeout, ConfigError>;

    /// Breaks a response's body off when it is not at its end after `limit`: more than zero and at most 365 days.
    ///
    /// The limit runs from the head of the response, whatever is done with the body; the time that its reader takes counts.
    /// It strikes when somebody wants to read: a body that nobody reads is not dropped by itself.
    fn body_total(self, limit: Duration) -> Result<Self::WithBodyTimeout, ConfigError>;

    /// [`body_idle`](Self::body_idle) and [`body_total`](Self::body_total), as far as `config` sets them.
    fn body_limits(self, config: &BodyTimeoutConfig) -> Result<Self::WithBodyTimeout, ConfigError>;
}

impl<H, M> BodyTimeoutLayer for TimeoutLayer<HttpTimeout<H>, M> {
    type WithBodyTimeout = TimeoutLayer<HttpTimeout<H, BodyLimits>, M>;

    fn body_idle(self, limit: Duration) -> Result<Self::WithBodyTimeout, ConfigError> {
        unlimited(self).body_idle(limit)
    }

    fn body_total(self, limit: Duration) -> Result<Self::WithBodyTimeout, ConfigError> {
        unlimited(self).body_total(limit)
    }

    fn body_limits(self, config: &BodyTimeoutConfig) -> Result<Self::WithBodyTimeout, ConfigError> {
        unlimited(self).body_limits(config)
    }
}

impl<H, M> BodyTimeoutLayer for TimeoutLayer<HttpTimeout<H, BodyLimits>, M> {
    type WithBodyTimeout = Self;

    fn body_idle(self, limit: Duration) -> Result<Self, ConfigError> {
        let limit = Limit::new(self.limit().policy().clone(), "body_idle", limit)?;
        Ok(change(self, |limits| limits.idle = Some(limit)))
    }

    fn body_total(self, limit: Duration) -> Result<Self, ConfigError> {
        let limit = Limit::new(self.limit().policy().clone(), "body_total", limit)?;
        Ok(change(self, |limits| limits.total = Some(limit)))
    }

    fn body_limits(mut self, config: &BodyTimeoutConfig) -> Result<Self, ConfigError> {
        if let Some(limit) = config.body_idle {
            self = self.body_idle(limit)?;
        }
        match config.body_total {
            Some(limit) => self.body_total(limit),
            None => Ok(self),
        }
    }
}

fn unlimited<H, M>(
    layer: TimeoutLayer<HttpTimeout<H>, M>,
) -> TimeoutLayer<HttpTimeout<H, BodyLimits>, M> {
    let body = BodyLimits(Arc::new(Limits {
        idle: None,
        total: None,
        telemetry: layer.telemetry().clone(),
    }));
    layer.map_on_timeout(|HttpTimeout { head, .. }| HttpTimeout { head, body })
}

fn change<H, M>(
    layer: TimeoutLayer<HttpTimeout<H, BodyLimits>, M>,
    set: impl FnOnce(&mut Limits),
) -> TimeoutLayer<HttpTimeout<H, BodyLimits>, M> {
    layer.map_on_timeout(|mut timeout| {
        set(Arc::make_mut(&mut timeout.body.0));
        timeout
    })
}

/// What becomes of the body of a response whose head came in time.
pub trait LimitBody<B> {
    /// The body that the caller gets.
    type Body;

    /// Bounds `body`.
    fn limit(&self, body: B) -> Self::Body;
}

/// Leaves bodies as they are.
impl<B> LimitBody<B> for () {
    type Body = B;

    fn limit(&self, body: B) -> B {
        body
    }
}

/// Bounds how long a body stands still, and how long it lasts. Made by [`BodyTimeoutLayer`].
#[derive(Clone, Debug)]
pub struct BodyLimits(Arc<Limits>);

#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) idle: Option<Limit>,
    pub(super) total: Option<Limit>,
    telemetry: Arc<Telemetry>,
}

impl Limits {
    /// The error for having passed the total limit, or that of silences.
    pub(super) fn passed(&self, kind: Kind) -> BoxError {
        let limit = if kind == Kind::Total {
            &self.total
        } else {
            &self.idle
        };
        let why = limit.as_ref().expect("it was set, and passed").passed(kind);
        self.telemetry.expired(&why);
        #[cfg(feature = "tonic")]
        let why = StatusError::timed_out(why);
        why.into()
    }
}

impl<B: Body> LimitBody<B> for BodyLimits {
    type Body = TimedBody<B>;

    fn limit(&self, body: B) -> TimedBody<B> {
        TimedBody::new(body, self.0.clone())
    }
}
