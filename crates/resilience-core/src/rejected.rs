//! The family's one refusal, and the errors around it.

use crate::{Name, Outcome, as_error, find_cause};
use std::{error::Error, fmt, time::Duration};

/// A boxed error, as Tower's own layers use it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a policy refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// As many calls as allowed are in flight (or queued) already.
    Concurrency,
    /// The quota is spent.
    Rate,
    /// The dependency is taken to be down, and is left alone for a while.
    Open,
    /// The service has too much to do, and this call is not important enough.
    Shed,
    /// The call's deadline has passed, or cannot be met.
    Deadline,
    /// The service is shutting down.
    ShuttingDown,
    /// The inner service was not ready to take the call.
    NotReady,
    /// The request does not say whose it is: there is no key in it to find its policy by. Asking again is no use.
    NoKey,
    /// A reason of the user's own policy.
    Other,
}

impl Reason {
    /// The reason as a metrics label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Rate => "rate",
            Self::Open => "open",
            Self::Shed => "shed",
            Self::Deadline => "deadline",
            Self::ShuttingDown => "shutting_down",
            Self::NotReady => "not_ready",
            Self::NoKey => "no_key",
            Self::Other => "other",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Concurrency => "too many calls in flight",
            Self::Rate => "rate limit exceeded",
            Self::Open => "circuit breaker open",
            Self::Shed => "load shed",
            Self::Deadline => "deadline exceeded",
            Self::ShuttingDown => "shutting down",
            Self::NotReady => "service not ready",
            Self::NoKey => "there is no key in the request",
            Self::Other => "refused",
        }
    }
}

/// A refusal: the call was not made.
///
/// The same type for every layer of the family, so that one look finds it in any error chain, and one place
/// maps it to a response.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{BoxError, Reason, Rejected};
///
/// let refusal = Rejected::new(Reason::Rate, "search").retry_after(Duration::from_millis(250));
/// let error: BoxError = Box::new(refusal);
///
/// let found = Rejected::find(&*error).expect("it is there");
/// assert_eq!(found.reason(), Reason::Rate);
/// assert_eq!(found.to_string(), "search: rate limit exceeded, retry after 250ms");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    policy: Name,
    reason: Reason,
    retry_after: Option<Duration>,
}

impl Rejected {
    /// A refusal by the policy of that name.
    pub fn new(reason: Reason, policy: impl Into<Name>) -> Self {
        Self {
            policy: policy.into(),
            reason,
            retry_after: None,
        }
    }

    /// States exactly when a call will be admitted again: [`delay`](Self::delay) reads it. Leave it out where that is not
    /// known.
    #[doc(alias = "with_retry_after")]
    pub fn retry_after(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.retry_after = delay.into();
        self
    }

    /// Why the call was refused.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The name of the policy that refused.
    pub fn policy(&self) -> &Name {
        &self.policy
    }

    /// How long to wait until a call can be admitted, exactly; `None` where that is not known, or never.
    pub fn delay(&self) -> Option<Duration> {
        self.retry_after
    }

    /// This refusal as the outcome of the call.
    pub fn outcome(&self) -> Outcome {
        Outcome::Refused {
            reason: self.reason,
            retry_after: self.retry_after,
        }
    }

    /// Finds a refusal in `error` or in anything it was caused by. Looks into [`io::Error`](std::io::Error)s too, which leave
    /// the error that they carry out of their sources.
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        find_cause(error)
    }

    /// Finds a refusal in an error of any type, as far as its type can be seen through: a [`BoxError`], an
    /// [`io::Error`](std::io::Error) or a [`BothFailed`] (and all they were caused by), or a `Rejected`. For other types that
    /// implement [`Error`], use [`find`](Self::find).
    pub fn find_in<E: 'static>(error: &E) -> Option<&Self> {
        Self::find(as_error(error)?)
    }

    /// The outcome of a call that ended with `error`, if that says that nobody was asked but the family's own layers.
    ///
    /// Where two were asked, one after the other ([`BothFailed`]), both must have refused: otherwise a dependency may
    /// have done what it was asked for, and has failed. Then there is none, though [`find`](Self::find) finds a refusal.
    pub fn judge(error: &(dyn Error + 'static)) -> Option<Outcome> {
        match find_cause::<BothFailed>(error) {
            None => Self::find(error).map(Self::outcome),
            Some(both) => {
                let first = Self::judge(both.primary())?;
                Self::judge(&*both.secondary).map(|_| first)
            }
        }
    }

    /// [`judge`](Self::judge) for an error of any type that [`find_in`](Self::find_in) sees through.
    pub fn judge_in<E: 'static>(error: &E) -> Option<Outcome> {
        Self::judge(as_error(error)?)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.policy, self.reason.sentence())?;
        match self.retry_after {
            Some(delay) => write!(f, ", retry after {delay:?}"),
            None => Ok(()),
        }
    }
}

impl Error for Rejected {}

/// Two failures of one call: the first, and that of what was to stand in for it.
///
/// [`source`](Error::source) is the stand-in's failure; [`Rejected::find`] sees both. To classifiers it is a refusal only if
/// both are: see [`Rejected::judge`].
#[derive(Debug)]
pub struct BothFailed {
    primary: BoxError,
    secondary: BoxError,
}

impl BothFailed {
    /// `primary` failed, and so did, after it, `secondary`.
    pub fn new(primary: impl Into<BoxError>, secondary: impl Into<BoxError>) -> Self {
        Self {
            primary: primary.into(),
            secondary: secondary.into(),
        }
    }

    /// The first failure.
    pub fn primary(&self) -> &(dyn Error + 'static) {
        &*self.primary
    }
}

impl fmt::Display for BothFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after: {}", self.secondary, self.primary)
    }
}

impl Error for BothFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.secondary)
    }
}
