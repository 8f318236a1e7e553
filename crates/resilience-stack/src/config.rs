//! What the presets are made of, as plain data.
//!
//! [`ClientConfig`] and [`ServerConfig`] hold what a [`ClientStack`](crate::client::ClientStack) and a
//! [`ServerStack`](crate::server::ServerStack) are built from; with the feature `serde` they can be read and written, and
//! the feature `file` reads files of them.

use resilience_breaker::BreakerConfig;
use resilience_bulkhead::BulkheadConfig;
use resilience_core::ConfigError;
use resilience_ratelimit::RateLimitConfig;
use resilience_retry::RetryConfig;
use std::time::Duration;

/// How many calls a bulkhead admits at once that is not told.
pub(crate) const CLIENT_LIMIT: usize = 100;
pub(crate) const SERVER_LIMIT: usize = 1_000;

/// How long an attempt may take that is not told, in a call that has the time for three.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// What a stack speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Protocol {
    /// HTTP; for a server also HTTP and gRPC on one port. The default.
    #[default]
    Http,
    /// gRPC.
    Grpc,
}

impl Protocol {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

resilience_core::config! {
    /// A client's layers. What is `None` is not there; it is written as `false`.
    ///
    /// ```toml
    /// deadline = "5s"
    /// rate_limit = { quota = "100/s" }
    /// breaker = { open_for = "250ms" }
    /// retry = false
    /// ```
    pub struct ClientConfig {
        /// What the client speaks. Default [`Protocol::Http`].
        pub protocol: Protocol = Protocol::Http,
        /// How long a call may take, all attempts and waits included. Default 10 s; more than zero, at most 365 days.
        pub deadline: Duration as "resilience_core::config::humane" = Duration::from_secs(10),
        /// Retries. Default: those of [`RetryConfig`].
        pub retry: Option<RetryConfig> as "resilience_core::config::or_false" = Some(RetryConfig::default()),
        /// A limit on the rate of attempts. Default: none.
        pub rate_limit: Option<RateLimitConfig> as "resilience_core::config::or_false" = None,
        /// A limit on attempts in flight. Default: 100, also where no `limit` is set.
        pub bulkhead: Option<BulkheadConfig> as "resilience_core::config::or_false" = Some(limited(BulkheadConfig::default(), CLIENT_LIMIT)),
        /// The breaker. Default: that of [`BreakerConfig`].
        pub breaker: Option<BreakerConfig> as "resilience_core::config::or_false" = Some(BreakerConfig::default()),
        /// How long one attempt may take: more than zero, at most 365 days, and where there are retries less than the
        /// deadline. Default: a third of the deadline, at most 3 s.
        pub attempt_timeout: Option<Duration> as "resilience_core::config::humane" = None,
    }
}

resilience_core::config! {
    /// A server's layers. What is `None` is not there; it is written as `false`.
    ///
    /// ```toml
    /// deadline = "20s"
    /// rate_limit = { quota = "500/s" }
    /// bulkhead = { limit = 200 }
    /// ```
    pub struct ServerConfig {
        /// What the server speaks. Default [`Protocol::Http`].
        pub protocol: Protocol = Protocol::Http,
        /// How long a call may take. Default 30 s; more than zero, at most 365 days.
        pub deadline: Duration as "resilience_core::config::humane" = Duration::from_secs(30),
        /// A limit on the rate of calls. Default: none.
        pub rate_limit: Option<RateLimitConfig> as "resilience_core::config::or_false" = None,
        /// A limit on calls in flight. Default: 1,000, also where no `limit` is set.
        pub bulkhead: Option<BulkheadConfig> as "resilience_core::config::or_false" = Some(limited(BulkheadConfig::default(), SERVER_LIMIT)),
    }
}

/// What `build` makes of the configuration of a part, if that is there; or what is wrong with it, under the part's `name`.
pub(crate) fn part<C, P>(
    name: &str,
    config: Option<C>,
    build: impl FnOnce(C) -> Result<P, ConfigError>,
) -> Result<Option<P>, ConfigError> {
    config
        .map(build)
        .transpose()
        .map_err(|error| error.under(name))
}

/// The configuration with this limit, unless it sets one.
pub(crate) fn limited(mut config: BulkheadConfig, limit: usize) -> BulkheadConfig {
    config.limit = config.limit.or(Some(limit));
    config
}
