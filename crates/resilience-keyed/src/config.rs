//! What a builder holds, and a file can say.

use std::time::Duration;

/// What becomes of requests that have no key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum NoKey {
    /// They are refused, with [`Reason::NoKey`](resilience_core::Reason::NoKey): over HTTP 400. The default: leaving a header out must
    /// not be a way around a limit.
    #[default]
    Refuse,
    /// They are admitted, and no policy is asked.
    Pass,
}

/// What becomes of requests with a new key while the cap is reached, and no key may be dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Overflow {
    /// All of them share one policy, which is made at the start. The default.
    #[default]
    Share,
    /// They are refused, with [`Reason::Shed`](resilience_core::Reason::Shed).
    Refuse,
}

resilience_core::config! {
    /// What a `KeyedBuilder` holds, but for what tells requests apart and what is kept for each: its settings, with their
    /// defaults and under their names.
    ///
    /// With the feature `serde` it can be read and written; and so can [`Quota`](crate::Quota), for beside it.
    ///
    /// ```toml
    /// max_keys = 10_000
    /// idle = "5m"
    /// no_key = "pass"
    /// overflow = "refuse"
    /// ```
    pub struct KeyedConfig {
        /// How many keys there may be at once: from 1 to 100,000,000. Default 100,000.
        pub max_keys: usize = 100_000,
        /// How long policies are kept that nobody uses: more than zero, at most 365 days. Default 10 minutes. Of rate limits,
        /// which are forgotten when they are as new, this is without effect.
        pub idle: Duration as "resilience_core::config::humane" = Duration::from_secs(600),
        /// What becomes of requests that have no key. Default [`NoKey::Refuse`].
        pub no_key: NoKey = NoKey::Refuse,
        /// What becomes of requests with a new key while there is no room. Default [`Overflow::Share`].
        pub overflow: Overflow = Overflow::Share,
    }
}
