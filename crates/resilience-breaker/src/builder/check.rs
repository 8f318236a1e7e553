//! Makes a configuration of the settings, or says what is wrong with them.

use crate::{
    BreakerConfig, OpenGrowing, TimeWindow,
    machine::{
        Abandoned,
        config::{Config, Judge, Opening, Probing, Rates, RunLimit, SlowCalls, WindowKind},
    },
};
use resilience_core::{ConfigError, config, nanos};
use std::{fmt::Debug, time::Duration};

/// Nobody means more than this.
const MANY: u32 = 1_000_000;

impl BreakerConfig {
    pub(super) fn check(&self) -> Result<Config, ConfigError> {
        let rates = self.rates()?;
        let run = self.run()?;
        if run.is_none() && rates.failure.is_none() && rates.slow.is_none() {
            return Err(ConfigError::new(
                "failure_rate",
                format_args!("not set"),
                "set where `consecutive_failures` and `slow_call_rate` are not: something must open the breaker",
            ));
        }
        let window = self.window()?;
        let judged = rates.failure.is_some() || rates.slow.is_some();
        let judge = self.judge(judged)?;
        if let Abandoned::FailureAfter(limit) = self.abandoned {
            config::duration("abandoned", limit)?;
        }
        Ok(Config {
            minimum_calls: self.calls(window)?,
            window: if judged { window } else { WindowKind::Off },
            rates,
            run,
            opening: self.opening()?,
            probing: Probing {
                concurrent: config::count("probes", self.probes, 1, 1_000)?,
                judge,
                limit: config::duration("probe_limit", self.probe_limit)?,
            },
            abandoned: self.abandoned,
            success_batch: config::count("success_batch", self.success_batch, 1, 1_000)?,
        })
    }

    fn judge(&self, judged: bool) -> Result<Judge, ConfigError> {
        let Some(results) = self.judge_probes_after else {
            let successes = self.successes_to_close.unwrap_or(3);
            let successes = config::count("successes_to_close", successes, 1, MANY)?;
            return Ok(Judge::InARow(successes));
        };
        not_both(
            "judge_probes_after",
            results,
            "successes_to_close",
            self.successes_to_close.is_some(),
        )?;
        config::count("judge_probes_after", results, 1, MANY)?;
        if !judged {
            let expected = "left out where neither `failure_rate` nor `slow_call_rate` is set";
            return Err(ConfigError::new("judge_probes_after", results, expected));
        }
        Ok(Judge::ByRate(results.into()))
    }

    fn rates(&self) -> Result<Rates, ConfigError> {
        let rate =
            |field, value: Option<f64>| value.map(|rate| config::rate(field, rate)).transpose();
        let from = self
            .slow_call_duration
            .map(|from| config::duration("slow_call_duration", from))
            .transpose()?;
        let slow = match (from, rate("slow_call_rate", self.slow_call_rate)?) {
            (Some(from), Some(rate)) => Some(SlowCalls { from, rate }),
            (None, None) => None,
            (Some(_), None) => {
                let expected = "set where `slow_call_duration` is";
                let unset = format_args!("not set");
                return Err(ConfigError::new("slow_call_rate", unset, expected));
            }
            (None, Some(_)) => {
                let expected = "set where `slow_call_rate` is";
                let unset = format_args!("not set");
                return Err(ConfigError::new("slow_call_duration", unset, expected));
            }
        };
        Ok(Rates {
            failure: rate("failure_rate", self.failure_rate)?,
            slow,
        })
    }

    fn run(&self) -> Result<Option<RunLimit>, ConfigError> {
        let Some(failures) = self.consecutive_failures else {
            return match self.minimum_spread {
                None => Ok(None),
                Some(spread) => {
                    let expected = "left out where `consecutive_failures` is";
                    Err(ConfigError::new("minimum_spread", spread, expected))
                }
            };
        };
        let spread = self.minimum_spread.unwrap_or(Duration::from_millis(30));
        Ok(Some(RunLimit {
            failures: config::count("consecutive_failures", failures, 1, MANY)?,
            spread: config::count("minimum_spread", spread, Duration::ZERO, config::LONGEST)?,
        }))
    }

    fn window(&self) -> Result<WindowKind, ConfigError> {
        if let Some(calls) = self.count_window {
            not_both(
                "count_window",
                calls,
                "time_window",
                self.time_window.is_some(),
            )?;
            if let Some(covered) = self.minimum_covered {
                let expected = "left out with a count window, which covers no time";
                return Err(ConfigError::new("minimum_covered", covered, expected));
            }
            let calls = config::count("count_window", calls, 1, MANY as usize)?;
            return Ok(WindowKind::Count(calls));
        }
        let TimeWindow { duration, buckets } = self.time_window.unwrap_or_default();
        let shortest = Duration::from_millis(1);
        config::count("time_window.duration", duration, shortest, config::LONGEST)?;
        config::count("time_window.buckets", buckets, 2, 100)?;
        let width = nanos(duration).div_ceil(u64::from(buckets));
        // More than that a window need not hold, just after its oldest bucket has left.
        let covers = duration.saturating_sub(Duration::from_nanos(width));
        let minimum_covered = match self.minimum_covered {
            Some(covered) => config::count("minimum_covered", covered, Duration::ZERO, covers)?,
            None => covers.min(Duration::from_secs(1)),
        };
        Ok(WindowKind::Time {
            width,
            buckets: buckets as usize,
            minimum_covered,
        })
    }

    fn calls(&self, window: WindowKind) -> Result<u64, ConfigError> {
        let most = match window {
            WindowKind::Count(calls) => calls as u64,
            _ => 1_000_000_000,
        };
        match self.minimum_calls {
            Some(calls) => config::count("minimum_calls", calls, 1, most),
            None => Ok(most.min(50)),
        }
    }

    fn opening(&self) -> Result<Opening, ConfigError> {
        let (opening, jitter) = if let Some(duration) = self.open_for {
            not_both(
                "open_for",
                duration,
                "open_growing",
                self.open_growing.is_some(),
            )?;
            let base = config::duration("open_for", duration)?;
            let opening = Opening {
                base,
                steady: 1,
                factor: 1.0,
                cap: base,
                jitter: 0.0,
            };
            (opening, 0.0)
        } else {
            let OpenGrowing {
                base,
                steady,
                factor,
                cap,
            } = self.open_growing.unwrap_or_default();
            let base = config::duration("open_growing.base", base)?;
            let opening = Opening {
                base,
                steady: config::count("open_growing.steady", steady, 1, 1_000)?,
                factor: config::within("open_growing.factor", factor, 1.0, 100.0)?,
                cap: config::count("open_growing.cap", cap, base, config::LONGEST)?,
                jitter: 0.0,
            };
            (opening, 0.2)
        };
        let jitter = config::within("open_jitter", self.open_jitter.unwrap_or(jitter), 0.0, 0.9)?;
        Ok(Opening { jitter, ..opening })
    }
}

/// Two settings of which each takes the other's place.
fn not_both(
    field: &'static str,
    value: impl Debug,
    other: &str,
    is_set: bool,
) -> Result<(), ConfigError> {
    if is_set {
        let expected = format!("left out where `{other}` is set");
        return Err(ConfigError::new(field, value, expected));
    }
    Ok(())
}
