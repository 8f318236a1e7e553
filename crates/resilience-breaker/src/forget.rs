use crate::{Breaker, State};
use resilience_core::{Forget, Now};

/// A breaker is fresh while it is closed, has no calls in flight and remembers none: nothing in the window, and no run of
/// failures. Only a time window empties itself; a run ends with a success.
///
/// It is at rest while it is closed and has no calls in flight. What it remembers then has not opened it, and may go
/// once it is old. One that is open, half-open or forced, or of which there is another handle, is never forgotten.
impl Forget for Breaker {
    fn is_fresh(&self, now: &mut Now) -> bool {
        self.is_at_rest(now) && {
            let seen = self.0.machine.snapshot(now.get());
            seen.calls == 0 && seen.consecutive_failures == 0
        }
    }

    fn is_at_rest(&self, _: &mut Now) -> bool {
        self.0.is_unshared() && self.state() == State::Closed
    }
}
