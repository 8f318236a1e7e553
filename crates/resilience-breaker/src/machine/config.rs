//! The validated configuration. Made by [`BreakerBuilder`](crate::BreakerBuilder).

use super::window::Counts;
use resilience_core::{Entropy, grown};
use std::time::Duration;

/// What a call counts that was abandoned: dropped before its response, or the head of it, was there.
///
/// An outer timeout abandons calls, and so does a client that goes away. The first says much about the
/// dependency and the second nothing, and from here they look the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Abandoned {
    /// Extends the run of failures, and is left out of the window. An abandoned probe reopens. The default: a
    /// dependency that hangs behind an outer timeout trips the breaker, clients that go away among good answers
    /// do not.
    #[default]
    ExtendsRun,
    /// Says nothing. An abandoned probe gives its place back.
    Ignored,
    /// Is a failure.
    Failure,
    /// Is a failure if the call had been under way for at least this long, and is ignored otherwise.
    FailureAfter(
        #[cfg_attr(feature = "serde", serde(with = "resilience_core::config::humane"))] Duration,
    ),
}

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) window: WindowKind,
    pub(crate) rates: Rates,
    pub(crate) minimum_calls: u64,
    pub(crate) run: Option<RunLimit>,
    pub(crate) opening: Opening,
    pub(crate) probing: Probing,
    pub(crate) abandoned: Abandoned,
    /// So many successes of one thread are dated together, at most.
    pub(crate) success_batch: u32,
}

impl Config {
    /// Whether a closed breaker may date its successes later: the window goes by time, and does not ask how long calls took.
    pub(crate) fn dates_later(&self) -> bool {
        self.time_window() && self.rates.slow.is_none()
    }

    /// Whether a closed breaker has no use for successes, but that they end runs of failures.
    pub(crate) fn has_no_window(&self) -> bool {
        matches!(self.window, WindowKind::Off)
    }

    /// Whether it matters how long a call takes.
    pub(crate) fn times_calls(&self) -> bool {
        self.rates.slow.is_some() || matches!(self.abandoned, Abandoned::FailureAfter(_))
    }

    /// Whether the window goes by time.
    pub(crate) fn time_window(&self) -> bool {
        matches!(self.window, WindowKind::Time { .. })
    }

    /// Whether a failure's time matters for the run of failures.
    pub(crate) fn spread(&self) -> bool {
        self.run.is_some_and(|limit| !limit.spread.is_zero())
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum WindowKind {
    Off,
    Count(usize),
    Time {
        /// Of one bucket, in nanoseconds.
        width: u64,
        buckets: usize,
        /// How much time the outcomes must cover before they are judged.
        minimum_covered: Duration,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) failure: Option<f64>,
    pub(crate) slow: Option<SlowCalls>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SlowCalls {
    pub(crate) from: Duration,
    pub(crate) rate: f64,
}

/// Which of the two rates was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Failure,
    Slow,
}

impl Rates {
    /// A quotient of two integers and the decimal that a user writes for it round to the same number; a
    /// product of the decimal would not.
    pub(crate) fn exceeded(&self, counts: Counts) -> Option<Exceeded> {
        let reached = |part: u64, limit: f64| part > 0 && share(part, counts.calls) >= limit;
        if self
            .failure
            .is_some_and(|limit| reached(counts.failures, limit))
        {
            return Some(Exceeded::Failure);
        }
        self.slow
            .is_some_and(|slow| reached(counts.slow, slow.rate))
            .then_some(Exceeded::Slow)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "windows hold far less than 2^53 calls"
)]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RunLimit {
    pub(crate) failures: u32,
    pub(crate) spread: Duration,
}

/// How long the breaker stays open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) base: Duration,
    /// So many openings in a row last `base`.
    pub(crate) steady: u32,
    pub(crate) factor: f64,
    pub(crate) cap: Duration,
    pub(crate) jitter: f64,
}

impl Opening {
    /// The length of the `nth` opening in a row, counted from one.
    pub(crate) fn length(&self, nth: u32, entropy: &Entropy) -> Duration {
        let growths = nth.saturating_sub(self.steady);
        let plain = grown(self.base, self.factor, growths, self.cap);
        if self.jitter > 0.0 {
            plain.mul_f64(1.0 + self.jitter * (2.0 * entropy.unit() - 1.0))
        } else {
            plain
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Probing {
    pub(crate) concurrent: usize,
    pub(crate) judge: Judge,
    pub(crate) limit: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Judge {
    /// So many successes in a row close, the first failure reopens.
    InARow(u32),
    /// After so many results, their rates decide.
    ByRate(u64),
}
