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
//! | transient, overload | retried, after the delay that the server asks for, if it does, with the backoff on top |
//! | unsent | retried |
//! | refused inside: no room, inner service not ready | retried, after the backoff |
//! | refused inside: rate limit, or a policy of your own, with a delay | retried, after that delay with the backoff on top, unless it is longer than the [`advice_cap`](RetryBuilder::advice_cap) |
//! | refused inside, otherwise: breaker open, shed, deadline, shutting down | returned: whoever refuses so wants no second call |
//!
//! The layer cannot know what may happen twice. By default it clones every request, and sends it again whatever it is:
//! put it around calls that are safe to repeat, or set a [`Replay`](resilience_core::Replay) that tells them apart. Over
//! HTTP and gRPC, `.http()` and `.grpc()` (from `resilience_http::HttpLayer`) do that: they repeat idempotent methods,
//! requests with an `Idempotency-Key`, gRPC calls, and whatever was provably never sent; and they keep bodies while they
//! are sent.
//!
//! A failing caller gets the result of the last attempt as it is. Where a response's end alone tells (gRPC trailers), the
//! response is returned when its head is there.
//!
//! # Readiness, call, drop, clone
//!
//! | | |
//! |---|---|
//! | `poll_ready` | the inner service's |
//! | `call` | calls the inner service, and keeps request and inner service, each as a clone, for retries. Before each retry waits for that clone's readiness; if that fails, the caller gets the result it had |
//! | dropping the future | drops the attempt, or gives up the wait; a retry that was not sent returns to the budget |
//! | `clone` of layer or service | shares budget, jitter and metrics; a service's is not ready |
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
//! there; inside the fallback. Retry at one level only: three attempts at each of three levels are 27 calls.
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
//! `tower` (default): the layer. `metrics`, `tracing`: see above. Without any, the [`machine`] alone.
//!
//! Most failures of a network are over in a moment; whoever asks again gets an answer. But retries are load, and
//! they come when the dependency has the least room for it: three attempts per call turn an outage into an
//! outage at three times the load. So here a retry has to pay: out of a [`Budget`](resilience_core::Budget), on
//! by default, that calls fill and retries empty.
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
//! use resilience_core::Backoff;
//! use resilience_retry::RetryLayer;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let retry = RetryLayer::builder("inventory")
//!     .attempts(4)
//!     .backoff(Backoff::exponential(Duration::from_millis(50), 2.0, Duration::from_secs(1))?)
//!     .deadline(Duration::from_secs(3))
//!     .build()?;
//! # let asked = AtomicU32::new(0);
//! let inventory = ServiceBuilder::new().layer(retry).service(service_fn(|sku: u64| {
//!     let attempt = asked.fetch_add(1, Ordering::Relaxed);
//!     async move {
//!         match attempt {
//!             0 => Err(BoxError::from("connection reset")),
//!             _ => Ok(sku * 2),
//!         }
//!     }
//! }));
//! assert_eq!(inventory.oneshot(21).await?, 42);
//! # Ok(())
//! # }
//! ```
//!
//! HTTP and gRPC requests are not `Clone`, and not all of them are safe to repeat: `resilience_http` has `.http()`
//! and `.grpc()` for this layer, which bring the classification and bodies that can be sent again.
//!
//! # What it does
//!
//! | | |
//! |---|---|
//! | readiness | the inner service's |
//! | call | calls the service that is ready; keeps a clone of it, and of the request, where a retry is possible |
//! | between attempts | waits, then drives the clone's readiness, then drops the last result, then calls |
//! | success | nothing allocated, no timer; a clock read only with a [`deadline`](RetryBuilder::deadline) |
//! | drop | ends the attempt or the wait; a retry that was not sent returns to the budget |
//! | clone | of the layer and of its services: the same budget, jitter and metrics |
//!
//! What the caller gets is always a result of the inner service, untouched: the first that is not to be retried,
//! or, when attempts, budget or deadline are used up, the real last one. There is no error of the retry's own. An
//! error of the inner service's *readiness* before a retry, or a deadline that passes while waiting for it, leaves
//! the last result to the caller as well.
//!
//! # What is retried
//!
//! One classification serves all layers, see [`Outcome`](resilience_core::Outcome):
//!
//! | outcome | |
//! |---|---|
//! | success, ignored, or a verdict that comes with the end of the body | returned |
//! | permanent failure | returned |
//! | transient failure, overload | retried, where [`Replay::allows`](resilience_core::Replay::allows) it |
//! | unsent: the request provably never left | likewise; `allows` may be more generous |
//! | refused for concurrency, or since inner was not ready | likewise |
//! | refused by a rate limit or for another reason, with an exact delay up to the [`advice_cap`](RetryBuilder::advice_cap) | likewise, after that delay |
//! | refused in any other way: open breaker, shedding, deadline, shutting down, no delay or one above the cap | returned |
//!
//! # When
//!
//! The wait is the [backoff](RetryBuilder::backoff)'s: by default up to 100 ms, 200 ms, 400 ms …, fully jittered,
//! so that clients which failed together do not come back together. A delay that the server advises (`Retry-After`,
//! gRPC's pushback) is a lower bound: it is capped, at 30 s by default, and the backoff's wait comes on top as
//! jitter. Where the wait would reach the [deadline](RetryBuilder::deadline), the call ends at once. The deadline
//! bounds when attempts begin, not how long they take: bound that with a timeout layer inside.
//!
//! # The budget
//!
//! The first attempt of a call earns a fifth of a retry, unless one of the family's own layers refused it. A retry
//! is taken out before its wait, so that the waiting ones are counted; it is spent when it is sent. It returns if it
//! is never sent: the caller went away, inner was not ready, a hook panicked; and if one of the family's own
//! layers refused it, since the dependency never saw it. Give the same budget to every layer that reaches the same
//! dependency.
//!
//! # Where it belongs
//!
//! Outside of rate limit, bulkhead, breaker and attempt timeout: every attempt asks them again, and an open breaker
//! ends the call. Retry in one place only: attempts multiply from layer to layer.
//!
//! # Metrics
//!
//! With the feature `metrics`: `resilience_retry_attempts_total{policy}`, retries sent;
//! `resilience_retry_recovered_total{policy}`, calls that a retry saved; and
//! `resilience_retry_stopped_total{policy, reason}`, failed calls that ended there: `attempts`, `budget`,
//! `deadline`, `not_replayable`, `not_ready`, `permanent`, `refused`, and waits that the caller `abandoned`. With the
//! feature `tracing`, an event at debug level for each retry that is decided.
//!
//! # Sources
//!
//! Marc Brooker, [Exponential Backoff and Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/);
//! Finagle's [retry budgets](https://twitter.github.io/finagle/guide/Clients.html#retries);
//! [gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md) for pushback and attempt numbers.
//!
//! # The machine
//!
//! [`machine`] is the decision alone, without Tower, tokio and metrics; all that is left without the feature `tower`.

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
