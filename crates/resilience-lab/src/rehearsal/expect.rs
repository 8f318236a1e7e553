//! What figures should be.

mod bound;
mod metric;

pub use bound::Bound;
pub use metric::Metric;
pub(super) use metric::Unit;

use super::{Played, Scenario, scenario::Plain};
use bound::{EXPECTED, bound};
use resilience_core::ConfigError;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, value::MapAccessDeserializer},
};
use std::{collections::BTreeMap, fmt};

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
