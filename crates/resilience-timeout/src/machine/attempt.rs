use resilience_core::config::{self, ConfigError};
use std::time::Duration;

/// How long one attempt may take at a call that has `length` in all, its field `whole`: as `set` says, more than zero and at
/// most 365 days; or else a third of it, and no more than `usual`, so that a hang leaves time for other attempts.
///
/// Where calls are `repeated`, an attempt that may take the whole call is an error, for the field `attempt_timeout`: there
/// would be no second one, and a breaker between the two would see calls that were given up in place of failures.
///
/// ```
/// use resilience_timeout::attempt_timeout;
/// use std::time::Duration;
///
/// let [usual, second] = [3, 1].map(Duration::from_secs);
/// assert_eq!(attempt_timeout(None, usual, ("deadline", 30 * second), true)?, usual);
/// assert_eq!(attempt_timeout(None, usual, ("deadline", second), true)?, second / 3);
/// let error = attempt_timeout(Some(usual), usual, ("deadline", second), true).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`attempt_timeout` is 3s; it must be less than `deadline`, which is 1s, to leave time for a retry"
/// );
/// # Ok::<(), resilience_core::ConfigError>(())
/// ```
pub fn attempt_timeout(
    set: Option<Duration>,
    usual: Duration,
    (whole, length): (&str, Duration),
    repeated: bool,
) -> Result<Duration, ConfigError> {
    let Some(set) = set else {
        // Of a nanosecond, a third is nothing.
        return Ok((length / 3).clamp(Duration::from_nanos(1), usual));
    };
    let set = config::duration("attempt_timeout", set)?;
    if repeated && set >= length {
        let expected =
            format!("less than `{whole}`, which is {length:?}, to leave time for a retry");
        return Err(ConfigError::new("attempt_timeout", set, expected));
    }
    Ok(set)
}
