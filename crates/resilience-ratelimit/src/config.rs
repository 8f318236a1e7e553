//! What builders hold, and a file can say.

use crate::Quota;
use std::time::Duration;

pub(crate) const MAX_WAITING: usize = 10_000;
pub(crate) const BUCKETS: u32 = 128;

resilience_core::config! {
    /// What a `RateLimitBuilder` holds.
    ///
    /// With the feature `serde` it can be read and written. A quota is text, or a table where it has a burst of its own:
    ///
    /// ```toml
    /// quota = "100/s"
    /// quota = { rate = "6000/min", burst = 50 }
    /// ```
    pub struct RateLimitConfig {
        /// How much is admitted. It has to be set.
        pub quota: Option<Quota> = None,
    }
}

resilience_core::config! {
    /// How callers wait for their turn: what makes a `RateLimitQueue` of a `RateLimit`.
    ///
    /// With the feature `serde` it can be read and written: `wait_up_to = "50ms"`.
    pub struct RateLimitQueueConfig {
        /// How long a caller waits at most: more than zero, at most 365 days. It has to be set.
        pub wait_up_to: Option<Duration> as "resilience_core::config::humane" = None,
        /// How many callers may stand in line: from 1 to 10,000,000. Default 10,000.
        pub max_waiting: usize = MAX_WAITING,
    }
}

resilience_core::config! {
    /// What a `SlidingRateLimitBuilder` holds.
    ///
    /// With the feature `serde` it can be read and written: `quota = "100/s"`.
    pub struct SlidingRateLimitConfig {
        /// How much is admitted. It has to be set.
        pub quota: Option<Quota> = None,
        /// Into how many buckets a period is cut: from 1 to 4,096. Default 128.
        pub buckets: u32 = BUCKETS,
    }
}
