//! A fallback for Tower services: a degraded answer instead of a failure.
//!
//! A page without recommendations is better than no page. When a dependency fails, or a layer inside refuses to ask
//! it, the fallback answers: with a value, with what a function makes of the failure, or with what an async function
//! finds elsewhere.
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use resilience_fallback::FallbackLayer;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let recommendations = ServiceBuilder::new()
//!     .layer(FallbackLayer::value("recommendations", vec!["bestseller"]))
//!     .service(service_fn(|user: u64| async move {
//!         match user {
//!             1 => Ok(vec!["novel", "atlas"]),
//!             _ => Err(BoxError::from("no model for this user")),
//!         }
//!     }));
//!
//! assert_eq!(recommendations.clone().oneshot(1).await?, ["novel", "atlas"]);
//! assert_eq!(recommendations.oneshot(2).await?, ["bestseller"]);
//! # Ok(())
//! # }
//! ```
//!
//! Over HTTP, call `.http()` (from `resilience_http::HttpLayer`): 5xx responses are failures too, the answer may have
//! any body, and carries `Degraded` in its extensions.
//!
//! # What triggers it
//!
//! The classification that breaker and retry use as well, see [`Outcome`](resilience_core::Outcome):
//!
//! | outcome | |
//! |---|---|
//! | success, ignored | passes untouched, response or error |
//! | permanent, transient, overload, unsent | degrades |
//! | refused, by a breaker, bulkhead or rate limit inside | degrades |
//!
//! Where only the end of a body tells (gRPC trailers), the response has passed by then.
//!
//! # Three forms
//!
#![cfg_attr(
    feature = "tower",
    doc = "
| | answers with | error of the service |
|---|---|---|
| [`FallbackLayer::value`] | a clone of the value | stays |
| [`FallbackLayer::function`] | what the function makes of the [`Failure`] | stays |
| [`FallbackLayer::async_function`] | what the async function makes of it, unless that fails | `BoxError` |
"
)]
//!
//! The functions get the failing response or the error by value. When an async function fails too, the caller gets a
//! [`BothFailed`](resilience_core::BothFailed): `source()` is the function's error, `primary()` the first one, and
//! [`Rejected::find`](resilience_core::Rejected::find) sees both. In place of a failing response, and of an error that
//! the function took and dropped, stands a description: the refusal, if it was one, or a [`FirstFailure`].
//!
//! # What it does
//!
//! | | |
//! |---|---|
//! | readiness | the inner service's; an error there passes, as it means the end of that service |
//! | call | of the inner service; when it has failed, its future is dropped, and the fallback begins |
//! | drop | drops the inner call, or the fallback's function |
//! | clone | of the layer and the service: the same fallback and metrics |
//!
//! Nothing is asked of responses: they need not be `Clone`, `Sync` or `'static`. A call that succeeds allocates
//! nothing; an async function's future is stored in place.
//!
//! # Where it belongs
//!
//! Outermost, so that it answers for everything inside: deadline, retry, limits, breaker, attempt timeout. Nothing
//! bounds the time that an async function takes; if it calls another dependency, give that its own layers.
//!
//! # Metrics
//!
//! With the feature `metrics`: `resilience_fallback_degraded_total{policy, outcome}` for degraded answers, by what went
//! wrong, and `resilience_fallback_failed_total{policy, outcome}` for calls where the fallback failed too. With the
//! feature `tracing`, an event at debug level for each.

mod machine;

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod future;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod layer;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod mark;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod service;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod stand_in;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

pub use machine::{Failure, FirstFailure, Primary, degrades};

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use future::ResponseFuture;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use layer::FallbackLayer;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use mark::{Mark, Unmarked};
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use service::Fallback;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use stand_in::{AsyncFunction, Function, StandIn, Trying, Value};
