//! Metrics and events.

use resilience_core::{Name, Outcome, Reason, telemetry::Counter};

/// The outcomes that a fallback answers for; a later kind is counted with the transient ones.
const OUTCOMES: [Outcome; 5] = [
    Outcome::TRANSIENT,
    Outcome::Permanent,
    Outcome::OVERLOAD,
    Outcome::Unsent,
    Outcome::Refused {
        reason: Reason::Other,
        retry_after: None,
    },
];

#[derive(Debug)]
pub(crate) struct Telemetry {
    degraded: [Counter; 5],
    failed: [Counter; 5],
}

impl Telemetry {
    pub(crate) fn new(policy: &Name) -> Self {
        let counters = |name| {
            OUTCOMES.map(|outcome| Counter::new(name, policy, &[("outcome", outcome.label())]))
        };
        Self {
            degraded: counters("resilience_fallback_degraded_total"),
            failed: counters("resilience_fallback_failed_total"),
        }
    }

    /// The fallback has answered for an outcome, or failed too.
    pub(crate) fn over(&self, policy: &Name, outcome: Outcome, degraded: bool) {
        let counters = if degraded {
            &self.degraded
        } else {
            &self.failed
        };
        let same = |known: &Outcome| known.label() == outcome.label();
        counters[OUTCOMES.iter().position(same).unwrap_or(0)].increment();
        event(policy, outcome, degraded);
    }
}

#[cfg(feature = "metrics")]
impl<A, C, M> crate::FallbackLayer<A, C, M> {
    /// Uses this recorder for metrics instead of the global one. Without effect for those already in use.
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        let Telemetry { degraded, failed } = self.telemetry();
        for counter in degraded.iter().chain(failed) {
            counter.bind(recorder);
        }
    }
}

#[cfg(feature = "tracing")]
fn event(policy: &Name, outcome: Outcome, degraded: bool) {
    let outcome = outcome.label();
    tracing::debug!(%policy, outcome, degraded, "fallback used");
}

#[cfg(not(feature = "tracing"))]
fn event(_: &Name, _: Outcome, _: bool) {}
