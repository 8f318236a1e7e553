//! The time-stamp counter as the clock: `cargo test -p resilience-core --features fast-clock --test fast_clock`.
#![cfg(all(
    feature = "fast-clock",
    not(feature = "test-util"),
    not(resilience_loom)
))]
#![allow(clippy::disallowed_methods, reason = "held against the other clock")]

use resilience_core::{Timestamp, clock};
use std::time::Duration;
use tokio::time::Instant;

/// Far more than a loaded machine takes between two reads, and far less than any mistake would bring.
const NEAR: Duration = Duration::from_secs(1);

fn difference(one: Instant, other: Instant) -> Duration {
    one.max(other) - one.min(other)
}

#[test]
fn it_goes_on_as_the_other_clock_does() {
    let (start, other) = (clock::now(), Instant::now());
    let mut last = start;
    // As long as it takes, without a sleep: ten milliseconds by the other clock.
    while other.elapsed() < Duration::from_millis(10) {
        let now = clock::now();
        assert!(now >= last, "{now:?} after {last:?}");
        last = now;
    }
    let passed = last - start;
    assert!(passed >= Duration::from_millis(9), "{passed:?}");
    assert!(passed < Duration::from_millis(10) + NEAR, "{passed:?}");
}

#[test]
fn timers_are_set_to_the_other_clock() {
    for ahead in [
        Duration::ZERO,
        Duration::from_secs(3),
        Duration::from_secs(86_400),
    ] {
        let at = clock::instant(clock::now() + ahead);
        assert!(difference(at, Instant::now() + ahead) < NEAR, "{ahead:?}");
    }
    // What is over is over, and what is beyond all timers is far.
    assert!(clock::instant(Timestamp::from_nanos(0)) <= Instant::now());
    assert!(clock::instant(Timestamp::MAX) > Instant::now() + Duration::from_secs(86_400 * 365));
}
