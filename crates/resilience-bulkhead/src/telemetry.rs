use crate::machine::Full;
use resilience_core::{
    Name, Outcome, Reason,
    telemetry::{Counter, Gauge},
};

/// How a call has ended, which says where it is counted. One byte, so that permits stay small.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    Success,
    Ignored,
    Permanent,
    Transient,
    Overload,
    Unsent,
    Refused,
    Abandoned,
    /// For outcomes to come.
    Other,
}

/// The labels, in the order of [`Ended`].
const LABELS: [&str; 9] = [
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

impl Ended {
    #[inline]
    pub(crate) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Ignored => Self::Ignored,
            Outcome::Permanent => Self::Permanent,
            Outcome::Transient { .. } => Self::Transient,
            Outcome::Overload { .. } => Self::Overload,
            Outcome::Unsent => Self::Unsent,
            Outcome::Refused { .. } => Self::Refused,
            _ => Self::Other,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) in_flight: Gauge,
    pub(crate) waiting: Gauge,
    pub(crate) abandoned: Counter,
    calls: [Counter; LABELS.len()],
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
            calls: LABELS.map(|label| {
                let labels = [("outcome", label)];
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

    /// A call is over.
    pub(crate) fn over(&self, ended: Ended) {
        self.calls[ended as usize].increment();
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
