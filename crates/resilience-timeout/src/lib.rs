//! Timeouts for Tower services: one attempt bounded in time, with a timer only where it is needed.
//!
//! A dependency that hangs is worse than one that fails: its callers hang with it, and hold what they hold. A
//! timeout turns the hang into an error that the layers outside can act on.
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use std::{future::pending, time::Duration};
//! use resilience_timeout::{TimedOut, TimeoutLayer};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let inventory = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new("inventory", Duration::from_millis(250))?)
//!     .service(service_fn(|_sku: u64| pending::<Result<u32, BoxError>>()));
//!
//! let error = inventory.oneshot(7).await.unwrap_err();
//! let timed_out = TimedOut::find(&*error).expect("inventory hangs");
//! assert_eq!(timed_out.to_string(), "inventory: no response within 250ms");
//! # Ok(())
//! # }
//! ```
//!
//! On an axum `Router` or a tonic server, answer with 504 or `DEADLINE_EXCEEDED`, and bound the body too:
//! `resilience_http` has `.http().respond()`, `.body_idle(…)` and `.body_total(…)`.
//!
//! # What it does
//!
//! | | |
//! |---|---|
//! | readiness | the inner service's, not bounded: waiting there is the business of an outer layer; or [covered](#readiness) |
//! | call | the inner future is polled first; a response that is there at once costs no timer and no clock read |
//! | the limit | runs from the first time that the inner future is pending; timers tick in milliseconds |
//! | time is up | the inner future is dropped, then the caller gets a [`TimedOut`] or an answer, in the same poll |
//! | both at once | the response wins |
//! | drop | drops the inner call, or what waits to be sent, and the timer |
//! | clone | of the layer: the same limit and metrics; of the service: its own inner service |
//!
//! The timer is tokio's: when a response is not there at once, the call must run in a runtime with its time
//! enabled. A busy inner future cannot starve it: the timer is looked at outside of tokio's cooperative budget.
//!
//! Bounded is the *response*: for HTTP its head. The body may go on for as long as it likes.
//!
//! A request may bring a limit of its own, in place of the layer's: [`OnTimeout::limit`] says which. Over HTTP, that is
//! `resilience_http::AttemptTimeout` in its extensions.
//!
//! # Readiness
//!
//! With [`cover_readiness`](TimeoutLayer::cover_readiness), the limit is for becoming ready and for the response, together.
//! The layer is always ready then, and takes a clone of the inner service for each call. A request whose service was not
//! ready in time is never sent: the [`TimedOut`], of [`Kind::Ready`], has a refusal for its source, so that classifiers take
//! it for one ([`Reason::NotReady`]). A breaker outside does not count it, and a retry may repeat it, whatever it is.
//!
//! [`Reason::NotReady`]: resilience_core::Reason::NotReady
//!
//! # Where it belongs
//!
//! *Inside* the circuit breaker and the retry: it bounds one attempt. A [`TimedOut`] of a call that was made is a failure
//! of the dependency, not a refusal, and so the breaker counts a dependency that hangs, and the retry makes another
//! attempt.
//!
//! # Deadlines
//!
//! A timeout bounds one attempt. A [`Deadline`](resilience_core::Deadline) bounds the whole call, with its retries and its
//! waiting, here and wherever it is sent on to. [`DeadlineLayer`] fixes it and keeps to it:
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use std::{future::pending, time::Duration};
//! use resilience_timeout::{DeadlineExceeded, DeadlineLayer};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let shop = ServiceBuilder::new()
//!     .layer(DeadlineLayer::builder("shop").max(Duration::from_secs(2)).build()?)
//!     .service(service_fn(|_sku: u64| pending::<Result<u32, BoxError>>()));
//!
//! let error = shop.oneshot(7).await.unwrap_err();
//! let exceeded = DeadlineExceeded::find(&*error).expect("shop hangs");
//! assert_eq!(exceeded.to_string(), "shop: deadline exceeded after 2s");
//! # Ok(())
//! # }
//! ```
//!
//! | | |
//! |---|---|
//! | the deadline | fixed by the call, with one clock read: what the request states, or the one that it [carries](Carry) already if that is earlier; never later than `max` |
//! | nothing stated, or carried for the head only | no more than [`unstated`](DeadlineBuilder::unstated), by default `max`, by default 30 s |
//! | zero, or past | refused with [`Reason::Deadline`](resilience_core::Reason::Deadline); the inner service is not called |
//! | nonsense stated | refused with [`MalformedDeadline`], or [ignored](DeadlineBuilder::ignore_malformed) |
//! | for everything within | noted in the request |
//! | it passes | the inner future is dropped, then the caller gets [`DeadlineExceeded`] or an answer, in the same poll; a response that is there wins |
//! | readiness | the inner service's, not bounded |
//! | drop | drops the inner call and the timer |
//! | clone | of the layer: the same terms and metrics; of the service: its own inner service |
//!
//! As with timeouts, a timer is made only when the inner future is first pending. The layer does not allocate; to note the
//! deadline in HTTP requests does, as an insertion into their extensions.
//!
//! On a client it is the outermost layer but for fallbacks. On a server it is outside of whatever may wait, so that a call that
//! cannot make it is not started: layers outside of it do not see the deadline that the request states. `resilience_http` has the forms for HTTP and gRPC. Work that a call
//! starts and does not wait for is bounded by [`before`].
//!
//! # What the caller gets
//!
//! [`OnTimeout`] decides: a boxed error by default, the service's own error type with
//! [`keep_error`](TimeoutLayer::keep_error), a response with [`answer`](TimeoutLayer::answer).
//!
//! # Metrics
//!
//! With the feature `metrics`: `resilience_timeout_expired_total{policy, kind}`; `kind` is `ready` for a service
//! that did not become ready, `head` for a response that did not come, `idle` for a body that stood still, `total` for one
//! that did not come to its end. Of deadlines: `resilience_deadline_refused_total{policy}`;
//! `resilience_deadline_malformed_total{policy}`, refused or ignored; `resilience_deadline_exceeded_total{policy, kind}`, where
//! `kind` is `head` or `body`. With the feature `tracing`, an event at debug level for each.

mod config;
mod machine;

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod deadline;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod future;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod late;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod layer;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod ready_call;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod service;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

pub use config::{BodyTimeoutConfig, DeadlineConfig, TimeoutConfig};
pub use machine::{Allotted, DeadlineError, DeadlineExceeded, MalformedDeadline, Terms};
pub use machine::{Kind, Limit, TimedOut, attempt_timeout};

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use deadline::{
    Before, BodyBound, Carry, DeadlineBuilder, DeadlineFuture, DeadlineLayer, DeadlineService,
    OnDeadline, before,
};
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use future::ResponseFuture;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use late::{Answer, OnTimeout};
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use layer::{OnceReady, TimeoutBuilder, TimeoutLayer, WithReadiness};
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use ready_call::ReadyCall;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use service::Timeout;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use telemetry::Telemetry;
