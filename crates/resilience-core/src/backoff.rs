//! How long to wait before the next attempt.

use crate::{ConfigError, Entropy, config};
use std::time::Duration;

/// How the wait grows from one attempt to the next, and how it is spread.
///
/// The default is exponential: 100 ms, doubling, capped at 10 s, with full jitter. The jitters are those of
/// Marc Brooker, [Exponential Backoff and Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/),
/// 2015.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{Backoff, Entropy, Jitter};
///
/// # fn main() -> Result<(), resilience_core::ConfigError> {
/// let backoff = Backoff::exponential(Duration::from_millis(50), 2.0, Duration::from_secs(1))?
///     .jitter(Jitter::None);
/// let mut waits = backoff.waits(Entropy::new());
/// assert_eq!(waits.next_wait(), Duration::from_millis(50));
/// assert_eq!(waits.next_wait(), Duration::from_millis(100));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    base: Duration,
    factor: f64,
    cap: Duration,
    jitter: Jitter,
}

/// How waits are spread, so that clients which failed together do not come back together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Jitter {
    /// The wait itself.
    None,
    /// Anything from nothing to the wait. The default.
    #[default]
    Full,
    /// Half of the wait, and anything up to the other half.
    Equal,
    /// Anything from the base to three times the previous wait, up to the cap; the factor has no effect.
    Decorrelated,
}

crate::config! {
    /// A [`Backoff`] that may not make sense yet: an [exponential](Backoff::exponential) one. Where `cap` is `base`, it is
    /// [constant](Backoff::constant).
    pub struct BackoffConfig {
        /// The wait before the second attempt. Default 100 ms; more than zero, at most 365 days.
        pub base: Duration as "resilience_core::config::humane" = Duration::from_millis(100),
        /// How much longer the next wait is. Default 2; from 1 to 100.
        pub factor: f64 = 2.0,
        /// The longest wait. Default 10 s; at least `base`, at most 365 days.
        pub cap: Duration as "resilience_core::config::humane" = Duration::from_secs(10),
        /// How waits are spread. Default [`Jitter::Full`].
        pub jitter: Jitter = Jitter::Full,
    }
}

impl BackoffConfig {
    /// The backoff, or what is wrong with its configuration.
    pub fn build(&self) -> Result<Backoff, ConfigError> {
        Ok(Backoff::exponential(self.base, self.factor, self.cap)?.jitter(self.jitter))
    }
}

impl From<Backoff> for BackoffConfig {
    fn from(backoff: Backoff) -> Self {
        let Backoff {
            base,
            factor,
            cap,
            jitter,
        } = backoff;
        Self {
            base,
            factor,
            cap,
            jitter,
        }
    }
}

impl Backoff {
    /// The same wait every time, without jitter unless [asked for](Self::jitter).
    ///
    /// `wait`: more than zero, at most 365 days.
    pub fn constant(wait: Duration) -> Result<Self, ConfigError> {
        let wait = config::duration("wait", wait)?;
        Ok(Self {
            base: wait,
            factor: 1.0,
            cap: wait,
            jitter: Jitter::None,
        })
    }

    /// `base` before the second attempt, then `factor` times as long each time, at most `cap`; with full jitter.
    ///
    /// `base` and `cap`: more than zero, at most 365 days, `base` ≤ `cap`; `factor`: from 1 to 100.
    pub fn exponential(base: Duration, factor: f64, cap: Duration) -> Result<Self, ConfigError> {
        let base = config::duration("base", base)?;
        let cap = config::duration("cap", cap)?;
        if cap < base {
            let expected = format!("at least the `base`, {base:?}");
            return Err(ConfigError::new("cap", cap, expected));
        }
        Ok(Self {
            base,
            factor: config::within("factor", factor, 1.0, 100.0)?,
            cap,
            jitter: Jitter::Full,
        })
    }

    /// Spreads the waits in this way.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The waits of one call, spread with `entropy`.
    pub fn waits(&self, entropy: Entropy) -> Waits {
        Waits {
            backoff: self.clone(),
            entropy,
            made: 0,
            previous: Duration::ZERO,
        }
    }

    /// The wait that comes after so many others of the same call, the latest of which was `previous` (zero, if there was
    /// none). For those who keep count themselves, in less room than [`Waits`] takes.
    pub fn wait(&self, made: u32, previous: Duration, entropy: &Entropy) -> Duration {
        spread(self.range(made, previous), entropy)
    }

    /// What to wait on top of a delay that a server has advised, in place of [`wait`](Self::wait).
    ///
    /// The server tells everybody the same, so waits are spread over a time as long as the delay, if that is longer than they
    /// are spread by themselves; over `room` at most, and from nothing on where that is less than the shortest wait. Without
    /// jitter, and where nothing is advised, it is the wait alone. To [`Jitter::Decorrelated`], what comes of it is the previous wait of the next.
    pub fn wait_on_top(
        &self,
        advised: Duration,
        room: Duration,
        made: u32,
        previous: Duration,
        entropy: &Entropy,
    ) -> Duration {
        let (low, high) = self.range(made, previous);
        if self.jitter == Jitter::None || advised.is_zero() {
            return spread((low, high), entropy);
        }
        let high = high.max(advised).min(room);
        let low = if low > high { Duration::ZERO } else { low };
        spread((low, high), entropy)
    }

    /// The shortest and the longest that a wait can be.
    fn range(&self, made: u32, previous: Duration) -> (Duration, Duration) {
        let Self {
            base, factor, cap, ..
        } = *self;
        let plain = || grown(base, factor, made, cap);
        match self.jitter {
            Jitter::None => (plain(), plain()),
            Jitter::Full => (Duration::ZERO, plain()),
            Jitter::Equal => (plain() / 2, plain()),
            Jitter::Decorrelated => {
                let high = previous.max(base).saturating_mul(3).min(cap).max(base);
                (base, high)
            }
        }
    }
}

/// Anything between the two.
fn spread((low, high): (Duration, Duration), entropy: &Entropy) -> Duration {
    if low == high {
        return low;
    }
    // Long times are rounded, in both directions.
    low.saturating_add(high.saturating_sub(low).mul_f64(entropy.unit()))
        .min(high)
}

/// `base`, multiplied by `factor` so many `times`, and at most `cap`.
pub fn grown(base: Duration, factor: f64, times: u32, cap: Duration) -> Duration {
    let exponent = i32::try_from(times).unwrap_or(i32::MAX);
    let seconds = base.as_secs_f64() * factor.powi(exponent);
    // Infinity, and whatever no duration can hold, is beyond the cap too.
    Duration::try_from_secs_f64(seconds).map_or(cap, |grown| grown.min(cap))
}

impl Default for Backoff {
    fn default() -> Self {
        BackoffConfig::default()
            .build()
            .expect("the default is within its ranges")
    }
}

/// The successive waits of one call, by a [`Backoff`].
#[derive(Clone, Debug)]
pub struct Waits {
    backoff: Backoff,
    entropy: Entropy,
    made: u32,
    previous: Duration,
}

impl Waits {
    /// How long to wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        self.previous = self.backoff.wait(self.made, self.previous, &self.entropy);
        self.made = self.made.saturating_add(1);
        self.previous
    }

    /// A wait of at least `advised`: the server's advice, and [what comes on top](Backoff::wait_on_top).
    pub fn next_after(&mut self, advised: Duration) -> Duration {
        let Self {
            backoff,
            entropy,
            made,
            previous,
        } = self;
        *previous = backoff.wait_on_top(advised, Duration::MAX, *made, *previous, entropy);
        *made = made.saturating_add(1);
        advised.saturating_add(*previous)
    }
}
