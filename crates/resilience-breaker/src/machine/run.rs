//! The run of failures.

use super::config::RunLimit;
use resilience_core::Timestamp;

/// Failures since the last success.
#[derive(Debug, Default)]
pub(crate) struct Run {
    failures: u32,
    /// When the first of them was recorded.
    first: Timestamp,
}

impl Run {
    pub(crate) fn extend(&mut self, at: Timestamp) {
        if self.failures == 0 {
            self.first = at;
        }
        self.failures = self.failures.saturating_add(1);
    }

    pub(crate) fn end(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether there are enough of them, and not all in the same moment: a pool that loses its connections
    /// fails many calls at once, and that is one event.
    pub(crate) fn reaches(&self, limit: RunLimit, at: Timestamp) -> bool {
        self.failures >= limit.failures && at - self.first >= limit.spread
    }
}
