use resilience_core::{Name, Rejected, find_cause};
use std::{error::Error, fmt, time::Duration};

/// The call was not over by its deadline, and was broken off.
///
/// Not a [`Rejected`]: work had begun. A call that is past its deadline before it begins is
/// [refused](resilience_core::Reason::Deadline) instead.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::BoxError;
/// use resilience_timeout::DeadlineExceeded;
///
/// let error: BoxError = Box::new(DeadlineExceeded::new("api", Duration::from_millis(250)));
///
/// let found = DeadlineExceeded::find(&*error).expect("it is there");
/// assert_eq!(found.to_string(), "api: deadline exceeded after 250ms");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineExceeded {
    policy: Name,
    allotted: Duration,
}

impl DeadlineExceeded {
    /// The call was not over within the time that the policy of that name has `allotted`.
    pub fn new(policy: impl Into<Name>, allotted: Duration) -> Self {
        Self {
            policy: policy.into(),
            allotted,
        }
    }

    /// The name of the policy.
    pub fn policy(&self) -> &Name {
        &self.policy
    }

    /// How much time there was when the call began.
    pub fn allotted(&self) -> Duration {
        self.allotted
    }

    /// Finds an exceeded deadline in `error` or in anything it was caused by, in both halves of a
    /// [`BothFailed`](resilience_core::BothFailed), and in what an [`io::Error`](std::io::Error) carries.
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        find_cause(error)
    }
}

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, allotted } = self;
        write!(f, "{policy}: deadline exceeded after {allotted:?}")
    }
}

impl Error for DeadlineExceeded {}

/// What a request says about its deadline cannot be understood.
///
/// ```
/// use resilience_timeout::MalformedDeadline;
///
/// let error = MalformedDeadline::new("grpc-timeout", "5 s", "1 to 8 digits and a unit");
/// assert_eq!(error.to_string(), "`grpc-timeout` is \"5 s\"; it must be 1 to 8 digits and a unit");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedDeadline {
    field: String,
    value: String,
    expected: &'static str,
}

impl MalformedDeadline {
    /// The longest value that is repeated whole, in characters.
    const LONGEST: usize = 64;

    /// `field`, say a header, has `value`, of which the first 64 characters are kept; it must be `expected` (a phrase that
    /// reads well after "it must be").
    pub fn new(field: impl Into<String>, value: &str, expected: &'static str) -> Self {
        let mut kept: String = value.chars().take(Self::LONGEST).collect();
        if kept.len() < value.len() {
            kept.push('…');
        }
        Self {
            field: field.into(),
            value: kept,
            expected,
        }
    }

    /// The field that states the deadline.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What it says.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What would be right.
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

impl fmt::Display for MalformedDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            value,
            expected,
        } = self;
        write!(f, "`{field}` is {value:?}; it must be {expected}")
    }
}

impl Error for MalformedDeadline {}

/// Why a call has no response of the inner service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadlineError {
    /// The call was not made: what it says about its deadline cannot be understood.
    Malformed(MalformedDeadline),
    /// The call was not made: there was no time left.
    Refused(Rejected),
    /// The call was broken off.
    Exceeded(DeadlineExceeded),
}

impl DeadlineError {
    fn cause(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Malformed(why) => why,
            Self::Refused(why) => why,
            Self::Exceeded(why) => why,
        }
    }
}

/// What it stands for.
impl fmt::Display for DeadlineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause())
    }
}

impl Error for DeadlineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause())
    }
}
