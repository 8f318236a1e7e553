use super::{Look, Map, Moment, Value};
use resilience_core::{ConfigError, Timestamp};
use resilience_ratelimit::machine::{Pace, Refusal, give_back};
use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash, RandomState},
    time::Duration,
};

/// All that is kept of one key's calls: the theoretical arrival time.
#[derive(Debug)]
pub struct Word(u64);

impl Value for Word {
    /// A word whose time has passed says the same as none. Others stay, however full it is.
    fn may_go(&mut self, look: &Look) -> bool {
        self.0 <= look.now.as_nanos()
    }
}

/// One GCRA limit for each key, of which no more is kept than a word.
///
/// What each key may is said with each call, by a [`Pace`]. A key is dropped as soon as its word means nothing any more.
#[derive(Debug)]
pub struct Rates<K, S = RandomState> {
    map: Map<K, Word, S>,
}

/// What a call has taken.
#[derive(Debug)]
#[must_use = "an admitted call that is not made has to be given back"]
pub struct Grant<K> {
    key: K,
    at: Timestamp,
    cost: u64,
    removals: u64,
}

impl<K> Grant<K> {
    /// When the call counts as admitted. Later than it was told only if the same key was dropped meanwhile.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// When a call was admitted, and after how many removals; or why it is refused.
type Decided = Result<(Timestamp, u64), Refusal>;

/// Why a call is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// By its key's quota.
    Refused(Refusal),
    /// The key is new, and there is no room for it.
    NoRoom,
}

/// What has become of the keys besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Whether a key was added.
    pub added: bool,
    /// How many were dropped.
    pub dropped: usize,
}

impl<K> Rates<K> {
    /// No keys yet. At most `max_keys`, in the range of [`Map::new`].
    pub fn new(max_keys: usize) -> Result<Self, ConfigError> {
        // Words say themselves when they may go.
        let map = Map::new(max_keys, Duration::from_nanos(1))?;
        Ok(Self { map })
    }
}

impl<K, S> Rates<K, S> {
    /// The keys, and how many there are and may be.
    pub fn map(&self) -> &Map<K, Word, S> {
        &self.map
    }

    /// As [`new`](Rates::new), in this map.
    pub fn of(map: Map<K, Word, S>) -> Self {
        Self { map }
    }
}

impl<K: Hash + Eq, S: BuildHasher> Rates<K, S> {
    /// Admits a call of `key` that costs `cost` nanoseconds (see [`Pace::cost`]) and more than zero, or does not.
    pub fn admit(
        &self,
        key: K,
        pace: &Pace,
        cost: u64,
        now: Timestamp,
    ) -> (Result<Grant<K>, NotAdmitted>, Changes)
    where
        K: Clone,
    {
        let hash = self.map.hash(&key);
        let decide = |word: &mut Word, moment: Moment| -> Decided {
            word.0 = pace.admit(word.0, cost, moment.now)?;
            Ok((moment.now, moment.removals))
        };
        let (known, dropped) = self.map.with(hash, &key, now, decide);
        let mut changes = Changes {
            added: false,
            dropped,
        };
        let decided = match known {
            Some(decided) => decided.map_err(NotAdmitted::Refused),
            None => self.admit_new(hash, &key, now, decide, &mut changes),
        };
        let grant = decided.map(|(at, removals)| Grant {
            key,
            at,
            cost,
            removals,
        });
        (grant, changes)
    }

    #[cold]
    fn admit_new(
        &self,
        hash: u64,
        key: &K,
        now: Timestamp,
        decide: impl FnOnce(&mut Word, Moment) -> Decided,
        changes: &mut Changes,
    ) -> Result<(Timestamp, u64), NotAdmitted>
    where
        K: Clone,
    {
        let (room, dropped) = self.map.room(now);
        changes.dropped += dropped;
        let room = room.ok_or(NotAdmitted::NoRoom)?;
        let (key, word) = (key.clone(), Word(0));
        let (decided, added) = self.map.insert(room, hash, key, word, now, decide);
        changes.added = added;
        decided.map_err(NotAdmitted::Refused)
    }

    /// Undoes an admission whose call was not made. Whether anything came back.
    ///
    /// What is kept of it is reckoned to the latest call of any key in the same shard: that is never too early, and as a
    /// rule microseconds late. A key that was dropped meanwhile had nothing to get back: its word's time had passed,
    /// and so had the time that this call has cost.
    #[expect(clippy::needless_pass_by_value, reason = "a grant is given back once")]
    pub fn give_back(&self, grant: Grant<K>) -> bool {
        let back = |word: &mut Word, moment: Moment| {
            if moment.removals != grant.removals {
                return None;
            }
            word.0 = give_back(word.0, grant.cost, grant.at, moment.latest)?;
            Some(())
        };
        let came_back = self.map.peek(self.map.hash(&grant.key), &grant.key, back);
        came_back.flatten().is_some()
    }

    /// How much cost would be admitted of `key` at once now.
    pub fn available<Q>(&self, key: &Q, pace: &Pace, now: Timestamp) -> u32
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.map.hash(key);
        let word = self.map.peek(hash, key, |word, _| word.0);
        pace.available(word.unwrap_or(0), now)
    }

    /// Forgets the calls of a key: a whole burst may be admitted at once. Whether there was anything to forget.
    pub fn remove<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.remove(key).is_some()
    }
}
