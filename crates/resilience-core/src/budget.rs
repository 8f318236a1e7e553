//! How many retries a client may make.

use crate::{
    ConfigError, Timestamp, config,
    sync::{Arc, AtomicU64, Mutex, Ordering, Spread, lock},
};
use std::fmt;

/// Seconds for which what calls have earned can be spent.
const WINDOW: usize = 10;
const SECOND: u64 = 1_000_000_000;
/// Budgets count in thousandths of a retry.
const RETRY: u64 = 1_000;

/// A retry budget: bounds retries to a share of the calls, and so keeps an outage from being multiplied.
///
/// Every call earns a fraction of a retry (0.2 by default), which can be spent for ten seconds. Beside that, a
/// floor (one retry per second by default, ten seconds' worth at once) lets clients with little traffic retry
/// too. Of the retries taken out within any time *t*, so many are not returned at most: `ratio` × the calls of
/// that time and the twenty seconds before it, plus `floor` × (*t* + 11 s).
///
/// Clones share the budget: give one to every layer that reaches the same dependency. The scheme is that of
/// Finagle's [`RetryBudget`](https://twitter.github.io/finagle/guide/Clients.html#retries). Depositing, which
/// every call does, is one atomic addition, without a look at the clock: calls are dated when the budget is next
/// looked at, by [`withdraw`](Self::withdraw) or [`available`](Self::available). If that is more than ten seconds
/// later, they count as evenly spread over the time between. The budget begins with the first look; what was
/// deposited before it could be of any age, and earns nothing.
///
/// ```
/// use resilience_core::{Budget, Timestamp};
///
/// # fn main() -> Result<(), resilience_core::ConfigError> {
/// let budget = Budget::builder().ratio(0.5).floor_per_second(0.0).build()?;
/// let now = Timestamp::from_nanos(0);
/// assert_eq!(budget.available(now), 0);
/// budget.deposit();
/// assert!(budget.withdraw(now).is_none(), "half a retry is not enough");
/// budget.deposit();
/// let retry = budget.withdraw(now).expect("two calls have earned one retry");
/// retry.spend();
/// assert!(budget.withdraw(now).is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

struct Shared {
    /// What one call earns.
    deposit: u64,
    /// What a second earns.
    floor: u64,
    /// Calls that have not been put into a slot yet. Every call adds one: spread over the places of threads, so that calls
    /// on two threads do not take turns at one line. `settle` sums them up.
    calls: Spread<AtomicU64>,
    purse: Mutex<Purse>,
}

struct Purse {
    /// What each second has earned, by its calls and by the floor, and nobody has taken out; second `s` is slot
    /// `s % WINDOW`.
    earned: [u64; WINDOW],
    /// Until when everything is accounted for; `None` before the first look.
    settled: Option<Timestamp>,
}

impl Budget {
    /// A budget that differs from the default.
    pub fn builder() -> BudgetBuilder {
        BudgetBuilder::default()
    }

    /// The budget that `config` describes, or what is wrong with it.
    pub fn from_config(config: BudgetConfig) -> Result<Self, ConfigError> {
        Self::builder().config(config).build()
    }

    /// Notes a call: a first attempt, not a retry.
    #[inline]
    pub fn deposit(&self) {
        self.0.calls.here().fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry out, if there is one. It goes back when the returned withdrawal is dropped unspent.
    pub fn withdraw(&self, now: Timestamp) -> Option<Withdrawal> {
        let (second, taken) = {
            let mut purse = lock(&self.0.purse);
            let second = self.0.settle(&mut purse, now);
            (second, purse.take(second)?)
        };
        Some(Withdrawal(Box::new(Taken {
            budget: Some(self.clone()),
            second,
            of_slots: taken,
        })))
    }

    /// How many retries could be made now.
    pub fn available(&self, now: Timestamp) -> u64 {
        let mut purse = lock(&self.0.purse);
        self.0.settle(&mut purse, now);
        purse.total() / RETRY
    }
}

impl Default for Budget {
    fn default() -> Self {
        BudgetBuilder::default()
            .build()
            .expect("the default is within its ranges")
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("deposit_thousandths", &self.0.deposit)
            .field("floor_thousandths_per_second", &self.0.floor)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Brings the purse up to date: forgets what is too old, adds what the floor and the calls have earned.
    /// Returns the current second.
    fn settle(&self, purse: &mut Purse, now: Timestamp) -> u64 {
        let calls: u64 = self.calls.iter().map(take).sum();
        let Some(settled) = purse.settled else {
            purse.settled = Some(now);
            purse.earned = [self.floor; WINDOW];
            return seconds(now);
        };
        let now = now.max(settled);
        for second in seconds(settled) + 1..=seconds(now).min(seconds(settled) + WINDOW as u64) {
            purse.earned[slot(second)] = self.floor;
        }
        // Nobody noted when the calls came: of a longer time than the window, it takes an even share.
        let window = u128::from(WINDOW as u64 * SECOND);
        let passed = (now - settled).as_nanos();
        let earned = u128::from(calls) * u128::from(self.deposit) * window / passed.max(window);
        let slot = &mut purse.earned[slot(seconds(now))];
        *slot = slot.saturating_add(u64::try_from(earned).unwrap_or(u64::MAX));
        purse.settled = Some(now);
        seconds(now)
    }
}

fn take(calls: &AtomicU64) -> u64 {
    // An exchange writes, and takes the line away from the thread that counts there, even where there is nothing to take.
    match calls.load(Ordering::Relaxed) {
        0 => 0,
        _ => calls.swap(0, Ordering::Relaxed),
    }
}

impl Purse {
    fn total(&self) -> u64 {
        self.earned
            .iter()
            .fold(0, |sum, &earned| sum.saturating_add(earned))
    }

    /// Takes one retry, the oldest earnings first: how much out of which slot.
    fn take(&mut self, second: u64) -> Option<[u16; WINDOW]> {
        if self.total() < RETRY {
            return None;
        }
        let mut taken = [0; WINDOW];
        let mut due = RETRY;
        let oldest = second + 1;
        for expires in oldest..oldest + WINDOW as u64 {
            let earned = &mut self.earned[slot(expires)];
            let part = due.min(*earned);
            *earned -= part;
            due -= part;
            taken[slot(expires)] = u16::try_from(part).expect("at most one retry");
        }
        Some(taken)
    }

    /// Returns what was taken out in `second`, as far as it would not be too old by now.
    fn put_back(&mut self, second: u64, taken: &[u16; WINDOW]) {
        let current = self.settled.map_or(0, seconds);
        let oldest = second + 1;
        // What a second has earned expires when its slot is needed again.
        for expires in oldest..oldest + WINDOW as u64 {
            if expires > current {
                let earned = &mut self.earned[slot(expires)];
                *earned = earned.saturating_add(taken[slot(expires)].into());
            }
        }
    }
}

fn seconds(at: Timestamp) -> u64 {
    at.as_nanos() / SECOND
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the remainder is less than WINDOW"
)]
fn slot(second: u64) -> usize {
    (second % WINDOW as u64) as usize
}

/// A retry taken out of a [`Budget`].
// In a box, for every call through a retry has room for one (40 bytes → 8), and only after a failure there is one.
#[derive(Debug)]
#[must_use = "dropping it returns the retry to the budget"]
pub struct Withdrawal(Box<Taken>);

#[derive(Debug)]
struct Taken {
    /// `None` when it is spent.
    budget: Option<Budget>,
    /// When it was taken out, and how much of it out of which slot: what goes back is as old as it was.
    second: u64,
    of_slots: [u16; WINDOW],
}

impl Withdrawal {
    /// The retry is being sent: it does not go back.
    // Cold, as `drop` is: inlined into the end of every call, they cost those that have none 15 instructions.
    #[cold]
    pub fn spend(mut self) {
        self.0.budget = None;
    }
}

/// A retry that was never sent goes back.
impl Drop for Withdrawal {
    #[cold]
    fn drop(&mut self) {
        let Taken {
            budget,
            second,
            of_slots,
        } = &*self.0;
        if let Some(budget) = budget {
            lock(&budget.0.purse).put_back(*second, of_slots);
        }
    }
}

crate::config! {
    /// What a [`BudgetBuilder`] holds.
    pub struct BudgetConfig {
        /// See [`BudgetBuilder::ratio`].
        pub ratio: f64 = 0.2,
        /// See [`BudgetBuilder::floor_per_second`].
        pub floor_per_second: f64 = 1.0,
    }
}

/// Builds a [`Budget`].
#[derive(Clone, Debug, Default)]
pub struct BudgetBuilder {
    config: BudgetConfig,
}

impl BudgetBuilder {
    /// All settings at once.
    pub fn config(mut self, config: BudgetConfig) -> Self {
        self.config = config;
        self
    }

    /// Retries earned per call: from 0 to 1, in steps of a thousandth. Default 0.2.
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.config.ratio = ratio;
        self
    }

    /// Retries allowed per second besides: from 0 to 1,000,000, in steps of a thousandth. Default 1.
    pub fn floor_per_second(mut self, retries: f64) -> Self {
        self.config.floor_per_second = retries;
        self
    }

    /// The budget, or what is wrong with its configuration.
    pub fn build(&self) -> Result<Budget, ConfigError> {
        let ratio = config::within("ratio", self.config.ratio, 0.0, 1.0)?;
        let floor = config::within("floor_per_second", self.config.floor_per_second, 0.0, 1e6)?;
        Ok(Budget(Arc::new(Shared {
            deposit: thousandths(ratio),
            floor: thousandths(floor),
            calls: Spread::new(|| AtomicU64::new(0)),
            purse: Mutex::new(Purse {
                earned: [0; WINDOW],
                settled: None,
            }),
        })))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most 10^9, and not negative"
)]
fn thousandths(value: f64) -> u64 {
    (value * 1_000.0).round() as u64
}
