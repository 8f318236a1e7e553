//! Tokio's clock governs the family's time, and timestamps become timers.
#![cfg(not(resilience_loom))]
#![expect(
    clippy::disallowed_methods,
    reason = "compares with what the one clock read should have seen"
)]

use resilience_core::{Now, Timestamp, clock};
use std::time::Duration;
use tokio::time::{Instant, advance, sleep_until, timeout};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

#[tokio::test(start_paused = true)]
async fn a_paused_clock_stands_still_and_advances_to_the_nanosecond() {
    let start = clock::now();
    assert_eq!(clock::now(), start);
    let step = Duration::new(5, 7);
    advance(step).await;
    assert_eq!(clock::now() - start, step);
    assert_eq!(Now::lazy().get(), clock::now());
}

#[test]
fn works_outside_of_a_runtime_and_never_goes_back() {
    let mut last = clock::now();
    for _ in 0..1_000 {
        let now = clock::now();
        assert!(now >= last);
        last = now;
    }
}

#[tokio::test(start_paused = true)]
async fn instants_are_those_of_the_timestamps() {
    let (now, instant) = (clock::now(), Instant::now());
    assert_eq!(clock::instant(now), instant);
    for distance in [Duration::from_nanos(1), SECOND, 100 * YEAR] {
        assert_eq!(clock::instant(now + distance), instant + distance);
    }
    for distance in [Duration::from_nanos(1), SECOND, YEAR] {
        assert_eq!(clock::instant(now - distance) + distance, instant);
    }
}

#[tokio::test(start_paused = true)]
async fn timers_fire_at_their_timestamp() {
    let start = clock::now();
    sleep_until(clock::instant(start + 3 * SECOND)).await;
    assert_eq!(clock::now(), start + 3 * SECOND);
    sleep_until(clock::instant(start)).await;
    assert_eq!(clock::now(), start + 3 * SECOND, "the past is now");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_time_is_a_timer_that_does_not_fire() {
    let forever = clock::instant(Timestamp::MAX);
    assert!(forever >= Instant::now() + 29 * YEAR);
    assert!(timeout(YEAR, sleep_until(forever)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_beginning_of_time_is_not_in_the_future() {
    let first = clock::instant(Timestamp::from_nanos(0));
    assert!(first <= Instant::now());
    sleep_until(first).await;
}

#[test]
fn a_call_has_the_time_of_the_layer_outside_and_no_longer_than_that() {
    let lent = clock::now() - 3 * SECOND;
    let of_call = || Now::of_call().get();
    assert!(of_call() > lent);
    clock::during(lent, || {
        assert_eq!(of_call(), lent);
        clock::during(lent + SECOND, || assert_eq!(of_call(), lent + SECOND));
        assert_eq!(of_call(), lent, "the one inside has ended");
        assert!(Now::lazy().get() > lent, "who asks for the present has it");
        let elsewhere = std::thread::scope(|scope| scope.spawn(of_call).join());
        assert!(elsewhere.unwrap() > lent, "another thread makes no call");
    });
    let panicked = std::panic::catch_unwind(|| clock::during(lent, || panic!("for once")));
    assert!(panicked.is_err());
    assert!(of_call() > lent);
}
