//! Tower middleware that keeps services up: the resilience crates in one.
//!
//! Each module is a crate of the family; take this one with the features you need, or take the crates à la carte.
//!
//! | symptom | layer |
//! |---|---|
//! | a dependency is down, and every call waits for it to fail | [`breaker`] |
//! | a dependency hangs | [`timeout`] |
//! | a slow dependency, or slow handlers, take all the capacity there is | [`bulkhead`] |
//! | clients send more than they should | [`ratelimit`] |
//! | you may not send more than so much in any minute | [`ratelimit`], the sliding window |
//! | calls come in bursts, and could wait for a moment | [`bulkhead`] or [`ratelimit`], `wait_up_to` |
//! | one client, tenant or host spoils it for the others | any of these per key: [`keyed`] |
//! | calls fail now and then, and would succeed the next time | [`retry`] |
//! | a part of the answer is missing, and the rest would be good enough | [`fallback`] |
//!
//! # The order of layers
//!
//! A client, outermost first: fallback → retry → rate limit → bulkhead → breaker → attempt timeout → service. The
//! timeout is inside the breaker, so that hangs count; retries are outside the breaker, so that each attempt does,
//! and a retry ends when it opens; the fallback is outside all, so that it catches refusals too.
//!
//! A server: rate limit → bulkhead → breaker as one tuple, `.http().respond()`.
//!
//! ```
//! use resilience_stack::prelude::*;
//! use std::time::Duration;
//! use tower::{ServiceBuilder, service_fn};
//!
//! # fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(RetryLayer::builder("inventory").build()?)
//!     .layer(GuardLayer::new((Bulkhead::new("inventory", 32)?, Breaker::new("inventory"))))
//!     .layer(TimeoutLayer::new("inventory", Duration::from_millis(500))?)
//!     .service(service_fn(|req: u64| async move { Ok::<_, BoxError>(req) }));
//! # let _ = service;
//! # Ok(())
//! # }
//! ```
//!
//! # When a stack does not compile
//!
//! Where a bound is missing, `service.oneshot(…)` and `service.ready()` only say that the method exists and its bounds
//! are not met. Ask for the service itself, and the compiler tells which layer misses what:
//!
//! ```
//! fn takes<Req, S: tower::Service<Req>>(_: &S) {}
//! # let service = tower::service_fn(|req: u64| async move { Ok::<_, std::io::Error>(req) });
//! takes::<u64, _>(&service); // the request that the stack takes
//! ```
//!
//! | the compiler misses | because |
//! |---|---|
//! | `Layer` for `Breaker`, `Bulkhead`, `RateLimit` | these are handles; `.layer()` makes their layer, `GuardLayer::new((a, b))` that of several |
//! | `From<Box<dyn Error + Send + Sync>>` for `Infallible` | a `Router` takes no errors: `.http().respond()` |
//! | `Service<Request<ReplayBody<…>>>` | inside `RetryLayer`'s `.http()`, clients send `ReplayBody<B>`; where they send one body alone, as tonic's do, convert: `.map_request(\|req: Request<ReplayBody<B>>\| req.map(Body::new))` |
//! | the type of a closure's parameter | write it down: `by_result(\|result: Result<&Res, &MyError>\| …)` |
//!
//! # Features
//!
//! `breaker`, `bulkhead`, `ratelimit`, `keyed`, `retry`, `fallback`, `timeout`, `http`: the crates; on by default. `tonic`:
//! refusals as tonic statuses, and the errors of its channel. `axum`, `tonic-server`: what these servers know of the caller's
//! address. `hyper-util`: recognises connection errors of hyper-util's client. `tower-http`: takes classifiers that were
//! written for it. `tower-retry`: retries as a policy of Tower's own. `metrics`, `tracing`:
//! telemetry. `full`: everything.

#[cfg(feature = "breaker")]
pub use resilience_breaker as breaker;
#[cfg(feature = "bulkhead")]
pub use resilience_bulkhead as bulkhead;
pub use resilience_core as core;
#[cfg(feature = "fallback")]
pub use resilience_fallback as fallback;
#[cfg(feature = "http")]
pub use resilience_http as http;
#[cfg(feature = "keyed")]
pub use resilience_keyed as keyed;
#[cfg(feature = "ratelimit")]
pub use resilience_ratelimit as ratelimit;
#[cfg(feature = "retry")]
pub use resilience_retry as retry;
#[cfg(feature = "timeout")]
pub use resilience_timeout as timeout;

/// What most users import.
pub mod prelude {
    #[cfg(feature = "breaker")]
    pub use resilience_breaker::{Breaker, BreakerLayer};
    #[cfg(feature = "bulkhead")]
    pub use resilience_bulkhead::{Bulkhead, BulkheadLayer};
    pub use resilience_core::{
        Backoff, BoxError, Budget, ConfigError, GuardLayer, Jitter, Outcome, Policy, QueueLayer,
        Reason, Rejected, TypedErrors, by_result,
    };
    #[cfg(feature = "fallback")]
    pub use resilience_fallback::FallbackLayer;
    #[cfg(feature = "tonic")]
    pub use resilience_http::StatusLayer;
    #[cfg(feature = "http")]
    pub use resilience_http::{HttpLayer, RespondLayer, by_head};
    #[cfg(feature = "keyed")]
    pub use resilience_keyed::{Keyed, KeyedRateLimit};
    #[cfg(feature = "ratelimit")]
    pub use resilience_ratelimit::{
        Quota, RateLimit, RateLimitLayer, SlidingRateLimit, SlidingRateLimitLayer,
    };
    #[cfg(feature = "retry")]
    pub use resilience_retry::RetryLayer;
    #[cfg(feature = "timeout")]
    pub use resilience_timeout::TimeoutLayer;
}
