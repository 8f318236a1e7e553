//! A fallback for Tower services: a degraded answer instead of a failure.
//!
//! A page without recommendations is better than no page. When a dependency fails, or a layer inside refuses to ask
//! it, the fallback answers: with a value, with what a function makes of the failure, with what an async function finds
//! elsewhere, or as another service does.
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
//! # Four forms
//!
#![cfg_attr(
    feature = "tower",
    doc = "
| | answers with | error of the service |
|---|---|---|
| [`FallbackLayer::value`] | a clone of the value | stays |
| [`FallbackLayer::function`] | what the function makes of the [`Failure`] | stays |
| [`FallbackLayer::async_function`] | what the async function makes of it, unless that fails | `BoxError` |
| [`FallbackLayer::service`] | what another service says to the same request, unless that fails | `BoxError` |
"
)]
//!
//! The functions get the failing response or the error by value. When an async function or the other service fails
//! too, the caller gets a [`BothFailed`](resilience_core::BothFailed): `source()` is the later error, `primary()` the
//! first one, and [`Rejected::find`](resilience_core::Rejected::find) sees both. In place of a failing response, and of
//! an error that the function took and dropped, stands a description: the refusal, if it was one, or a
//! [`FirstFailure`].
//!
//! # Chains
//!
//! A fallback around a fallback answers for what the inner one could not. The outermost is the last resort:
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use resilience_fallback::FallbackLayer;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let down = |_: &'static str| async { Err::<&'static str, _>(BoxError::from("down")) };
//! # let (primary, replica, cache) = (service_fn(down), service_fn(down), service_fn(down));
//! let service = ServiceBuilder::new()
//!     .layer(FallbackLayer::value("last resort", "nothing at present"))
//!     .layer(FallbackLayer::service("cache", cache))
//!     .layer(FallbackLayer::service("replica", replica))
//!     .service(primary);
//!
//! assert_eq!(service.oneshot("news").await?, "nothing at present");
//! # Ok(())
//! # }
//! ```
//!
//! The replica is asked after the primary, then the cache. Where all have failed and there is no last resort, each
//! level adds a `BothFailed`, whose `primary()` is that of the level below; `Rejected::find` sees through all of them.
//!
//! # What it does
//!
//! | | |
//! |---|---|
//! | readiness | the inner service's; an error there passes, as it means the end of that service |
//! | call | of the inner service; when it has failed, its future is dropped, and the fallback begins |
//! | drop | drops the inner call, the fallback's function, or the wait for and the call of the other service |
//! | clone | of the layer and the service: the same fallback and metrics |
//!
//! Nothing is asked of responses: they need not be `Clone`, `Sync` or `'static`. A call that succeeds allocates
//! nothing but what keeping the request for another service does, see [`Replay`](resilience_core::Replay); the future
//! of an async function or another service is stored in place.
//!
//! # Where it belongs
//!
//! Outermost, so that it answers for everything inside: deadline, retry, limits, breaker, attempt timeout. Nothing
//! bounds the time that an async function or another service takes; give the other dependency its own layers.
//!
//! # Metrics
//!
//! With the feature `metrics`: `resilience_fallback_degraded_total{policy, outcome}` for degraded answers, by what went
//! wrong, `resilience_fallback_failed_total{policy, outcome}` for calls where the fallback failed too, and
//! `resilience_fallback_skipped_total{policy, outcome}` for failed calls whose request could not be sent to the other
//! service. With the feature `tracing`, an event at debug level for each.

mod machine;

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod future;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod layer;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod mark;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod other;
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
pub use other::{Asking, KeptRequest, OtherService};
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use service::Fallback;
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use stand_in::{AsyncFunction, Function, KeepRequest, StandIn, Trying, Value};
