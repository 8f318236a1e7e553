//! Configuration that makes no sense: every field of every builder says so.

use resilience_stack::{breaker::Abandoned, http::BodyIdleLayer, prelude::*};
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

#[test]
fn breaker() {
    let build = |change: fn(
        resilience_stack::breaker::BreakerBuilder,
        f64,
    ) -> resilience_stack::breaker::BreakerBuilder,
                 value| { change(Breaker::builder("x"), value).build() };
    for rate in BAD_RATES {
        bad("failure_rate", build(|b, rate| b.failure_rate(rate), rate));
        bad(
            "slow_call_rate",
            build(
                |b, rate| b.slow_call_duration(SECOND).slow_call_rate(rate),
                rate,
            ),
        );
    }
    for share in [-0.1, 1.0, 7.0, f64::NAN] {
        bad("open_jitter", build(|b, share| b.open_jitter(share), share));
    }
    for factor in [0.0, 0.9, -2.0, f64::NAN, f64::INFINITY] {
        bad(
            "open_growing.factor",
            build(
                |b, factor| b.open_growing(SECOND, 4, factor, SECOND * 10),
                factor,
            ),
        );
    }
    for duration in BAD_DURATIONS {
        let builder = || Breaker::builder("x");
        bad(
            "time_window.duration",
            builder().time_window(duration, 10).build(),
        );
        bad(
            "slow_call_duration",
            builder().slow_call_duration(duration).build(),
        );
        bad("open_for", builder().open_for(duration).build());
        bad(
            "open_growing.base",
            builder()
                .open_growing(duration, 4, 2.0, SECOND * 10)
                .build(),
        );
        bad(
            "open_growing.cap",
            builder().open_growing(SECOND, 4, 2.0, duration).build(),
        );
        bad("probe_limit", builder().probe_limit(duration).build());
        bad(
            "abandoned",
            builder()
                .abandoned(Abandoned::FailureAfter(duration))
                .build(),
        );
    }
    let builder = || Breaker::builder("x");
    bad("count_window", builder().count_window(0).build());
    bad("count_window", builder().count_window(usize::MAX).build());
    bad(
        "time_window.buckets",
        builder().time_window(SECOND, 0).build(),
    );
    bad(
        "time_window.buckets",
        builder().time_window(SECOND, u32::MAX).build(),
    );
    bad("minimum_calls", builder().minimum_calls(0).build());
    bad(
        "minimum_covered",
        builder().minimum_covered(Duration::MAX).build(),
    );
    bad(
        "consecutive_failures",
        builder().consecutive_failures(0).build(),
    );
    bad(
        "minimum_spread",
        builder().minimum_spread(Duration::MAX).build(),
    );
    bad("probes", builder().probes(0).build());
    bad(
        "successes_to_close",
        builder().successes_to_close(0).build(),
    );
    bad(
        "judge_probes_after",
        builder().judge_probes_after(0).build(),
    );
    // Contradictions: a window that can never hold the calls it needs, a cap below its base.
    bad(
        "minimum_calls",
        builder().count_window(10).minimum_calls(11).build(),
    );
    bad(
        "minimum_covered",
        builder()
            .time_window(SECOND, 10)
            .minimum_covered(SECOND * 2)
            .build(),
    );
    bad(
        "open_growing.cap",
        builder().open_growing(SECOND, 4, 2.0, SECOND / 2).build(),
    );
}

#[test]
fn bulkhead_and_rate_limit() {
    bad("limit", Bulkhead::new("x", 0));
    bad("limit", Bulkhead::new("x", usize::MAX));
    let build = |quota| RateLimit::builder("x").quota(quota).build();
    bad("quota", RateLimit::builder("x").build());
    bad("quota.n", build(Quota::per_second(0)));
    bad("quota.burst", build(Quota::per_second(1).burst(0)));
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
        bad("body_idle", layer.http().body_idle(duration));
    }
    bad("limit", TimeoutLayer::builder("x").build());
}
