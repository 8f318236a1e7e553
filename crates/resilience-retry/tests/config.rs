//! Every field of the builder, with every value that makes no sense.
#![cfg(not(resilience_loom))]

use resilience_core::config;
use resilience_retry::RetryBuilder;
use std::time::Duration;

type Change = fn(RetryBuilder) -> RetryBuilder;

const TOO_LONG: Duration = Duration::from_secs(365 * 86_400 + 1);

#[test]
fn bad_configuration_names_field_value_and_range() {
    let duration = "more than zero and at most 365 days";
    let table: [(&str, &str, &str, Change); 9] = [
        ("attempts", "0", "from 1 to 100", |b| b.attempts(0)),
        ("attempts", "101", "from 1 to 100", |b| b.attempts(101)),
        ("attempts", "4294967295", "from 1 to 100", |b| {
            b.attempts(u32::MAX)
        }),
        ("deadline", "0ns", duration, |b| b.deadline(Duration::ZERO)),
        ("deadline", "31536001s", duration, |b| b.deadline(TOO_LONG)),
        (
            "deadline",
            "18446744073709551615.999999999s",
            duration,
            |b| b.deadline(Duration::MAX),
        ),
        ("advice_cap", "0ns", duration, |b| {
            b.advice_cap(Duration::ZERO)
        }),
        ("advice_cap", "31536001s", duration, |b| {
            b.advice_cap(TOO_LONG)
        }),
        (
            "advice_cap",
            "18446744073709551615.999999999s",
            duration,
            |b| b.advice_cap(Duration::MAX),
        ),
    ];
    for (field, value, expected, change) in table {
        let error = change(RetryBuilder::new("test")).plan().unwrap_err();
        assert_eq!(
            (error.field(), error.value(), error.expected()),
            (field, value, expected)
        );
        #[cfg(feature = "tower")]
        assert_eq!(
            change(RetryBuilder::new("test")).build().unwrap_err(),
            error
        );
    }
}

#[test]
fn the_ends_of_every_range_are_valid() {
    let table: [Change; 6] = [
        |b| b,
        |b| b.attempts(1),
        |b| b.attempts(100),
        |b| {
            b.deadline(Duration::from_nanos(1))
                .advice_cap(Duration::from_nanos(1))
        },
        |b| b.deadline(config::LONGEST).advice_cap(config::LONGEST),
        RetryBuilder::no_budget,
    ];
    for change in table {
        let builder = change(RetryBuilder::new("test"));
        assert!(builder.plan().is_ok(), "{builder:?}");
    }
}
