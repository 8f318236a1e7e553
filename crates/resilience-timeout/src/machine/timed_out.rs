use crate::Kind;
use resilience_core::{Name, Reason, Rejected, find_cause};
use std::{error::Error, fmt, time::Duration};

/// A part of a call took longer than its limit.
///
/// Not a [`Rejected`]: the call *was* made, and the dependency did not answer in time. The family's classifiers take it
/// for a transient failure, so that a breaker outside of the timeout counts it.
///
/// [`Kind::Ready`] is the exception. The service did not become ready, and the request was never sent; then a refusal is the
/// [source](Error::source), with [`Reason::NotReady`]. Classifiers find it there: what is no failure of the dependency is
/// not counted as one, and the call may be made again, whatever the request.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{BoxError, Rejected};
/// use resilience_timeout::{Kind, TimedOut};
///
/// let error: BoxError = Box::new(TimedOut::new(Kind::Head, "inventory", Duration::from_millis(250)));
///
/// let found = TimedOut::find(&*error).expect("it is there");
/// assert_eq!((found.kind(), found.limit()), (Kind::Head, Duration::from_millis(250)));
/// assert_eq!(found.to_string(), "inventory: no response within 250ms");
/// assert!(Rejected::find(&*error).is_none());
///
/// let error = TimedOut::new(Kind::Ready, "inventory", Duration::from_millis(250));
/// assert_eq!(error.to_string(), "inventory: not ready within 250ms");
/// assert!(Rejected::find(&error).is_some());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut {
    kind: Kind,
    policy: Name,
    limit: Duration,
    /// Of a call that was never made.
    refusal: Option<Rejected>,
}

impl TimedOut {
    /// What `kind` says did not come about within the `limit` that the policy of that name sets.
    pub fn new(kind: Kind, policy: impl Into<Name>, limit: Duration) -> Self {
        let policy = policy.into();
        let refusal =
            (kind == Kind::Ready).then(|| Rejected::new(Reason::NotReady, policy.clone()));
        Self {
            kind,
            policy,
            limit,
            refusal,
        }
    }

    /// Which part of the call took too long.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name of the policy.
    pub fn policy(&self) -> &Name {
        &self.policy
    }

    /// The limit that was in force.
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
        let what = self.kind.sentence();
        write!(f, "{}: {what} within {:?}", self.policy, self.limit)
    }
}

impl Error for TimedOut {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.refusal.as_ref().map(|why| why as _)
    }
}
