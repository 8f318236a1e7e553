//! The processor's time-stamp counter.

use super::{ORIGIN, far, read};
use crate::Timestamp;
use quanta::Clock;
use std::{sync::OnceLock, time::Duration};
use tokio::time::Instant;

/// The clock, and the counter when it was first read.
static CLOCK: OnceLock<(Clock, u64)> = OnceLock::new();

#[inline]
pub(super) fn now() -> Timestamp {
    let (clock, first) = CLOCK.get_or_init(|| {
        let clock = Clock::new();
        let first = clock.raw();
        (clock, first)
    });
    ORIGIN + Duration::from_nanos(clock.delta_as_nanos(*first, clock.raw()))
}

/// By what is left until then, since the two clocks drift apart over days.
pub(super) fn instant(at: Timestamp) -> Instant {
    read().checked_add(at - now()).unwrap_or_else(far)
}
