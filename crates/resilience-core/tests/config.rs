//! The checks that every builder uses: what they accept, what they refuse, and what they say then.
#![cfg(not(resilience_loom))]

use resilience_core::{
    ConfigError,
    config::{self, LONGEST},
};
use std::{fmt::Debug, time::Duration};

/// Asserts that `value` was refused with its name, its value and `expected`.
fn refused<T: Debug>(result: Result<T, ConfigError>, value: &str, expected: &str) {
    let error = result.expect_err(value);
    assert_eq!(error.field(), "field");
    assert_eq!(error.value(), value);
    assert_eq!(error.expected(), expected);
    assert_eq!(
        error.to_string(),
        format!("`field` is {value}; it must be {expected}")
    );
}

#[test]
fn durations_are_above_zero_and_at_most_a_year() {
    for good in [
        Duration::from_nanos(1),
        Duration::from_secs(1),
        Duration::from_secs(364 * 86_400),
        LONGEST,
    ] {
        assert_eq!(config::duration("field", good), Ok(good));
    }
    let expected = "more than zero and at most 365 days";
    for (bad, value) in [
        (Duration::ZERO, "0ns"),
        (LONGEST + Duration::from_nanos(1), "31536000.000000001s"),
        (Duration::MAX, "18446744073709551615.999999999s"),
    ] {
        refused(config::duration("field", bad), value, expected);
    }
}

#[test]
fn rates_are_above_zero_and_at_most_one() {
    for good in [f64::from_bits(1), 0.2, 1.0 - f64::EPSILON, 1.0] {
        assert_eq!(config::rate("field", good), Ok(good));
    }
    let expected = "more than 0 and at most 1";
    for (bad, value) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (-0.5, "-0.5"),
        (1.0 + f64::EPSILON, "1.0000000000000002"),
        (f64::MAX, "1.7976931348623157e308"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "NaN"),
    ] {
        refused(config::rate("field", bad), value, expected);
    }
}

#[test]
fn factors_are_within_their_bounds() {
    for good in [1.0, 1.5, 100.0] {
        assert_eq!(config::within("field", good, 1.0, 100.0), Ok(good));
    }
    for (bad, value) in [
        (0.0, "0.0"),
        (-1.0, "-1.0"),
        (0.999, "0.999"),
        (100.1, "100.1"),
        (f64::MAX, "1.7976931348623157e308"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "NaN"),
    ] {
        refused(
            config::within("field", bad, 1.0, 100.0),
            value,
            "from 1 to 100",
        );
    }
    assert_eq!(config::within("field", 0.0, 0.0, 0.5), Ok(0.0));
    refused(
        config::within("field", 0.6, 0.0, 0.5),
        "0.6",
        "from 0 to 0.5",
    );
}

#[test]
fn counts_are_within_their_bounds() {
    assert_eq!(config::count("field", 1_u32, 1, 10), Ok(1));
    assert_eq!(config::count("field", 10_u32, 1, 10), Ok(10));
    refused(config::count("field", 0_u32, 1, 10), "0", "from 1 to 10");
    refused(config::count("field", 11_u32, 1, 10), "11", "from 1 to 10");
    refused(
        config::count("field", u64::MAX, 1, 1 << 20),
        "18446744073709551615",
        "from 1 to 1048576",
    );
    refused(config::count("field", -1_i64, 1, 10), "-1", "from 1 to 10");
    refused(
        config::count("field", f64::NAN, 1.0, 10.0),
        "NaN",
        "from 1.0 to 10.0",
    );
}
