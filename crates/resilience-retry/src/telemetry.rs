//! Metrics and events.

use crate::{RetryEvent, machine::Stop};
use resilience_core::{Name, telemetry::Counter};

const STOPS: [Stop; 8] = [
    Stop::Attempts,
    Stop::Budget,
    Stop::Deadline,
    Stop::NotReplayable,
    Stop::NotReady,
    Stop::Permanent,
    Stop::Refused,
    Stop::Abandoned,
];

#[derive(Debug)]
pub(crate) struct Telemetry {
    attempts: Counter,
    recovered: Counter,
    /// In the order of [`STOPS`].
    stopped: [Counter; STOPS.len()],
}

impl Telemetry {
    pub(crate) fn new(policy: &Name) -> Self {
        let stopped = |why: Stop| {
            let labels = [("reason", why.label())];
            Counter::new("resilience_retry_stopped_total", policy, &labels)
        };
        Self {
            attempts: Counter::new("resilience_retry_attempts_total", policy, &[]),
            recovered: Counter::new("resilience_retry_recovered_total", policy, &[]),
            stopped: STOPS.map(stopped),
        }
    }

    /// A retry is being sent.
    pub(crate) fn sent(&self) {
        self.attempts.increment();
    }

    /// A retry brought success.
    pub(crate) fn recovered(&self) {
        self.recovered.increment();
    }

    /// A failed call ends here.
    pub(crate) fn stopped(&self, why: Stop) {
        for (stop, counter) in STOPS.iter().zip(&self.stopped) {
            if *stop == why {
                counter.increment();
            }
        }
    }
}

#[cfg(feature = "metrics")]
impl<C, R> crate::RetryLayer<C, R> {
    /// Uses this recorder for metrics instead of the global one. Without effect for those already in use.
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        let telemetry = &self.parts.shared.telemetry;
        let counters = [&telemetry.attempts, &telemetry.recovered];
        for counter in counters.into_iter().chain(&telemetry.stopped) {
            counter.bind(recorder);
        }
    }
}

/// A retry has been decided.
#[cfg(feature = "tracing")]
pub(crate) fn decided(event: &RetryEvent) {
    tracing::debug!(
        policy = &*event.policy,
        attempt = event.attempt,
        outcome = event.outcome.label(),
        wait_seconds = event.wait.as_secs_f64(),
        "retry"
    );
}

/// A retry has been decided.
#[cfg(not(feature = "tracing"))]
pub(crate) fn decided(_: &RetryEvent) {}
