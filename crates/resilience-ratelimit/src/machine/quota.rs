use resilience_core::{ConfigError, config};
use std::{fmt, time::Duration};

/// How many units of cost may be admitted, with the unit of time, and how many at once.
///
/// ```
/// use std::time::Duration;
/// use resilience_ratelimit::Quota;
///
/// let steady = Quota::per_second(100).burst(1); // one every 10 ms
/// let bursty = Quota::per_minute(600); // 10 a second in the long run, 600 at once after a quiet minute
/// let slow = Quota::per(2, Duration::from_secs(30)); // one every 15 s, two at once
/// # let _ = (steady, bursty, slow);
/// ```
///
/// Ranges, checked when the limit is built:
///
/// | | |
/// |---|---|
/// | `n` | at least 1, and at most one per nanosecond: the interval between units is counted in nanoseconds |
/// | `duration` | more than zero, at most 365 days |
/// | `burst` | at least 1, and at most `n` or what flows in within 365 days, whichever is more. Default: `n` |
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    n: u32,
    per: Duration,
    burst: Option<u32>,
}

impl Quota {
    /// `n` per second.
    pub const fn per_second(n: u32) -> Self {
        Self::per(n, Duration::from_secs(1))
    }

    /// `n` per minute.
    pub const fn per_minute(n: u32) -> Self {
        Self::per(n, Duration::from_secs(60))
    }

    /// `n` per hour.
    pub const fn per_hour(n: u32) -> Self {
        Self::per(n, Duration::from_secs(3_600))
    }

    /// `n` per `duration`.
    pub const fn per(n: u32, duration: Duration) -> Self {
        Self {
            n,
            per: duration,
            burst: None,
        }
    }

    /// How many may be admitted at once, after a time without any. Default: `n`, the whole quota.
    ///
    /// 1 spaces calls evenly, and refuses the second of two that come together. The cost admitted in any time of the
    /// quota's length is at most `n + burst − 1`: with 1, never more than `n`; with the default, up to `2n − 1`, when
    /// a burst after a quiet time is followed by the steady flow.
    pub const fn burst(self, burst: u32) -> Self {
        Self {
            burst: Some(burst),
            ..self
        }
    }

    /// How many may be admitted per [`period`](Self::period) in the long run.
    pub const fn n(&self) -> u32 {
        self.n
    }

    /// The time over which [`n`](Self::n) may be admitted.
    pub const fn period(&self) -> Duration {
        self.per
    }

    /// How many may be admitted at once.
    pub const fn burst_size(&self) -> u32 {
        match self.burst {
            Some(burst) => burst,
            None => self.n,
        }
    }

    /// The burst, where it was set.
    #[cfg(feature = "serde")]
    pub(crate) const fn own_burst(&self) -> Option<u32> {
        self.burst
    }

    /// The period of a sliding window, where `n` is all there is at once.
    pub(super) fn window(&self) -> Result<Duration, ConfigError> {
        let per = config::duration("quota.per", self.per)?;
        config::count("quota.n", self.n, 1, u32::MAX)?;
        if let Some(burst) = self.burst.filter(|burst| *burst != self.n) {
            let expected = "left out: a sliding window admits up to `n` at once";
            return Err(ConfigError::new("quota.burst", burst, expected));
        }
        Ok(per)
    }

    /// Nanoseconds between two units, rounded up so that the rate is never more than the quota.
    pub(super) fn interval(&self) -> Result<u64, ConfigError> {
        let per = resilience_core::nanos(config::duration("quota.per", self.per)?);
        // One per nanosecond.
        let most = u32::try_from(per).unwrap_or(u32::MAX);
        let n = config::count("quota.n", self.n, 1, most)?;
        let interval = per.div_ceil(u64::from(n));
        let longest = resilience_core::nanos(config::LONGEST);
        let most = u32::try_from(longest / interval).unwrap_or(u32::MAX);
        config::count("quota.burst", self.burst_size(), 1, most.max(n))?;
        Ok(interval)
    }
}

/// As it was written: `600 per 60s, burst 600`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let burst = self.burst_size();
        write!(f, "{} per {:?}, burst {burst}", self.n, self.per)
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quota({self})")
    }
}
