//! When calls come.

use super::Distribution;
use resilience_core::{
    ConfigError,
    config::{self, humane},
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

mod per_second;
mod plan;

pub(crate) use plan::{Plan, Times};

use plan::{Rate, read};

/// When calls come: by themselves, whatever becomes of those before (an open loop), or from users who wait for an answer
/// first (a closed loop).
///
/// Rates are in calls per second: more than 0 and at most 10⁷, unless another range is given. In a file, they are numbers or
/// texts such as `"700/s"` and `"42000/min"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrivals {
    /// One after the other, at equal distances.
    Constant {
        /// Calls per second.
        #[serde(with = "per_second")]
        rate: f64,
    },
    /// Independent of one another: very many users.
    Poisson {
        /// Calls per second.
        #[serde(with = "per_second")]
        rate: f64,
    },
    /// Poisson, at a rate that changes.
    Steps {
        /// The rate from 0 s on; may be 0.
        #[serde(with = "per_second")]
        rate: f64,
        /// In the order of time.
        steps: Vec<Step>,
    },
    /// Poisson, with a burst every now and then.
    Bursts {
        /// Calls per second between bursts; may be 0.
        #[serde(with = "per_second")]
        rate: f64,
        /// Calls per second in a burst.
        #[serde(with = "per_second")]
        burst_rate: f64,
        /// From the beginning of one burst to that of the next.
        #[serde(with = "humane")]
        every: Duration,
        /// How long a burst is: less than `every`. Each `every` ends with one.
        #[serde(with = "humane")]
        length: Duration,
    },
    /// Poisson, at a rate that swings like day and night: lowest at 0 s.
    Diurnal {
        /// Calls per second, on average.
        #[serde(with = "per_second")]
        rate: f64,
        /// How far the rate swings, as a share of the average: 0 to 1.
        swing: f64,
        /// A day.
        #[serde(with = "humane")]
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
    #[serde(with = "humane")]
    pub from: Duration,
    /// Calls per second; may be 0.
    #[serde(with = "per_second")]
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
        self.checked().map_err(|error| error.under(self.kind()))
    }

    /// As it is written.
    fn kind(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Poisson { .. } => "poisson",
            Self::Steps { .. } => "steps",
            Self::Bursts { .. } => "bursts",
            Self::Diurnal { .. } => "diurnal",
            Self::Trace { .. } => "trace",
            Self::Users { .. } => "users",
        }
    }

    fn checked(&self) -> Result<Plan, ConfigError> {
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
                    gap: every
                        .saturating_sub(config::duration("length", *length)?)
                        .as_secs_f64(),
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
                think: think.sampler().map_err(|error| error.under("think"))?,
            },
        })
    }
}
