mod check;

use crate::{
    BreakerConfig, OpenGrowing, TimeWindow, Transition,
    machine::{Abandoned, Machine},
};
use resilience_core::{ConfigError, Entropy, Name};
use std::{fmt, time::Duration};

/// Builds a [`Breaker`](crate::Breaker).
///
/// | setting | default | range |
/// |---|---|---|
/// | [`time_window`](Self::time_window) or [`count_window`](Self::count_window) | 5 s in 10 buckets | 1 ms to 365 days in 2 to 100; 1 to 1,000,000 calls |
/// | [`failure_rate`](Self::failure_rate) | 0.2 | more than 0, at most 1; or off |
/// | [`slow_call_duration`](Self::slow_call_duration), [`slow_call_rate`](Self::slow_call_rate) | off | more than zero, at most 365 days; more than 0, at most 1 |
/// | [`minimum_calls`](Self::minimum_calls) | 50, or the length of a shorter count window | 1 to the length of the count window |
/// | [`minimum_covered`](Self::minimum_covered) | 1 s, or what a shorter time window covers | zero to the time window less one bucket |
/// | [`consecutive_failures`](Self::consecutive_failures) | 10 | 1 to 1,000,000; or off |
/// | [`minimum_spread`](Self::minimum_spread) | 30 ms | zero to 365 days |
/// | [`open_growing`](Self::open_growing) or [`open_for`](Self::open_for) | 250 ms four times, then × 2 up to 3 s | more than zero, at most 365 days |
/// | [`open_jitter`](Self::open_jitter) | 0.2; none with `open_for` | 0 to 0.9 |
/// | [`probes`](Self::probes) | 1 | 1 to 1,000 |
/// | [`successes_to_close`](Self::successes_to_close) or [`judge_probes_after`](Self::judge_probes_after) | 3 in a row | 1 to 1,000,000 |
/// | [`probe_limit`](Self::probe_limit) | 5 s | more than zero, at most 365 days |
/// | [`abandoned`](Self::abandoned) | [`Abandoned::ExtendsRun`] | |
/// | [`success_batch`](Self::success_batch) | 64 | 1 to 1,000 |
///
/// Nothing is checked before the end: `build` and [`machine`](Self::machine) name the first setting that
/// cannot be.
pub struct BreakerBuilder {
    pub(crate) name: Name,
    config: BreakerConfig,
    entropy: Entropy,
    pub(crate) on_transition: Option<Hook>,
}

pub(crate) type Hook = Box<dyn Fn(Transition) + Send + Sync>;

impl BreakerBuilder {
    /// The default, for a breaker of this name: it stands in refusals, metrics and events.
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            config: BreakerConfig::default(),
            entropy: Entropy::new(),
            on_transition: None,
        }
    }

    /// All settings at once, but for [`entropy`](Self::entropy) and [`on_transition`](Self::on_transition), which no
    /// configuration holds.
    pub fn config(mut self, config: BreakerConfig) -> Self {
        self.config = config;
        self
    }

    /// Judges the last `calls` outcomes, whenever they came. Replaces the time window. One byte or two for
    /// each.
    pub fn count_window(mut self, calls: usize) -> Self {
        self.config.count_window = Some(calls);
        self.config.time_window = None;
        self
    }

    /// Judges the outcomes of the last `duration`. It slides in steps of one of the `buckets`: what is judged
    /// covers the duration less at most one bucket. Replaces the count window.
    pub fn time_window(mut self, duration: Duration, buckets: u32) -> Self {
        self.config.time_window = Some(TimeWindow { duration, buckets });
        self.config.count_window = None;
        self
    }

    /// Opens when at least this share of the window are failures: 5 of 10 are 0.5. `None`: failures are judged
    /// by [`consecutive_failures`](Self::consecutive_failures) alone.
    pub fn failure_rate(mut self, rate: impl Into<Option<f64>>) -> Self {
        self.config.failure_rate = rate.into();
        self
    }

    /// A call that takes at least this long, from its admission to the head of its response, is slow: as a
    /// probe it reopens, else it counts for the [`slow_call_rate`](Self::slow_call_rate), which must be set
    /// too.
    pub fn slow_call_duration(mut self, duration: Duration) -> Self {
        self.config.slow_call_duration = Some(duration);
        self
    }

    /// Opens when at least this share of the window are slow. Needs
    /// [`slow_call_duration`](Self::slow_call_duration).
    pub fn slow_call_rate(mut self, rate: f64) -> Self {
        self.config.slow_call_rate = Some(rate);
        self
    }

    /// Judges the rates only when the window holds this many calls.
    pub fn minimum_calls(mut self, calls: u64) -> Self {
        self.config.minimum_calls = Some(calls);
        self
    }

    /// Judges the rates only when the oldest outcome in the time window is this old. Not for count windows.
    pub fn minimum_covered(mut self, duration: Duration) -> Self {
        self.config.minimum_covered = Some(duration);
        self
    }

    /// Opens after so many failures in a row. `None`: failures are judged by their rate alone.
    pub fn consecutive_failures(mut self, failures: impl Into<Option<u32>>) -> Self {
        self.config.consecutive_failures = failures.into();
        self
    }

    /// Failures in a row count only when this much time lies between the first and the last. A lost
    /// connection fails many calls in one moment; that is no outage yet.
    pub fn minimum_spread(mut self, spread: Duration) -> Self {
        self.config.minimum_spread = Some(spread);
        self
    }

    /// Stays open for exactly this long, every time. Replaces [`open_growing`](Self::open_growing).
    pub fn open_for(mut self, duration: Duration) -> Self {
        self.config.open_for = Some(duration);
        self.config.open_growing = None;
        self
    }

    /// Stays open for `base` the first `steady` times in a row, then `factor` times as long each time, at most
    /// `cap`. Closing starts anew.
    ///
    /// `steady`: from 1 to 1,000; `factor`: from 1 to 100; `cap`: at least `base`. Errors name these fields
    /// `open_growing.base` and so on.
    pub fn open_growing(mut self, base: Duration, steady: u32, factor: f64, cap: Duration) -> Self {
        self.config.open_growing = Some(OpenGrowing {
            base,
            steady,
            factor,
            cap,
        });
        self.config.open_for = None;
        self
    }

    /// Makes each opening longer or shorter by up to this share, so that many clients do not come back
    /// together.
    pub fn open_jitter(mut self, share: f64) -> Self {
        self.config.open_jitter = Some(share);
        self
    }

    /// Draws the jitter from here, for tests and simulations that must repeat.
    pub fn entropy(mut self, entropy: Entropy) -> Self {
        self.entropy = entropy;
        self
    }

    /// Half-open: how many probes may be under way at once.
    pub fn probes(mut self, concurrent: usize) -> Self {
        self.config.probes = concurrent;
        self
    }

    /// Half-open: closes after so many successes in a row; the first failure reopens. Replaces
    /// [`judge_probes_after`](Self::judge_probes_after).
    pub fn successes_to_close(mut self, successes: u32) -> Self {
        self.config.successes_to_close = Some(successes);
        self.config.judge_probes_after = None;
        self
    }

    /// Half-open: waits for so many results, then closes, or reopens if their failure rate or slow-call rate
    /// is that of the window or above. Replaces [`successes_to_close`](Self::successes_to_close).
    pub fn judge_probes_after(mut self, results: u32) -> Self {
        self.config.judge_probes_after = Some(results);
        self.config.successes_to_close = None;
        self
    }

    /// Half-open: ends a probe after this time, when a call next asks. It is a failure if the head of its
    /// response is not there, and a success otherwise.
    pub fn probe_limit(mut self, limit: Duration) -> Self {
        self.config.probe_limit = limit;
        self
    }

    /// What an abandoned call counts.
    pub fn abandoned(mut self, abandoned: Abandoned) -> Self {
        self.config.abandoned = abandoned;
        self
    }

    /// How many successes of one thread are dated together, at most; 1 reads the clock for each.
    ///
    /// A success by itself opens nothing: it only has to be in the time window when a failure is judged. So successes are
    /// counted, without a lock and without a look at the clock, and dated at the next failure, at a look at the figures, or
    /// when a thread has counted a batch of them: as evenly spaced since the last time that was done. Thus at most a batch
    /// for each core (of 32 at most) may be dated wrongly, and only while no call fails. Without effect on a count window, or
    /// where [slow calls](Self::slow_call_duration) are watched: there every success is recorded when it comes.
    pub fn success_batch(mut self, successes: u32) -> Self {
        self.config.success_batch = successes;
        self
    }

    /// Calls `hook` with every transition: in the call or the drop that brought it about, after the state has
    /// changed and without any lock held, so that it may use the breaker's handle. It should be quick.
    ///
    /// Hooks of concurrent calls may run in any order; [`Transition::epoch`] tells which came first. A panic in
    /// the hook is caught, once the panic hook of the process has reported it: neither the call that happened
    /// to bring the transition nor an unwinding thread is to pay for it.
    pub fn on_transition(mut self, hook: impl Fn(Transition) + Send + Sync + 'static) -> Self {
        self.on_transition = Some(Box::new(hook));
        self
    }

    /// The algorithm alone, without name, hook, telemetry or clock; or what is wrong with the configuration.
    pub fn machine(&self) -> Result<Machine, ConfigError> {
        let config = self.config.check();
        let config = config.map_err(|error| error.of(self.name.clone()))?;
        Ok(Machine::new(config, self.entropy.clone()))
    }
}

impl fmt::Debug for BreakerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerBuilder")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("on_transition", &self.on_transition.is_some())
            .finish_non_exhaustive()
    }
}
