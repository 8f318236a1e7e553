//! `.http()`, `.grpc()` and `.respond()` on the layers.

#[cfg(feature = "tonic")]
use crate::AsStatus;
use crate::{AtEnd, HttpClassify, Respond};
use resilience_core::PolicyLayer;

/// Layers that have a form for HTTP and one for gRPC.
///
/// Over a policy (breaker, bulkhead, rate limit, a tuple of them, your own), both judge calls with
/// [`HttpClassify`] and hold permits until the body ends, [`AtEnd`].
pub trait HttpLayer: Sized {
    /// The layer for HTTP.
    type Http;

    /// The layer for gRPC.
    type Grpc;

    /// For HTTP services, and services where HTTP and gRPC share a port: each call is judged by the content type
    /// of its request.
    fn http(self) -> Self::Http;

    /// For services that speak gRPC alone.
    fn grpc(self) -> Self::Grpc;
}

impl<M, P, C, K, R> HttpLayer for PolicyLayer<M, P, C, K, R> {
    type Http = PolicyLayer<M, P, HttpClassify, AtEnd, R>;
    type Grpc = PolicyLayer<M, P, HttpClassify, AtEnd, R>;

    fn http(self) -> Self::Http {
        self.classify(HttpClassify::new()).complete(AtEnd)
    }

    fn grpc(self) -> Self::Grpc {
        self.classify(HttpClassify::grpc()).complete(AtEnd)
    }
}

/// Layers that can answer a call themselves.
pub trait RespondLayer: Sized {
    /// The layer that answers with responses.
    type Responding;

    /// Answers with a response instead of an error, see [`Respond`]: what an axum `Router` and a tonic server
    /// need.
    ///
    /// This sets no more than the answer. Call [`.http()`](HttpLayer::http) or [`.grpc()`](HttpLayer::grpc) too: without,
    /// permits end with the head of the response, and a breaker on a `Router` never opens, since only errors count as
    /// failures there, and a `Router` has none.
    fn respond(self) -> Self::Responding;
}

impl<M, P, C, K, R> RespondLayer for PolicyLayer<M, P, C, K, R> {
    type Responding = PolicyLayer<M, P, C, K, Respond>;

    fn respond(self) -> Self::Responding {
        self.reject(Respond)
    }
}

/// Layers that can refuse calls of tonic's clients.
#[cfg(feature = "tonic")]
pub trait StatusLayer: Sized {
    /// The layer that refuses with a tonic status.
    type WithStatus;

    /// Refuses with an error that tonic's generated clients turn into the right status, see [`AsStatus`].
    fn with_status(self) -> Self::WithStatus;
}

#[cfg(feature = "tonic")]
impl<M, P, C, K, R> StatusLayer for PolicyLayer<M, P, C, K, R> {
    type WithStatus = PolicyLayer<M, P, C, K, AsStatus>;

    fn with_status(self) -> Self::WithStatus {
        self.reject(AsStatus)
    }
}
