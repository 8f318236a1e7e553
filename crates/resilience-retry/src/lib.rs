//! Retries for Tower services: within a budget, with backoff and jitter, and only what is safe to repeat.
//!
//! Many failures are over a moment later: a connection broke, an instance restarts. A second attempt hides them from the
//! caller. But a dependency that fails because it has too much to do has more to do with every retry. So retries are
//! few here, spread in time, and under a budget that bounds them to a share of the calls.
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use resilience_retry::RetryLayer;
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let calls = AtomicU32::new(0);
//! let inventory = ServiceBuilder::new()
//!     .layer(RetryLayer::builder("inventory").build()?)
//!     .service(service_fn(|item: u64| {
//!         let attempt = 1 + calls.fetch_add(1, Ordering::Relaxed);
//!         async move {
//!             match attempt {
//!                 1 => Err(BoxError::from("connection reset")),
//!                 _ => Ok(item),
//!             }
//!         }
//!     }));
//!
//! assert_eq!(inventory.oneshot(7).await?, 7);
//! assert_eq!(calls.into_inner(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # The default
//!
//! At most three attempts; before the second a wait of up to 100 ms, before the third of up to 200 ms, anywhere between
//! nothing and that; one retry for five calls, and one per second besides. No deadline. [`RetryBuilder`] lists all
//! settings, with units, defaults and ranges.
//!
//! # What is retried
//!
//! The classification, which breaker and fallback use as well, says how an attempt ended:
//!
//! | outcome | |
//! |---|---|
//! | success, ignored | returned |
//! | permanent | returned |
//! | transient, overload | retried, after the backoff; if the server asks for a delay, after that, [spread](#what-the-server-asks-for) |
//! | unsent | retried |
//! | refused inside: inner service not ready | retried, after the backoff |
//! | refused inside: rate limit, or a policy of your own, with a delay | retried, after that delay with the backoff on top, unless it is longer than the [`advice_cap`](RetryBuilder::advice_cap) |
//! | refused inside, otherwise: bulkhead full, breaker open, shed, deadline, shutting down, no key in the request | returned: whoever refuses so wants no second call |
//!
//! A bulkhead keeps its caller from being used up by a dependency that is slow. Calls that it refused and that waited for a retry
//! would use it up all the same, and no budget bounds how many: what was refused here was never sent. Who rather waits than
//! is refused lets the bulkhead's own line hold the call, which is bounded in length and time.
//!
//! The layer cannot know what may happen twice. By default it clones every request, and sends it again whatever it is:
//! put it around calls that are safe to repeat, or set a [`Replay`](resilience_core::Replay) that tells them apart. Over
//! HTTP and gRPC, `.http()` and `.grpc()` (from `resilience_http::HttpLayer`) do that: they repeat idempotent methods,
//! requests with an `Idempotency-Key`, gRPC calls, and whatever was provably never sent; and they keep bodies while they
//! are sent. gRPC calls that are not idempotent are to be named with `HttpReplay::deny_if`.
//!
//! Where the wait would reach the [`deadline`](RetryBuilder::deadline), the call ends at once. The deadline bounds when attempts
//! begin, not how long they take: bound that with a timeout layer inside.
//!
//! A failing caller gets the result of the last attempt as it is. Where a response's end alone tells (gRPC trailers), the
//! response is returned when its head is there.
//!
//! # What the server asks for
//!
//! A delay that a server advises is a lower bound, [capped](RetryBuilder::advice_cap). On top comes the backoff's wait, spread
//! over as long a time as the delay, if that is longer: "2 s" means a retry between 2 and 4 s from now. For a server that has too
//! much to do tells many the same, at the same moment, and they would be back together. Where there is a
//! deadline, they are spread over half of the time that is left after the delay, at most: the other half is for the attempt.
//!
//! With [`Jitter::None`](resilience_core::Jitter::None) nothing is spread: it is the delay, and the backoff's wait.
//! gRFC A6 has a client retry exactly when the pushback is over, without jitter, which spreads clients only if the server tells
//! each another time. One that does loses nothing here but time.
//!
//! The delays of the family's own limits are exact, and are not spread beyond the backoff: who comes back together is refused
//! together, by the same limit, and only what it admits is sent.
//!
//! # While the breaker is open
//!
//! The call whose failure opens the breaker would wait, most likely to be refused. A layer that
//! [knows the breaker](RetryLayer::unless_refusing) returns the failure at once instead, and a fallback answers without delay.
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! # fn main() -> Result<(), resilience_core::ConfigError> {
//! # use resilience_core::{Now, Policy, Rejected};
//! # struct Breaker;
//! # impl Policy<()> for Breaker {
//! #     type Permit = ();
//! #     fn admit(&self, (): &(), _: &mut Now) -> Result<(), Rejected> { Ok(()) }
//! # }
//! # let breaker = Breaker;
//! use resilience_retry::RetryLayer;
//!
//! let retry = RetryLayer::builder("inventory").build()?.unless_refusing(breaker);
//! # let _ = retry;
//! # Ok(())
//! # }
//! ```
//!
//! # Readiness, call, drop, clone
//!
//! | | |
//! |---|---|
//! | `poll_ready` | the inner service's |
//! | `call` | calls the inner service, and keeps a clone of the request for retries. Each retry waits for the readiness of a new clone of the service that was given to the layer, and calls that; if it cannot become ready, the caller gets the result it had |
//! | dropping the future | drops the attempt, or gives up the wait; a retry that was not sent returns to the budget |
//! | `clone` of layer or service | shares budget, jitter and metrics; a service's is not ready, and shares what retries are cloned of |
//!
//! The service that is given to the layer has to be `Clone`: the layer keeps one clone, that is never called, to make those
//! for retries of, so that a call which needs no retry clones no service. It is cloned under a lock, as it need not be `Sync`:
//! its `Clone` may take its time, but must not wait for a retry through the same layered service.
//!
//! # The budget
//!
//! Each layer has one of its own, shared by everything that is made of the layer. Where several layers reach the same
//! dependency, give them [one budget](RetryBuilder::budget): the share is then of all their calls. Attempts that a
//! layer inside refused never reached the dependency, and go back.
//!
//! # Where it belongs
//!
//! Outside rate limit, bulkhead, breaker and attempt timeout, so that each attempt passes them and is bounded and counted
//! there; inside the fallback. Retry at one level only: three attempts at each of three levels are 27 calls. Where levels
//! cannot know of one another, the verdict on the last attempt is [told](resilience_core::Verdict::exhausted) that nothing is
//! left to try, and can mark the result for those further out; over HTTP and gRPC, `resilience-http` does so.
//!
//! # Telemetry
//!
//! With the feature `metrics`:
//!
//! | metric | labels | |
//! |---|---|---|
//! | `resilience_retry_attempts_total` | `policy` | retries sent; first attempts are not counted |
//! | `resilience_retry_recovered_total` | `policy` | calls that succeeded with a retry |
//! | `resilience_retry_stopped_total` | `policy`, `reason` | failed calls, by what ended them: `attempts`, `budget`, `deadline`, `not_replayable`, `not_ready`, `permanent`, `refused`; and calls dropped while they waited, `abandoned` |
//!
//! With the feature `tracing`: an event at debug level for each retry, before its wait. For everything else there is
//! [`RetryBuilder::on_retry`].
//!
//! # Sources
//!
//! Backoff and jitter: Marc Brooker, [Exponential Backoff and
//! Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/) (2015). The budget: Finagle's
//! [`RetryBudget`](https://twitter.github.io/finagle/guide/Clients.html#retries). What gRPC may repeat: [gRFC
//! A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md).
//!
//! # Features
//!
//! `tower` (default): the layer. `tower-retry`: `TowerPolicy`, the same decisions for Tower's own
//! [`Retry`](https://docs.rs/tower/0.5/tower/retry/struct.Retry.html). `metrics`, `tracing`: see above. `serde`: [`RetryConfig`] can be
//! read and written. Without any, the
//! [`machine`] alone.

mod builder;
mod config;
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
#[cfg(all(feature = "tower-retry", not(resilience_loom)))]
mod tower_policy;

pub use builder::RetryBuilder;
pub use config::RetryConfig;
pub use event::RetryEvent;

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use future::ResponseFuture;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use layer::RetryLayer;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use service::Retry;
#[cfg(all(feature = "tower-retry", not(resilience_loom)))]
pub use tower_policy::{Pause, TowerPolicy};
