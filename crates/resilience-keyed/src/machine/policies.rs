use super::{Look, Map, Moment, Room, Value};
use resilience_core::{ConfigError, Forget, Now, Timestamp};
use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash, RandomState},
    time::Duration,
};

/// A policy that is kept for one key.
#[derive(Debug)]
pub struct Kept<P> {
    policy: P,
    /// Since when it is known to be at rest; `None` if it was used since it was last looked at.
    rests_since: Option<Timestamp>,
}

impl<P: Clone> Kept<P> {
    fn call(&mut self, moment: Moment) -> (P, Timestamp) {
        self.rests_since = None;
        // The clone is made under the lock: whoever sweeps sees it, and keeps the policy.
        (self.policy.clone(), moment.now)
    }
}

impl<P: Forget> Value for Kept<P> {
    fn may_go(&mut self, look: &Look) -> bool {
        let now = &mut Now::at(look.now);
        if !self.policy.is_at_rest(now) {
            self.rests_since = None;
            return false;
        }
        // What the last call has left behind may be as young as the look that first finds it over.
        let since = *self.rests_since.get_or_insert(look.now);
        look.now - since >= look.idle || (look.full && self.policy.is_fresh(now))
    }
}

/// One policy for each key.
///
/// A key is dropped when two looks that lie at least the idle time apart have found its policy
/// [at rest](Forget::is_at_rest), without a call between them; and, when room is needed, as soon as its policy is
/// [as good as new](Forget::is_fresh).
#[derive(Debug)]
pub struct Policies<K, P, S = RandomState> {
    map: Map<K, Kept<P>, S>,
}

impl<K, P> Policies<K, P> {
    /// No policies yet. Ranges as for [`Map::new`].
    pub fn new(max_keys: usize, idle: Duration) -> Result<Self, ConfigError> {
        let map = Map::new(max_keys, idle)?;
        Ok(Self { map })
    }
}

impl<K, P, S> Policies<K, P, S> {
    /// The keys, and how many there are and may be.
    pub fn map(&self) -> &Map<K, Kept<P>, S> {
        &self.map
    }

    /// As [`new`](Policies::new), in this map.
    pub fn of(map: Map<K, Kept<P>, S>) -> Self {
        Self { map }
    }
}

impl<K: Hash + Eq, P: Forget + Clone, S: BuildHasher> Policies<K, P, S> {
    /// The policy for a call now, and the time that it should be asked with; `None` for a new key. And how many keys
    /// were dropped.
    pub fn call(&self, hash: u64, key: &K, now: Timestamp) -> (Option<(P, Timestamp)>, usize) {
        self.map.with(hash, key, now, Kept::call)
    }

    /// The policy for the first call of a new key: `policy`, unless somebody else was faster. And whether it is.
    pub fn first_call(
        &self,
        room: Room<'_>,
        hash: u64,
        key: K,
        policy: P,
        now: Timestamp,
    ) -> ((P, Timestamp), bool) {
        let kept = Kept {
            policy,
            rests_since: None,
        };
        self.map.insert(room, hash, key, kept, now, Kept::call)
    }

    /// The policy of a key. Nothing is dropped that anybody holds.
    pub fn get<Q>(&self, key: &Q) -> Option<P>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.map.hash(key);
        self.map.peek(hash, key, |kept, _| kept.policy.clone())
    }

    /// Removes a key, whatever its policy does. The next call makes a new one.
    pub fn remove<Q>(&self, key: &Q) -> Option<P>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.remove(key).map(|kept| kept.policy)
    }
}
