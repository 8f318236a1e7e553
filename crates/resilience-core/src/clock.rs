//! The one place that reads a clock: tokio's, so that `tokio::time::pause` and `advance` govern every layer.

use crate::Timestamp;
use std::{sync::OnceLock, time::Duration};
use tokio::time::Instant;

/// The timestamp of the anchor. A runtime whose clock was paused before the anchor was taken lives in the
/// anchor's past; nine years of room keep its timestamps apart from one another.
const ORIGIN: Timestamp = Timestamp::from_nanos(1 << 58);

fn anchor() -> Instant {
    static ANCHOR: OnceLock<Instant> = OnceLock::new();
    *ANCHOR.get_or_init(read)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the family's only clock read; everything else takes the time as an argument"
)]
fn read() -> Instant {
    Instant::now()
}

/// The present, by tokio's clock. Works outside of a runtime too.
pub fn now() -> Timestamp {
    let (anchor, now) = (anchor(), read());
    match now.checked_duration_since(anchor) {
        Some(after) => ORIGIN + after,
        None => ORIGIN - anchor.duration_since(now),
    }
}

/// The tokio instant of `at`, for timers. Times beyond what tokio can represent become thirty years from now.
pub fn instant(at: Timestamp) -> Instant {
    let far = || read() + Duration::from_secs(86_400 * 365 * 30);
    if at >= ORIGIN {
        anchor().checked_add(at - ORIGIN).unwrap_or_else(far)
    } else {
        anchor().checked_sub(ORIGIN - at).unwrap_or_else(read)
    }
}
