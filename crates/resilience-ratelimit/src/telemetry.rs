use resilience_core::{
    Name,
    telemetry::{Counter, Gauge},
};

#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) admitted: Counter,
    pub(crate) rejected: Counter,
    pub(crate) abandoned: Counter,
    pub(crate) waiting: Gauge,
}

impl Telemetry {
    pub(crate) fn new(policy: &Name) -> Self {
        Self {
            admitted: Counter::new("resilience_ratelimit_admitted_total", policy, &[]),
            rejected: Counter::new("resilience_ratelimit_rejected_total", policy, &[]),
            abandoned: Counter::new("resilience_ratelimit_abandoned_total", policy, &[]),
            waiting: Gauge::new("resilience_ratelimit_waiting", policy, &[]),
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn bind(&self, recorder: &dyn metrics::Recorder) {
        self.admitted.bind(recorder);
        self.rejected.bind(recorder);
        self.abandoned.bind(recorder);
        self.waiting.bind(recorder);
    }
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables))]
pub(crate) fn reset(policy: &Name) {
    #[cfg(feature = "tracing")]
    tracing::info!(policy = &**policy, "rate limit reset");
}
