//! What builders hold, and a file can say.

use std::time::Duration;

pub(crate) const MAX_WAITING: usize = 1_000;
pub(crate) const NORMAL_SHARE: f64 = 0.9;
pub(crate) const SHEDDABLE_SHARE: f64 = 0.5;

resilience_core::config! {
    /// What a `BulkheadBuilder` holds.
    ///
    /// With the feature `serde` it can be read and written: `limit = 100`.
    pub struct BulkheadConfig {
        /// How many calls may be in flight at once: from 1 to 2³¹ − 1. It has to be set.
        pub limit: Option<usize> = None,
    }
}

resilience_core::config! {
    /// How callers wait for a slot: what makes a `BulkheadQueue` of a `Bulkhead`.
    ///
    /// With the feature `serde` it can be read and written: `wait_up_to = "50ms"`.
    pub struct BulkheadQueueConfig {
        /// How long a caller waits at most: more than zero, at most 365 days. It has to be set.
        pub wait_up_to: Option<Duration> as "resilience_core::config::humane" = None,
        /// How many callers may stand in line: from 1 to 10,000,000. Default 1,000.
        pub max_waiting: usize = MAX_WAITING,
    }
}

resilience_core::config! {
    /// Which part of the slots less important calls may fill: what a `PriorityBulkhead` is told.
    ///
    /// With the feature `serde` it can be read and written: `sheddable_share = 0.3`.
    pub struct PriorityConfig {
        /// The share of the slots for normal calls: from 0 to 1. Default 0.9.
        pub normal_share: f64 = NORMAL_SHARE,
        /// The share of the slots for sheddable calls: from 0 to 1. Default 0.5.
        pub sheddable_share: f64 = SHEDDABLE_SHARE,
    }
}
