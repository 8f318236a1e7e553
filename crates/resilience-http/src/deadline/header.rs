//! Times as headers say them.

use std::time::Duration;

/// The largest number that `grpc-timeout` can hold.
const GRPC_MOST: u64 = 99_999_999;

/// The units of `grpc-timeout`, the finest first: the letter, and its length in nanoseconds.
const GRPC_UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// The time in a `grpc-timeout` header: 1 to 8 decimal digits, and one of the units `H`, `M`, `S` (hours, minutes,
/// seconds), `m`, `u`, `n` (milli-, micro-, nanoseconds), as [the
/// protocol](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md) has it. `None` for anything else.
///
/// ```
/// use resilience_http::parse_grpc_timeout;
/// use std::time::Duration;
///
/// assert_eq!(parse_grpc_timeout(b"250m"), Some(Duration::from_millis(250)));
/// assert_eq!(parse_grpc_timeout(b"250"), None);
/// ```
pub fn parse_grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (&unit, digits) = value.split_last()?;
    let &(_, nanos) = GRPC_UNITS.iter().find(|(letter, _)| *letter == unit)?;
    if digits.len() > 8 {
        return None;
    }
    let number = decimal(digits)?;
    // At most 99,999,999 hours, which is more nanoseconds than fit 64 bits.
    Some(match nanos {
        1_000_000_000.. => Duration::from_secs(number * (nanos / 1_000_000_000)),
        _ => Duration::from_nanos(number * nanos),
    })
}

/// A time for a `grpc-timeout` header, never more than `left`: in the finest unit in which it has at most 8 digits,
/// rounded down. `parse_grpc_timeout` reads it; more than 99,999,999 hours are cut down to that.
///
/// ```
/// use resilience_http::format_grpc_timeout;
/// use std::time::Duration;
///
/// assert_eq!(format_grpc_timeout(Duration::from_nanos(99_999_999)), "99999999n");
/// assert_eq!(format_grpc_timeout(Duration::from_nanos(100_000_999)), "100000u");
/// assert_eq!(format_grpc_timeout(Duration::from_secs(3_600)), "3600000m");
/// ```
pub fn format_grpc_timeout(left: Duration) -> String {
    let nanos = left.as_nanos();
    let fitting = GRPC_UNITS
        .into_iter()
        .find(|&(_, length)| nanos / u128::from(length) <= GRPC_MOST.into());
    let (unit, number) = match fitting {
        Some((unit, length)) => (unit, nanos / u128::from(length)),
        None => (b'H', GRPC_MOST.into()),
    };
    format!("{number}{}", char::from(unit))
}

/// The time in a header of whole milliseconds: decimal digits and nothing else, `None` otherwise. More than fits 64 bits
/// is the most that does.
///
/// ```
/// use resilience_http::parse_millis;
/// use std::time::Duration;
///
/// assert_eq!(parse_millis(b"250"), Some(Duration::from_millis(250)));
/// assert_eq!(parse_millis(b"0.25"), None);
/// ```
pub fn parse_millis(value: &[u8]) -> Option<Duration> {
    decimal(value).map(Duration::from_millis)
}

/// A time for a header of whole milliseconds, rounded down: never more than `left`. `parse_millis` reads it.
///
/// ```
/// use resilience_http::format_millis;
/// use std::time::Duration;
///
/// assert_eq!(format_millis(Duration::from_micros(250_999)), "250");
/// ```
pub fn format_millis(left: Duration) -> String {
    u64::try_from(left.as_millis())
        .unwrap_or(u64::MAX)
        .to_string()
}

/// One or more decimal digits; saturates.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}
