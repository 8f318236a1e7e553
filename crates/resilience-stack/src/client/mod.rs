//! A client's layers in the right order, with a default for each.
//!
//! Outermost first; the [page on order](crate::ordering) says why:
//!
//! | layer | default | change it with |
//! |---|---|---|
//! | fallback | none | [`fallback`](ClientBuilder::fallback) |
//! | deadline | 10 s for the whole call, or what it [states](resilience_http::HttpDeadline) if that is less | [`deadline`](ClientBuilder::deadline) |
//! | retry | as [`RetryLayer::builder`] has it: three attempts, within a budget; none while the breaker refuses everybody | [`retry`](ClientBuilder::retry), [`without_retry`](ClientBuilder::without_retry) |
//! | rate limit | none | [`rate_limit`](ClientBuilder::rate_limit) |
//! | bulkhead | 100 calls in flight | [`bulkhead`](ClientBuilder::bulkhead), [`without_bulkhead`](ClientBuilder::without_bulkhead) |
//! | breaker | as [`Breaker::new`] has it | [`breaker`](ClientBuilder::breaker), [`without_breaker`](ClientBuilder::without_breaker) |
//! | attempt timeout | a third of the deadline, at most 3 s, to the head of the response | [`attempt_timeout`](ClientBuilder::attempt_timeout) |
//! | what is left of a stated deadline, sent on | [`SendDeadlineLayer`] | |
//!
//! Rate limit, bulkhead and breaker are one guard; permits last until the body of the response ends. What the preset
//! makes itself has the name of the stack, in refusals and metrics.
//!
//! A call whose failure opens the breaker, or which fails as its probe, is not retried: it would wait, most likely to be refused. So its
//! fallback answers at once. That is for a [`Breaker`]; what else stands in its place, such as one per key, may refuse some
//! and not others. Name it with [`RetryLayer::unless_refusing`] where it does not.
//!
//! # Over HTTP
//!
//! For a caller's requests with the body `B`, the service inside sends [`ReplayBody<B>`](resilience_http::ReplayBody), which can be sent again.
//! Refusals and timeouts are errors.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use resilience_stack::{client::ClientStack, http::ReplayBody, prelude::*};
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt};
//!
//! # async fn reviews(request: Request<Full<Bytes>>) -> Result<(), BoxError> {
//! let stack = ClientStack::http("reviews")
//!     .fallback(FallbackLayer::value("reviews", Response::new(Full::new(Bytes::from("[]")))).http())
//!     .bulkhead(Bulkhead::new("reviews", 32)?)
//!     .attempt_timeout(Duration::from_millis(500))
//!     .build()?;
//! let client = Client::builder(TokioExecutor::new()).build_http::<ReplayBody<Full<Bytes>>>();
//! let response = stack.layer(client).oneshot(request).await?;
//! println!("{}, {:?}", response.status(), stack.breaker());
//! # Ok(())
//! # }
//! ```
#![cfg_attr(feature = "tonic", doc = include_str!("grpc.md"))]
//!
//! # One request
//!
//! A request can ask for other terms in its extensions: not to be sent again with
//! [`NoRetry`](resilience_http::NoRetry), another [`AttemptTimeout`](resilience_http::AttemptTimeout), an earlier
//! [`Deadline`](resilience_core::Deadline). A server's handler hands its own deadline on with
//! [`pass_on`](resilience_http::pass_on).
//!
//! # What is left of the time
//!
//! Each attempt tells the dependency how much time is left, in `grpc-timeout` or `x-request-timeout-ms`, if the request has stated
//! a deadline or carries one that bounds the body too. The stack's own default bounds the head alone and is not told, since
//! the dependency would then be over with streams by that time as well: see [`Deadline`](resilience_core::Deadline).
//!
//! # Layer, service, clone
//!
//! One stack is one rate limit, one bulkhead, one breaker and one retry budget, however many services are made of it:
//! clones of it and their services share them. Readiness, and what dropping a call does, are those of the layers.

mod builder;

pub use builder::ClientBuilder;

use crate::config::{ClientConfig, Protocol};
use resilience_breaker::Breaker;
use resilience_bulkhead::Bulkhead;
use resilience_core::{Boxed, GuardLayer, Name};
#[cfg(feature = "tonic")]
use resilience_http::{AsStatus, ReplayBody};
use resilience_http::{
    AtEnd, HttpAnswer, HttpClassify, HttpDeadline, HttpReplay, HttpTimeout, SendDeadlineLayer,
};
use resilience_ratelimit::RateLimit;
use resilience_retry::RetryLayer;
use resilience_timeout::{DeadlineLayer, TimeoutLayer};
use std::fmt;
use tower_layer::{Identity, Layer};

/// The policies of a client, as one: rate limit, bulkhead, breaker.
pub type ClientPolicies<L = RateLimit, B = Bulkhead, K = Breaker> =
    (Option<L>, Option<B>, Option<K>);

/// Retries over HTTP or gRPC: what `.http()` and `.grpc()` make of a [`RetryLayer`].
pub type HttpRetryLayer = RetryLayer<HttpClassify, HttpReplay>;

/// The layers of a stack for HTTP. `F` is the fallback, or [`Identity`]; `G` the policies.
pub type HttpLayers<F, G> = (
    F,
    DeadlineLayer<HttpDeadline, HttpAnswer<Boxed>>,
    HttpRetryLayer,
    GuardLayer<G, HttpClassify, AtEnd, Boxed>,
    TimeoutLayer<HttpTimeout<Boxed>>,
    SendDeadlineLayer,
);

/// The layers of a stack for gRPC. `F` is the fallback, or [`Identity`]; `G` the policies.
#[cfg(feature = "tonic")]
pub type GrpcLayers<F, G> = (
    F,
    DeadlineLayer<HttpDeadline, HttpAnswer<AsStatus>>,
    HttpRetryLayer,
    SendTonicBody,
    GuardLayer<G, HttpClassify, AtEnd, AsStatus>,
    TimeoutLayer<HttpTimeout<AsStatus>>,
    SendDeadlineLayer<AsStatus>,
);

/// Makes the body that tonic's `Channel` takes of the one that can be sent again.
#[cfg(feature = "tonic")]
pub type SendTonicBody = tower::util::MapRequestLayer<
    fn(http::Request<ReplayBody<tonic::body::Body>>) -> http::Request<tonic::body::Body>,
>;

/// A stack for HTTP, for example around hyper-util's client.
pub type HttpClientStack<F = Identity, G = ClientPolicies> = ClientStack<HttpLayers<F, G>, G>;

/// A stack for gRPC, around tonic's `Channel`.
#[cfg(feature = "tonic")]
pub type GrpcClientStack<F = Identity, G = ClientPolicies> = ClientStack<GrpcLayers<F, G>, G>;

/// A client's layers as one: made by [`ClientStack::http`] and `ClientStack::grpc`, see the [module](self).
///
/// A clone is the same stack.
pub struct ClientStack<Layers, G = ClientPolicies> {
    layers: Layers,
    /// The policies of the guard in `layers`, for the handles.
    policies: GuardLayer<G>,
}

impl ClientStack<()> {
    /// Begins a stack for HTTP. `name` is the dependency's: it stands in refusals, metrics and events.
    pub fn http(name: impl Into<Name>) -> ClientBuilder<Http> {
        ClientBuilder::new(name.into(), Protocol::Http, ClientConfig::default())
    }

    /// Begins a stack for gRPC. `name` is the dependency's: it stands in refusals, metrics and events.
    #[cfg(feature = "tonic")]
    pub fn grpc(name: impl Into<Name>) -> ClientBuilder<Grpc> {
        let config = ClientConfig {
            protocol: Protocol::Grpc,
            ..ClientConfig::default()
        };
        ClientBuilder::new(name.into(), Protocol::Grpc, config)
    }
}

impl<Layers, L, B, K> ClientStack<Layers, ClientPolicies<L, B, K>> {
    /// The rate limit, unless there is none.
    pub fn rate_limit(&self) -> Option<&L> {
        self.policies.policy().0.as_ref()
    }

    /// The bulkhead, unless there is none.
    pub fn bulkhead(&self) -> Option<&B> {
        self.policies.policy().1.as_ref()
    }

    /// The breaker, unless there is none.
    pub fn breaker(&self) -> Option<&K> {
        self.policies.policy().2.as_ref()
    }
}

impl<Layers: Clone, G> Clone for ClientStack<Layers, G> {
    fn clone(&self) -> Self {
        Self {
            layers: self.layers.clone(),
            policies: self.policies.clone(),
        }
    }
}

impl<Layers, G: fmt::Debug> fmt::Debug for ClientStack<Layers, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientStack")
            .field("policies", self.policies.policy())
            .finish_non_exhaustive()
    }
}

impl<S, Layers: Layer<S>, G> Layer<S> for ClientStack<Layers, G> {
    type Service = Layers::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.layers.layer(inner)
    }
}

/// A [`ClientBuilder`] for HTTP.
#[derive(Clone, Copy, Debug)]
pub enum Http {}

/// A [`ClientBuilder`] for gRPC.
#[cfg(feature = "tonic")]
#[derive(Clone, Copy, Debug)]
pub enum Grpc {}
