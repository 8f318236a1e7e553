//! A circuit breaker for Tower services: fails fast while a dependency is down.

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod breaker;
mod builder;
pub mod machine;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod permit;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use breaker::{Breaker, BreakerLayer};
pub use builder::BreakerBuilder;
pub use machine::{Abandoned, Cause, Snapshot, State, Transition};
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use permit::BreakerPermit;
