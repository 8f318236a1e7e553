//! Metrics and events.

use crate::{Kind, TimedOut};
use resilience_core::{Name, telemetry::Counter};

/// Counts expired timeouts: `resilience_timeout_expired_total{policy, kind}`.
#[derive(Debug)]
pub struct Telemetry {
    ready: Counter,
    head: Counter,
    idle: Counter,
    total: Counter,
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
            ready: counter(Kind::Ready),
            head: counter(Kind::Head),
            idle: counter(Kind::Idle),
            total: counter(Kind::Total),
        }
    }

    fn counter(&self, kind: Kind) -> &Counter {
        match kind {
            Kind::Ready => &self.ready,
            Kind::Head => &self.head,
            Kind::Idle => &self.idle,
            Kind::Total => &self.total,
        }
    }

    /// Counts a timeout that expired.
    pub fn expired(&self, why: &TimedOut) {
        self.counter(why.kind()).increment();
        event(why);
    }
}

#[cfg(feature = "metrics")]
impl<H, M> crate::TimeoutLayer<H, M> {
    /// Uses this recorder for metrics instead of the global one. Without effect for those already in use.
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        let telemetry = self.telemetry();
        for kind in [Kind::Ready, Kind::Head, Kind::Idle, Kind::Total] {
            telemetry.counter(kind).bind(recorder);
        }
    }
}

#[cfg(feature = "tracing")]
fn event(why: &TimedOut) {
    tracing::debug!(
        policy = &**why.policy(),
        kind = why.kind().label(),
        limit_seconds = why.limit().as_secs_f64(),
        "timeout expired"
    );
}

#[cfg(not(feature = "tracing"))]
fn event(_: &TimedOut) {}
