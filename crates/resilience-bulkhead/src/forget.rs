use crate::Bulkhead;
use resilience_core::{Forget, Now};

/// A bulkhead is fresh while it is open, nothing is in flight, and there is no other handle on it.
impl Forget for Bulkhead {
    fn is_fresh(&self, _: &mut Now) -> bool {
        self.shared.is_unshared() && self.in_flight() == 0 && !self.is_closed()
    }
}
