use super::ConfigError;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr, time::Duration};

/// An amount per time, as people write it: `"100/s"`, `"6000/min"`, `"5/30s"`.
///
/// The time is a unit, or a duration as in [`humane`](super::humane). What is displayed is read as the same rate. Whether
/// the rate makes sense is for those to say who use it.
///
/// ```
/// use resilience_core::config::Rate;
/// use std::time::Duration;
///
/// let rate: Rate = "6000/min".parse()?;
/// assert_eq!((rate.amount, rate.period), (6_000, Duration::from_secs(60)));
/// assert_eq!(rate.to_string(), "6000/min");
///
/// let error = "6000".parse::<Rate>().unwrap_err();
/// assert_eq!(error.to_string(), r#"`rate` is "6000"; it must be an amount per time, such as "100/s" or "6000/min""#);
/// # Ok::<(), resilience_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How much.
    pub amount: u32,
    /// In which time.
    pub period: Duration,
}

const EXPECTED: &str = r#"an amount per time, such as "100/s" or "6000/min""#;

impl FromStr for Rate {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let parse = || {
            let (amount, period) = text.split_once('/')?;
            let period = period.trim();
            let one = period.starts_with(|first: char| first.is_ascii_alphabetic());
            let period = format!("{}{period}", if one { "1" } else { "" });
            Some(Self {
                amount: amount.trim().parse().ok()?,
                period: humantime::parse_duration(&period).ok()?,
            })
        };
        parse().ok_or_else(|| ConfigError::new("rate", text, EXPECTED))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = humantime::format_duration(self.period).to_string();
        let unit = match period.strip_prefix('1') {
            // Alone, an `m` could be anything.
            Some("m") => "min",
            Some(unit) if unit.bytes().all(|byte| byte.is_ascii_alphabetic()) => unit,
            _ => &period,
        };
        write!(f, "{}/{unit}", self.amount)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                let rate = text.parse();
                rate.map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        from.deserialize_str(Visitor)
    }
}
