//! Bad configuration is an error that names field, value and range.

#![cfg(not(resilience_loom))]

use resilience_core::{ConfigError, config::LONGEST};
use resilience_timeout::{Limit, TimeoutLayer};
use std::time::Duration;

#[test]
fn every_field_is_checked() {
    let set = |limit| TimeoutLayer::builder("t").limit(limit).build();
    let range = "more than zero and at most 365 days";
    let too_long = LONGEST + Duration::from_nanos(1);
    let table: [(Result<_, ConfigError>, &str, String, &str); 6] = [
        (set(Duration::ZERO), "limit", "0ns".into(), range),
        (set(too_long), "limit", format!("{too_long:?}"), range),
        (
            set(Duration::MAX),
            "limit",
            format!("{:?}", Duration::MAX),
            range,
        ),
        (
            TimeoutLayer::new("t", Duration::ZERO),
            "limit",
            "0ns".into(),
            range,
        ),
        (
            TimeoutLayer::new("t", too_long),
            "limit",
            format!("{too_long:?}"),
            range,
        ),
        (
            TimeoutLayer::builder("t").build(),
            "limit",
            "not set".into(),
            "set: more than zero and at most 365 days",
        ),
    ];
    for (built, field, value, expected) in table {
        let error = built.unwrap_err();
        assert_eq!(error.field(), field);
        assert_eq!(error.value(), value);
        assert_eq!(error.expected(), expected);
    }
}

#[test]
fn the_bounds_themselves_are_right() {
    for limit in [Duration::from_nanos(1), LONGEST] {
        let layer = TimeoutLayer::new("t", limit).unwrap();
        assert_eq!(layer.limit().length(), limit);
        assert_eq!(&**layer.limit().policy(), "t");
        assert_eq!(layer.limit(), &Limit::new("t", "limit", limit).unwrap());
    }
}
