use super::{
    Look, Moment, Value,
    shard::{BATCH, Shard},
};
use hashbrown::hash_table::Entry;
use resilience_core::{
    ConfigError, Timestamp, config,
    sync::{AtomicUsize, Mutex, MutexGuard, Ordering, Padded, lock},
};
use std::{
    borrow::Borrow,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    time::Duration,
};

/// How many sweeps look for something to drop before a new key is told that there is no room.
const TRIES: usize = 4;

/// A map with a hard cap, which forgets what may be forgotten.
///
/// There is no task that cleans up, and no call looks at all keys: each new key, and every 64th question for a known
/// one, looks at the next eight places of the next shard and drops what [may go](Value::may_go). When the map is
/// full, a new key looks at up to four times as many, and gets the place of one that may go, if one was found. A
/// process without calls keeps what it has, unless it [sweeps](Self::sweep) by hand.
///
/// Keys are spread over shards, each with a lock of its own that is held for one look-up. Of the code of others, only
/// `Eq`, `Hash` and `Clone` of the key and [`Value::may_go`] run under it. The hash is keyed with a random number, so
/// that clients cannot choose keys that collide.
pub struct Map<K, V, S = RandomState> {
    shards: Box<[Locked<K, V>]>,
    hasher: S,
    max_keys: usize,
    idle: Duration,
    /// Keys, and the rooms reserved for some.
    taken: AtomicUsize,
    /// The shard that is swept next.
    hand: AtomicUsize,
}

/// On lines of its own: threads that use two neighbours at once would wait for one another.
type Locked<K, V> = Padded<Mutex<Shard<K, V>>>;

impl<K, V> Map<K, V> {
    /// The highest cap: 100,000,000 keys.
    pub const MAX_KEYS: usize = 100_000_000;

    /// An empty map for `max_keys` keys, from 1 to [`MAX_KEYS`](Self::MAX_KEYS), which are kept for `idle` after they
    /// were last used, if there is room, and if nothing is lost with them.
    pub fn new(max_keys: usize, idle: Duration) -> Result<Self, ConfigError> {
        Self::with_hasher(max_keys, idle, RandomState::new())
    }
}

impl<K, V, S> Map<K, V, S> {
    /// As [`new`](Map::new), with this hasher, which must not be one that clients can foresee.
    pub fn with_hasher(max_keys: usize, idle: Duration, hasher: S) -> Result<Self, ConfigError> {
        let max_keys = config::count("max_keys", max_keys, 1, Map::<K, V>::MAX_KEYS)?;
        // Enough for a few dozen cores; and, so that none takes long to grow, more for very large maps.
        let shards = (max_keys / 64).clamp(1, 64).max(max_keys / 16_384);
        Ok(Self {
            shards: (0..shards.next_power_of_two())
                .map(|_| Padded(Mutex::new(Shard::default())))
                .collect(),
            hasher,
            max_keys,
            idle: config::duration("idle", idle)?,
            taken: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
        })
    }

    /// How many keys there are, those included that are just being added.
    pub fn len(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys there may be.
    pub fn max_keys(&self) -> usize {
        self.max_keys
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<K, V>> {
        // Bits that the tables themselves hardly use: they find places by the lowest, and tell neighbours apart by
        // the highest.
        #[allow(
            clippy::cast_possible_truncation,
            reason = "there are at most 2^13 shards; the lint fires on 32-bit targets only"
        )]
        let index = (hash >> 40) as usize & (self.shards.len() - 1);
        lock(&self.shards[index])
    }

    /// All keys, in no order; each shard as it is at some moment.
    pub fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        let mut keys = Vec::new();
        for shard in &self.shards {
            keys.extend(lock(shard).keys().cloned());
        }
        keys
    }

    /// Drops all keys, and returns how many.
    pub fn clear(&self) -> usize {
        let mut cleared = 0;
        for shard in &self.shards {
            let table = lock(shard).clear();
            self.taken.fetch_sub(table.len(), Ordering::AcqRel);
            cleared += table.len();
        }
        cleared
    }
}

impl<K: Hash + Eq, V: Value, S: BuildHasher> Map<K, V, S> {
    /// The hash of a key, for the other methods.
    pub fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Runs `step` on what is kept for `key`, under the lock; `None` without it. And how many keys were dropped.
    #[inline]
    pub fn with<Q, T>(
        &self,
        hash: u64,
        key: &Q,
        now: Timestamp,
        step: impl FnOnce(&mut V, Moment) -> T,
    ) -> (Option<T>, usize)
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let (result, due) = {
            let mut shard = self.shard(hash);
            let (due, moment) = (shard.asked(), shard.moment(now));
            (shard.find(hash, key).map(|value| step(value, moment)), due)
        };
        let dropped = if due { self.look_on(now, false) } else { 0 };
        (result, dropped)
    }

    /// Runs `step` on what is kept for `key`, under the lock, without any effect on time.
    pub fn peek<Q, T>(
        &self,
        hash: u64,
        key: &Q,
        step: impl FnOnce(&mut V, Moment) -> T,
    ) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let mut shard = self.shard(hash);
        let moment = shard.last_moment();
        shard.find(hash, key).map(|value| step(value, moment))
    }

    /// Reserves room for a new key, if there is any; and how many keys were dropped.
    pub fn room(&self, now: Timestamp) -> (Option<Room<'_>>, usize) {
        let mut dropped = self.look_on(now, false);
        for _ in 0..TRIES {
            if let Some(room) = self.reserve() {
                return (Some(room), dropped);
            }
            dropped += self.look_on(now, true);
        }
        (self.reserve(), dropped)
    }

    fn reserve(&self) -> Option<Room<'_>> {
        let another = |taken| (taken < self.max_keys).then_some(taken + 1);
        let reserved = self
            .taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, another);
        reserved.ok().map(|_| Room { taken: &self.taken })
    }

    /// Adds `value` for `key`, unless somebody else was faster: then theirs stays. Runs `step` on the one that is kept,
    /// under the lock. And whether it is the new one.
    pub fn insert<T>(
        &self,
        room: Room<'_>,
        hash: u64,
        key: K,
        mut value: V,
        now: Timestamp,
        step: impl FnOnce(&mut V, Moment) -> T,
    ) -> (T, bool) {
        let (result, not_needed) = {
            let mut shard = self.shard(hash);
            let moment = shard.moment(now);
            match shard.entry(hash, &key, |key| self.hasher.hash_one(key)) {
                Entry::Occupied(mut known) => {
                    let result = step(&mut known.get_mut().1, moment);
                    (result, Some((key, value, room)))
                }
                Entry::Vacant(free) => {
                    let result = step(&mut value, moment);
                    free.insert((key, value));
                    room.keep();
                    (result, None)
                }
            }
        };
        (result, not_needed.is_none())
    }

    /// Drops a key, whatever is kept for it.
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        let removed = self.shard(hash).remove(hash, key)?;
        self.taken.fetch_sub(1, Ordering::AcqRel);
        Some(removed.1)
    }

    /// Looks at all keys, and drops those that may go; how many. Each lock is held for a few of them at a time.
    pub fn sweep(&self, now: Timestamp) -> usize {
        let sweep_shard = |shard: &Locked<K, V>| {
            let batches = lock(shard).places().div_ceil(BATCH);
            (0..batches)
                .map(|_| self.look_at(shard, now, false))
                .sum::<usize>()
        };
        self.shards.iter().map(sweep_shard).sum()
    }

    /// Looks at a few places of the next shard.
    fn look_on(&self, now: Timestamp, full: bool) -> usize {
        let next = self.hand.fetch_add(1, Ordering::Relaxed);
        self.look_at(&self.shards[next & (self.shards.len() - 1)], now, full)
    }

    fn look_at(&self, shard: &Mutex<Shard<K, V>>, now: Timestamp, full: bool) -> usize {
        let look = Look {
            now,
            idle: self.idle,
            full,
        };
        let mut gone = [const { None }; BATCH];
        // They are dropped after the lock is released: they may be anything.
        lock(shard).sweep(look, &self.taken, &mut gone)
    }
}

impl<K, V, S> fmt::Debug for Map<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("len", &self.len())
            .field("max_keys", &self.max_keys)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

/// Room for one more key in a [`Map`]. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "dropping it gives the room back"]
pub struct Room<'a> {
    taken: &'a AtomicUsize,
}

impl Room<'_> {
    /// The room is taken by a key.
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}
