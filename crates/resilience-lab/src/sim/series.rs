//! What is sampled over time.

use resilience_core::sync::{Mutex, lock};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A value over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Seconds between two points.
    pub every: f64,
    /// Seconds since the simulation began, and the value.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// The mean of the points in `from..until`, unless there is none.
    pub fn mean(&self, from: Duration, until: Duration) -> Option<f64> {
        let (from, until) = (from.as_secs_f64(), until.as_secs_f64());
        let within = self
            .points
            .iter()
            .filter(|(t, _)| (from..until).contains(t));
        let (count, sum) = within.fold((0.0, 0.0), |(n, sum), (_, value)| (n + 1.0, sum + value));
        (count > 0.0).then(|| sum / count)
    }

    /// How long after `from` the value was at least `level`, and stayed there for `hold`. `None` if that was never so.
    pub fn time_to_reach(&self, level: f64, from: Duration, hold: Duration) -> Option<Duration> {
        let (from, hold) = (from.as_secs_f64(), hold.as_secs_f64());
        let mut since = None;
        for &(t, value) in self.points.iter().filter(|(t, _)| *t >= from) {
            if value < level {
                since = None;
                continue;
            }
            let first = *since.get_or_insert(t);
            if t - first >= hold {
                return Some(Duration::from_secs_f64(first - from));
            }
        }
        None
    }
}

/// A series that grows.
pub(crate) struct Track {
    name: String,
    every: Duration,
    points: Mutex<Vec<(f64, f64)>>,
}

impl Track {
    pub(crate) fn new(name: String, every: Duration) -> Self {
        Self {
            name,
            every,
            points: Mutex::default(),
        }
    }

    pub(crate) fn push(&self, at: Duration, value: f64) {
        lock(&self.points).push((at.as_secs_f64(), value));
    }

    pub(crate) fn series(&self) -> Series {
        Series {
            name: self.name.clone(),
            every: self.every.as_secs_f64(),
            points: lock(&self.points).clone(),
        }
    }
}
