//! Tokio's clock.

use super::{ORIGIN, far, read};
use crate::Timestamp;
use std::sync::OnceLock;
use tokio::time::Instant;

fn anchor() -> Instant {
    static ANCHOR: OnceLock<Instant> = OnceLock::new();
    #[cfg(feature = "test-util")]
    if let Some(anchor) = super::HERE.get() {
        return anchor;
    }
    *ANCHOR.get_or_init(read)
}

pub(super) fn now() -> Timestamp {
    let (anchor, now) = (anchor(), read());
    match now.checked_duration_since(anchor) {
        Some(after) => ORIGIN + after,
        None => ORIGIN - anchor.duration_since(now),
    }
}

pub(super) fn instant(at: Timestamp) -> Instant {
    if at >= ORIGIN {
        anchor().checked_add(at - ORIGIN).unwrap_or_else(far)
    } else {
        anchor().checked_sub(ORIGIN - at).unwrap_or_else(read)
    }
}
