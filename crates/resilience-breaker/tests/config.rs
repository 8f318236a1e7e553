//! Bad configuration: an error that names field, value and range, for every setting.
#![cfg(not(resilience_loom))]

use resilience_breaker::{Abandoned, BreakerBuilder};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(366 * 86_400);

type Setting = fn(BreakerBuilder) -> BreakerBuilder;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of every setting")]
fn every_setting_says_what_is_wrong_with_it() {
    let table: &[(&str, &str, Setting)] = &[
        ("count_window", "0", |b| b.count_window(0)),
        ("count_window", "1000001", |b| b.count_window(1_000_001)),
        ("time_window.duration", "0ns", |b| {
            b.time_window(Duration::ZERO, 10)
        }),
        ("time_window.duration", "999µs", |b| {
            b.time_window(Duration::from_micros(999), 10)
        }),
        ("time_window.duration", "31622400s", |b| {
            b.time_window(LONG, 10)
        }),
        (
            "time_window.duration",
            "18446744073709551615.999999999s",
            |b| b.time_window(Duration::MAX, 10),
        ),
        ("time_window.buckets", "0", |b| b.time_window(SECOND, 0)),
        ("time_window.buckets", "1", |b| b.time_window(SECOND, 1)),
        ("time_window.buckets", "101", |b| b.time_window(SECOND, 101)),
        ("failure_rate", "0.0", |b| b.failure_rate(0.0)),
        ("failure_rate", "-0.1", |b| b.failure_rate(-0.1)),
        ("failure_rate", "1.1", |b| b.failure_rate(1.1)),
        ("failure_rate", "NaN", |b| b.failure_rate(f64::NAN)),
        ("failure_rate", "inf", |b| b.failure_rate(f64::INFINITY)),
        // Nothing left that could open it.
        ("failure_rate", "not set", |b| {
            b.failure_rate(None).consecutive_failures(None)
        }),
        ("slow_call_duration", "0ns", |b| {
            b.slow_call_duration(Duration::ZERO).slow_call_rate(0.5)
        }),
        ("slow_call_duration", "31622400s", |b| {
            b.slow_call_duration(LONG).slow_call_rate(0.5)
        }),
        ("slow_call_duration", "not set", |b| b.slow_call_rate(0.5)),
        ("slow_call_rate", "0.0", |b| {
            b.slow_call_duration(SECOND).slow_call_rate(0.0)
        }),
        ("slow_call_rate", "-1.0", |b| {
            b.slow_call_duration(SECOND).slow_call_rate(-1.0)
        }),
        ("slow_call_rate", "1.01", |b| {
            b.slow_call_duration(SECOND).slow_call_rate(1.01)
        }),
        ("slow_call_rate", "NaN", |b| {
            b.slow_call_duration(SECOND).slow_call_rate(f64::NAN)
        }),
        ("slow_call_rate", "not set", |b| {
            b.slow_call_duration(SECOND)
        }),
        ("minimum_calls", "0", |b| b.minimum_calls(0)),
        ("minimum_calls", "18446744073709551615", |b| {
            b.minimum_calls(u64::MAX)
        }),
        // More than the window can ever hold.
        ("minimum_calls", "11", |b| {
            b.count_window(10).minimum_calls(11)
        }),
        // More than the window can be relied on to cover.
        ("minimum_covered", "4.500000001s", |b| {
            b.minimum_covered(Duration::from_nanos(4_500_000_001))
        }),
        ("minimum_covered", "1s", |b| {
            b.count_window(10).minimum_covered(SECOND)
        }),
        ("consecutive_failures", "0", |b| b.consecutive_failures(0)),
        ("consecutive_failures", "4294967295", |b| {
            b.consecutive_failures(u32::MAX)
        }),
        ("minimum_spread", "31622400s", |b| b.minimum_spread(LONG)),
        ("minimum_spread", "1ms", |b| {
            b.consecutive_failures(None).minimum_spread(MILLI)
        }),
        ("open_for", "0ns", |b| b.open_for(Duration::ZERO)),
        ("open_for", "31622400s", |b| b.open_for(LONG)),
        ("open_growing.base", "0ns", |b| {
            b.open_growing(Duration::ZERO, 1, 2.0, SECOND)
        }),
        ("open_growing.base", "31622400s", |b| {
            b.open_growing(LONG, 1, 2.0, LONG)
        }),
        ("open_growing.steady", "0", |b| {
            b.open_growing(MILLI, 0, 2.0, SECOND)
        }),
        ("open_growing.steady", "1001", |b| {
            b.open_growing(MILLI, 1_001, 2.0, SECOND)
        }),
        ("open_growing.factor", "0.9", |b| {
            b.open_growing(MILLI, 1, 0.9, SECOND)
        }),
        ("open_growing.factor", "NaN", |b| {
            b.open_growing(MILLI, 1, f64::NAN, SECOND)
        }),
        ("open_growing.factor", "-2.0", |b| {
            b.open_growing(MILLI, 1, -2.0, SECOND)
        }),
        ("open_growing.factor", "inf", |b| {
            b.open_growing(MILLI, 1, f64::INFINITY, SECOND)
        }),
        ("open_growing.cap", "1ms", |b| {
            b.open_growing(SECOND, 1, 2.0, MILLI)
        }),
        ("open_growing.cap", "31622400s", |b| {
            b.open_growing(SECOND, 1, 2.0, LONG)
        }),
        ("open_jitter", "-0.1", |b| b.open_jitter(-0.1)),
        ("open_jitter", "1.0", |b| b.open_jitter(1.0)),
        ("open_jitter", "NaN", |b| b.open_jitter(f64::NAN)),
        ("probes", "0", |b| b.probes(0)),
        ("probes", "1001", |b| b.probes(1_001)),
        ("successes_to_close", "0", |b| b.successes_to_close(0)),
        ("successes_to_close", "1000001", |b| {
            b.successes_to_close(1_000_001)
        }),
        ("judge_probes_after", "0", |b| b.judge_probes_after(0)),
        ("judge_probes_after", "1000001", |b| {
            b.judge_probes_after(1_000_001)
        }),
        ("judge_probes_after", "5", |b| {
            b.failure_rate(None).judge_probes_after(5)
        }),
        ("probe_limit", "0ns", |b| b.probe_limit(Duration::ZERO)),
        ("probe_limit", "31622400s", |b| b.probe_limit(LONG)),
        ("abandoned", "0ns", |b| {
            b.abandoned(Abandoned::FailureAfter(Duration::ZERO))
        }),
        ("abandoned", "31622400s", |b| {
            b.abandoned(Abandoned::FailureAfter(LONG))
        }),
        ("success_batch", "0", |b| b.success_batch(0)),
        ("success_batch", "1001", |b| b.success_batch(1_001)),
    ];
    for &(field, value, set) in table {
        let error = set(BreakerBuilder::new("bad"))
            .machine()
            .expect_err(&format!("{field} = {value} was accepted"));
        assert_eq!((error.field(), error.value()), (field, value), "{error}");
        assert!(!error.expected().is_empty());
    }
}

#[test]
fn the_ends_of_the_ranges_are_accepted() {
    let table: &[Setting] = &[
        |b| b,
        |b| b.count_window(1).minimum_calls(1).failure_rate(1.0),
        |b| b.count_window(1_000_000).minimum_calls(1_000_000),
        // The default minimum of calls gives way to a shorter window,
        |b| b.count_window(10),
        // and so does the default minimum of covered time.
        |b| b.time_window(MILLI, 100),
        |b| b.time_window(365 * DAY, 2).minimum_covered(365 * DAY / 2),
        |b| {
            b.minimum_covered(Duration::ZERO)
                .minimum_spread(Duration::ZERO)
        },
        |b| b.failure_rate(None),
        |b| b.consecutive_failures(None),
        |b| {
            b.failure_rate(None)
                .consecutive_failures(None)
                .slow_call_duration(MILLI)
                .slow_call_rate(1.0)
        },
        |b| b.consecutive_failures(1_000_000).minimum_spread(365 * DAY),
        |b| b.open_for(Duration::from_nanos(1)).open_jitter(0.9),
        |b| b.open_growing(365 * DAY, 1_000, 100.0, 365 * DAY),
        |b| {
            b.probes(1_000)
                .successes_to_close(1_000_000)
                .probe_limit(365 * DAY)
        },
        |b| b.judge_probes_after(1_000_000),
        |b| b.abandoned(Abandoned::FailureAfter(MILLI)),
    ];
    for (index, set) in table.iter().enumerate() {
        let machine = set(BreakerBuilder::new("good")).machine();
        assert!(machine.is_ok(), "setting {index}: {}", machine.unwrap_err());
    }
}
