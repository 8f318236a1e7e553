//! How long things take.

use super::Stream;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use resilience_core::{
    ConfigError,
    config::{self, humane},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long something takes: a service time, a time to think, the latency of a network.
///
/// ```
/// use resilience_lab::sim::Distribution;
///
/// let text = r#"bimodal = { fast = "4ms", slow = "80ms", slow_share = 0.02 }"#;
/// let bimodal: Distribution = toml::from_str(text).unwrap();
/// assert_eq!(bimodal.sampler().unwrap().mean().as_micros(), 5_520);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// Always the same.
    Constant {
        /// Up to 365 days; may be zero.
        #[serde(with = "humane")]
        value: Duration,
    },
    /// Memoryless: the service of an M/M/k queue.
    Exponential {
        /// More than zero.
        #[serde(with = "humane")]
        mean: Duration,
    },
    /// Its logarithm is normal: most services that people measure.
    LogNormal {
        /// One half takes longer. More than zero.
        #[serde(with = "humane")]
        median: Duration,
        /// One of a hundred takes longer. At least the median.
        #[serde(with = "humane")]
        p99: Duration,
    },
    /// One of two, such as a hit and a miss of a cache.
    Bimodal {
        /// The one.
        #[serde(with = "humane")]
        fast: Duration,
        /// The other.
        #[serde(with = "humane")]
        slow: Duration,
        /// The share of the other: 0 to 1.
        slow_share: f64,
    },
    /// Drawn from what has been measured, each as likely as any other.
    Samples {
        /// At least one.
        values: Vec<Sample>,
    },
}

/// A measured duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample(#[serde(with = "humane")] pub Duration);

/// The standard normal deviate that one of a hundred exceeds.
const Z99: f64 = 2.326_347_874_040_841;

impl Distribution {
    /// Always `value`.
    pub fn constant(value: Duration) -> Self {
        Self::Constant { value }
    }

    /// Memoryless, with this `mean`.
    pub fn exponential(mean: Duration) -> Self {
        Self::Exponential { mean }
    }

    /// Log-normal, with this median and 99th percentile.
    pub fn log_normal(median: Duration, p99: Duration) -> Self {
        Self::LogNormal { median, p99 }
    }

    /// Ready to draw from, or which field cannot be.
    pub fn sampler(&self) -> Result<Sampler, ConfigError> {
        let shape = self.shape().map_err(|error| error.under(self.kind()))?;
        Ok(Sampler(shape))
    }

    /// As it is written.
    fn kind(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Exponential { .. } => "exponential",
            Self::LogNormal { .. } => "log_normal",
            Self::Bimodal { .. } => "bimodal",
            Self::Samples { .. } => "samples",
        }
    }

    fn shape(&self) -> Result<Shape, ConfigError> {
        Ok(match self {
            Self::Constant { value } => Shape::Constant(seconds("value", *value)?),
            Self::Exponential { mean } => {
                Shape::Exponential(config::duration("mean", *mean)?.as_secs_f64())
            }
            Self::LogNormal { median, p99 } => {
                let median = config::duration("median", *median)?;
                if *p99 < median || *p99 > config::LONGEST {
                    let expected = "at least the median, and at most 365 days";
                    return Err(ConfigError::new("p99", p99, expected));
                }
                let (median, p99) = (median.as_secs_f64(), p99.as_secs_f64());
                Shape::LogNormal {
                    mu: median.ln(),
                    sigma: (p99 / median).ln() / Z99,
                }
            }
            Self::Bimodal {
                fast,
                slow,
                slow_share,
            } => Shape::Bimodal {
                fast: seconds("fast", *fast)?,
                slow: seconds("slow", *slow)?,
                slow_share: config::within("slow_share", *slow_share, 0.0, 1.0)?,
            },
            Self::Samples { values } => {
                config::count("values", values.len(), 1, usize::MAX)?;
                let values = values.iter().map(|value| seconds("values", value.0));
                Shape::Samples(values.collect::<Result<_, _>>()?)
            }
        })
    }
}

fn seconds(field: &'static str, value: Duration) -> Result<f64, ConfigError> {
    if value > config::LONGEST {
        return Err(ConfigError::new(field, value, "at most 365 days"));
    }
    Ok(value.as_secs_f64())
}

/// Draws from a [`Distribution`].
#[derive(Clone, Debug)]
pub struct Sampler(Shape);

/// In seconds.
#[derive(Clone, Debug)]
enum Shape {
    Constant(f64),
    Exponential(f64),
    LogNormal {
        mu: f64,
        sigma: f64,
    },
    Bimodal {
        fast: f64,
        slow: f64,
        slow_share: f64,
    },
    Samples(Vec<f64>),
}

impl Sampler {
    /// Draws one, to the nanosecond.
    pub fn draw(&self, stream: &mut Stream) -> Duration {
        Duration::from_secs_f64(match &self.0 {
            Shape::Constant(value) => *value,
            Shape::Exponential(mean) => mean * exponential(stream),
            Shape::LogNormal { mu, sigma } => {
                let normal: f64 = StandardNormal.sample(stream.rng());
                (mu + sigma * normal)
                    .exp()
                    .min(config::LONGEST.as_secs_f64())
            }
            Shape::Bimodal {
                fast,
                slow,
                slow_share,
            } => {
                if stream.chance(*slow_share) {
                    *slow
                } else {
                    *fast
                }
            }
            Shape::Samples(values) => {
                values[super::index(stream.unit() * super::float(values.len() as u64))]
            }
        })
    }

    /// What draws are on average.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(match &self.0 {
            Shape::Constant(mean) | Shape::Exponential(mean) => *mean,
            Shape::LogNormal { mu, sigma } => (mu + sigma * sigma / 2.0)
                .exp()
                .min(config::LONGEST.as_secs_f64()),
            Shape::Bimodal {
                fast,
                slow,
                slow_share,
            } => fast + (slow - fast) * slow_share,
            Shape::Samples(values) => {
                values.iter().sum::<f64>() / super::float(values.len() as u64)
            }
        })
    }
}

/// An exponential deviate of mean 1.
pub(crate) fn exponential(stream: &mut Stream) -> f64 {
    Exp1.sample(stream.rng())
}
