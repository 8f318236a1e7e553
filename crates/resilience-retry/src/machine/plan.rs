use resilience_core::{Backoff, Budget, Entropy};
use std::time::Duration;

/// How calls are retried: what [`RetryBuilder`](crate::RetryBuilder) checks and builds.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) entropy: Entropy,
    pub(crate) deadline: Option<Duration>,
    pub(crate) advice_cap: Duration,
    pub(crate) budget: Option<Budget>,
}

impl Plan {
    /// Whether a call can be retried at all.
    #[inline]
    pub fn retries(&self) -> bool {
        self.attempts > 1
    }

    /// The budget, unless there is none.
    pub fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }
}
