use crate::{limit::Shared, machine::Grant};
use resilience_core::{Now, Outcome, Permit, sync::Arc};
use std::fmt;

/// The right to make one call. What it has cost stays spent, unless it is reverted: the call was never made.
#[must_use = "dropping it keeps what it has cost"]
pub struct RateLimitPermit {
    shared: Arc<Shared>,
    /// What the call has taken; `None` if it cost nothing.
    grant: Option<Grant>,
    reverted: bool,
}

impl RateLimitPermit {
    pub(crate) fn new(shared: Arc<Shared>, grant: Option<Grant>) -> Self {
        Self {
            shared,
            grant,
            reverted: false,
        }
    }
}

impl Permit for RateLimitPermit {
    fn finish(self, _: Outcome, _: &mut Now) {}

    fn revert(mut self, _: &mut Now) {
        self.reverted = true;
        if let Some(grant) = self.grant.take()
            && self.shared.gcra.give_back(grant)
        {
            // The turn of whoever comes next may be earlier now.
            self.shared.line.wake_head();
        }
    }
}

impl Drop for RateLimitPermit {
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
