//! Calls per second: a number, or a rate as people write it.

use resilience_core::config::Rate;
use serde::{Deserializer, Serializer, de};
use std::fmt;

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands in references"
)]
pub(super) fn serialize<S: Serializer>(rate: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(*rate)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_any(Visitor)
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("calls per second, such as 700 or \"700/s\" or \"42000/min\"")
    }

    fn visit_f64<E: de::Error>(self, rate: f64) -> Result<f64, E> {
        Ok(rate)
    }

    fn visit_i64<E: de::Error>(self, rate: i64) -> Result<f64, E> {
        let wrong = || E::invalid_value(de::Unexpected::Signed(rate), &self);
        i32::try_from(rate).map(f64::from).map_err(|_| wrong())
    }

    fn visit_u64<E: de::Error>(self, rate: u64) -> Result<f64, E> {
        let wrong = || E::invalid_value(de::Unexpected::Unsigned(rate), &self);
        u32::try_from(rate).map(f64::from).map_err(|_| wrong())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
        let wrong = || E::invalid_value(de::Unexpected::Str(text), &self);
        let rate: Rate = text.parse().map_err(|_| wrong())?;
        let seconds = rate.period.as_secs_f64();
        if seconds > 0.0 {
            Ok(f64::from(rate.amount) / seconds)
        } else {
            Err(wrong())
        }
    }
}
