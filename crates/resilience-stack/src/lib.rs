//! Tower middleware that keeps services up.

#[cfg(feature = "breaker")]
pub use resilience_breaker as breaker;
#[cfg(feature = "bulkhead")]
pub use resilience_bulkhead as bulkhead;
pub use resilience_core as core;
#[cfg(feature = "fallback")]
pub use resilience_fallback as fallback;
#[cfg(feature = "http")]
pub use resilience_http as http;
#[cfg(feature = "ratelimit")]
pub use resilience_ratelimit as ratelimit;
#[cfg(feature = "retry")]
pub use resilience_retry as retry;
#[cfg(feature = "timeout")]
pub use resilience_timeout as timeout;
