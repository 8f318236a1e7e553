use hashbrown::{HashTable, hash_table::Entry};
use resilience_core::{
    Timestamp,
    sync::{AtomicUsize, Ordering},
};
use std::{borrow::Borrow, time::Duration};

/// How many places of a table one sweep looks at.
pub(super) const BATCH: usize = 8;
/// How many questions for keys that are there go by between two sweeps. They do not make the map larger; and a sweep of
/// another shard, whose places are in no cache, costs as much as a few questions.
const QUESTIONS: usize = 64;

/// What a [`Map`](super::Map) keeps for each key.
pub trait Value {
    /// Whether this may be dropped now. Asked under the lock of a shard, so that nobody uses it meanwhile.
    fn may_go(&mut self, look: &Look) -> bool;
}

/// One look at a value.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The present.
    pub now: Timestamp,
    /// How long keys are kept that nobody uses, if there is room.
    pub idle: Duration,
    /// Whether the map is full, and a new key waits for a room.
    pub full: bool,
}

/// What a shard knows of time when a value is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The present, but not before anything was dropped in this shard: a thread that read its clock, and was then
    /// overtaken by one that dropped the same key, does not come from the past to an empty place.
    pub now: Timestamp,
    /// When anything in this shard was last used or dropped, or later.
    pub latest: Timestamp,
    /// How often keys were removed from this shard by hand: what was granted before is not given back after it.
    pub removals: u64,
}

/// A part of the map, behind one lock.
#[derive(Debug)]
pub(super) struct Shard<K, V> {
    table: HashTable<(K, V)>,
    /// The place that is looked at next.
    hand: usize,
    /// How often keys were asked for.
    asked: usize,
    /// `now` is the latest time at which anything was dropped.
    moment: Moment,
}

impl<K, V> Default for Shard<K, V> {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
            hand: 0,
            asked: 0,
            moment: Moment::default(),
        }
    }
}

impl<K, V> Shard<K, V> {
    pub(super) fn places(&self) -> usize {
        self.table.num_buckets()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.table.iter().map(|(key, _)| key)
    }

    /// Counts one more question; whether it is time for a sweep.
    pub(super) fn asked(&mut self) -> bool {
        self.asked = self.asked.wrapping_add(1);
        self.asked.is_multiple_of(QUESTIONS)
    }

    /// Begins a use at `now`.
    pub(super) fn moment(&mut self, now: Timestamp) -> Moment {
        let now = now.max(self.moment.now);
        self.moment.latest = self.moment.latest.max(now);
        Moment { now, ..self.moment }
    }

    /// The moment, for who does not know the time.
    pub(super) fn last_moment(&self) -> Moment {
        self.moment
    }

    pub(super) fn find<Q: Eq + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let found = self
            .table
            .find_mut(hash, |(known, _)| known.borrow() == key);
        found.map(|(_, value)| value)
    }

    /// The place of the key, taken or free.
    pub(super) fn entry(
        &mut self,
        hash: u64,
        key: &K,
        hasher: impl Fn(&K) -> u64,
    ) -> Entry<'_, (K, V)>
    where
        K: Eq,
    {
        if self.table.len() == self.table.capacity() {
            self.rebuild(&hasher);
        }
        let is_key = |(known, _): &(K, V)| known == key;
        self.table.entry(hash, is_key, |(known, _)| hasher(known))
    }

    /// Makes free places for as many keys as a quarter of those that there are.
    ///
    /// By itself, the table would double its size as soon as dropped keys have left marks in too many places, even if
    /// half of it is free: at worst, that is 78 bytes for a key and a word. Here it doubles when it is filled to seven
    /// tenths, and else is only cleaned: at worst, 49 bytes.
    fn rebuild(&mut self, hash: impl Fn(&K) -> u64) {
        // The user's code, which may panic, comes before the first key is moved.
        let hashes: Vec<u64> = self.keys().map(hash).collect();
        let keys = std::mem::take(&mut self.table);
        self.table = HashTable::with_capacity(keys.len() + keys.len() / 4 + 1);
        for (hash, key) in hashes.into_iter().zip(keys) {
            let fits = |_: &_| unreachable!("there is enough capacity");
            self.table.insert_unique(hash, key, fits);
        }
    }

    pub(super) fn remove<Q: Eq + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let is_key = |(known, _): &(K, V)| known.borrow() == key;
        let entry = self.table.find_entry(hash, is_key).ok()?;
        self.moment.removals += 1;
        Some(entry.remove().0)
    }

    pub(super) fn clear(&mut self) -> HashTable<(K, V)> {
        self.moment.removals += 1;
        std::mem::take(&mut self.table)
    }
}

impl<K, V: Value> Shard<K, V> {
    /// Looks at the next few places. What may go is put into `gone`, to be dropped when the lock is released.
    pub(super) fn sweep(
        &mut self,
        look: Look,
        taken: &AtomicUsize,
        gone: &mut [Option<(K, V)>; BATCH],
    ) -> usize {
        let look = Look {
            now: look.now.max(self.moment.now),
            ..look
        };
        let places = self.places();
        let mut count = 0;
        for gone in gone.iter_mut().take(places) {
            if self.hand >= places {
                self.hand = 0;
            }
            let place = self.table.get_bucket_entry(self.hand);
            self.hand += 1;
            if let Ok(mut entry) = place
                && entry.get_mut().1.may_go(&look)
            {
                // At once, so that all stays consistent if a later answer panics.
                self.moment.now = look.now;
                *gone = Some(entry.remove().0);
                taken.fetch_sub(1, Ordering::AcqRel);
                count += 1;
            }
        }
        count
    }
}
