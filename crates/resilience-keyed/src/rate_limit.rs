use crate::{
    Pace,
    common::Common,
    machine::{Changes, NotAdmitted, Rates},
    permit::{KeyedRateLimitPermit, Taken},
    telemetry::Calls,
};
use resilience_core::{GuardLayer, Name, Now, Policy, Reason, Rejected, Timestamp, sync::Handles};
use resilience_ratelimit::{
    Cost, CostBy, One,
    machine::{Gcra, Refusal},
};
use std::{borrow::Borrow, fmt, hash::Hash};

/// The layer of a [`KeyedRateLimit`].
pub type KeyedRateLimitLayer<K, F, C = One> = GuardLayer<KeyedRateLimit<K, F, C>>;

/// A rate limit for each key `K`, of which no more is kept than the key and one word; and the handle to them.
///
/// `F` finds the key in a request, and `C` says what it costs. Without an `F` (the default), this is a
/// [handle](Self::handle), whose type is easy to name, and not a policy.
///
/// Refuses at once, as a [`RateLimit`](resilience_ratelimit::RateLimit) does. A clone is the same set of limits, and so
/// is every layer made of it.
pub struct KeyedRateLimit<K, F = (), C = One> {
    shared: Handles<Shared<K>>,
    key: F,
    cost: C,
}

pub(crate) struct Shared<K> {
    pub(crate) rates: Rates<K>,
    pub(crate) pace: Paces<K>,
    /// For keys that find no room; `None` if they are refused.
    pub(crate) overflow: Option<Gcra>,
    pub(crate) common: Common,
    pub(crate) calls: Calls,
}

pub(crate) type PaceBy<K> = Box<dyn Fn(Option<&K>) -> Pace + Send + Sync>;

pub(crate) enum Paces<K> {
    Same(Pace),
    By(PaceBy<K>),
}

impl<K> Paces<K> {
    pub(crate) fn of(&self, key: Option<&K>) -> Pace {
        match self {
            Self::Same(pace) => *pace,
            Self::By(pace) => pace(key),
        }
    }
}

impl<K, F, C> KeyedRateLimit<K, F, C> {
    pub(crate) fn new(shared: Handles<Shared<K>>, key: F, cost: C) -> Self {
        Self { shared, key, cost }
    }

    /// The same limits, for requests that cost what `cost` says, as with
    /// [`RateLimit::cost`](resilience_ratelimit::RateLimit::cost).
    pub fn cost<Req: ?Sized, D: Fn(&Req) -> u32>(self, cost: D) -> KeyedRateLimit<K, F, CostBy<D>> {
        KeyedRateLimit::new(self.shared, self.key, CostBy::new(cost))
    }

    /// A handle to the same limits.
    pub fn handle(&self) -> KeyedRateLimit<K> {
        KeyedRateLimit::new(self.shared.clone(), (), One)
    }

    /// The same limits, with the same keys, for requests of another type. They cost one, unless you say
    /// [otherwise](Self::cost).
    pub fn key<Req: ?Sized, G: Fn(&Req) -> Option<K>>(&self, key: G) -> KeyedRateLimit<K, G> {
        KeyedRateLimit::new(self.shared.clone(), key, One)
    }

    /// A Tower layer over these limits.
    pub fn layer(&self) -> KeyedRateLimitLayer<K, F, C>
    where
        F: Clone,
        C: Clone,
    {
        GuardLayer::new(self.clone())
    }

    /// The name given by the user.
    pub fn name(&self) -> &Name {
        &self.shared.common.name
    }

    /// How many keys there are. Never more than [`max_keys`](Self::max_keys). Keys whose calls have no effect any more
    /// are dropped now and then.
    pub fn len(&self) -> usize {
        self.shared.rates.map().len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys there may be.
    pub fn max_keys(&self) -> usize {
        self.shared.rates.map().max_keys()
    }

    /// All keys, in no order.
    pub fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        self.shared.rates.map().keys()
    }

    /// Forgets the calls of all keys.
    pub fn clear(&self) {
        let removed = self.shared.rates.map().clear();
        self.shared.common.telemetry.removed(removed);
    }

    /// How much all keys together for which there is no room could be admitted at once at `now`; `None` if they are
    /// refused.
    pub fn overflow_available(&self, now: Timestamp) -> Option<u32> {
        let overflow = self.shared.overflow.as_ref()?;
        Some(overflow.available(now))
    }

    /// Uses this recorder for metrics instead of the global one. Without effect on those used before.
    #[cfg(feature = "metrics")]
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        self.shared.common.telemetry.bind(recorder);
        self.shared.calls.bind(recorder);
    }
}

impl<K: Hash + Eq, F, C> KeyedRateLimit<K, F, C> {
    /// How much would be admitted of `key` at once at `now`, which is
    /// [`clock::now()`](resilience_core::clock::now) but in simulations. The whole burst for a key that is not there.
    pub fn available(&self, key: &K, now: Timestamp) -> u32 {
        let pace = self.shared.pace.of(Some(key));
        self.shared.rates.available(key, &pace, now)
    }

    /// Forgets the calls of a key: a whole burst may be admitted at once. Whether there was anything to forget.
    pub fn remove<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let removed = self.shared.rates.remove(key);
        self.shared.common.telemetry.removed(removed.into());
        removed
    }

    /// Looks at all keys, drops those whose calls have no effect any more at `now`, and returns how many.
    ///
    /// Calls do this bit by bit. It is for processes that want their memory back while there are none.
    pub fn sweep(&self, now: Timestamp) -> usize {
        let dropped = self.shared.rates.map().sweep(now);
        let changes = Changes {
            added: false,
            dropped,
        };
        self.shared.common.telemetry.changed(changes);
        dropped
    }
}

impl<K: Hash + Eq + Clone> Shared<K> {
    #[expect(clippy::inline_always, reason = "as `admit`, which is little else")]
    #[inline(always)]
    fn take(&self, key: K, cost: u32, now: &mut Now) -> Result<Taken<K>, Rejected> {
        if cost == 0 {
            return Ok(Taken::Nothing);
        }
        // The user's code, and so before any lock is taken.
        let own;
        let pace = match &self.pace {
            Paces::Same(pace) => pace,
            Paces::By(pace) => {
                own = pace(Some(&key));
                &own
            }
        };
        let nanos = pace.cost(cost).map_err(|why| self.refused(why))?;
        let (granted, changes) = self.rates.admit(key, pace, nanos, now.get());
        self.common.telemetry.changed(changes);
        match granted {
            Ok(grant) => Ok(Taken::OfKey(grant)),
            Err(NotAdmitted::Refused(why)) => Err(self.refused(why)),
            Err(NotAdmitted::NoRoom) => {
                self.common.telemetry.overflow.increment();
                let Some(overflow) = &self.overflow else {
                    self.calls.rejected.increment();
                    return Err(self.common.no_room());
                };
                let granted = overflow.admit(cost, now.get());
                granted
                    .map(Taken::OfOverflow)
                    .map_err(|why| self.refused(why))
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn refused(&self, why: Refusal) -> Rejected {
        self.calls.rejected.increment();
        let delay = match why {
            Refusal::For(delay) => Some(delay),
            Refusal::Never => None,
        };
        Rejected::new(Reason::Rate, self.common.name.clone()).retry_after(delay)
    }
}

impl<Req, K, F, C> Policy<Req> for KeyedRateLimit<K, F, C>
where
    Req: ?Sized,
    K: Hash + Eq + Clone,
    F: Fn(&Req) -> Option<K>,
    C: Cost<Req>,
{
    /// `None` for a request without a key.
    type Permit = Option<KeyedRateLimitPermit<K>>;

    #[expect(
        clippy::inline_always,
        reason = "a permit that is built where it stays need not be copied: with one hot key, 93 → 81 ns"
    )]
    #[inline(always)]
    fn admit(&self, req: &Req, now: &mut Now) -> Result<Self::Permit, Rejected> {
        let Some(key) = (self.key)(req) else {
            return self.shared.common.without_key();
        };
        let taken = self.shared.take(key, self.cost.cost(req), now)?;
        Ok(Some(KeyedRateLimitPermit::new(self.shared.handle(), taken)))
    }
}

impl<K> Drop for Shared<K> {
    /// What is gone is not counted any more.
    fn drop(&mut self) {
        let keys = self.rates.map().len();
        self.common.telemetry.removed(keys);
    }
}

impl<K, F: Clone, C: Clone> Clone for KeyedRateLimit<K, F, C> {
    fn clone(&self) -> Self {
        Self::new(self.shared.clone(), self.key.clone(), self.cost.clone())
    }
}

impl<K, F, C> fmt::Debug for KeyedRateLimit<K, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimit")
            .field("name", self.name())
            .field("keys", &self.len())
            .field("max_keys", &self.max_keys())
            .finish_non_exhaustive()
    }
}
