//! When calls come.

use super::{Distribution, Stream, distribution::exponential};
use resilience_core::{ConfigError, config};
use serde::{Deserialize, Serialize};
use std::{f64::consts::TAU, path::PathBuf, time::Duration};

/// When calls come: by themselves, whatever becomes of those before (an open loop), or from users who wait for an answer
/// first (a closed loop).
///
/// Rates are in calls per second: more than 0 and at most 10⁷, unless another range is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrivals {
    /// One after the other, at equal distances.
    Constant {
        /// Calls per second.
        rate: f64,
    },
    /// Independent of one another: very many users.
    Poisson {
        /// Calls per second.
        rate: f64,
    },
    /// Poisson, at a rate that changes.
    Steps {
        /// The rate from 0 s on; may be 0.
        rate: f64,
        /// In the order of time.
        steps: Vec<Step>,
    },
    /// Poisson, with a burst every now and then.
    Bursts {
        /// Calls per second between bursts; may be 0.
        rate: f64,
        /// Calls per second in a burst.
        burst_rate: f64,
        /// From the beginning of one burst to that of the next.
        #[serde(with = "humantime_serde")]
        every: Duration,
        /// How long a burst is: less than `every`. Each `every` ends with one.
        #[serde(with = "humantime_serde")]
        length: Duration,
    },
    /// Poisson, at a rate that swings like day and night: lowest at 0 s.
    Diurnal {
        /// Calls per second, on average.
        rate: f64,
        /// How far the rate swings, as a share of the average: 0 to 1.
        swing: f64,
        /// A day.
        #[serde(with = "humantime_serde")]
        period: Duration,
    },
    /// As it has been recorded.
    Trace {
        /// A CSV file without a header, whose first column is the time of the call in seconds, in ascending order.
        path: PathBuf,
    },
    /// A closed loop.
    Users {
        /// How many: 1 to 10⁶.
        count: u32,
        /// How long a user waits between an answer and the next call, and before the first.
        think: Distribution,
    },
}

/// A change of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From when on.
    #[serde(with = "humantime_serde")]
    pub from: Duration,
    /// Calls per second; may be 0.
    pub rate: f64,
}

const MOST: f64 = 1e7;

fn rate(field: &'static str, value: f64) -> Result<f64, ConfigError> {
    if value > 0.0 && value <= MOST {
        return Ok(value);
    }
    Err(ConfigError::new(
        field,
        value,
        "more than 0 and at most 1e7 per second",
    ))
}

impl Arrivals {
    /// Poisson, at `rate` calls per second.
    pub fn poisson(rate: f64) -> Self {
        Self::Poisson { rate }
    }

    /// At equal distances, at `rate` calls per second.
    pub fn constant(rate: f64) -> Self {
        Self::Constant { rate }
    }

    /// A closed loop.
    pub fn users(count: u32, think: Distribution) -> Self {
        Self::Users { count, think }
    }

    /// Ready to be drawn from, or which field cannot be. Reads the file of a trace.
    pub(crate) fn plan(&self) -> Result<Plan, ConfigError> {
        Ok(match self {
            Self::Constant { rate: value } => Plan::Constant(rate("rate", *value)?),
            Self::Poisson { rate: value } => Plan::Varying(Rate::Steps {
                first: rate("rate", *value)?,
                then: Vec::new(),
            }),
            Self::Steps { rate, steps } => {
                if !steps.is_sorted_by(|a, b| a.from < b.from) {
                    return Err(ConfigError::new("steps", steps, "in the order of time"));
                }
                let then = steps.iter().map(|step| {
                    let rate = config::within("steps.rate", step.rate, 0.0, MOST)?;
                    Ok((step.from.as_secs_f64(), rate))
                });
                Plan::Varying(Rate::Steps {
                    first: config::within("rate", *rate, 0.0, MOST)?,
                    then: then.collect::<Result<_, _>>()?,
                })
            }
            Self::Bursts {
                rate: between,
                burst_rate,
                every,
                length,
            } => {
                let every = config::duration("every", *every)?;
                if *length >= every {
                    return Err(ConfigError::new("length", length, "less than `every`"));
                }
                Plan::Varying(Rate::Bursts {
                    between: config::within("rate", *between, 0.0, MOST)?,
                    burst: rate("burst_rate", *burst_rate)?,
                    every: every.as_secs_f64(),
                    gap: (every - config::duration("length", *length)?).as_secs_f64(),
                })
            }
            Self::Diurnal {
                rate: mean,
                swing,
                period,
            } => Plan::Varying(Rate::Diurnal {
                mean: rate("rate", *mean)?,
                swing: config::within("swing", *swing, 0.0, 1.0)?,
                period: config::duration("period", *period)?.as_secs_f64(),
            }),
            Self::Trace { path } => Plan::Trace(read(path)?),
            Self::Users { count, think } => Plan::Users {
                count: config::count("count", *count, 1, 1_000_000)?,
                think: think.sampler()?,
            },
        })
    }
}

/// The times in the first column of a CSV file.
fn read(path: &PathBuf) -> Result<Vec<Duration>, ConfigError> {
    let wrong = |what: String| ConfigError::new("path", path, what);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| wrong(format!("a CSV file that can be read ({error})")))?;
    let mut times: Vec<Duration> = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(|error| wrong(format!("a CSV file ({error})")))?;
        let seconds = record.get(0).and_then(|cell| cell.parse().ok());
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match time {
            Some(time) if times.last().is_none_or(|last| *last <= time) => times.push(time),
            _ => {
                let row = row + 1;
                return Err(wrong(format!(
                    "a file of ascending times in seconds; row {row} is none"
                )));
            }
        }
    }
    Ok(times)
}

/// [`Arrivals`] that have been checked.
pub(crate) enum Plan {
    Constant(f64),
    Varying(Rate),
    Trace(Vec<Duration>),
    Users { count: u32, think: super::Sampler },
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
            Plan::Constant(rate) => Some(Duration::from_secs_f64(super::float(self.nth) / rate)),
            Plan::Varying(rate) => {
                self.t = rate.next(self.t, stream)?;
                Duration::try_from_secs_f64(self.t).ok()
            }
            Plan::Trace(times) => times.get(usize::try_from(self.nth - 1).ok()?).copied(),
            Plan::Users { .. } => None,
        }
    }
}
