//! Metrics and events.

use crate::{DeadlineExceeded, MalformedDeadline};
use resilience_core::{Name, telemetry::Counter};

#[derive(Debug)]
pub(crate) struct Telemetry {
    refused: Counter,
    malformed: Counter,
    head: Counter,
    body: Counter,
}

impl Telemetry {
    pub(crate) fn new(policy: &Name) -> Self {
        let exceeded = |kind| {
            let labels = [("kind", kind)];
            Counter::new("resilience_deadline_exceeded_total", policy, &labels)
        };
        Self {
            refused: Counter::new("resilience_deadline_refused_total", policy, &[]),
            malformed: Counter::new("resilience_deadline_malformed_total", policy, &[]),
            head: exceeded("head"),
            body: exceeded("body"),
        }
    }

    pub(crate) fn refused(&self, policy: &Name) {
        self.refused.increment();
        refused_event(policy);
    }

    pub(crate) fn malformed(&self, policy: &Name, why: &MalformedDeadline) {
        self.malformed.increment();
        malformed_event(policy, why);
    }

    pub(crate) fn head_exceeded(&self, why: &DeadlineExceeded) {
        self.head.increment();
        exceeded_event("head", why);
    }

    pub(crate) fn body_exceeded(&self, why: &DeadlineExceeded) {
        self.body.increment();
        exceeded_event("body", why);
    }
}

#[cfg(feature = "metrics")]
impl<C, H> super::DeadlineLayer<C, H> {
    /// Uses this recorder for metrics instead of the global one. Without effect for those already in use.
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        let Telemetry {
            refused,
            malformed,
            head,
            body,
        } = self.telemetry();
        for counter in [refused, malformed, head, body] {
            counter.bind(recorder);
        }
    }
}

#[cfg(feature = "tracing")]
fn refused_event(policy: &Name) {
    tracing::debug!(policy = &**policy, "no time left, call refused");
}

#[cfg(feature = "tracing")]
fn malformed_event(policy: &Name, why: &MalformedDeadline) {
    tracing::debug!(policy = &**policy, %why, "malformed deadline");
}

#[cfg(feature = "tracing")]
fn exceeded_event(kind: &'static str, why: &DeadlineExceeded) {
    tracing::debug!(
        policy = &**why.policy(),
        kind,
        allotted_seconds = why.allotted().as_secs_f64(),
        "deadline exceeded"
    );
}

#[cfg(not(feature = "tracing"))]
fn refused_event(_: &Name) {}

#[cfg(not(feature = "tracing"))]
fn malformed_event(_: &Name, _: &MalformedDeadline) {}

#[cfg(not(feature = "tracing"))]
fn exceeded_event(_: &'static str, _: &DeadlineExceeded) {}
