//! A bulkhead for Tower services: a limit on calls in flight, without a queue and without a timer.
//!
//! When a dependency hangs, the calls to it pile up and take threads, connections and memory from everything
//! else. A bulkhead gives each dependency a compartment of its own: as many calls as the limit says, and the next
//! one is refused, at once.
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use resilience_bulkhead::Bulkhead;
//! use resilience_core::{Reason, Rejected};
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let bulkhead = Bulkhead::new("inventory", 1)?;
//! let mut service = ServiceBuilder::new()
//!     .layer(bulkhead.layer())
//!     .service(service_fn(|item: u64| async move { Ok::<_, BoxError>(item + 1) }));
//!
//! let first = service.ready().await?.call(1); // takes the only slot, polled or not
//! assert_eq!(bulkhead.in_flight(), 1);
//!
//! let refused = service.ready().await?.call(2).await.unwrap_err();
//! assert_eq!(Rejected::find(&*refused).map(Rejected::reason), Some(Reason::Concurrency));
//!
//! assert_eq!(first.await?, 2);
//! assert_eq!(bulkhead.in_flight(), 0);
//!
//! bulkhead.close(); // shutting down: nobody else comes in ...
//! bulkhead.drained().await; // ... and everybody is out
//! # Ok(())
//! # }
//! ```
//!
//! # What happens when
//!
//! The layer is a [`GuardLayer`](resilience_core::GuardLayer): set there which outcomes are failures, when a call
//! is over, and what a refused caller gets.
//!
//! | | |
//! |---|---|
//! | `poll_ready` | the inner service's; while the bulkhead is full or closed, ready at once, since the call will be refused whatever the inner service does |
//! | `call` | takes a slot, or refuses without having called: [`Reason::Concurrency`] when full, [`Reason::ShuttingDown`] when closed. No `retry_after`: nobody knows when a call will end |
//! | dropping the future | gives the slot back |
//! | `clone`, `layer` | of the [`Bulkhead`], of its layer, of its services: the same slots. Eight routes under one layer share one limit |
//!
//! [`Reason::Concurrency`]: resilience_core::Reason::Concurrency
//! [`Reason::ShuttingDown`]: resilience_core::Reason::ShuttingDown
//!
//! A slot is taken from `call` until the call is over. With the default completion,
//! [`AtHead`](resilience_core::AtHead), that is when there is a response. An HTTP response goes on in its body:
//! with the completion of `resilience-http` (`.http()`), the slot is taken until the body has ended or is dropped,
//! so that a slow download counts for as long as it lasts. Calls that fail, panic, are cancelled, or are refused by
//! another policy of the same tuple give their slot back too.
//!
//! A full bulkhead *refuses everybody*, in the sense of [`Policy::refusing`](resilience_core::Policy::refusing),
//! if only for a moment. Callers that wait for an inner service which is not ready are sent home when the last
//! slot goes: with the dependency hung and the bulkhead full, nobody waits.
//!
//! # Limits
//!
//! From 1 to [`Bulkhead::MAX_LIMIT`]. By Little's law, a dependency that takes 50 ms for 200 calls per second has ten
//! in flight; allow two or three times that. There is no queue: where callers should wait for a moment, use a
//! rate limit that waits, or `tower::limit::ConcurrencyLimit`.
//!
//! # Telemetry
//!
//! With the feature `metrics`:
//!
//! | metric | labels | |
//! |---|---|---|
//! | `resilience_bulkhead_in_flight` | `policy` | gauge: calls in flight |
//! | `resilience_bulkhead_calls_total` | `policy`, `outcome` | calls that are over, by [outcome](resilience_core::Outcome), or `abandoned` |
//! | `resilience_bulkhead_rejected_total` | `policy`, `reason` | refused calls: `concurrency`, `shutting_down` |
//!
//! With the feature `tracing`: an event when the bulkhead is closed.
//!
//! # Sources
//!
//! The pattern is from Michael T. Nygard, *Release It!* The counter is a word that is changed by compare-exchange;
//! its interleavings are explored with [loom](https://docs.rs/loom). Without the feature `tower`, this crate is
//! the [`machine`] alone.

pub mod machine;

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod bulkhead;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod drained;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod forget;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod permit;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use self::{
    bulkhead::{Bulkhead, BulkheadBuilder, BulkheadLayer},
    drained::Drained,
    permit::BulkheadPermit,
};
