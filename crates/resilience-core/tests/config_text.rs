//! Durations and rates as text, and what can be switched off: read as it was written, and errors that say what is right.
#![cfg(all(feature = "serde", not(resilience_loom)))]

use proptest::prelude::*;
use resilience_core::config::{Rate, humane, or_false};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Waits {
    #[serde(with = "humane")]
    one: Duration,
    #[serde(with = "humane", default)]
    maybe: Option<Duration>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Switch {
    #[serde(with = "or_false")]
    text: Option<String>,
    #[serde(with = "or_false")]
    whole: Option<i64>,
    #[serde(with = "or_false")]
    number: Option<f64>,
    #[serde(with = "or_false")]
    table: Option<Waits>,
}

fn durations() -> impl Strategy<Value = Duration> {
    let small = (0..100_u64, 0..1_000_000_000_u32);
    let any = (0..=365 * 86_400_u64, 0..1_000_000_000_u32);
    prop_oneof![small, any].prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn again<T: Serialize + for<'de> Deserialize<'de>>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn durations_are_read_as_they_were_written(one in durations(), maybe in prop::option::of(durations())) {
        let waits = Waits { one, maybe };
        prop_assert_eq!(again(&waits), waits);
    }

    #[test]
    fn rates_are_read_as_they_were_written(amount: u32, period in durations()) {
        let rate = Rate { amount, period };
        prop_assert_eq!(again(&rate), rate);
        prop_assert_eq!(rate.to_string().parse(), Ok(rate));
    }

    #[test]
    fn no_text_breaks_a_parser(text in "[0-9a-z/ .µ-]{0,12}") {
        let _ = text.parse::<Rate>();
        let _ = serde_json::from_value::<Waits>(serde_json::json!({ "one": text }));
    }
}

#[test]
fn durations_have_units() {
    for (text, millis) in [
        ("250ms", 250),
        ("1s", 1_000),
        ("1m 30s", 90_000),
        ("2min", 120_000),
        ("1h", 3_600_000),
    ] {
        let waits: Waits = serde_json::from_value(serde_json::json!({ "one": text })).unwrap();
        assert_eq!(waits.one, Duration::from_millis(millis), "{text}");
    }
    for (bad, said) in [
        (serde_json::json!(250), "integer `250`"),
        (serde_json::json!("250"), "string \"250\""),
        (serde_json::json!("soon"), "string \"soon\""),
        (serde_json::json!("-1s"), "string \"-1s\""),
    ] {
        let error = serde_json::from_value::<Waits>(serde_json::json!({ "one": bad })).unwrap_err();
        let error = error.to_string();
        let expected = "expected a duration with its unit, such as \"250ms\" or \"1m 30s\"";
        assert!(error.contains(said) && error.contains(expected), "{error}");
    }
}

#[test]
fn rates_are_short_where_they_can_be() {
    for (text, amount, seconds, written) in [
        ("100/s", 100, 1, "100/s"),
        ("6000/min", 6_000, 60, "6000/min"),
        ("6000 / m", 6_000, 60, "6000/min"),
        ("5/30s", 5, 30, "5/30s"),
        ("7/1h", 7, 3_600, "7/h"),
        ("8/day", 8, 86_400, "8/day"),
        ("9/1m 1s", 9, 61, "9/1m 1s"),
    ] {
        let rate: Rate = text.parse().unwrap();
        assert_eq!(
            (rate.amount, rate.period.as_secs()),
            (amount, seconds),
            "{text}"
        );
        assert_eq!(rate.to_string(), written);
    }
    for bad in [
        "", "/", "100", "100/", "/s", "a/s", "-1/s", "1.5/s", "1/x", "1/s/s", "1/-1s",
    ] {
        let error = bad.parse::<Rate>().expect_err(bad).to_string();
        assert!(
            error.contains(&format!("{bad:?}")) && error.contains("\"100/s\""),
            "{error}"
        );
    }
}

#[test]
fn what_is_off_is_false() {
    let none = Switch {
        text: None,
        whole: None,
        number: None,
        table: None,
    };
    let written =
        serde_json::json!({ "text": false, "whole": false, "number": false, "table": false });
    assert_eq!(serde_json::to_value(&none).unwrap(), written);
    assert_eq!(again(&none), none);

    let all = Switch {
        text: Some("on".into()),
        whole: Some(-3),
        number: Some(0.5),
        table: Some(Waits {
            one: Duration::from_secs(1),
            maybe: None,
        }),
    };
    assert_eq!(again(&all), all);

    let error = serde_json::from_str::<Switch>(r#"{ "text": true }"#).unwrap_err();
    assert!(error.to_string().contains("`false` for none"), "{error}");
}
