//! Times of arrival, one after the other.

use crate::sim::{Sampler, Stream, distribution::exponential, float};
use resilience_core::ConfigError;
use std::{f64::consts::TAU, path::Path, time::Duration};

/// The times in the first column of a CSV file.
pub(super) fn read(path: &Path) -> Result<Vec<Duration>, ConfigError> {
    let wrong = |what: String| ConfigError::new("path", path, what);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| wrong(format!("a CSV file that can be read ({error})")))?;
    let mut times: Vec<Duration> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(format!("a CSV file ({error})")))?;
        let cell = record.get(0).unwrap_or_default();
        let line = record.position().map_or(0, csv::Position::line);
        let said = |what: &str| {
            let first =
                "a file without headings, whose first column are ascending times in seconds";
            wrong(format!(
                "{first}; line {line} has {cell:?}, which is {what}"
            ))
        };
        let seconds = cell.parse().map_err(|_| said("no number"))?;
        let time = Duration::try_from_secs_f64(seconds).map_err(|_| said("no such time"))?;
        if times.last().is_some_and(|last| time < *last) {
            return Err(said("before the one above"));
        }
        times.push(time);
    }
    if times.is_empty() {
        return Err(wrong(
            "a file with one time at least; it is empty".to_owned(),
        ));
    }
    Ok(times)
}

/// [`Arrivals`](super::Arrivals) that have been checked.
pub(crate) enum Plan {
    Constant(f64),
    Varying(Rate),
    Trace(Vec<Duration>),
    Users { count: u32, think: Sampler },
}

/// The rate of a Poisson process at a time, in calls per second.
pub(crate) enum Rate {
    Steps {
        first: f64,
        then: Vec<(f64, f64)>,
    },
    Bursts {
        between: f64,
        burst: f64,
        every: f64,
        gap: f64,
    },
    Diurnal {
        mean: f64,
        swing: f64,
        period: f64,
    },
}

impl Rate {
    /// The rate at `t` seconds, and until when it is no more than the bound: `(rate, bound, until)`.
    fn at(&self, t: f64) -> (f64, f64, f64) {
        match self {
            Self::Steps { first, then } => {
                let next = then.partition_point(|(from, _)| *from <= t);
                let rate = if next == 0 { *first } else { then[next - 1].1 };
                (
                    rate,
                    rate,
                    then.get(next).map_or(f64::INFINITY, |step| step.0),
                )
            }
            Self::Bursts {
                between,
                burst,
                every,
                gap,
            } => {
                let begun = (t / every).floor() * every;
                if t < begun + gap {
                    (*between, *between, begun + gap)
                } else {
                    (*burst, *burst, begun + every)
                }
            }
            Self::Diurnal {
                mean,
                swing,
                period,
            } => {
                let rate = mean * (1.0 - swing * (TAU * t / period).cos());
                (rate, mean * (1.0 + swing), f64::INFINITY)
            }
        }
    }

    /// The first arrival after `t` seconds, by thinning (Lewis and Shedler, 1979): candidates come at a rate that is never
    /// exceeded, and are taken with the probability of the true one.
    ///
    /// `None` if there is none.
    pub(crate) fn next(&self, mut t: f64, stream: &mut Stream) -> Option<f64> {
        loop {
            let (_, bound, until) = self.at(t);
            let candidate = if bound > 0.0 {
                t + exponential(stream) / bound
            } else {
                f64::INFINITY
            };
            if candidate >= until {
                // The process has no memory: it can begin anew at the change. A change that rounding hides is passed.
                t = if until > t { until } else { t.next_up() };
                continue;
            }
            if candidate.is_infinite() {
                return None;
            }
            t = candidate;
            let (rate, ..) = self.at(t);
            if rate >= bound || stream.chance(rate / bound) {
                return Some(t);
            }
        }
    }
}

/// The times of an open loop, one after the other.
pub(crate) struct Times {
    plan: Plan,
    /// Seconds, or the index of the next.
    t: f64,
    nth: u64,
}

impl Times {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            t: 0.0,
            nth: 0,
        }
    }

    /// The next arrival, counted from the beginning of the process.
    pub(crate) fn next(&mut self, stream: &mut Stream) -> Option<Duration> {
        self.nth += 1;
        match &self.plan {
            Plan::Constant(rate) => Some(Duration::from_secs_f64(float(self.nth) / rate)),
            Plan::Varying(rate) => {
                self.t = rate.next(self.t, stream)?;
                Duration::try_from_secs_f64(self.t).ok()
            }
            Plan::Trace(times) => times.get(usize::try_from(self.nth - 1).ok()?).copied(),
            Plan::Users { .. } => None,
        }
    }
}
