//! What builders hold, and a file can say.

use crate::Terms;
use std::time::Duration;

resilience_core::config! {
    /// What a `TimeoutBuilder` holds.
    ///
    /// With the feature `serde` it can be read and written: `limit = "250ms"`.
    pub struct TimeoutConfig {
        /// How long one response may take: more than zero and at most 365 days. It has to be set.
        pub limit: Option<Duration> as "resilience_core::config::humane" = None,
    }
}

resilience_core::config! {
    /// What bounds the bodies of responses, where a layer knows of bodies: see `BodyTimeoutLayer` of `resilience-http`.
    ///
    /// With the feature `serde` it can be read and written: `body_idle = "5s"`.
    pub struct BodyTimeoutConfig {
        /// How long no frame may come: more than zero and at most 365 days. Default: not bounded.
        pub body_idle: Option<Duration> as "resilience_core::config::humane" = None,
        /// How long the body may take from the head on: more than zero and at most 365 days. Default: not bounded.
        pub body_total: Option<Duration> as "resilience_core::config::humane" = None,
    }
}

resilience_core::config! {
    /// What a `DeadlineBuilder` holds: its settings, with their defaults and under their names.
    ///
    /// With the feature `serde` it can be read and written: `max = "1m"`.
    pub struct DeadlineConfig {
        /// The most time that any call gets, whatever it states: more than zero and at most 365 days. Default 30 s.
        pub max: Duration as "resilience_core::config::humane" = Terms::MAX,
        /// The time for calls that state none: more than zero and at most `max`. Default: `max`.
        pub unstated: Option<Duration> as "resilience_core::config::humane" = None,
        /// Whether the deadline of a call that states none bounds the response's body too. Default: no.
        pub unstated_bounds_bodies: bool = false,
        /// Whether a call whose stated deadline cannot be understood is made as if it had stated none. Default: no.
        pub ignore_malformed: bool = false,
    }
}
