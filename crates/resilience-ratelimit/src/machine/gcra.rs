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
/// The two words beside it serve [`give_back`](Self::give_back) and [`reset`](Self::reset) alone; no decision
/// reads them.
#[derive(Debug)]
pub struct Gcra {
    pace: Pace,
    /// The theoretical arrival time, in nanoseconds.
    arrival: AtomicU64,
    /// The latest time at which anybody was admitted, or a bit later.
    latest: AtomicU64,
    /// Counts the resets: a call admitted before one has nothing to give back after it.
    epoch: AtomicU64,
    /// Giving back and resetting exclude one another. Admissions pass by it.
    undo: Mutex<()>,
}

/// What a call has taken.
#[derive(Debug)]
#[must_use = "an admitted call that is not made has to be given back"]
pub struct Grant {
    at: Timestamp,
    nanos: u64,
    epoch: u64,
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
            latest: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
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
    pub fn admit(&self, cost: u32, now: Timestamp) -> Result<Grant, Refusal> {
        let nanos = self.pace.cost(cost)?;
        // Read before the word is changed: a reset in between makes the grant worth nothing, which is safe.
        let epoch = self.epoch.load(Ordering::Acquire);
        let grant = Grant {
            at: now,
            nanos,
            epoch,
        };
        if nanos == 0 {
            return Ok(grant);
        }
        self.update(|arrival| {
            let next = self.pace.admit(arrival, nanos, now)?;
            // Before the word, and published by it: whoever reads a word that holds this call also reads a latest
            // time that is not before it.
            if self.latest.load(Ordering::Relaxed) < now.as_nanos() {
                self.latest.fetch_max(now.as_nanos(), Ordering::Relaxed);
            }
            Ok(next)
        })?;
        Ok(grant)
    }

    /// Runs `next` on the word until its answer could be written; writes nothing if it refuses.
    fn update<E>(&self, next: impl Fn(u64) -> Result<u64, E>) -> Result<(), E> {
        let mut arrival = self.arrival.load(Ordering::Acquire);
        loop {
            match self.arrival.compare_exchange_weak(
                arrival,
                next(arrival)?,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(()),
                Err(current) => arrival = current,
            }
        }
    }

    /// Undoes an admission whose call was not made. Whether anything came back.
    ///
    /// Less than it took, if others were admitted later: [`give_back`](super::give_back) says how much, and why.
    #[expect(clippy::needless_pass_by_value, reason = "a grant is given back once")]
    pub fn give_back(&self, grant: Grant) -> bool {
        let Grant { at, nanos, epoch } = grant;
        if nanos == 0 {
            return false;
        }
        let _no_reset = lock(&self.undo);
        if self.epoch.load(Ordering::Relaxed) != epoch {
            return false;
        }
        self.update(|arrival| {
            let latest = Timestamp::from_nanos(self.latest.load(Ordering::Relaxed));
            pace::give_back(arrival, nanos, at, latest).ok_or(())
        })
        .is_ok()
    }

    /// Forgets all calls so far: a whole burst may be admitted at once.
    pub fn reset(&self) {
        let _no_give_back = lock(&self.undo);
        // An admission that reads the new epoch must find the new word, so the word goes first.
        self.arrival.swap(0, Ordering::AcqRel);
        self.epoch.fetch_add(1, Ordering::Release);
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
        let words =
            || [&gcra.arrival, &gcra.latest, &gcra.epoch].map(|word| word.load(Ordering::Relaxed));
        let _spent = gcra.admit(2, Timestamp::from_nanos(5)).unwrap();
        let before = words();
        for cost in 1..4 {
            assert!(gcra.admit(cost, Timestamp::from_nanos(9)).is_err());
            assert_eq!(words(), before);
        }
    }
}
