//! One policy per key.

pub mod machine;

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod builder;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod common;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod keyed;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod permit;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod rate_limit;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

pub use resilience_ratelimit::{Quota, machine::Pace};

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use self::{
    builder::{Each, KeyedBuilder, NoKey, Overflow, Quotas},
    keyed::{Keyed, KeyedLayer},
    permit::KeyedRateLimitPermit,
    rate_limit::{KeyedRateLimit, KeyedRateLimitLayer},
};
