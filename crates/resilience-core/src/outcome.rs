//! How a call ended.

use crate::Reason;
use std::time::Duration;

/// How a call ended, as far as resilience is concerned. One classification serves every layer.
///
/// | outcome | breaker | retry | fallback |
/// |---|---|---|---|
/// | [`Success`](Self::Success) | success | returned | returned |
/// | [`Ignored`](Self::Ignored) | not counted | returned | returned |
/// | [`Permanent`](Self::Permanent) | failure | returned | degrades |
/// | [`Transient`](Self::Transient) | failure | retried | degrades |
/// | [`Overload`](Self::Overload) | failure | retried, after the advised delay | degrades |
/// | [`Unsent`](Self::Unsent) | failure | retried, whatever the request | degrades |
/// | [`Refused`](Self::Refused) | not counted | retried, where waiting helps: not after a breaker | degrades |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The dependency did its work. That includes telling the caller that the request was wrong.
    Success,
    /// Says nothing about the dependency, for example because the caller went away.
    Ignored,
    /// The dependency failed, and would fail again.
    Permanent,
    /// The dependency failed, and may well succeed the next time.
    Transient {
        /// How long the server asks to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// The dependency has too much to do.
    Overload {
        /// How long the server asks to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// The dependency could not be reached: the request provably never left, so that repeating it is safe.
    Unsent,
    /// One of the family's own layers refused the call; the dependency was not asked.
    Refused {
        /// Why it was refused.
        reason: Reason,
        /// When a call may be admitted again, where that is known.
        retry_after: Option<Duration>,
    },
}

impl Outcome {
    /// A [`Transient`](Self::Transient) failure without advice.
    pub const TRANSIENT: Self = Self::Transient { retry_after: None };

    /// An [`Overload`](Self::Overload) without advice.
    pub const OVERLOAD: Self = Self::Overload { retry_after: None };

    /// Whether this is a failure of the dependency.
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Permanent | Self::Transient { .. } | Self::Overload { .. } | Self::Unsent
        )
    }

    /// Whether the request provably never reached the dependency.
    pub const fn never_sent(self) -> bool {
        matches!(self, Self::Unsent | Self::Refused { .. })
    }

    /// The delay that the server, or the refusing policy, asks for.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Transient { retry_after }
            | Self::Overload { retry_after }
            | Self::Refused { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    /// The outcome as a metrics label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Ignored => "ignored",
            Self::Permanent => "permanent",
            Self::Transient { .. } => "transient",
            Self::Overload { .. } => "overload",
            Self::Unsent => "unsent",
            Self::Refused { .. } => "refused",
        }
    }
}
