//! Configuration that makes no sense: every field of every builder says so.

use resilience_stack::{
    breaker::{Abandoned, BreakerBuilder},
    bulkhead::{BulkheadConfig, BulkheadQueueConfig},
    config::{ClientConfig, ServerConfig},
    core::Priority,
    http::{BodyTimeoutLayer, Client},
    prelude::*,
    ratelimit::RateLimitQueueConfig,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const BAD_RATES: [f64; 6] = [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
const BAD_DURATIONS: [Duration; 2] = [Duration::ZERO, Duration::MAX];

/// The error must name the policy and the field, show the value, and say what would be right.
#[track_caller]
fn bad<T>(field: &str, result: Result<T, ConfigError>) {
    let error = bad_part(field, result);
    assert_eq!(error.policy().map(|name| &**name), Some("x"));
    assert!(error.to_string().starts_with("policy \"x\": `"), "{error}");
}

/// Of what has no name of its own.
#[track_caller]
fn bad_part<T>(field: &str, result: Result<T, ConfigError>) -> ConfigError {
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
    error
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
        bad_part("wait", Backoff::constant(duration));
        bad_part("base", Backoff::exponential(duration, 2.0, SECOND));
        bad_part("cap", Backoff::exponential(SECOND, 2.0, duration));
    }
    bad("advice_cap", builder().advice_cap(Duration::MAX).build());
    for factor in [0.0, 0.9, -2.0, 101.0, f64::NAN, f64::INFINITY] {
        bad_part("factor", Backoff::exponential(SECOND, factor, SECOND));
    }
    bad_part("cap", Backoff::exponential(SECOND, 2.0, SECOND / 2));
    for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        bad_part("ratio", Budget::builder().ratio(ratio).build());
    }
    for floor in [-1.0, 1e7, f64::NAN, f64::INFINITY] {
        bad_part(
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

#[test]
fn deadline() {
    for duration in BAD_DURATIONS {
        bad("max", DeadlineLayer::builder("x").max(duration).build());
        let unstated = DeadlineLayer::builder("x").unstated(duration);
        bad("unstated", unstated.build());
    }
}

#[test]
fn queues_and_shares() {
    let bulkhead = Bulkhead::new("x", 1).unwrap();
    bad("limit", Bulkhead::builder("x").build());
    bad(
        "wait_up_to",
        bulkhead.queue(&BulkheadQueueConfig::default()),
    );
    let limit = RateLimit::builder("x").quota(Quota::per_second(1));
    let unset = RateLimitQueueConfig::default();
    bad("wait_up_to", limit.build().unwrap().queue(&unset));
    let queue = bulkhead.wait_up_to(SECOND).unwrap();
    bad("max_waiting", queue.max_waiting(0));
    for duration in BAD_DURATIONS {
        bad("wait_up_to", bulkhead.wait_up_to(duration));
    }
    for share in [-0.1, 1.1, f64::NAN] {
        let by_priority = bulkhead.by_priority(|(): &()| Priority::Normal);
        bad("normal_share", by_priority.clone().normal_share(share));
        bad("sheddable_share", by_priority.sheddable_share(share));
    }
}

#[test]
fn sliding_rate_limit() {
    let builder = || SlidingRateLimit::builder("x").quota(Quota::per_second(1));
    bad("quota", SlidingRateLimit::builder("x").build());
    bad("quota.n", builder().quota(Quota::per_second(0)).build());
    bad("buckets", builder().buckets(0).build());
}

#[test]
fn keyed() {
    let builder = || Keyed::builder("x").key(|key: &u64| Some(*key));
    let each = || builder().each(|_| Breaker::new("each"));
    bad("max_keys", each().max_keys(0).build());
    bad("idle", each().idle(Duration::MAX).build());
    bad(
        "max_keys",
        builder().quota(Quota::per_second(1)).max_keys(0).build(),
    );
    bad("quota.n", builder().quota(Quota::per_second(0)).build());
}

/// Parts that were built before have names of their own; what the preset builds has its name, however deep it is.
#[test]
fn presets() {
    let unlimited = || {
        let mut config = BulkheadConfig::default();
        config.limit = Some(0);
        Some(config)
    };
    let (mut client, mut server) = (ClientConfig::default(), ServerConfig::default());
    (client.bulkhead, server.bulkhead) = (unlimited(), unlimited());
    bad(
        "bulkhead.limit",
        ClientStack::http("x").config(client).build(),
    );
    bad(
        "bulkhead.limit",
        ServerStack::http("x").config(server).build(),
    );
    bad(
        "deadline",
        ClientStack::http("x").deadline(Duration::ZERO).build(),
    );
    bad(
        "deadline",
        ClientStack::grpc("x").deadline(Duration::ZERO).build(),
    );
    bad(
        "deadline",
        ServerStack::http("x").deadline(Duration::ZERO).build(),
    );
    let client = || Client::builder("x");
    bad(
        "connect_timeout",
        client().connect_timeout(Duration::ZERO).build(),
    );
    bad("max_hosts", client().max_hosts(0).build());
    let named = client().breaker(|breaker| breaker.probes(0));
    bad("probes", named.build());
}
