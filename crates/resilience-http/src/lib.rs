//! HTTP and gRPC for the resilience layers.
//!
//! A response is not over when its head is there: a handler may stream for an hour, and a gRPC call fails in its
//! trailers. This crate knows the protocols, so that the pattern crates need not:
//!
//! | | |
//! |---|---|
//! | [`HttpClassify`], [`by_head`] | which responses are failures |
//! | `from_tower_http` (feature `tower-http`) | the same, by classifiers that were written for `tower-http` |
//! | [`AtEnd`], [`PermitBody`] | permits that last until the body ends |
//! | [`Respond`], `AsStatus` (feature `tonic`) | refusals as responses, and as tonic statuses |
//! | [`ByAddr`], [`ByHeader`], `ByCertificate` (feature `tls`) | who is calling: keys for limits per caller |
//! | [`HttpReplay`] | requests that can be sent again, bodies included |
//! | `AttemptTimeout`, `BodyTimeoutLayer` (feature `timeout`) | a timeout of the request's own; bodies that stand still, or do not end |
//! | `HttpDeadline`, `SendDeadlineLayer` (feature `timeout`), [`pass_on`] | [deadlines](#deadlines) that travel |
//! | `Client` (feature `client`) | a pooled client that has all of this around it |
//! | [`HttpLayer`], [`RespondLayer`] | `.http()` and `.grpc()` on every layer, `.respond()` on those that answer calls themselves, which put these together |
//!
//! On a `Router` of axum, one layer with everything that protects it; health probes pass:
//!
//! ```
//! use http::Request;
//! use resilience_bulkhead::Bulkhead;
//! use resilience_core::GuardLayer;
//! use resilience_http::{HttpLayer, RespondLayer};
//! use resilience_ratelimit::{Quota, RateLimit};
//!
//! # fn main() -> Result<(), resilience_core::ConfigError> {
//! let limits = (
//!     RateLimit::builder("api").quota(Quota::per_second(500)).build()?,
//!     Bulkhead::new("api", 100)?,
//! );
//! let layer = GuardLayer::new(limits)
//!     .http()
//!     .respond()
//!     .exempt(|req: &Request<axum::body::Body>| req.uri().path() == "/health");
//! let app: axum::Router = axum::Router::new()
//!     .route("/", axum::routing::get(|| async { "hello" }))
//!     .layer(layer);
//! # Ok(())
//! # }
//! ```
//!
//! A permit comes back when the call ends, and a handler that hangs does not end. Over HTTP/1, hyper does not notice that
//! the client has left while a handler leaves the request's body unread. So give servers a timeout too, inside of
//! the bulkhead.
//!
//! # Deadlines
//!
//! With the feature `timeout`, a call's [`Deadline`](resilience_core::Deadline) travels: a server reads it from the request, all
//! layers within look at it, and a client sends on what is left.
//!
//! | where | what |
//! |---|---|
//! | a server, around the handler and its queues | `DeadlineLayer::builder("api").build()?.http().respond()` |
//! | a handler | reads it, as axum's `Extension<Deadline>` or from `request.extensions()` of tonic, and [`pass_on`]s it to what it sends; `resilience_timeout::before` bounds work that it spawns |
//! | a client, outside of retries | `DeadlineLayer::builder("shop").build()?.http()`; for tonic `.grpc().with_status()` |
//! | a client, innermost | `SendDeadlineLayer::new()`; for tonic `.with_status()` |
//!
//! `HttpDeadline` says which headers count. A call without time is answered with 504 or `DEADLINE_EXCEEDED` and not started; one
//! whose header cannot be understood with 400 or `INVALID_ARGUMENT`, or, if so configured, as if there was none. Bodies end
//! with a deadline that the *caller* has stated: over HTTP they break off, over gRPC they end with the status. The
//! server's own maximum bounds the head alone, so that downloads and streams of events go on, unless it is told otherwise.
//! A server notices the end of a body's time when it asks for the next frame, which it does not while the client does
//! not read.
//!
//! # Nested stacks
//!
//! Three tiers that make three attempts each send 27 calls to a dependency that is down. So a failure that has been retried
//! in vain says so, and those further out, who judge it with a classifier of this crate, take it for a permanent failure:
//! it counts as one in their breakers, and is not retried.
//!
//! | from | to | sign |
//! |---|---|---|
//! | a retry layer | layers further out, in the same process | [`RetriesExhausted`] in the response's extensions |
//! | a retry layer | the server for whose request the call was made | [`InnerRetries`] in the request's extensions, errors included |
//! | a server behind [`ExhaustedLayer`] | its caller, over HTTP | the header `x-retries-exhausted`, with any value |
//! | the same | its caller, over gRPC | `grpc-retry-pushback-ms: -1`, in the head or the trailers |
//!
//! A server needs the layer, and [`pass_on`] from the request it got to those that it sends; clients need no more than
//! `.http()` or `.grpc()` on their retries. A sign that comes from a dependency is handed on in the same way, so that it
//! reaches the outermost tier. Retries are exhausted when all attempts have been made, when budget or deadline allow no
//! other, or when an inner layer refuses it, an open breaker for example; not when the request may not be repeated.
//!
//! The signs can only end retries, whoever sends them and whatever they say; they add none and delay none. Known limits:
//! an error has no place for a mark, so that between two retry layers of one process it is retried by both; and a refusal
//! stays a refusal, marked or not. A single request can do without retries: [`NoRetry`].
//!
//! # hyper-util's own retries
//!
//! hyper-util's client sends a request again by itself, without a limit and unseen by any budget, if the connection that it
//! was to go out on has been used before and closes before anything is written. Nothing is sent twice by that, so it
//! does no harm to the server. To have those counted too, switch it off with
//! `Builder::retry_canceled_requests(false)`, as `Client` (feature `client`) does: with the feature `hyper` the error is
//! [`Unsent`](resilience_core::Outcome::Unsent), and retried whatever the method, under the budget and after the backoff.
//! Do not switch it off without a retry layer: the errors then are the caller's.

mod advice;
mod answer;
mod body;
mod caller;
mod chain;
mod classify;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "timeout")]
mod deadline;
mod exhausted;
#[cfg(feature = "fallback")]
mod fallback;
mod layer;
mod names;
mod pass_on;
mod priority;
mod protocol;
mod refusal;
mod replay;
#[cfg(feature = "retry")]
mod retry;
#[cfg(feature = "tonic")]
mod status;
#[cfg(feature = "timeout")]
mod timeout;

pub use advice::{Pushback, pushback, retry_after};
pub use answer::AnswerBody;
pub use body::{AtEnd, PermitBody};
pub use caller::{
    ByAddr, ByAddrBuilder, ByHeader, ByHeaderBuilder, CallerAddr, HeaderKey, PeerAddr, ProxyHeader,
};
#[cfg(feature = "tls")]
pub use caller::{ByCertificate, CertificateKey, PeerCertificate, TlsPeer};
pub use classify::{ByHead, EndVerdict, Head, HeadVerdict, HttpClassify, HttpVerdict, by_head};
#[cfg(feature = "tower-http")]
pub use classify::{FromTowerHttp, TowerHttpVerdict, from_tower_http};
#[cfg(feature = "client")]
pub use client::Client;
#[cfg(feature = "timeout")]
pub use deadline::{
    DeadlineBody, HttpAnswer, HttpDeadline, SendDeadline, SendDeadlineFuture, SendDeadlineLayer,
    format_grpc_timeout, format_millis, parse_grpc_timeout, parse_millis,
};
pub use exhausted::{
    Exhausted, ExhaustedBody, ExhaustedFuture, ExhaustedLayer, InnerRetries, RetriesExhausted,
};
#[cfg(feature = "fallback")]
pub use fallback::{Degraded, FailedResponse, FallbackBody, HttpMark};
#[cfg(feature = "tonic")]
pub use layer::StatusLayer;
pub use layer::{HttpLayer, RespondLayer};
pub use pass_on::pass_on;
pub use priority::priority;
pub use protocol::{GrpcCode, Protocol};
pub use refusal::{Respond, grpc_code, http_status, refusal};
pub use replay::{Attempt, HttpReplay, KeptRequest, NoRetry, ReplayBody};
#[cfg(feature = "tonic")]
pub use status::{AsStatus, StatusError};
#[cfg(feature = "timeout")]
pub use timeout::{
    AttemptTimeout, BodyLimits, BodyTimeoutLayer, HttpTimeout, LimitBody, TimedBody,
};
