use crate::RateLimit;
use resilience_core::{Forget, Now};

/// A limit is fresh while its whole burst is available, no call that it has admitted is under way, and there is no
/// other handle on it.
impl<C> Forget for RateLimit<C> {
    fn is_fresh(&self, now: &mut Now) -> bool {
        self.shared.is_unshared() && self.available(now.get()) == self.quota().burst_size()
    }
}
