//! Configuration that makes no sense: every field of every builder says so.

use resilience_stack::{
    breaker::{Abandoned, BreakerBuilder},
    http::BodyTimeoutLayer,
    prelude::*,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const BAD_RATES: [f64; 6] = [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
const BAD_DURATIONS: [Duration; 2] = [Duration::ZERO, Duration::MAX];

/// The error must name the field, show the value, and say what would be right.
#[track_caller]
fn bad<T>(field: &str, result: Result<T, ConfigError>) {
    let Err(error) = result else {
        panic!("`{field}` was accepted")
    };
    assert_eq!(error.field(), field);
    assert!(!error.value().is_empty());
    assert!(!error.expected().is_empty());
    let text = error.to_string();
    assert!(
        text.contains(field) && text.contains(error.value()) && text.contains("it must be"),
        "{text}"
    );
}

fn a_breaker() -> BreakerBuilder {
    Breaker::builder("x")
}

#[test]
fn breaker_rates() {
    for rate in BAD_RATES {
        let slow = a_breaker().slow_call_duration(SECOND);
        bad("failure_rate", a_breaker().failure_rate(rate).build());
        bad("slow_call_rate", slow.slow_call_rate(rate).build());
    }
    for share in [-0.1, 1.0, 7.0, f64::NAN] {
        bad("open_jitter", a_breaker().open_jitter(share).build());
    }
    for factor in [0.0, 0.9, -2.0, f64::NAN, f64::INFINITY] {
        let growing = a_breaker().open_growing(SECOND, 4, factor, SECOND * 10);
        bad("open_growing.factor", growing.build());
    }
}

#[test]
fn breaker_durations() {
    for bad_one in BAD_DURATIONS {
        let window = a_breaker().time_window(bad_one, 10);
        bad("time_window.duration", window.build());
        let slow = a_breaker().slow_call_duration(bad_one);
        bad("slow_call_duration", slow.build());
        bad("open_for", a_breaker().open_for(bad_one).build());
        let growing = a_breaker().open_growing(bad_one, 4, 2.0, SECOND * 10);
        bad("open_growing.base", growing.build());
        let growing = a_breaker().open_growing(SECOND, 4, 2.0, bad_one);
        bad("open_growing.cap", growing.build());
        bad("probe_limit", a_breaker().probe_limit(bad_one).build());
        let abandoned = Abandoned::FailureAfter(bad_one);
        bad("abandoned", a_breaker().abandoned(abandoned).build());
    }
    let endless = Duration::MAX;
    bad(
        "minimum_covered",
        a_breaker().minimum_covered(endless).build(),
    );
    bad(
        "minimum_spread",
        a_breaker().minimum_spread(endless).build(),
    );
}

#[test]
fn breaker_counts() {
    bad("count_window", a_breaker().count_window(0).build());
    bad("count_window", a_breaker().count_window(usize::MAX).build());
    bad(
        "time_window.buckets",
        a_breaker().time_window(SECOND, 0).build(),
    );
    bad(
        "time_window.buckets",
        a_breaker().time_window(SECOND, u32::MAX).build(),
    );
    bad("minimum_calls", a_breaker().minimum_calls(0).build());
    bad(
        "consecutive_failures",
        a_breaker().consecutive_failures(0).build(),
    );
    bad(
        "open_growing.steady",
        a_breaker().open_growing(SECOND, 0, 2.0, SECOND).build(),
    );
    bad("probes", a_breaker().probes(0).build());
    bad(
        "successes_to_close",
        a_breaker().successes_to_close(0).build(),
    );
    bad(
        "judge_probes_after",
        a_breaker().judge_probes_after(0).build(),
    );
}

#[test]
fn breaker_contradictions() {
    // A window that can never hold the calls it needs, or cover the time; a cap below its base.
    let small = a_breaker().count_window(10).minimum_calls(11);
    bad("minimum_calls", small.build());
    let short = a_breaker()
        .time_window(SECOND, 10)
        .minimum_covered(SECOND * 2);
    bad("minimum_covered", short.build());
    let shrinking = a_breaker().open_growing(SECOND, 4, 2.0, SECOND / 2);
    bad("open_growing.cap", shrinking.build());
    // Settings that need another one.
    bad(
        "slow_call_rate",
        a_breaker().slow_call_duration(SECOND).build(),
    );
    bad(
        "slow_call_duration",
        a_breaker().slow_call_rate(0.5).build(),
    );
    let spread = a_breaker()
        .consecutive_failures(None)
        .minimum_spread(SECOND);
    bad("minimum_spread", spread.build());
    let unjudged = a_breaker().failure_rate(None).judge_probes_after(3);
    bad("judge_probes_after", unjudged.build());
    // Nothing that could ever trip it.
    let inert = a_breaker().failure_rate(None).consecutive_failures(None);
    bad("failure_rate", inert.build());
}

#[test]
fn bulkhead_and_rate_limit() {
    bad("limit", Bulkhead::new("x", 0));
    bad("limit", Bulkhead::new("x", usize::MAX));
    let build = |quota| RateLimit::builder("x").quota(quota).build();
    bad("quota", RateLimit::builder("x").build());
    bad("quota.n", build(Quota::per_second(0)));
    bad("quota.burst", build(Quota::per_second(1).burst(0)));
    bad("quota.burst", build(Quota::per_hour(1).burst(u32::MAX)));
    let queue = build(Quota::per_second(1))
        .unwrap()
        .wait_up_to(SECOND)
        .unwrap();
    bad("max_waiting", queue.max_waiting(0));
    for duration in BAD_DURATIONS {
        bad("quota.per", build(Quota::per(1, duration)));
        bad(
            "wait_up_to",
            build(Quota::per_second(1)).unwrap().wait_up_to(duration),
        );
    }
}

#[test]
fn retry_backoff_and_budget() {
    let builder = || RetryLayer::builder("x");
    bad("attempts", builder().attempts(0).build());
    bad("attempts", builder().attempts(u32::MAX).build());
    for duration in BAD_DURATIONS {
        bad("deadline", builder().deadline(duration).build());
        bad("wait", Backoff::constant(duration));
        bad("base", Backoff::exponential(duration, 2.0, SECOND));
        bad("cap", Backoff::exponential(SECOND, 2.0, duration));
    }
    bad("advice_cap", builder().advice_cap(Duration::MAX).build());
    for factor in [0.0, 0.9, -2.0, 101.0, f64::NAN, f64::INFINITY] {
        bad("factor", Backoff::exponential(SECOND, factor, SECOND));
    }
    bad("cap", Backoff::exponential(SECOND, 2.0, SECOND / 2));
    for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        bad("ratio", Budget::builder().ratio(ratio).build());
    }
    for floor in [-1.0, 1e7, f64::NAN, f64::INFINITY] {
        bad(
            "floor_per_second",
            Budget::builder().floor_per_second(floor).build(),
        );
    }
}

#[test]
fn timeout() {
    for duration in BAD_DURATIONS {
        bad("limit", TimeoutLayer::new("x", duration));
        let layer = TimeoutLayer::new("x", SECOND).unwrap();
        bad("body_idle", layer.clone().http().body_idle(duration));
        bad("body_total", layer.http().body_total(duration));
    }
    bad("limit", TimeoutLayer::builder("x").build());
}
