use super::{Pace, Quota, pace};
use resilience_core::{
    ConfigError, Timestamp,
    sync::{AtomicU64, Mutex, Ordering, lock},
};
use std::time::Duration;

/// The generic cell rate algorithm, in its form of the virtual schedule.
///
/// One word holds the *theoretical arrival time*: when a caller would come who uses the quota evenly and to the
/// full. A call pushes it ahead by its cost, and is refused if that would put it further into the future than a
/// whole burst takes. The decision is a pure function of the word, run again if somebody else was faster. A
/// refusal adds no debt: it leaves the word as it is.
///
/// An admission writes nothing else. What [`give_back`](Self::give_back) and [`reset`](Self::reset) need besides they
/// write themselves; no decision reads it.
#[derive(Debug)]
pub struct Gcra {
    pace: Pace,
    /// The theoretical arrival time, in nanoseconds.
    arrival: AtomicU64,
    /// Whatever has put the word back: resets in the upper half, what was given back in the lower.
    undone: AtomicU64,
    /// Giving back and resetting exclude one another. Admissions pass by it.
    undo: Mutex<()>,
}

const RESET: u64 = 1 << 32;

/// What a call has taken.
#[derive(Debug)]
#[must_use = "an admitted call that is not made has to be given back"]
pub struct Grant {
    at: Timestamp,
    nanos: u64,
    /// The word with this call in it.
    wrote: u64,
    /// What had been undone before.
    undone: u64,
}

impl Grant {
    /// What a call has taken that costs nothing.
    pub const FREE: Self = Self {
        at: Timestamp::from_nanos(0),
        nanos: 0,
        wrote: 0,
        undone: 0,
    };
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The quota is spent. After exactly this time the call is admitted, if nobody else comes.
    For(Duration),
    /// It costs more than is ever admitted at once, a burst: it will never be admitted.
    Never,
}

impl Gcra {
    /// A limit that nobody has used yet.
    pub fn new(quota: Quota) -> Result<Self, ConfigError> {
        Ok(Self {
            pace: Pace::new(quota)?,
            arrival: AtomicU64::new(0),
            undone: AtomicU64::new(0),
            undo: Mutex::new(()),
        })
    }

    /// The quota.
    pub fn quota(&self) -> Quota {
        self.pace.quota()
    }

    /// The time in which one unit flows in: the quota's period by its number, rounded up to a nanosecond.
    pub fn interval(&self) -> Duration {
        self.pace.interval()
    }

    /// Admits a call of this cost now, or refuses it. A call without cost is always admitted, and not counted.
    #[inline]
    pub fn admit(&self, cost: u32, now: Timestamp) -> Result<Grant, Refusal> {
        let nanos = self.pace.cost(cost)?;
        if nanos == 0 {
            return Ok(Grant::FREE);
        }
        // Read before the word is changed: a reset in between makes the grant worth nothing, which is safe.
        let undone = self.undone.load(Ordering::Acquire);
        Ok(Grant {
            at: now,
            nanos,
            wrote: self.update(|arrival| self.pace.admit(arrival, nanos, now))?,
            undone,
        })
    }

    /// Whether this admission has left nothing, as [`is_spent`](Self::is_spent) would have said after it. Reads no
    /// shared word.
    #[inline]
    pub fn has_spent(&self, grant: &Grant) -> bool {
        grant.nanos != 0 && self.pace.is_spent(grant.wrote, grant.at)
    }

    /// Runs `next` on the word until its answer could be written, and returns that; writes nothing if it refuses.
    #[inline]
    fn update<E>(&self, next: impl Fn(u64) -> Result<u64, E>) -> Result<u64, E> {
        let mut arrival = self.arrival.load(Ordering::Acquire);
        loop {
            let next = next(arrival)?;
            match self.arrival.compare_exchange_weak(
                arrival,
                next,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(next),
                Err(current) => arrival = current,
            }
        }
    }

    /// Undoes an admission whose call was not made. Whether anything came back.
    ///
    /// All that it took, if the word is as it left it. Otherwise others were admitted since, nobody knows when, and it
    /// is reckoned as if the last of them came at this very moment: [`give_back`](super::give_back) says how much comes
    /// back, and why. For that, `present` reads the clock that the admissions were told, and no lock is held.
    ///
    /// (That admissions need not note their time for this saves each of them a second write to the line that all threads
    /// share: three atomics a call in place of four.)
    #[expect(clippy::needless_pass_by_value, reason = "a grant is given back once")]
    pub fn give_back(&self, grant: Grant, mut present: impl FnMut() -> Timestamp) -> bool {
        if grant.nanos == 0 {
            return false;
        }
        loop {
            let undone = self.undone.load(Ordering::Acquire);
            if undone / RESET != grant.undone / RESET {
                return false;
            }
            let arrival = self.arrival.load(Ordering::Acquire);
            // A word that was put back may have come to the same value by later calls.
            let next = if (arrival, undone) == (grant.wrote, grant.undone) {
                Some(arrival - grant.nanos)
            } else {
                // After the word was read: not before any call that is in it.
                pace::give_back(arrival, grant.nanos, grant.at, present())
            };
            let Some(next) = next else { return false };
            if self.put_back(undone, arrival, next) {
                return true;
            }
        }
    }

    /// Writes `next` if nothing has happened since `undone` was read and `arrival` after it.
    fn put_back(&self, undone: u64, arrival: u64, next: u64) -> bool {
        let _nobody_else = lock(&self.undo);
        // If nothing was undone, the word has only grown, and is the same only if nobody was admitted.
        let done = self.undone.load(Ordering::Relaxed) == undone
            && self
                .arrival
                .compare_exchange(arrival, next, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if done {
            // After the word, as with a reset. Past the lower half, it counts as one, which is safe.
            self.undone.fetch_add(1, Ordering::Release);
        }
        done
    }

    /// Forgets all calls so far: a whole burst may be admitted at once.
    pub fn reset(&self) {
        let _no_give_back = lock(&self.undo);
        // An admission that reads the new count must find the new word, so the word goes first.
        self.arrival.swap(0, Ordering::AcqRel);
        self.undone.fetch_add(RESET, Ordering::Release);
    }

    /// How much cost would be admitted at once now.
    pub fn available(&self, now: Timestamp) -> u32 {
        self.pace
            .available(self.arrival.load(Ordering::Relaxed), now)
    }

    /// Whether nothing that costs anything would be admitted now.
    pub fn is_spent(&self, now: Timestamp) -> bool {
        self.pace
            .is_spent(self.arrival.load(Ordering::Relaxed), now)
    }

    /// How long a call of this cost has to wait for its turn, if others whose costs are `ahead` in sum, none of
    /// them above a burst, go before it, each as early as it can, and nobody else comes.
    pub fn wait(&self, ahead: u64, cost: u32, now: Timestamp) -> Result<Duration, Refusal> {
        let word = self.arrival.load(Ordering::Relaxed);
        self.pace.wait(word, ahead, cost, now)
    }
}

#[cfg(all(test, not(resilience_loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_collision_runs_the_decision_again_on_the_new_word() {
        let gcra = Gcra::new(Quota::per_second(1)).unwrap();
        let now = Timestamp::from_nanos(1);
        let runs = Cell::new(0);
        let decided = gcra.update(|arrival| {
            runs.set(runs.get() + 1);
            let next = gcra.pace.admit(arrival, gcra.pace.cost(1)?, now);
            if runs.get() == 1 {
                assert!(next.is_ok());
                // Somebody else comes between the decision and the exchange, and takes the only unit.
                let _spent = gcra.admit(1, now).unwrap();
            }
            next
        });
        assert_eq!(decided, Err(Refusal::For(Duration::from_secs(1))));
        assert_eq!((runs.get(), gcra.available(now)), (2, 0));
    }

    #[test]
    fn a_refusal_writes_nothing() {
        let gcra = Gcra::new(Quota::per_second(2)).unwrap();
        let words = || [&gcra.arrival, &gcra.undone].map(|word| word.load(Ordering::Relaxed));
        let _spent = gcra.admit(2, Timestamp::from_nanos(5)).unwrap();
        let before = words();
        for cost in 1..4 {
            assert!(gcra.admit(cost, Timestamp::from_nanos(9)).is_err());
            assert_eq!(words(), before);
        }
    }
}
