//! What can be seen of a breaker: its state, its transitions, its figures.

use super::config::share;
use std::{fmt, time::Duration};

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Calls are admitted, and their outcomes watched.
    Closed,
    /// Calls are refused, until the first call after the open time makes it half-open.
    Open,
    /// A few calls are admitted as probes.
    HalfOpen,
    /// Calls are refused until the breaker is reset.
    ForcedOpen,
    /// Calls are admitted, and their outcomes not watched, until the breaker is reset.
    ForcedClosed,
}

impl State {
    /// The state as a metrics label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
        }
    }

    /// Whether some or all calls are refused, so that nobody should wait for the inner service.
    #[inline]
    pub(crate) const fn refuses(self) -> bool {
        !matches!(self, Self::Closed | Self::ForcedClosed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Enough failures in a row.
    ConsecutiveFailures,
    /// The failure rate of the window.
    FailureRate,
    /// The slow-call rate of the window.
    SlowCallRate,
    /// The open time is over.
    OpenTimeOver,
    /// A probe failed, was slow, was abandoned or hung; or too many of them.
    ProbesFailed,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// Forced, or reset, through the handle.
    Handle,
}

impl Cause {
    /// The cause as a label for events.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::FailureRate => "failure_rate",
            Self::SlowCallRate => "slow_call_rate",
            Self::OpenTimeOver => "open_time_over",
            Self::ProbesFailed => "probes_failed",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::Handle => "handle",
        }
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why it changed.
    pub cause: Cause,
    /// How long calls will be refused, for a transition to [`Open`](State::Open).
    pub open_for: Option<Duration>,
    /// Numbers the transitions of one breaker: the one with the higher number came later, in whatever order
    /// the callbacks of concurrent calls run.
    pub epoch: u64,
}

/// The figures of a breaker at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The state. An open breaker whose time is over stays [`Open`](State::Open) until a call comes.
    pub state: State,
    /// Calls in the window. While the breaker is not closed: what is left of the window that it had.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Slow calls among them.
    pub slow_calls: u64,
    /// Failures, and abandoned calls that extend the run, since the last success.
    pub consecutive_failures: u32,
    /// Openings since the breaker was last closed.
    pub openings_in_a_row: u32,
    /// Probes under way.
    pub probes: usize,
    /// While open: how long until a probe will be admitted.
    pub until_probe: Option<Duration>,
}

impl Snapshot {
    /// Failures by calls, from 0 to 1; `None` without calls.
    pub fn failure_rate(&self) -> Option<f64> {
        (self.calls > 0).then(|| share(self.failures, self.calls))
    }

    /// Slow calls by calls, from 0 to 1; `None` without calls.
    pub fn slow_call_rate(&self) -> Option<f64> {
        (self.calls > 0).then(|| share(self.slow_calls, self.calls))
    }
}

/// State, epoch, and whether there is a run of failures that a success would end, in one atomic word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) state: State,
    pub(crate) run: bool,
    pub(crate) epoch: u64,
}

const STATE: u64 = 0b111;
const RUN: u32 = 3;
const EPOCH: u32 = 4;

impl Word {
    #[inline]
    pub(crate) const fn pack(self) -> u64 {
        self.epoch << EPOCH | (self.run as u64) << RUN | self.state as u64
    }

    #[inline]
    pub(crate) const fn unpack(word: u64) -> Self {
        let state = match word & STATE {
            0 => State::Closed,
            1 => State::Open,
            2 => State::HalfOpen,
            3 => State::ForcedOpen,
            _ => State::ForcedClosed,
        };
        Self {
            state,
            run: word >> RUN & 1 == 1,
            epoch: word >> EPOCH,
        }
    }
}
