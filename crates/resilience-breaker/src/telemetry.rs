//! Counters, the state gauge, and events.

use crate::{
    State, Transition,
    machine::{Ending, Machine},
};
use resilience_core::{
    Name,
    telemetry::{Counter, Gauge},
};

const CALLS: &str = "resilience_breaker_calls_total";
const TRANSITIONS: &str = "resilience_breaker_transitions_total";
const STATE: &str = "resilience_breaker_state";

const STATES: [State; 5] = [
    State::Closed,
    State::Open,
    State::HalfOpen,
    State::ForcedOpen,
    State::ForcedClosed,
];

#[derive(Debug)]
pub(crate) struct Telemetry {
    success: Counter,
    slow: Counter,
    failure: Counter,
    ignored: Counter,
    abandoned: Counter,
    refused: Counter,
    /// In the order of [`STATES`].
    transitions: [Counter; STATES.len()],
    states: [Gauge; STATES.len()],
    /// Whether the gauges have been set: a breaker that never opened is to be seen as closed.
    #[cfg(feature = "metrics")]
    published: std::sync::atomic::AtomicBool,
}

impl Telemetry {
    pub(crate) fn new(policy: &Name) -> Self {
        let calls = |outcome| Counter::new(CALLS, policy, &[("outcome", outcome)]);
        Self {
            success: calls(Ending::Success.label()),
            slow: calls(Ending::Slow.label()),
            failure: calls(Ending::Failure.label()),
            ignored: calls(Ending::Ignored.label()),
            abandoned: calls(Ending::Abandoned.label()),
            refused: calls("refused"),
            transitions: STATES.map(|to| Counter::new(TRANSITIONS, policy, &[("to", to.label())])),
            states: STATES.map(|state| Gauge::new(STATE, policy, &[("state", state.label())])),
            #[cfg(feature = "metrics")]
            published: std::sync::atomic::AtomicBool::new(false),
        }
    }

    pub(crate) fn ended(&self, ending: Ending, machine: &Machine) {
        self.publish_once(machine);
        match ending {
            Ending::Success => &self.success,
            Ending::Slow => &self.slow,
            Ending::Failure => &self.failure,
            Ending::Ignored => &self.ignored,
            Ending::Abandoned => &self.abandoned,
        }
        .increment();
    }

    pub(crate) fn refused(&self, machine: &Machine) {
        self.publish_once(machine);
        self.refused.increment();
    }

    #[cfg_attr(not(feature = "tracing"), expect(unused_variables))]
    pub(crate) fn transition(&self, policy: &Name, transition: &Transition, machine: &Machine) {
        for (state, counter) in STATES.iter().zip(&self.transitions) {
            if *state == transition.to {
                counter.increment();
            }
        }
        self.publish(machine);
        #[cfg(feature = "tracing")]
        self::events::transition(policy, transition);
    }

    /// Sets the gauge of the current state, and clears the others.
    ///
    /// Threads may come here in any order. Each looks at the state again after it has written, so that whoever
    /// writes last has written what is true.
    fn publish(&self, machine: &Machine) {
        loop {
            let (epoch, current) = (machine.epoch(), machine.state());
            for (state, gauge) in STATES.iter().zip(&self.states) {
                gauge.set(if *state == current { 1.0 } else { 0.0 });
            }
            if machine.epoch() == epoch {
                return;
            }
        }
    }

    #[cfg(feature = "metrics")]
    fn publish_once(&self, machine: &Machine) {
        use std::sync::atomic::Ordering::Relaxed;
        if !self.published.load(Relaxed) && !self.published.swap(true, Relaxed) {
            self.publish(machine);
        }
    }

    #[cfg(not(feature = "metrics"))]
    #[expect(clippy::unused_self, reason = "the twin of the one above")]
    fn publish_once(&self, _: &Machine) {}
}

#[cfg(feature = "metrics")]
impl crate::Breaker {
    /// Uses this recorder instead of the global one, and shows the state there. Without effect after the first
    /// call.
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        let telemetry = &self.0.telemetry;
        for counter in [
            &telemetry.success,
            &telemetry.slow,
            &telemetry.failure,
            &telemetry.ignored,
            &telemetry.abandoned,
            &telemetry.refused,
        ]
        .into_iter()
        .chain(&telemetry.transitions)
        {
            counter.bind(recorder);
        }
        for gauge in &telemetry.states {
            gauge.bind(recorder);
        }
        telemetry.publish_once(&self.0.machine);
    }
}

#[cfg(feature = "tracing")]
mod events {
    use crate::{State, Transition};
    use resilience_core::Name;

    pub(super) fn transition(policy: &Name, transition: &Transition) {
        let Transition {
            from,
            to,
            cause,
            open_for,
            epoch,
        } = transition;
        let (from, to, cause) = (from.label(), to.label(), cause.label());
        let open_seconds = open_for.map(|open_for| open_for.as_secs_f64());
        if matches!(transition.to, State::Open | State::ForcedOpen) {
            tracing::warn!(
                policy = &**policy,
                from,
                to,
                cause,
                open_seconds,
                epoch,
                "breaker opened"
            );
        } else {
            tracing::info!(
                policy = &**policy,
                from,
                to,
                cause,
                epoch,
                "breaker changed its state"
            );
        }
    }
}
