//! The layers as methods of Tower's `ServiceBuilder`.

use resilience_core::{GuardLayer, QueueLayer};
#[cfg(feature = "fallback")]
use resilience_fallback::FallbackLayer;
#[cfg(all(feature = "retry", feature = "http"))]
use resilience_http::HttpReplay;
#[cfg(feature = "http")]
use resilience_http::{AtEnd, HttpClassify, HttpLayer, Respond, RespondLayer};
#[cfg(feature = "retry")]
use resilience_retry::RetryLayer;
#[cfg(feature = "timeout")]
use resilience_timeout::{DeadlineLayer, TimeoutLayer};
use tower::ServiceBuilder;
use tower_layer::Stack;

/// The layers as methods of [`ServiceBuilder`], in the order of the [page on order](crate::ordering): policies as one
/// guard, and each flow under its name.
///
/// | method | is short for |
/// |---|---|
/// | [`guard`](Self::guard) | `.layer(GuardLayer::new(policy))` |
/// | [`guard_http`](Self::guard_http) | `.layer(GuardLayer::new(policy).http().respond())` |
/// | [`guard_grpc`](Self::guard_grpc) | `.layer(GuardLayer::new(policy).grpc().respond())` |
/// | [`queue`](Self::queue), [`queue_http`](Self::queue_http), [`queue_grpc`](Self::queue_grpc) | the same with `QueueLayer` |
/// | [`retries_http`](Self::retries_http), [`retries_grpc`](Self::retries_grpc) | `.layer(layer.http())`, `.layer(layer.grpc())` |
/// | [`fallback`](Self::fallback), [`deadline`](Self::deadline), [`retries`](Self::retries), [`attempt_timeout`](Self::attempt_timeout) | `.layer(layer)`, for a layer of that kind |
///
/// Breaker, bulkhead and rate limit have no methods of their own, since the three belong into one guard: what that
/// refuses for one of them costs nothing in the others. No name here is one of `ServiceBuilder`'s own, whatever features
/// of `tower` are on: an inherent `retry` or `rate_limit` would silently be called instead.
///
/// ```
/// use resilience_stack::prelude::*;
/// use std::time::Duration;
/// use tower::{ServiceBuilder, service_fn};
///
/// # fn main() -> Result<(), BoxError> {
/// let (bulkhead, breaker) = (Bulkhead::new("inventory", 32)?, Breaker::new("inventory"));
/// let service = ServiceBuilder::new()
///     .fallback(FallbackLayer::value("inventory", 0))
///     .retries(RetryLayer::builder("inventory").build()?)
///     .guard((bulkhead.clone(), breaker.clone())) // the handles stay here
///     .attempt_timeout(TimeoutLayer::new("inventory", Duration::from_millis(500))?)
///     .service(service_fn(|req: u64| async move { Ok::<_, BoxError>(req) }));
/// # let _ = service;
/// # Ok(())
/// # }
/// ```
pub trait ServiceBuilderExt<L>: Into<ServiceBuilder<L>> {
    /// Adds a layer that asks `policy` before every call: a breaker, bulkhead or rate limit, one per key, a policy of
    /// your own, or a tuple of several. Refusals are errors, and permits end with the response.
    #[doc(alias = "breaker")]
    #[doc(alias = "bulkhead")]
    #[doc(alias = "rate_limit")]
    fn guard<P>(self, policy: P) -> ServiceBuilder<Stack<GuardLayer<P>, L>> {
        self.into().layer(GuardLayer::new(policy))
    }

    /// [`guard`](Self::guard) for HTTP: refusals are responses, and permits last until the body ends.
    #[cfg(feature = "http")]
    fn guard_http<P>(self, policy: P) -> ServiceBuilder<Stack<RespondingGuard<P>, L>> {
        self.into().layer(GuardLayer::new(policy).http().respond())
    }

    /// [`guard`](Self::guard) for gRPC: refusals are responses, calls are judged by their trailers, and permits last
    /// until the stream ends.
    #[cfg(feature = "http")]
    fn guard_grpc<P>(self, policy: P) -> ServiceBuilder<Stack<RespondingGuard<P>, L>> {
        self.into().layer(GuardLayer::new(policy).grpc().respond())
    }

    /// Adds a layer where calls wait for the turn that `queue` gives them: a bulkhead or rate limit with `wait_up_to`.
    #[doc(alias = "wait_up_to")]
    fn queue<Q>(self, queue: Q) -> ServiceBuilder<Stack<QueueLayer<Q>, L>> {
        self.into().layer(QueueLayer::new(queue))
    }

    /// [`queue`](Self::queue) for HTTP: refusals are responses, and permits last until the body ends.
    #[cfg(feature = "http")]
    fn queue_http<Q>(self, queue: Q) -> ServiceBuilder<Stack<RespondingQueue<Q>, L>> {
        self.into().layer(QueueLayer::new(queue).http().respond())
    }

    /// [`queue`](Self::queue) for gRPC: refusals are responses, and permits last until the stream ends.
    #[cfg(feature = "http")]
    fn queue_grpc<Q>(self, queue: Q) -> ServiceBuilder<Stack<RespondingQueue<Q>, L>> {
        self.into().layer(QueueLayer::new(queue).grpc().respond())
    }

    /// Adds a fallback.
    #[cfg(feature = "fallback")]
    fn fallback<A, C, M, R>(
        self,
        layer: FallbackLayer<A, C, M, R>,
    ) -> ServiceBuilder<Stack<FallbackLayer<A, C, M, R>, L>> {
        self.into().layer(layer)
    }

    /// Adds retries. Not `retry`: that is a method of `ServiceBuilder` itself, with another kind of argument.
    ///
    /// A plain [`RetryLayer`] clones every request whose type is `Clone`, and sends it again whatever it is. Around HTTP
    /// that repeats what must not happen twice, such as a `POST` that was received: use
    /// [`retries_http`](Self::retries_http) there, and [`retries_grpc`](Self::retries_grpc) for gRPC.
    #[cfg(feature = "retry")]
    #[doc(alias = "retry")]
    fn retries<C, R>(self, layer: RetryLayer<C, R>) -> ServiceBuilder<Stack<RetryLayer<C, R>, L>> {
        self.into().layer(layer)
    }

    /// [`retries`](Self::retries) for HTTP: responses are judged by their status, and what is not safe to repeat is sent
    /// again only if it was never received. For other rules, change `layer.http()` and hand it to `retries`.
    #[cfg(all(feature = "retry", feature = "http"))]
    fn retries_http(self, layer: RetryLayer) -> ServiceBuilder<Stack<HttpRetries, L>> {
        self.into().layer(layer.http())
    }

    /// [`retries`](Self::retries) for gRPC: calls are judged by their status in the head. All are taken to be safe to
    /// repeat: for others hand `layer.grpc()` to `retries`, with
    /// [`HttpReplay::deny_if`](resilience_http::HttpReplay::deny_if).
    #[cfg(all(feature = "retry", feature = "http"))]
    fn retries_grpc(self, layer: RetryLayer) -> ServiceBuilder<Stack<HttpRetries, L>> {
        self.into().layer(layer.grpc())
    }

    /// Adds a deadline for the whole call.
    #[cfg(feature = "timeout")]
    fn deadline<C, H>(
        self,
        layer: DeadlineLayer<C, H>,
    ) -> ServiceBuilder<Stack<DeadlineLayer<C, H>, L>> {
        self.into().layer(layer)
    }

    /// Adds a timeout for one attempt.
    #[cfg(feature = "timeout")]
    #[doc(alias = "timeout")]
    fn attempt_timeout<H, M>(
        self,
        layer: TimeoutLayer<H, M>,
    ) -> ServiceBuilder<Stack<TimeoutLayer<H, M>, L>> {
        self.into().layer(layer)
    }
}

impl<L> ServiceBuilderExt<L> for ServiceBuilder<L> {}

/// A guard for HTTP or gRPC that answers with responses.
#[cfg(feature = "http")]
pub type RespondingGuard<P> = GuardLayer<P, HttpClassify, AtEnd, Respond>;

/// A queue for HTTP or gRPC that answers with responses.
#[cfg(feature = "http")]
pub type RespondingQueue<Q> = QueueLayer<Q, HttpClassify, AtEnd, Respond>;

/// Retries over HTTP or gRPC.
#[cfg(all(feature = "retry", feature = "http"))]
pub type HttpRetries = RetryLayer<HttpClassify, HttpReplay>;
