//! What figures should be.

use super::{Played, Scenario, scenario::Plain};
use crate::report;
use resilience_core::ConfigError;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, value::MapAccessDeserializer},
};
use std::{collections::BTreeMap, fmt, time::Duration};

/// A figure that can be expected to be so or so.
///
/// Shares are of 1, and can be written as `"95%"`. Calls count as they were made; those that are not over in the end are not
/// answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Of a client: the share of its calls that were answered well and in time.
    Goodput,
    /// Of a client: the share that its own layers refused.
    Refused,
    /// Of a client: the share that failed.
    Failed,
    /// Of a client: the share that it gave up when its patience was at its end.
    Late,
    /// Of a client: how long half of the good answers took at most.
    P50,
    /// Of a client: how long nine of ten good answers took at most.
    P90,
    /// Of a client: how long 99 of 100 good answers took at most.
    P99,
    /// Of a client: how long 999 of 1,000 good answers took at most.
    P999,
    /// Of a client: from the end of the last fault until it had recovered, see [`Measure`](super::Measure).
    TimeToRecover,
    /// Of a server: calls that arrived for each one that would have if every call had been sent once and none refused.
    Amplification,
    /// Of a server: the share of the time that its workers worked.
    Utilization,
    /// Of a server: the share of the work that was done for callers who had gone.
    DeadWork,
    /// Of a server: the most calls that waited for a worker at a point of the charts.
    PeakQueue,
}

/// How a figure is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Share,
    Factor,
    Time,
    Count,
}

impl Metric {
    pub(super) fn is_of_clients(self) -> bool {
        use Metric::{Amplification, DeadWork, PeakQueue, Utilization};
        !matches!(self, Amplification | Utilization | DeadWork | PeakQueue)
    }

    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Goodput
            | Self::Refused
            | Self::Failed
            | Self::Late
            | Self::Utilization
            | Self::DeadWork => Unit::Share,
            Self::P50 | Self::P90 | Self::P99 | Self::P999 | Self::TimeToRecover => Unit::Time,
            Self::Amplification => Unit::Factor,
            Self::PeakQueue => Unit::Count,
        }
    }

    /// As it is written in files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Goodput => "goodput",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::TimeToRecover => "time_to_recover",
            Self::Amplification => "amplification",
            Self::Utilization => "utilization",
            Self::DeadWork => "dead_work",
            Self::PeakQueue => "peak_queue",
        }
    }
}

/// What a figure should be, for all clients or servers, or for some.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Wanted {
    /// Of each.
    All(Bound),
    /// By their names.
    Some(BTreeMap<String, Bound>),
}

impl Wanted {
    /// The bound for `name`, and the path of it.
    pub(super) fn of(&self, metric: Metric, name: &str) -> Option<(String, &Bound)> {
        let metric = metric.name();
        match self {
            Self::All(bound) => Some((format!("expect.{metric}"), bound)),
            Self::Some(bounds) => {
                let bound = bounds.get(name)?;
                Some((format!("expect.{metric}.{name}"), bound))
            }
        }
    }

    pub(super) fn check(&self, metric: Metric, scenario: &Scenario) -> Result<(), ConfigError> {
        let bounds: Vec<(String, &Bound)> = match self {
            Self::All(bound) => vec![(metric.name().to_owned(), bound)],
            Self::Some(bounds) => {
                let mut paths = Vec::new();
                for (name, bound) in bounds {
                    let path = format!("{}.{name}", metric.name());
                    let (what, known) = if metric.is_of_clients() {
                        ("client", scenario.client.keys().collect::<Vec<_>>())
                    } else {
                        ("server", scenario.server.keys().collect())
                    };
                    if !known.contains(&name) {
                        let hint = super::hint(name, known.iter().map(|name| name.as_str()));
                        let expected = format!("of a {what} of the scenario; {hint}");
                        return Err(ConfigError::new(path, Plain("nobody's"), expected));
                    }
                    paths.push((path, bound));
                }
                paths
            }
        };
        for (path, bound) in bounds {
            if let Some(expected) = bound.contradiction(metric.unit()) {
                return Err(ConfigError::new(path, &bound.text, expected));
            }
            if metric == Metric::TimeToRecover && scenario.faults().is_empty() {
                let expected = "left out: no server has faults to recover from";
                return Err(ConfigError::new(path, &bound.text, expected));
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Wanted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{EXPECTED}, or a table of such with names")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Wanted, E> {
                bound(text).map(Wanted::All)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Wanted, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Wanted::Some)
            }
        }

        from.deserialize_any(Visitor)
    }
}

/// `>=` or `<=`, and a number, a percentage, or a duration.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    text: String,
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

const EXPECTED: &str = r#"a bound, such as ">= 0.95", "<= 5%" or "<= 250ms""#;

fn bound<E: de::Error>(text: &str) -> Result<Bound, E> {
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
    fn contradiction(&self, unit: Unit) -> Option<&'static str> {
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

    fn holds(&self, value: f64) -> bool {
        match self.side {
            Side::AtLeast => value >= self.value,
            Side::AtMost => value <= self.value,
        }
    }

    /// The aim of a figure that is written in units of 1/`scale`.
    pub(super) fn aim(&self, number: report::Number, scale: f64) -> report::Number {
        match self.side {
            Side::AtLeast => number.at_least(self.value * scale),
            Side::AtMost => number.at_most(self.value * scale),
        }
    }

    /// A figure, as the bound is written.
    fn write(&self, unit: Unit, value: f64) -> String {
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

/// Every expectation that does not hold: the field, the figure, and the bound.
pub(super) fn unmet(scenario: &Scenario, played: &Played) -> Vec<ConfigError> {
    let mut unmet = Vec::new();
    for (metric, wanted) in &scenario.expect {
        for (name, value) in played.figures(*metric) {
            let Some((path, bound)) = wanted.of(*metric, name) else {
                continue;
            };
            if !bound.holds(value) {
                let whose = if metric.is_of_clients() {
                    "client"
                } else {
                    "server"
                };
                let figure = bound.write(metric.unit(), value);
                let figure = format!("{figure} for {whose} `{name}` with {}", played.label);
                unmet.push(ConfigError::new(path, Plain(figure), bound.text.clone()));
            }
        }
    }
    unmet
}
