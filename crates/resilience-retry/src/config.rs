//! What a builder holds, and a file can say.

use resilience_core::{BackoffConfig, BudgetConfig};
use std::time::Duration;

resilience_core::config! {
    /// What a [`RetryBuilder`](crate::RetryBuilder) holds: its settings, with their defaults and under their names.
    ///
    /// With the feature `serde` it can be read and written. Durations are text, and no budget is `false`:
    ///
    /// ```toml
    /// attempts = 4
    /// backoff = { base = "50ms", cap = "2s", jitter = "equal" }
    /// deadline = "5s"
    /// budget = { ratio = 0.1 }
    /// ```
    pub struct RetryConfig {
        /// See [`attempts`](crate::RetryBuilder::attempts).
        pub attempts: u32 = 3,
        /// See [`backoff`](crate::RetryBuilder::backoff).
        pub backoff: BackoffConfig = BackoffConfig::default(),
        /// See [`deadline`](crate::RetryBuilder::deadline). `None` is none.
        pub deadline: Option<Duration> as "resilience_core::config::humane" = None,
        /// See [`advice_cap`](crate::RetryBuilder::advice_cap).
        pub advice_cap: Duration as "resilience_core::config::humane" = Duration::from_secs(30),
        /// The budget of the layer's own. `None` is [`no_budget`](crate::RetryBuilder::no_budget).
        pub budget: Option<BudgetConfig> as "resilience_core::config::or_false" = Some(BudgetConfig::default()),
    }
}
