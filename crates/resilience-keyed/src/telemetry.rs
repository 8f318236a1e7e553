use crate::machine::Changes;
use resilience_core::{
    Name,
    telemetry::{Counter, Gauge},
};

#[derive(Debug)]
pub(crate) struct Telemetry {
    keys: Gauge,
    evicted: Counter,
    pub(crate) overflow: Counter,
    pub(crate) without_key: Counter,
}

impl Telemetry {
    pub(crate) fn new(policy: &Name) -> Self {
        Self {
            keys: Gauge::new("resilience_keyed_keys", policy, &[]),
            evicted: Counter::new("resilience_keyed_evicted_total", policy, &[]),
            overflow: Counter::new("resilience_keyed_overflow_total", policy, &[]),
            without_key: Counter::new("resilience_keyed_without_key_total", policy, &[]),
        }
    }

    /// Keys came and went. Added up and not set, so that calls of several threads may report in any order.
    pub(crate) fn changed(&self, changes: Changes) {
        if changes.added {
            self.keys.increment();
        }
        self.removed(changes.dropped);
        for _ in 0..changes.dropped {
            self.evicted.increment();
        }
    }

    /// Keys went that were not evicted.
    pub(crate) fn removed(&self, keys: usize) {
        for _ in 0..keys {
            self.keys.decrement();
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn bind(&self, recorder: &dyn metrics::Recorder) {
        self.keys.bind(recorder);
        self.evicted.bind(recorder);
        self.overflow.bind(recorder);
        self.without_key.bind(recorder);
    }
}

/// The calls of a limit per key are counted like those of any rate limit.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) admitted: Counter,
    pub(crate) rejected: Counter,
}

impl Calls {
    pub(crate) fn new(policy: &Name) -> Self {
        Self {
            admitted: Counter::new("resilience_ratelimit_admitted_total", policy, &[]),
            rejected: Counter::new("resilience_ratelimit_rejected_total", policy, &[]),
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn bind(&self, recorder: &dyn metrics::Recorder) {
        self.admitted.bind(recorder);
        self.rejected.bind(recorder);
    }
}
