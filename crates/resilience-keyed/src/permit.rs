use crate::{machine, rate_limit::Shared};
use resilience_core::{Now, Outcome, Permit, clock, sync::Handle};
use resilience_ratelimit::machine::Grant;
use std::{fmt, hash::Hash};

/// The right to make one call, granted by a [`KeyedRateLimit`](crate::KeyedRateLimit). What it has cost stays spent,
/// unless it is reverted: the call was never made.
///
/// It does not keep its key from being dropped: a key is dropped when what this call has cost has flowed in again, and
/// then there is nothing left to give back.
#[must_use = "dropping it keeps what it has cost"]
pub struct KeyedRateLimitPermit<K> {
    shared: Handle<Shared<K>>,
    taken: Taken<K>,
    reverted: bool,
}

/// What a call has taken, and of whom.
pub(crate) enum Taken<K> {
    Nothing,
    OfKey(machine::Grant<K>),
    OfOverflow(Grant),
}

impl<K> KeyedRateLimitPermit<K> {
    pub(crate) fn new(shared: Handle<Shared<K>>, taken: Taken<K>) -> Self {
        Self {
            shared,
            taken,
            reverted: false,
        }
    }
}

impl<K: Hash + Eq> Permit for KeyedRateLimitPermit<K> {
    fn finish(self, _: Outcome, _: &mut Now) {}

    fn revert(mut self, now: &mut Now) {
        self.reverted = true;
        match std::mem::replace(&mut self.taken, Taken::Nothing) {
            Taken::Nothing => {}
            Taken::OfKey(grant) => {
                self.shared.rates.give_back(grant);
            }
            Taken::OfOverflow(grant) => {
                if let Some(overflow) = &self.shared.overflow {
                    // `now` may be the time of the admission, and others may have come since.
                    overflow.give_back(grant, || clock::now().max(now.get()));
                }
            }
        }
    }
}

impl<K> Drop for KeyedRateLimitPermit<K> {
    fn drop(&mut self) {
        // Counted only now, since a counter cannot take back what is reverted.
        if !self.reverted {
            self.shared.calls.admitted.increment();
        }
    }
}

impl<K> fmt::Debug for KeyedRateLimitPermit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimitPermit")
            .field("limit", &self.shared.common.name)
            .finish_non_exhaustive()
    }
}
