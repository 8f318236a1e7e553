//! Tower middleware that keeps services up: the resilience crates in one.
//!
//! Each module is a crate of the family; take this one with the features you need, or take the crates à la carte.
//!
//! | symptom | layer |
//! |---|---|
//! | a dependency is down, and every call waits for it to fail | [`breaker`] |
//! | a dependency hangs | [`timeout`], of the attempt |
//! | bodies stand still, or do not end | [`timeout`], with `.http().body_idle(…)` and `.body_total(…)` |
//! | work goes on when nobody waits for it any more | [`timeout`], the deadline |
//! | a slow dependency, or slow handlers, take all the capacity there is | [`bulkhead`] |
//! | there is not room for all, and some calls matter more | [`bulkhead`], by priority |
//! | clients send more than they should | [`ratelimit`] |
//! | you may not send more than so much in any minute | [`ratelimit`], the sliding window |
//! | calls come in bursts, and could wait for a moment | [`bulkhead`] or [`ratelimit`], `wait_up_to` |
//! | one client, tenant or host spoils it for the others | any of these per key: [`keyed`] |
//! | calls fail now and then, and would succeed the next time | [`retry`] |
//! | a part of the answer is missing, and the rest would be good enough | [`fallback`] |
//! | you need a check of your own before each call | [`Policy`](core::Policy), a trait of one method |
//!
//! # Where things are
//!
//! | module | what you find there |
//! |---|---|
//! | [`prelude`] | handles and layers, [`ServiceBuilderExt`], `.http()`, `.grpc()`, `.respond()`: what most programs import |
//! | [`client`], [`server`] | whole stacks for HTTP and gRPC |
//! | [`http`] | what is particular to HTTP and gRPC: who is calling (`ByHeader`, `ByAddr`, `ByCertificate`), `ReplayBody`, `Degraded`, `NoRetry`, `AttemptTimeout`, `pass_on`; with the feature `client` the pooled `Client` |
//! | [`core`] | what all share: `Policy`, `Permit`, `Now`, `Rejected`, `Reason`, `Outcome`, `Deadline`, `Priority`, `Backoff`, `Budget` |
//! | [`breaker`], [`bulkhead`], [`ratelimit`], [`keyed`], [`retry`], [`fallback`], [`timeout`] | one crate each, with its semantics, settings and metrics |
//! | [`ordering`] | the order of layers, and what goes wrong in others |
//!
//! # A stack
//!
//! The order of the layers matters: the [page on order](ordering) has it, with the reasons. There are two ways to it, and the
//! parts are the same in both.
//!
//! [`client::ClientStack`] and [`server::ServerStack`] are presets: every layer in its place, with a default for each.
//!
//! ```
//! use resilience_stack::prelude::*;
//!
//! # fn main() -> Result<(), ConfigError> {
//! let inventory = ClientStack::http("inventory").bulkhead(Bulkhead::new("inventory", 32)?).build()?;
//! let api = ServerStack::http("api").build()?; // app.layer(api)
//! # let _ = (inventory, api);
//! # Ok(())
//! # }
//! ```
//!
//! With Tower's `ServiceBuilder` you put them together yourself. [`ServiceBuilderExt`] names the layers among its methods;
//! around HTTP and gRPC take those that end in `_http` and `_grpc`:
//!
//! ```
//! use resilience_stack::prelude::*;
//! use std::time::Duration;
//! use tower::{ServiceBuilder, service_fn};
//!
//! # fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .retries(RetryLayer::builder("inventory").build()?)
//!     .guard((Bulkhead::new("inventory", 32)?, Breaker::new("inventory")))
//!     .attempt_timeout(TimeoutLayer::new("inventory", Duration::from_millis(500))?)
//!     .service(service_fn(|req: u64| async move { Ok::<_, BoxError>(req) }));
//! # let _ = service;
//! # Ok(())
//! # }
//! ```
//!
//! # A file of stacks
//!
//! With the feature `file`, presets come from a TOML file, each under its name. Whatever the file leaves out has its
//! default; what is wrong is an error with the line, the field, its value and what would be right.
//!
#![cfg_attr(feature = "file", doc = "```")]
#![cfg_attr(not(feature = "file"), doc = "```ignore")]
//! use resilience_stack::file::StackFile;
//!
//! # fn main() -> Result<(), resilience_stack::core::BoxError> {
//! let stacks: StackFile = r#"
//!     [client.inventory]
//!     deadline = "2s"
//!     [client.inventory.breaker]
//!     open_for = "250ms"
//!     [server.api]
//!     bulkhead = { limit = 200 }
//! "#.parse()?;
//! let (inventory, api) = (stacks.client("inventory")?.build()?, stacks.server("api")?.build()?);
//! # let _ = (inventory, api);
//!
//! let error = "[client.inventory]\nbreaker = { open_fro = '1s' }".parse::<StackFile>().unwrap_err();
//! assert!(error.to_string().starts_with(
//!     "2:13: `client.inventory.breaker.open_fro` is not known; did you mean `open_for`?"
//! ), "{error}");
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
//! | `Replay` for `ByClone` | `RetryLayer` sends clones of the request, which is no `Clone`; over HTTP `.http()` or `.grpc()` makes it one that keeps bodies while they are sent |
//! | `Clone` for the response | `FallbackLayer::value` answers with clones of a value; where the body is no `Clone`, `FallbackLayer::function` makes each answer anew |
//! | `Policy` for a `Result`, `Forget` for a `Result` | `build()`, `Bulkhead::new` and `wait_up_to` say whether their settings can be: a `?` is missing |
//! | `Fn(&…)` for `()`, from a keyed limit | `Keyed::builder(…)` wants to know the `.key(…)` first |
//! | the function `ClientStack::grpc`, the method `.with_status()` | they need the feature `tonic` |
//! | the type of a closure's parameter | write it down: `by_result(\|result: Result<&Res, &MyError>\| …)`, `exempt(\|req: &Request<Body>\| …)` |
//!
//! # Features
//!
//! | feature | by default | |
//! |---|---|---|
//! | `breaker`, `bulkhead`, `ratelimit`, `keyed`, `retry`, `fallback`, `timeout`, `http` | yes | the crates, each as the module of that name |
//! | `builder` | yes | `ServiceBuilderExt`: methods of Tower's `ServiceBuilder` |
//! | `presets` | yes | `client::ClientStack` and `server::ServerStack`, with all crates that they are made of |
//! | `client` | | `http::Client`: the pooled client, over plain TCP |
//! | `client-rustls` | | TLS for it, by rustls with `ring`; the one feature that needs a C compiler |
//! | `tonic` | | around tonic's clients: `ClientStack::grpc`, `.with_status()`, what the errors of a `Channel` mean |
//! | `tonic-server` | | callers by their address (`http::ByAddr`), as tonic's server knows it |
//! | `axum` | | the same, as axum knows it |
//! | `tls` | | callers by their certificate (`http::ByCertificate`) under mutual TLS |
//! | `hyper-util` | | around hyper-util's client: what its errors mean, so that calls that were never sent are retried whatever they are |
//! | `tower-http` | | classifiers that were written for it (`http::from_tower_http`) |
//! | `tower-retry` | | retries as a policy of Tower's own (`retry::TowerPolicy`) |
//! | `metrics`, `tracing` | | telemetry |
//! | `serde` | | configurations of all layers can be read and written |
//! | `file` | | presets from a file of named stacks (`file::StackFile`) |
//! | `fast-clock` | | the processor's time-stamp counter as the clock, at a third of the cost ([`core::clock`]) |
//! | `test-util` | | for tests: tokio's clock even with `fast-clock` |
//! | `full` | | all of these but the last two and `client-rustls` |

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

#[cfg(feature = "presets")]
pub mod client;
#[cfg(feature = "presets")]
pub mod config;
#[cfg(feature = "builder")]
mod ext;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "presets")]
pub mod server;

#[cfg(all(feature = "builder", feature = "retry", feature = "http"))]
pub use ext::HttpRetries;
#[cfg(feature = "builder")]
pub use ext::ServiceBuilderExt;
#[cfg(all(feature = "builder", feature = "http"))]
pub use ext::{RespondingGuard, RespondingQueue};

#[doc = include_str!("../ordering.md")]
pub mod ordering {}

/// What most users import.
pub mod prelude {
    #[cfg(feature = "builder")]
    pub use crate::ServiceBuilderExt;
    #[cfg(feature = "presets")]
    pub use crate::{client::ClientStack, server::ServerStack};
    #[cfg(feature = "breaker")]
    pub use resilience_breaker::{Breaker, BreakerLayer};
    #[cfg(feature = "bulkhead")]
    pub use resilience_bulkhead::{Bulkhead, BulkheadLayer};
    pub use resilience_core::{
        Backoff, BoxError, Budget, ConfigError, Deadline, GuardLayer, Jitter, Outcome, Policy,
        QueueLayer, Reason, Rejected, TypedErrors, by_result,
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
    pub use resilience_timeout::{DeadlineLayer, TimeoutLayer};
}
