use super::{Quota, Refusal};
use resilience_core::{ConfigError, Timestamp};
use std::time::Duration;

/// A [`Quota`] that has been checked, and the decisions of GCRA over a bare word.
///
/// The word is the theoretical arrival time, in nanoseconds: 0 for a limit that nobody has used. A [`Gcra`](super::Gcra)
/// keeps one of its own; who keeps many words under one quota, for example one per client, decides here. Nothing is
/// written: the caller stores what comes back.
///
/// ```
/// use resilience_core::Timestamp;
/// use resilience_ratelimit::{Quota, machine::Pace};
///
/// # fn main() -> Result<(), resilience_core::ConfigError> {
/// let pace = Pace::new(Quota::per_second(10).burst(1))?;
/// let now = Timestamp::from_nanos(1_000_000_000);
/// let cost = pace.cost(1).expect("not above the burst");
/// let word = pace.admit(0, cost, now).expect("nobody was here before");
/// assert!(pace.admit(word, cost, now).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    quota: Quota,
    /// Nanoseconds per unit of cost.
    interval: u64,
    /// How far into the future the word may go: the time in which a burst flows in.
    capacity: u64,
}

impl Pace {
    /// Checks the quota.
    pub fn new(quota: Quota) -> Result<Self, ConfigError> {
        let interval = quota.interval()?;
        Ok(Self {
            quota,
            interval,
            capacity: interval * u64::from(quota.burst_size()),
        })
    }

    /// The quota.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// The time in which one unit flows in: the quota's period by its number, rounded up to a nanosecond.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// What a call of this cost adds to the word, in nanoseconds; refused if it is more than a burst.
    #[inline]
    pub fn cost(&self, cost: u32) -> Result<u64, Refusal> {
        match u64::from(cost).checked_mul(self.interval) {
            Some(nanos) if nanos <= self.capacity => Ok(nanos),
            _ => Err(Refusal::Never),
        }
    }

    /// The decision: where the word goes with a call that adds `cost` nanoseconds, or how long it takes until it can.
    #[inline]
    pub fn admit(&self, word: u64, cost: u64, now: Timestamp) -> Result<u64, Refusal> {
        let now = now.as_nanos();
        // At the end of time nothing flows in any more.
        let next = word.max(now).checked_add(cost).ok_or(Refusal::Never)?;
        let ahead = next - now;
        match ahead.checked_sub(self.capacity) {
            None | Some(0) => Ok(next),
            Some(over) => Err(Refusal::For(Duration::from_nanos(over))),
        }
    }

    /// Nanoseconds that may still be added to the word now.
    #[inline]
    pub fn room(&self, word: u64, now: Timestamp) -> u64 {
        let ahead = word.saturating_sub(now.as_nanos());
        self.capacity.saturating_sub(ahead)
    }

    /// How much cost would be admitted at once now.
    pub fn available(&self, word: u64, now: Timestamp) -> u32 {
        u32::try_from(self.room(word, now) / self.interval).unwrap_or(u32::MAX)
    }

    /// Whether nothing that costs anything would be admitted now.
    #[inline]
    pub fn is_spent(&self, word: u64, now: Timestamp) -> bool {
        self.room(word, now) < self.interval
    }

    /// How long a call of this cost has to wait for its turn, if others whose costs are `ahead` in sum, none of
    /// them above a burst, go before it, each as early as it can, and nobody else comes.
    pub fn wait(
        &self,
        word: u64,
        ahead: u64,
        cost: u32,
        now: Timestamp,
    ) -> Result<Duration, Refusal> {
        self.cost(cost)?;
        // Each of them finds the word at or after its own time, so that nothing is lost between them.
        let used = Timestamp::from_nanos(word) - now;
        let units = u128::from(ahead) + u128::from(cost);
        let ahead = used.as_nanos() + units * u128::from(self.interval);
        let wait = ahead.saturating_sub(u128::from(self.capacity));
        // Past 584 years, the exact number does not matter.
        Ok(Duration::from_nanos(
            u64::try_from(wait).unwrap_or(u64::MAX),
        ))
    }
}

/// Where the word goes if a call is given back that was admitted at `at` and has added `cost` nanoseconds; `None` if
/// nothing comes back. `latest` is when anybody was last admitted, or later.
///
/// Some of what the call had taken may have been lost to the others anyway: while the burst was full without it,
/// nothing more could flow in. How long that was is not known, but it was over when the latest call came, and had not
/// begun when this one did. So that much is kept, and the calls that were really made stay within the quota as if
/// the others had never been admitted.
pub fn give_back(word: u64, cost: u64, at: Timestamp, latest: Timestamp) -> Option<u64> {
    let passed = latest.as_nanos().saturating_sub(at.as_nanos());
    match cost.saturating_sub(passed) {
        0 => None,
        back => Some(word.saturating_sub(back)),
    }
}
