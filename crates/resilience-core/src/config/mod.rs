//! Configurations: what a builder says when one makes no sense, and how one is written down.

#[cfg(feature = "serde")]
pub mod humane;
#[cfg(feature = "serde")]
pub mod or_false;
#[cfg(feature = "serde")]
mod rate;
mod settings;

#[cfg(feature = "serde")]
pub use rate::Rate;

use crate::Name;
use std::{borrow::Cow, error::Error, fmt, time::Duration};

/// A configuration that cannot work: the field, the value it had, and what would be right.
///
/// ```
/// use resilience_core::ConfigError;
///
/// let error = ConfigError::new("failure_rate", 1.5, "more than 0 and at most 1");
/// assert_eq!(error.to_string(), "`failure_rate` is 1.5; it must be more than 0 and at most 1");
/// assert_eq!(error.field(), "failure_rate");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    policy: Option<Name>,
    field: Cow<'static, str>,
    value: String,
    expected: Cow<'static, str>,
}

impl ConfigError {
    /// `field` has `value`, and must be `expected` (a phrase that reads well after "it must be").
    pub fn new(
        field: impl Into<Cow<'static, str>>,
        value: impl fmt::Debug,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            policy: None,
            field: field.into(),
            value: format!("{value:?}"),
            expected: expected.into(),
        }
    }

    /// The same error of the policy with this name; who named one first knows best, and stays. Builders say so in the end.
    ///
    /// ```
    /// # use resilience_core::ConfigError;
    /// let error = ConfigError::new("limit", 0, "from 1 to 10").of("inventory");
    /// assert_eq!(error.to_string(), "policy \"inventory\": `limit` is 0; it must be from 1 to 10");
    /// assert_eq!((error.field(), error.policy().map(|name| &**name)), ("limit", Some("inventory")));
    /// ```
    pub fn of(self, policy: impl Into<Name>) -> Self {
        Self {
            policy: self.policy.or_else(|| Some(policy.into())),
            ..self
        }
    }

    /// The same error of a configuration that is the field `parent` of another one. Whose field that is, is for the other
    /// one to say.
    ///
    /// ```
    /// # use resilience_core::ConfigError;
    /// let error = ConfigError::new("attempts", 0, "from 1 to 100").under("retry");
    /// assert_eq!(error.to_string(), "`retry.attempts` is 0; it must be from 1 to 100");
    /// ```
    pub fn under(self, parent: &str) -> Self {
        Self {
            policy: None,
            field: format!("{parent}.{}", self.field).into(),
            ..self
        }
    }

    /// The name of the policy, unless none is known, or the path of the field says it.
    pub fn policy(&self) -> Option<&Name> {
        self.policy.as_ref()
    }

    /// The name of the field, as the builder's method spells it; within other configurations with a path.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The offending value, in debug form.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What would be right.
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            policy,
            field,
            value,
            expected,
        } = self;
        if let Some(policy) = policy {
            write!(f, "policy {:?}: ", &**policy)?;
        }
        write!(f, "`{field}` is {value}; it must be {expected}")
    }
}

impl Error for ConfigError {}

/// The longest duration that a configuration may hold: 365 days. Longer ones are taken for a mistake of units.
pub const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Accepts a duration above zero and of at most [`LONGEST`].
pub fn duration(field: &'static str, value: Duration) -> Result<Duration, ConfigError> {
    if value.is_zero() || value > LONGEST {
        return Err(ConfigError::new(
            field,
            value,
            "more than zero and at most 365 days",
        ));
    }
    Ok(value)
}

/// Accepts a share of a whole: more than 0 and at most 1.
pub fn rate(field: &'static str, value: f64) -> Result<f64, ConfigError> {
    if value > 0.0 && value <= 1.0 {
        return Ok(value);
    }
    Err(ConfigError::new(field, value, "more than 0 and at most 1"))
}

/// Accepts a factor or share between `low` and `high`, both included.
pub fn within(field: &'static str, value: f64, low: f64, high: f64) -> Result<f64, ConfigError> {
    if value >= low && value <= high {
        return Ok(value);
    }
    Err(ConfigError::new(
        field,
        value,
        format!("from {low} to {high}"),
    ))
}

/// Accepts a count between `low` and `high`, both included.
pub fn count<N: PartialOrd + Copy + fmt::Debug>(
    field: &'static str,
    value: N,
    low: N,
    high: N,
) -> Result<N, ConfigError> {
    if value >= low && value <= high {
        return Ok(value);
    }
    Err(ConfigError::new(
        field,
        value,
        format!("from {low:?} to {high:?}"),
    ))
}
