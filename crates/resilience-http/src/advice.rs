//! What servers say about when to come back.

use crate::names::PUSHBACK;
use http::{
    HeaderMap, HeaderValue,
    header::{DATE, RETRY_AFTER},
};
use std::time::{Duration, SystemTime};

/// The delay in a `Retry-After` header: seconds, or a date (RFC 9110, section 10.2.3).
///
/// A date counts from the response's own `Date` where there is one, so that clocks need not agree. Dates in the
/// past are a delay of zero; what cannot be read is no advice.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for a number: the far future.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let sent = headers
        .get(DATE)
        .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok())
        .unwrap_or_else(wall_clock);
    Some(at.duration_since(sent).unwrap_or_default())
}

/// What `grpc-retry-pushback-ms` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushback {
    /// Wait for that long, then retry.
    Wait(Duration),
    /// Do not retry: the value is negative, or cannot be read.
    Stop,
}

/// The server's pushback ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)), if any.
pub fn pushback(headers: &HeaderMap) -> Option<Pushback> {
    let value = headers.get(&PUSHBACK)?;
    // Rust would read a plus too.
    let digits = value
        .to_str()
        .ok()
        .filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    let millis = digits.and_then(|digits| digits.parse::<u32>().ok());
    Some(millis.map_or(Pushback::Stop, |millis| {
        Pushback::Wait(Duration::from_millis(millis.into()))
    }))
}

/// A `Retry-After` in whole seconds, rounded up: whoever keeps to it is not too early.
pub(crate) fn in_seconds(delay: Duration) -> HeaderValue {
    let whole = delay.as_secs();
    let seconds = whole.saturating_add(u64::from(delay.subsec_nanos() > 0));
    HeaderValue::from(seconds)
}

/// A pushback in whole milliseconds, rounded up.
pub(crate) fn in_millis(delay: Duration) -> HeaderValue {
    let millis = delay.as_nanos().div_ceil(1_000_000);
    HeaderValue::from(u32::try_from(millis).unwrap_or(i32::MAX.unsigned_abs()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "an absolute date without a `Date` beside it can only be measured against the wall clock"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}
