use crate::machine::Full;
use resilience_core::{
    Name, Outcome, Reason,
    telemetry::{Counter, Gauge},
};

/// The outcomes that end a call, in the order of their counters; the last one stands for those to come.
const OUTCOMES: [&str; 9] = [
    "success",
    "ignored",
    "permanent",
    "transient",
    "overload",
    "unsent",
    "refused",
    "abandoned",
    "other",
];

#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) in_flight: Gauge,
    pub(crate) waiting: Gauge,
    pub(crate) abandoned: Counter,
    calls: [Counter; OUTCOMES.len()],
    full: Counter,
    shed: Counter,
    closed: Counter,
}

impl Telemetry {
    pub(crate) fn new(policy: &Name) -> Self {
        let rejected = |reason: Reason| {
            let labels = [("reason", reason.label())];
            Counter::new("resilience_bulkhead_rejected_total", policy, &labels)
        };
        Self {
            in_flight: Gauge::new("resilience_bulkhead_in_flight", policy, &[]),
            waiting: Gauge::new("resilience_bulkhead_waiting", policy, &[]),
            abandoned: Counter::new("resilience_bulkhead_abandoned_total", policy, &[]),
            calls: OUTCOMES.map(|outcome| {
                let labels = [("outcome", outcome)];
                Counter::new("resilience_bulkhead_calls_total", policy, &labels)
            }),
            full: rejected(Reason::Concurrency),
            shed: rejected(Reason::Shed),
            closed: rejected(Reason::ShuttingDown),
        }
    }

    pub(crate) fn rejected(&self, why: Full) {
        match why {
            Full::Taken => self.full.increment(),
            Full::Reserved => self.shed.increment(),
            Full::Closed => self.closed.increment(),
        }
    }

    /// A call is over; without an outcome, it was abandoned.
    pub(crate) fn over(&self, outcome: Option<Outcome>) {
        let label = outcome.map_or("abandoned", Outcome::label);
        let known = OUTCOMES.iter().position(|&known| known == label);
        self.calls[known.unwrap_or(OUTCOMES.len() - 1)].increment();
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn bind(&self, recorder: &dyn metrics::Recorder) {
        self.in_flight.bind(recorder);
        self.waiting.bind(recorder);
        self.abandoned.bind(recorder);
        self.full.bind(recorder);
        self.shed.bind(recorder);
        self.closed.bind(recorder);
        for calls in &self.calls {
            calls.bind(recorder);
        }
    }
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables))]
pub(crate) fn closed(policy: &Name, in_flight: usize) {
    #[cfg(feature = "tracing")]
    tracing::info!(policy = &**policy, in_flight, "bulkhead closed");
}
