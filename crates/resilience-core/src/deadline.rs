//! When a call has to be over.

use crate::{Now, Timestamp};
use std::time::Duration;

/// When a call has to be over: an absolute time, the same for all that is done for the call.
///
/// Requests carry it, HTTP requests in their extensions, and a [classifier](crate::Classify::deadline) finds it there:
/// nothing that is past its deadline is admitted, nobody waits in a queue beyond it, and no retry begins after it. A
/// copy is the same deadline; hand it to whatever work the call starts.
///
#[cfg_attr(feature = "tower", doc = "```")]
#[cfg_attr(not(feature = "tower"), doc = "```ignore")]
/// use resilience_core::Deadline;
/// use std::time::Duration;
///
/// let deadline = Deadline::within(Duration::from_secs(2));
/// assert!(deadline.remaining() <= Duration::from_secs(2));
/// // What this call asks of others has less time, never more.
/// let inner = deadline.min(Deadline::within(Duration::from_secs(60)));
/// assert_eq!(inner, deadline);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Timestamp);

impl Deadline {
    /// The deadline at `at`.
    pub const fn at(at: Timestamp) -> Self {
        Self(at)
    }

    /// The deadline `timeout` from now.
    #[cfg(all(feature = "tower", not(resilience_loom)))]
    pub fn within(timeout: Duration) -> Self {
        Self::after(timeout, &mut Now::lazy())
    }

    /// The deadline `timeout` from `now`.
    pub fn after(timeout: Duration, now: &mut Now) -> Self {
        Self(now.get() + timeout)
    }

    /// The time at which the call has to be over.
    pub const fn timestamp(self) -> Timestamp {
        self.0
    }

    /// What is left of the time; zero if there is none.
    #[cfg(all(feature = "tower", not(resilience_loom)))]
    pub fn remaining(self) -> Duration {
        self.remaining_at(&mut Now::lazy())
    }

    /// What is left of the time at `now`; zero if there is none.
    pub fn remaining_at(self, now: &mut Now) -> Duration {
        self.0 - now.get()
    }

    /// Whether there is no time left at `now`.
    pub fn has_passed(self, now: &mut Now) -> bool {
        self.0 <= now.get()
    }
}
