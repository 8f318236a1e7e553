//! What a builder says when its configuration makes no sense.

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
    field: &'static str,
    value: String,
    expected: Cow<'static, str>,
}

impl ConfigError {
    /// `field` has `value`, and must be `expected` (a phrase that reads well after "it must be").
    pub fn new(
        field: &'static str,
        value: impl fmt::Debug,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field,
            value: format!("{value:?}"),
            expected: expected.into(),
        }
    }

    /// The name of the field, as the builder's method spells it.
    pub fn field(&self) -> &'static str {
        self.field
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
            field,
            value,
            expected,
        } = self;
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
