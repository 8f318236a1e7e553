//! Bounds, as they are written.

use super::Unit;
use crate::report;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, time::Duration};

/// `>=` or `<=`, and a number, a percentage, or a duration.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    pub(super) text: String,
    side: Side,
    value: f64,
    written: Written,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    AtLeast,
    AtMost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Number,
    Percent,
    Time,
}

pub(super) const EXPECTED: &str = r#"a bound, such as ">= 0.95", "<= 5%" or "<= 250ms""#;

pub(super) fn bound<E: de::Error>(text: &str) -> Result<Bound, E> {
    Bound::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &EXPECTED))
}

impl Bound {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (side, rest) = match text.split_at_checked(2)? {
            (">=", rest) => (Side::AtLeast, rest.trim()),
            ("<=", rest) => (Side::AtMost, rest.trim()),
            _ => return None,
        };
        let (value, written) = if let Some(percent) = rest.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().ok()?;
            (percent / 100.0, Written::Percent)
        } else if let Ok(number) = rest.parse() {
            (number, Written::Number)
        } else {
            (duration(rest)?.as_secs_f64(), Written::Time)
        };
        (value.is_finite() && value >= 0.0).then(|| Self {
            text: text.to_owned(),
            side,
            value,
            written,
        })
    }

    /// What a figure of this unit needs instead.
    pub(super) fn contradiction(&self, unit: Unit) -> Option<&'static str> {
        let fits = match unit {
            Unit::Share => self.written != Written::Time && self.value <= 1.0,
            Unit::Time => self.written == Written::Time,
            Unit::Factor | Unit::Count => self.written == Written::Number,
        };
        let expected = match unit {
            Unit::Share => r#"a bound of a share, such as ">= 0.95" or ">= 95%""#,
            Unit::Time => r#"a bound of a time with its unit, such as "<= 250ms""#,
            Unit::Factor => r#"a bound of a factor, such as "<= 1.2""#,
            Unit::Count => r#"a bound of a count, such as "<= 500""#,
        };
        (!fits).then_some(expected)
    }

    pub(super) fn holds(&self, value: f64) -> bool {
        match self.side {
            Side::AtLeast => value >= self.value,
            Side::AtMost => value <= self.value,
        }
    }

    /// The aim of a figure that is written in units of 1/`scale`.
    pub(in crate::rehearsal) fn aim(&self, number: report::Number, scale: f64) -> report::Number {
        match self.side {
            Side::AtLeast => number.at_least(self.value * scale),
            Side::AtMost => number.at_most(self.value * scale),
        }
    }

    /// A figure, as the bound is written.
    pub(super) fn write(&self, unit: Unit, value: f64) -> String {
        match (unit, self.written) {
            (Unit::Time, _) if value.is_infinite() => "never over".to_owned(),
            (Unit::Time, _) => format!("{:.1?}", Duration::from_secs_f64(value)),
            (_, Written::Percent) => format!("{:.2}%", value * 100.0),
            (Unit::Count, _) => format!("{value}"),
            _ => format!("{value:.4}"),
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    use serde::de::IntoDeserializer;
    let text: de::value::StrDeserializer<'_, de::value::Error> = text.into_deserializer();
    resilience_core::config::humane::deserialize(text).ok()
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Bound;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bound, E> {
                bound(text)
            }
        }

        from.deserialize_str(Visitor)
    }
}
