//! Metrics and events.

use crate::TimedOut;
use resilience_core::{Name, telemetry::Counter};

/// Which part of a call took too long: the label `kind` of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The response did not come.
    Head,
    /// Its body stood still.
    Idle,
}

impl Kind {
    /// The kind as a metrics label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Idle => "idle",
        }
    }
}

/// Counts expired timeouts: `resilience_timeout_expired_total{policy, kind}`.
#[derive(Debug)]
pub struct Telemetry {
    head: Counter,
    idle: Counter,
}

impl Telemetry {
    pub(crate) fn new(policy: &Name) -> Self {
        let counter = |kind: Kind| {
            Counter::new(
                "resilience_timeout_expired_total",
                policy,
                &[("kind", kind.label())],
            )
        };
        Self {
            head: counter(Kind::Head),
            idle: counter(Kind::Idle),
        }
    }

    /// Counts a timeout that expired.
    pub fn expired(&self, kind: Kind, why: &TimedOut) {
        match kind {
            Kind::Head => self.head.increment(),
            Kind::Idle => self.idle.increment(),
        }
        event(kind, why);
    }
}

#[cfg(feature = "metrics")]
impl<H> crate::TimeoutLayer<H> {
    /// Uses this recorder for metrics instead of the global one. Without effect for those already in use.
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        let telemetry = self.telemetry();
        telemetry.head.bind(recorder);
        telemetry.idle.bind(recorder);
    }
}

#[cfg(feature = "tracing")]
fn event(kind: Kind, why: &TimedOut) {
    tracing::debug!(
        policy = &**why.policy(),
        kind = kind.label(),
        limit_seconds = why.limit().as_secs_f64(),
        "timeout expired"
    );
}

#[cfg(not(feature = "tracing"))]
fn event(_: Kind, _: &TimedOut) {}
