//! What varies, as it is written.

use crate::rehearsal::Error;
use std::str::FromStr;
use toml::Value;

/// More values than this are taken for a mistake.
const MOST_VALUES: usize = 1_000;

/// A field of the scenario or of the stacks, and the values that it takes, one after the other.
///
/// Written as `PATH=VALUE,VALUE,…` or, for numbers, `PATH=FIRST..LAST/STEP`, both ends included. The path is that of the
/// file, with the index of items of arrays, from 0; values are those of TOML, and texts need no quotes.
///
/// ```
/// use resilience_lab::rehearsal::Vary;
///
/// let vary: Vary = "server.inventory.bulkhead.limit=10..50/20".parse()?;
/// assert_eq!(vary.values().collect::<Vec<_>>(), ["10", "30", "50"]);
/// let vary: Vary = "server.inventory.faults.0.until=10s,20s".parse()?;
/// assert_eq!(vary.values().collect::<Vec<_>>(), ["10s", "20s"]);
/// # Ok::<(), resilience_lab::rehearsal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Vary {
    pub(super) path: String,
    pub(super) values: Vec<Value>,
}

impl Vary {
    /// The path of the field.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The values as they were written, without quotes.
    pub fn values(&self) -> impl Iterator<Item = String> {
        self.values.iter().map(shown)
    }
}

pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl FromStr for Vary {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |what: &str| {
            let example =
                "client.inventory.retry.attempts=1,2,3 or server.front.bulkhead.limit=10..100/10";
            Error::Vary(format!("`{text}` {what}, such as {example}"))
        };
        let (path, values) = text
            .split_once('=')
            .filter(|(path, _)| !path.trim().is_empty())
            .ok_or_else(|| wrong("is no path with values"))?;
        let values = match values.split_once("..") {
            Some((first, rest)) => {
                steps(first, rest).ok_or_else(|| wrong("is no range with a step above zero"))?
            }
            None => values.split(',').map(|text| value(text.trim())).collect(),
        };
        if values.contains(&Value::String(String::new())) {
            return Err(wrong("has an empty value; values have commas between them"));
        }
        Ok(Self {
            path: path.trim().to_owned(),
            values,
        })
    }
}

/// As in TOML, if it is; else a text.
fn value(text: &str) -> Value {
    let table = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = table.ok().filter(|table| table.len() == 1);
    let value = value.and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn steps(first: &str, rest: &str) -> Option<Vec<Value>> {
    let (last, step) = rest.split_once('/')?;
    if let (Ok(first), Ok(last), Ok(step)) = (
        first.trim().parse::<i64>(),
        last.trim().parse::<i64>(),
        step.trim().parse::<usize>(),
    ) {
        let values = (first..=last).step_by(Some(step).filter(|step| *step > 0)?);
        let values: Vec<_> = values.take(MOST_VALUES + 1).map(Value::Integer).collect();
        return (1..=MOST_VALUES).contains(&values.len()).then_some(values);
    }
    let [first, last, step] = [first, last, step].map(|text| text.trim().parse::<f64>().ok());
    let (first, last, step) = (first?, last?, step?);
    // The last may be missed by rounding.
    let count = ((last - first) / step + 1e-9).floor();
    if !(step > 0.0 && (0.0..1e3).contains(&count)) {
        return None;
    }
    let steps = (0..=crate::sim::whole(count)).map(|n| first + crate::sim::float(n) * step);
    // Without the dust of binary fractions.
    let rounded = steps.map(|value| (value * 1e9).round() / 1e9);
    Some(rounded.map(Value::Float).collect())
}
