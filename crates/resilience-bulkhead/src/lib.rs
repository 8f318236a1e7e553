//! A bulkhead for Tower services: a limit on calls in flight. Who finds it full is refused at once, or waits for its
//! turn.
//!
//! When a dependency hangs, the calls to it pile up and take threads, connections and memory from everything
//! else. A bulkhead gives each dependency a compartment of its own: as many calls as the limit says. The next one is
//! refused, at once and without a timer; or, where you say so, it waits for a slot in a line that is bounded in length
//! and in time.
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
//! # Refusing: what happens when
//!
//! The layer is a [`GuardLayer`](resilience_core::GuardLayer): set there which outcomes are failures, when a call
//! is over, and what a refused caller gets.
//!
//! | | |
//! |---|---|
//! | `poll_ready` | the inner service's; while the bulkhead is full or closed, or others wait in line, ready at once, since the call will be refused whatever the inner service does |
//! | `call` | takes a slot, or refuses without having called: [`Reason::Concurrency`] when full, [`Reason::ShuttingDown`] when closed. No `retry_after`: nobody knows when a call will end |
//! | dropping the future | gives the slot back |
//! | `clone`, `layer` | of the [`Bulkhead`], of its layer, of its services: the same slots. Eight routes under one layer share one limit |
//!
//! [`Reason::Concurrency`]: resilience_core::Reason::Concurrency
//! [`Reason::ShuttingDown`]: resilience_core::Reason::ShuttingDown
//! [`Reason::NotReady`]: resilience_core::Reason::NotReady
//!
//! A slot is taken from `call` until the call is over. With the default completion,
//! [`AtHead`](resilience_core::AtHead), that is when there is a response. An HTTP response goes on in its body:
//! with the completion of `resilience-http` (`.http()`), the slot is taken until the body has ended or is dropped,
//! so that a slow download counts for as long as it lasts. Calls that fail, panic, are cancelled, or are refused by
//! another policy of the same tuple give their slot back too.
//!
//! A full bulkhead *refuses everybody*, in the sense of [`Policy::refusing`](resilience_core::Policy::refusing),
//! if only for a moment. Callers that wait for an inner service which is not ready are sent home when the last
//! slot goes: with the dependency hung and the bulkhead full, nobody waits. Nor does `resilience-retry` wait to try again
//! what was refused here: who wants to wait does so [in line](#waiting-what-happens-when).
//!
//! # Waiting: what happens when
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use resilience_bulkhead::Bulkhead;
//! use std::time::Duration;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let bulkhead = Bulkhead::new("inventory", 1)?;
//! let queue = bulkhead.wait_up_to(Duration::from_millis(500))?.max_waiting(20)?;
//! let service = ServiceBuilder::new()
//!     .layer(queue.layer())
//!     .service(service_fn(|item: u64| async move {
//!         tokio::time::sleep(Duration::from_millis(50)).await;
//!         Ok::<_, BoxError>(item + 1)
//!     }));
//!
//! let first = service.clone().oneshot(1);
//! let second = service.oneshot(2); // after 50 ms
//! assert_eq!(tokio::try_join!(first, second)?, (2, 3));
//! # Ok(())
//! # }
//! ```
//!
//! | | |
//! |---|---|
//! | `poll_ready` | always ready |
//! | `call` | its future takes a slot when it is first polled, or joins the line if there is none; at its turn it takes a slot, waits until the inner service is ready, and calls it |
//! | dropping the future | leaves the line, and those behind move up; or gives the slot back |
//! | `clone`, `layer` | of the [`BulkheadQueue`] and of the [`Bulkhead`]: the same slots, and one line |
//!
//! First come, first served. A caller that finds [too many](BulkheadQueue::max_waiting) in line is refused at once, with
//! [`Reason::Concurrency`]. So is one that has waited for the maximum, at that time: nobody knows how long calls will
//! take, so there is no telling earlier who will not make it, and an estimate from the past would refuse the wrong ones
//! just when a dependency recovers. The maximum wait includes the inner service's readiness; a call that is not ready by
//! then is refused with [`Reason::NotReady`]. While a caller waits, it holds neither a slot nor anything of the inner
//! service; from its turn on it holds the slot. Keep the maximum wait well below the time for which the caller itself
//! waits for an answer, or it gets its turn when nobody is listening any more.
//!
//! Who decides at once, through [`Bulkhead::layer`] or in a tuple, does not overtake the line: while anybody stands there,
//! it is refused even if a slot has just come free, since that slot belongs to the head. So the line cannot be starved;
//! and as long as it is never empty, only those who wait get in. Each slot that comes free wakes one caller, the head.
//!
//! [`Bulkhead::close`] refuses everybody in line, at once, with [`Reason::ShuttingDown`]. [`Bulkhead::drained`] waits
//! until they have gone, and the calls too.
//!
//! A caller keeps its place, and its turn, for as long as its future exists: as with every fair queue, one that is
//! kept and not polled holds up those behind it, until they have waited for their maximum. Poll it or drop it.
//!
//! # Some calls are more important
//!
//! [`Bulkhead::by_priority`] keeps the last slots for them: of a hundred, sheddable calls may fill fifty and normal ones
//! ninety, unless you say otherwise. Who is refused so gets [`Reason::Shed`](resilience_core::Reason::Shed). The idea of a few
//! levels of criticality is from Google's *Site Reliability Engineering*, chapter 21.
//!
//! # Limits
//!
//! From 1 to [`Bulkhead::MAX_LIMIT`]. By Little's law, a dependency that takes 50 ms for 200 calls per second has ten
//! in flight; allow two or three times that. A line evens out what comes in bursts; what comes faster than the
//! dependency can serve, it only delays. A short one, of about the limit's length, is enough.
//!
//! # Telemetry
//!
//! With the feature `metrics`:
//!
//! | metric | labels | |
//! |---|---|---|
//! | `resilience_bulkhead_in_flight` | `policy` | gauge: calls in flight |
//! | `resilience_bulkhead_waiting` | `policy` | gauge: callers that wait in line |
//! | `resilience_bulkhead_calls_total` | `policy`, `outcome` | calls that are over, by [outcome](resilience_core::Outcome), or `abandoned` |
//! | `resilience_bulkhead_rejected_total` | `policy`, `reason` | refused calls, those that waited in vain included: `concurrency`, `shed`, `shutting_down` |
//! | `resilience_bulkhead_abandoned_total` | `policy` | callers that left the line before their turn |
//!
//! With the feature `tracing`: an event when the bulkhead is closed.
//!
//! # Sources
//!
//! The pattern is from Michael T. Nygard, *Release It!* The counter is a word that is changed by compare-exchange,
//! and says too whether anybody waits; its interleavings with the line are explored with
//! [loom](https://docs.rs/loom). With the feature `serde`, configurations can be read and written. Without the feature `tower`, this crate is
//! the [`machine`] alone.

mod config;
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
mod priority;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod queue;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

pub use config::{BulkheadConfig, BulkheadQueueConfig, PriorityConfig};

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use self::{
    bulkhead::{Bulkhead, BulkheadBuilder, BulkheadLayer},
    drained::Drained,
    permit::BulkheadPermit,
    priority::PriorityBulkhead,
    queue::{BulkheadQueue, BulkheadQueueLayer, BulkheadTicket},
};
