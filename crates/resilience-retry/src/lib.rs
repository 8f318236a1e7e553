//! Retries for Tower services: within a budget, with backoff and jitter, and only what is safe to repeat.

mod builder;
mod event;
pub mod machine;

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod future;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod layer;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod service;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

pub use builder::RetryBuilder;
pub use event::RetryEvent;

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use future::ResponseFuture;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use layer::RetryLayer;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use service::Retry;
