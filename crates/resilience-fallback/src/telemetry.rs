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
    skipped: [Counter; 5],
}

/// What became of a call that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// The fallback has answered.
    Degraded,
    /// The fallback has failed too.
    Failed,
    /// The request could not be sent to the other service: the caller got what there was.
    Skipped,
}

impl Telemetry {
    pub(crate) fn new(policy: &Name) -> Self {
        let counters = |name| {
            OUTCOMES.map(|outcome| Counter::new(name, policy, &[("outcome", outcome.label())]))
        };
        Self {
            degraded: counters("resilience_fallback_degraded_total"),
            failed: counters("resilience_fallback_failed_total"),
            skipped: counters("resilience_fallback_skipped_total"),
        }
    }

    /// A call that failed with this outcome is over.
    pub(crate) fn over(&self, policy: &Name, outcome: Outcome, ending: Ending) {
        let counters = match ending {
            Ending::Degraded => &self.degraded,
            Ending::Failed => &self.failed,
            Ending::Skipped => &self.skipped,
        };
        let same = |known: &Outcome| known.label() == outcome.label();
        counters[OUTCOMES.iter().position(same).unwrap_or(0)].increment();
        event(policy, outcome, ending);
    }
}

#[cfg(feature = "metrics")]
impl<A, C, M, R> crate::FallbackLayer<A, C, M, R> {
    /// Uses this recorder for metrics instead of the global one. Without effect for those already in use.
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        let Telemetry {
            degraded,
            failed,
            skipped,
        } = self.telemetry();
        for counter in degraded.iter().chain(failed).chain(skipped) {
            counter.bind(recorder);
        }
    }
}

#[cfg(feature = "tracing")]
fn event(policy: &Name, outcome: Outcome, ending: Ending) {
    let outcome = outcome.label();
    match ending {
        Ending::Degraded => tracing::debug!(%policy, outcome, degraded = true, "fallback used"),
        Ending::Failed => tracing::debug!(%policy, outcome, degraded = false, "fallback used"),
        Ending::Skipped => tracing::debug!(%policy, outcome, "fallback skipped"),
    }
}

#[cfg(not(feature = "tracing"))]
fn event(_: &Name, _: Outcome, _: Ending) {}
