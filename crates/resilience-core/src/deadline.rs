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
/// let inner = deadline.earlier(Deadline::within(Duration::from_secs(60)));
/// assert_eq!(inner, deadline);
/// ```
///
/// A response may go on after its head: the body of a download, a stream. A deadline bounds all of it, unless it is for the
/// [head only](Self::head_only).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadline {
    head: Timestamp,
    /// `None` where the body may go on.
    body: Option<Timestamp>,
}

impl Deadline {
    /// The deadline at `at`.
    pub const fn at(at: Timestamp) -> Self {
        Self {
            head: at,
            body: Some(at),
        }
    }

    /// The deadline `timeout` from now.
    #[cfg(all(feature = "tower", not(resilience_loom)))]
    pub fn within(timeout: Duration) -> Self {
        Self::after(timeout, &mut Now::lazy())
    }

    /// The deadline `timeout` from `now`.
    pub fn after(timeout: Duration, now: &mut Now) -> Self {
        Self::at(now.get() + timeout)
    }

    /// The same for the head of the response, while its body may go on for as long as it likes.
    pub const fn head_only(self) -> Self {
        Self {
            head: self.head,
            body: None,
        }
    }

    /// The earlier of both, for the head as for the body.
    pub fn earlier(self, other: Self) -> Self {
        Self {
            head: self.head.min(other.head),
            body: self.body.into_iter().chain(other.body).min(),
        }
    }

    /// The time at which the call has to be over, or at least the head of its response be there.
    pub const fn timestamp(self) -> Timestamp {
        self.head
    }

    /// The time at which the body of the response has to be over too; `None` if it may go on.
    pub const fn body(self) -> Option<Timestamp> {
        self.body
    }

    /// What is left of the time; zero if there is none.
    #[cfg(all(feature = "tower", not(resilience_loom)))]
    pub fn remaining(self) -> Duration {
        self.remaining_at(&mut Now::lazy())
    }

    /// What is left of the time at `now`; zero if there is none.
    pub fn remaining_at(self, now: &mut Now) -> Duration {
        self.head - now.get()
    }

    /// Whether there is no time left at `now`.
    pub fn has_passed(self, now: &mut Now) -> bool {
        self.head <= now.get()
    }
}
