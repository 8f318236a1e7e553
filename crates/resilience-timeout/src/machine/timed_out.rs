use resilience_core::{Name, find_cause};
use std::{error::Error, fmt, time::Duration};

/// The response did not come within the limit.
///
/// Not a [`Rejected`](resilience_core::Rejected): the call *was* made, and the dependency did not answer in time.
/// The family's classifiers take it for a transient failure, so that a breaker outside of the timeout counts it.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::BoxError;
/// use resilience_timeout::TimedOut;
///
/// let error: BoxError = Box::new(TimedOut::new("inventory", Duration::from_millis(250)));
///
/// let found = TimedOut::find(&*error).expect("it is there");
/// assert_eq!(found.limit(), Duration::from_millis(250));
/// assert_eq!(found.to_string(), "inventory: no response within 250ms");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut {
    policy: Name,
    limit: Duration,
}

impl TimedOut {
    /// The response did not come within the `limit` that the policy of that name sets.
    pub fn new(policy: impl Into<Name>, limit: Duration) -> Self {
        Self {
            policy: policy.into(),
            limit,
        }
    }

    /// The name of the policy.
    pub fn policy(&self) -> &Name {
        &self.policy
    }

    /// How long the response was waited for.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Finds a timeout in `error` or in anything it was caused by, in both halves of a [`BothFailed`](resilience_core::BothFailed), and in what
    /// an [`io::Error`](std::io::Error) carries.
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        find_cause(error)
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, limit } = self;
        write!(f, "{policy}: no response within {limit:?}")
    }
}

impl Error for TimedOut {}
