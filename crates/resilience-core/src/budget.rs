//! How many retries a client may make.

use crate::{
    ConfigError, Timestamp, config,
    sync::{Arc, AtomicU64, Mutex, Ordering, lock},
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
/// floor (one retry per second by default, at most ten seconds' worth at once) lets clients with little traffic
/// retry too. So over any time *t*, retries are at most `ratio` × the calls of that time and the ten to twenty
/// seconds before it, plus `floor` × (*t* + 10 s).
///
/// Clones share the budget: give one to every layer that reaches the same dependency. The scheme is that of
/// Finagle's [`RetryBudget`](https://twitter.github.io/finagle/guide/Clients.html#retries). Depositing, which
/// every call does, is one atomic addition, without a look at the clock.
///
/// ```
/// use resilience_core::{Budget, Timestamp};
///
/// # fn main() -> Result<(), resilience_core::ConfigError> {
/// let budget = Budget::builder().ratio(0.5).floor_per_second(0.0).build()?;
/// let now = Timestamp::from_nanos(0);
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
    /// Calls that have not been put into a slot yet.
    calls: AtomicU64,
    purse: Mutex<Purse>,
}

struct Purse {
    /// What the calls of each second have earned and nobody has spent; second `s` is slot `s % WINDOW`.
    earned: [u64; WINDOW],
    /// What the floor has earned and nobody has spent, and the part of the next thousandth.
    floor: u64,
    floor_rest: u64,
    /// Until when everything is accounted for; `None` before the first withdrawal.
    settled: Option<Timestamp>,
}

impl Budget {
    /// A budget that differs from the default.
    pub fn builder() -> BudgetBuilder {
        BudgetBuilder::default()
    }

    /// Notes a call: a first attempt, not a retry.
    pub fn deposit(&self) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry out, if there is one. It goes back when the returned withdrawal is dropped unspent.
    pub fn withdraw(&self, now: Timestamp) -> Option<Withdrawal> {
        let mut purse = lock(&self.0.purse);
        self.0.settle(&mut purse, now);
        purse.take(now).then(|| Withdrawal {
            budget: Some(self.clone()),
        })
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
    fn settle(&self, purse: &mut Purse, now: Timestamp) {
        let full_floor = self.floor.saturating_mul(WINDOW as u64);
        let calls = self.calls.swap(0, Ordering::Relaxed);
        let earned = u128::from(calls) * u128::from(self.deposit);
        let Some(settled) = purse.settled else {
            purse.settled = Some(now);
            purse.floor = full_floor;
            purse.earn(earned, now);
            return;
        };
        let now = now.max(settled);
        let passed = (now - settled).as_nanos();
        for second in seconds(settled) + 1..=seconds(now).min(seconds(settled) + WINDOW as u64) {
            purse.earned[slot(second)] = 0;
        }
        // Nobody noted when the calls came: of a longer time than the window, it takes an even share.
        let window = u128::from(WINDOW as u64 * SECOND);
        purse.earn(earned * window / passed.max(window), now);
        // In parts of a billionth of a thousandth, so that frequent looks lose nothing.
        let refill = u128::from(self.floor) * passed + u128::from(purse.floor_rest);
        let whole = u64::try_from(refill / u128::from(SECOND)).unwrap_or(u64::MAX);
        purse.floor_rest = u64::try_from(refill % u128::from(SECOND)).unwrap_or(0);
        purse.floor = purse.floor.saturating_add(whole).min(full_floor);
        purse.settled = Some(now);
    }
}

impl Purse {
    fn earn(&mut self, thousandths: u128, now: Timestamp) {
        let slot = &mut self.earned[slot(seconds(now))];
        *slot = slot.saturating_add(u64::try_from(thousandths).unwrap_or(u64::MAX));
    }

    fn total(&self) -> u64 {
        self.earned
            .iter()
            .fold(self.floor, |sum, &earned| sum.saturating_add(earned))
    }

    /// Takes one retry, the oldest earnings first.
    fn take(&mut self, now: Timestamp) -> bool {
        if self.total() < RETRY {
            return false;
        }
        let mut due = RETRY;
        let oldest = seconds(now) + 1;
        for second in oldest..oldest + WINDOW as u64 {
            let earned = &mut self.earned[slot(second)];
            let part = due.min(*earned);
            *earned -= part;
            due -= part;
        }
        self.floor -= due;
        true
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
#[derive(Debug)]
#[must_use = "dropping it returns the retry to the budget"]
pub struct Withdrawal {
    budget: Option<Budget>,
}

impl Withdrawal {
    /// The retry is being sent: it does not go back.
    pub fn spend(mut self) {
        self.budget = None;
    }
}

/// A retry that was never sent goes back.
impl Drop for Withdrawal {
    fn drop(&mut self) {
        let Some(budget) = &self.budget else { return };
        let mut purse = lock(&budget.0.purse);
        let settled = purse.settled.unwrap_or_default();
        purse.earn(u128::from(RETRY), settled);
    }
}

/// Builds a [`Budget`].
#[derive(Clone, Debug)]
pub struct BudgetBuilder {
    ratio: f64,
    floor_per_second: f64,
}

impl Default for BudgetBuilder {
    fn default() -> Self {
        Self {
            ratio: 0.2,
            floor_per_second: 1.0,
        }
    }
}

impl BudgetBuilder {
    /// Retries earned per call: from 0 to 1, in steps of a thousandth. Default 0.2.
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Retries allowed per second besides: from 0 to 1,000,000, in steps of a thousandth. Default 1.
    pub fn floor_per_second(mut self, retries: f64) -> Self {
        self.floor_per_second = retries;
        self
    }

    /// The budget, or what is wrong with its configuration.
    pub fn build(&self) -> Result<Budget, ConfigError> {
        let ratio = config::within("ratio", self.ratio, 0.0, 1.0)?;
        let floor = config::within("floor_per_second", self.floor_per_second, 0.0, 1e6)?;
        Ok(Budget(Arc::new(Shared {
            deposit: thousandths(ratio),
            floor: thousandths(floor),
            calls: AtomicU64::new(0),
            purse: Mutex::new(Purse {
                earned: [0; WINDOW],
                floor: 0,
                floor_rest: 0,
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
