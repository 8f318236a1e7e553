use crate::{limit::Shared, machine::Grant};
use resilience_core::{Now, Outcome, Permit, clock, sync::Handle};
use std::fmt;

/// The right to make one call. What it has cost stays spent, unless it is reverted: the call was never made.
#[must_use = "dropping it keeps what it has cost"]
pub struct RateLimitPermit {
    shared: Handle<Shared>,
    grant: Grant,
    reverted: bool,
}

impl RateLimitPermit {
    #[inline]
    pub(crate) fn new(shared: Handle<Shared>, grant: Grant) -> Self {
        Self {
            shared,
            grant,
            reverted: false,
        }
    }
}

impl Permit for RateLimitPermit {
    #[inline]
    fn finish(self, _: Outcome, _: &mut Now) {}

    fn revert(mut self, now: &mut Now) {
        self.reverted = true;
        let grant = std::mem::replace(&mut self.grant, Grant::FREE);
        // `now` may be the time of the admission, and others may have come since.
        let present = || clock::now().max(now.get());
        if self.shared.gcra.give_back(grant, present) {
            // The turn of whoever comes next may be earlier now.
            self.shared.line.wake_head();
        }
    }
}

impl Drop for RateLimitPermit {
    #[inline]
    fn drop(&mut self) {
        // Counted only now, since a counter cannot take back what is reverted.
        if !self.reverted {
            self.shared.telemetry.admitted.increment();
        }
    }
}

impl fmt::Debug for RateLimitPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitPermit")
            .field("limit", &self.shared.name)
            .finish_non_exhaustive()
    }
}
