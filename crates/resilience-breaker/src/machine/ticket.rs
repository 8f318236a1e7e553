//! What an admitted call holds, and what its end tells.

use super::Transition;
use resilience_core::{Now, Timestamp};
use std::{num::NonZeroU64, time::Duration};

/// The answer to a caller, and what asking brought about.
#[derive(Debug)]
#[must_use = "a ticket that is not ended takes a probe's place until the probe limit"]
pub struct Admission {
    /// Admitted, or refused.
    pub ticket: Result<Ticket, Refused>,
    /// The change of state, if there was one.
    pub transition: Option<Transition>,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How long until probes are admitted, exactly; `None` where that depends on the probes under way.
    pub retry_after: Option<Duration>,
}

/// An admitted call.
#[derive(Debug)]
#[must_use = "a ticket that is not ended takes a probe's place until the probe limit"]
pub struct Ticket {
    pub(super) epoch: u64,
    /// Its number, if this is a probe.
    pub(super) probe: Option<NonZeroU64>,
    /// The end of time where the clock was not read: only some configurations ask how long calls take.
    admitted: Timestamp,
    pub(super) head: Option<Head>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) slow: bool,
}

impl Ticket {
    #[inline]
    pub(super) fn new(epoch: u64, probe: Option<NonZeroU64>, admitted: Option<Timestamp>) -> Self {
        Self {
            epoch,
            probe,
            admitted: admitted.unwrap_or(Timestamp::MAX),
            head: None,
        }
    }

    /// How long the call has been under way.
    pub(super) fn age(&self, now: &mut Now) -> Duration {
        if self.admitted == Timestamp::MAX {
            return Duration::ZERO;
        }
        now.get() - self.admitted
    }

    /// The number of transitions before the call was admitted.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the call is a probe.
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}

/// How a call ended, for its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// It succeeded.
    Success,
    /// It succeeded, and took too long.
    Slow,
    /// It failed.
    Failure,
    /// It says nothing about the dependency.
    Ignored,
    /// It was dropped before its head.
    Abandoned,
}

impl Ending {
    /// The ending as a metrics label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Slow => "slow",
            Self::Failure => "failure",
            Self::Ignored => "ignored",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The end of a call, and what it brought about.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// How the call ended.
    pub ending: Ending,
    /// The change of state, if there was one.
    pub transition: Option<Transition>,
}
