//! What goes wrong, and when.

use super::Stream;
use resilience_core::{
    ConfigError,
    config::{self, humane},
    nanos,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

mod schedule;

pub(crate) use schedule::{Effect, Schedule};

/// Something that goes wrong with a server for a while.
///
/// ```
/// use resilience_lab::sim::Fault;
///
/// let text = r#"from = "10s"
/// until = "40s"
/// what.fail = { status = 503, share = 0.3 }
/// pattern.flap = { down = "1s", up = "1s" }"#;
/// let fault: Fault = toml::from_str(text).unwrap();
/// assert!(fault.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    #[serde(with = "humane")]
    pub from: Duration,
    /// When it is over. After `from`.
    #[serde(with = "humane")]
    pub until: Duration,
    /// What goes wrong.
    pub what: Trouble,
    /// Whether it does so all the time in between.
    #[serde(default)]
    pub pattern: Pattern,
}

/// What goes wrong. Shares are of the calls, more than 0 and at most 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// Service takes `factor` times as long.
    Slow {
        /// More than 0.
        factor: f64,
    },
    /// Service takes so long, whatever it takes otherwise.
    SlowTo {
        /// More than zero.
        #[serde(with = "humane")]
        service_time: Duration,
    },
    /// Calls are answered at once, with an error, without work.
    Fail {
        /// 400 to 599.
        status: u16,
        /// Of which share of the calls.
        #[serde(default = "all")]
        share: f64,
    },
    /// Connections are refused.
    Refuse {
        /// Of which share of the calls.
        #[serde(default = "all")]
        share: f64,
    },
    /// Calls are never answered, and occupy no worker.
    Hang {
        /// Of which share of the calls.
        #[serde(default = "all")]
        share: f64,
    },
    /// A share of the workers is gone. Calls that reach them hang, until the balancer in front has noticed.
    ZoneLoss {
        /// The share of the workers; what is left is rounded up to whole ones.
        share: f64,
        /// How long calls still go there: may be zero.
        #[serde(with = "humane")]
        noticed_after: Duration,
    },
}

/// Whether the trouble lasts. Where it does not, it comes and goes between `from` and `until`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pattern {
    /// It does.
    #[default]
    Steady,
    /// It comes and goes by the clock; `down` is first.
    Flap {
        /// How long it is there.
        #[serde(with = "humane")]
        down: Duration,
        /// How long it is not.
        #[serde(with = "humane")]
        up: Duration,
    },
    /// It comes and goes by chance (Gilbert 1960, Elliott 1963); good times are first.
    GilbertElliott {
        /// How long good times are on average.
        #[serde(with = "humane")]
        mean_good: Duration,
        /// How long bad times are on average.
        #[serde(with = "humane")]
        mean_bad: Duration,
    },
}

fn all() -> f64 {
    1.0
}

/// More intervals than this are taken for a mistake of units.
const MOST_INTERVALS: u64 = 1_000_000;

impl Fault {
    /// `what`, without interruption.
    pub fn new(from: Duration, until: Duration, what: Trouble) -> Self {
        Self {
            from,
            until,
            what,
            pattern: Pattern::Steady,
        }
    }

    /// Comes and goes.
    pub fn pattern(mut self, pattern: Pattern) -> Self {
        self.pattern = pattern;
        self
    }

    /// Which field cannot be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.until <= self.from || self.until > config::LONGEST {
            let expected = "after `from`, and at most 365 days";
            return Err(ConfigError::new("until", self.until, expected));
        }
        let what = self.what.validate();
        what.map_err(|error| error.under(self.what.kind()).under("what"))?;
        let pattern = self.pattern.validate(self.until.saturating_sub(self.from));
        pattern.map_err(|error| error.under(self.pattern.kind()).under("pattern"))
    }

    /// When it is there: intervals in nanoseconds, in the order of time.
    fn intervals(&self, stream: &mut Stream) -> Vec<(u64, u64)> {
        let (from, until) = (nanos(self.from), nanos(self.until));
        let mut intervals = Vec::new();
        let mut interval = |at: u64, length: u64| {
            intervals.push((at, at.saturating_add(length).min(until)));
        };
        match self.pattern {
            Pattern::Steady => interval(from, until - from),
            Pattern::Flap { down, up } => {
                let mut at = from;
                while at < until {
                    interval(at, nanos(down));
                    at = at.saturating_add(nanos(down)).saturating_add(nanos(up));
                }
            }
            Pattern::GilbertElliott {
                mean_good,
                mean_bad,
            } => {
                let mut draw = |mean: Duration| {
                    // A nanosecond at least: it goes on.
                    nanos(mean.mul_f64(super::distribution::exponential(stream))).max(1)
                };
                let mut at = from.saturating_add(draw(mean_good));
                while at < until {
                    let bad = draw(mean_bad);
                    interval(at, bad);
                    at = at.saturating_add(bad).saturating_add(draw(mean_good));
                }
            }
        }
        intervals
    }
}

impl Trouble {
    /// As it is written.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Slow { .. } => "slow",
            Self::SlowTo { .. } => "slow_to",
            Self::Fail { .. } => "fail",
            Self::Refuse { .. } => "refuse",
            Self::Hang { .. } => "hang",
            Self::ZoneLoss { .. } => "zone_loss",
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Slow { factor } if factor > 0.0 && factor.is_finite() => {}
            Self::Slow { factor } => {
                return Err(ConfigError::new("factor", factor, "more than 0"));
            }
            Self::SlowTo { service_time } => {
                config::duration("service_time", service_time)?;
            }
            Self::Fail { status, share } => {
                config::count("status", status, 400, 599)?;
                config::rate("share", share)?;
            }
            Self::Refuse { share } | Self::Hang { share } => {
                config::rate("share", share)?;
            }
            Self::ZoneLoss {
                share,
                noticed_after,
            } => {
                config::rate("share", share)?;
                if noticed_after > config::LONGEST {
                    return Err(ConfigError::new(
                        "noticed_after",
                        noticed_after,
                        "at most 365 days",
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Pattern {
    /// As it is written.
    fn kind(&self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Flap { .. } => "flap",
            Self::GilbertElliott { .. } => "gilbert_elliott",
        }
    }

    /// For a fault of this length.
    fn validate(&self, length: Duration) -> Result<(), ConfigError> {
        let (shortest, field) = match *self {
            Self::Steady => return Ok(()),
            Self::Flap { down, up } => {
                config::duration("down", down)?;
                (config::duration("up", up)?.saturating_add(down), "up")
            }
            Self::GilbertElliott {
                mean_good,
                mean_bad,
            } => {
                config::duration("mean_bad", mean_bad)?;
                let good = config::duration("mean_good", mean_good)?;
                (good.saturating_add(mean_bad), "mean_good")
            }
        };
        if nanos(length) / nanos(shortest) > MOST_INTERVALS {
            let expected =
                "longer, or the fault shorter: it would come and go more than a million times";
            return Err(ConfigError::new(field, shortest, expected));
        }
        Ok(())
    }
}
