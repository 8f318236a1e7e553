//! What a builder holds, and a file can say.

use crate::Abandoned;
use std::time::Duration;

resilience_core::config! {
    /// What a [`BreakerBuilder`](crate::BreakerBuilder) holds: its settings, with their defaults and under their names. What
    /// is `None` has the default that the builder documents, unless it says that `None` is *off*.
    ///
    /// With the feature `serde` it can be read and written. Durations are text, such as `"250ms"`; what is off is `false`:
    ///
    /// ```toml
    /// failure_rate = false
    /// consecutive_failures = 5
    /// open_growing = { base = "500ms", cap = "10s" }
    /// abandoned = { failure_after = "1s" }
    /// ```
    pub struct BreakerConfig {
        /// See [`time_window`](crate::BreakerBuilder::time_window). Not beside `count_window`.
        pub time_window: Option<TimeWindow> = None,
        /// See [`count_window`](crate::BreakerBuilder::count_window). Not beside `time_window`.
        pub count_window: Option<usize> = None,
        /// See [`failure_rate`](crate::BreakerBuilder::failure_rate). `None` is off.
        pub failure_rate: Option<f64> as "resilience_core::config::or_false" = Some(0.2),
        /// See [`slow_call_duration`](crate::BreakerBuilder::slow_call_duration).
        pub slow_call_duration: Option<Duration> as "resilience_core::config::humane" = None,
        /// See [`slow_call_rate`](crate::BreakerBuilder::slow_call_rate).
        pub slow_call_rate: Option<f64> = None,
        /// See [`minimum_calls`](crate::BreakerBuilder::minimum_calls).
        pub minimum_calls: Option<u64> = None,
        /// See [`minimum_covered`](crate::BreakerBuilder::minimum_covered).
        pub minimum_covered: Option<Duration> as "resilience_core::config::humane" = None,
        /// See [`consecutive_failures`](crate::BreakerBuilder::consecutive_failures). `None` is off.
        pub consecutive_failures: Option<u32> as "resilience_core::config::or_false" = Some(10),
        /// See [`minimum_spread`](crate::BreakerBuilder::minimum_spread).
        pub minimum_spread: Option<Duration> as "resilience_core::config::humane" = None,
        /// See [`open_growing`](crate::BreakerBuilder::open_growing). Not beside `open_for`.
        pub open_growing: Option<OpenGrowing> = None,
        /// See [`open_for`](crate::BreakerBuilder::open_for). Not beside `open_growing`.
        pub open_for: Option<Duration> as "resilience_core::config::humane" = None,
        /// See [`open_jitter`](crate::BreakerBuilder::open_jitter).
        pub open_jitter: Option<f64> = None,
        /// See [`probes`](crate::BreakerBuilder::probes).
        pub probes: usize = 1,
        /// See [`successes_to_close`](crate::BreakerBuilder::successes_to_close). Not beside `judge_probes_after`.
        pub successes_to_close: Option<u32> = None,
        /// See [`judge_probes_after`](crate::BreakerBuilder::judge_probes_after). Not beside `successes_to_close`.
        pub judge_probes_after: Option<u32> = None,
        /// See [`probe_limit`](crate::BreakerBuilder::probe_limit).
        pub probe_limit: Duration as "resilience_core::config::humane" = Duration::from_secs(5),
        /// See [`abandoned`](crate::BreakerBuilder::abandoned).
        pub abandoned: Abandoned = Abandoned::ExtendsRun,
        /// See [`success_batch`](crate::BreakerBuilder::success_batch).
        pub success_batch: u32 = 64,
    }
}

resilience_core::config! {
    /// The window of a [`BreakerConfig`] that goes by time.
    #[derive(Copy)]
    pub struct TimeWindow {
        /// How much time the window covers.
        pub duration: Duration as "resilience_core::config::humane" = Duration::from_secs(5),
        /// In how many steps it slides.
        pub buckets: u32 = 10,
    }
}

resilience_core::config! {
    /// How long a [`BreakerConfig`] says to stay open.
    #[derive(Copy)]
    pub struct OpenGrowing {
        /// The first openings in a row.
        pub base: Duration as "resilience_core::config::humane" = Duration::from_millis(250),
        /// How many those are.
        pub steady: u32 = 4,
        /// How much longer each opening after them is.
        pub factor: f64 = 2.0,
        /// The longest opening.
        pub cap: Duration as "resilience_core::config::humane" = Duration::from_secs(3),
    }
}
