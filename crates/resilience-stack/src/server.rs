//! A server's layers in the right order, with a default for each.
//!
//! Outermost first; the [page on order](crate::ordering) says why:
//!
//! | layer | default | change it with |
//! |---|---|---|
//! | deadline | 30 s for the whole call, or what it [states](HttpDeadline) if that is less | [`deadline`](ServerBuilder::deadline) |
//! | rate limit | none | [`rate_limit`](ServerBuilder::rate_limit) |
//! | bulkhead | 1,000 calls in flight | [`bulkhead`](ServerBuilder::bulkhead), [`without_bulkhead`](ServerBuilder::without_bulkhead) |
//! | exhausted retries | callers are told not to retry what has been retried: see [`ExhaustedLayer`] | |
//!
//! Rate limit and bulkhead are one guard. Refusals are answered with responses, 429, 503 and 504 or their gRPC statuses;
//! permits last until the body of the response ends. What the preset makes itself has the name of the stack, in refusals
//! and metrics.
//!
//! ```
//! use axum::{Router, extract::Request, routing::get};
//! use resilience_stack::{prelude::*, server::ServerStack};
//!
//! # fn main() -> Result<(), ConfigError> {
//! let stack = ServerStack::http("api")
//!     .rate_limit(RateLimit::builder("api").quota(Quota::per_second(500)).build()?)
//!     .build()?
//!     .exempt(|req: &Request| req.uri().path() == "/health");
//! let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(stack.clone());
//! println!("{:?}", stack.bulkhead().map(Bulkhead::in_flight));
//! # Ok(())
//! # }
//! ```
//!
//! A tonic server takes [`ServerStack::grpc`] with `Server::builder().layer(…)`; where HTTP and gRPC share a port,
//! [`ServerStack::http`] tells them apart by content type.
//!
//! # Layer, service, clone
//!
//! One stack is one rate limit and one bulkhead, over all routes and connections: clones of it and all services that are
//! made of it share them. Readiness, and what dropping a call does, are those of the layers.

use crate::config::{Protocol, SERVER_LIMIT, ServerConfig, limited, part};
use resilience_bulkhead::Bulkhead;
use resilience_core::{ConfigError, Exempt, GuardLayer, Name, config, sync::Arc};
use resilience_http::{
    AtEnd, ExhaustedLayer, HttpAnswer, HttpClassify, HttpDeadline, HttpLayer, Respond, RespondLayer,
};
use resilience_ratelimit::RateLimit;
use resilience_timeout::DeadlineLayer;
use std::{fmt, time::Duration};
use tower_layer::Layer;

/// The policies of a server, as one: rate limit, bulkhead.
pub type ServerPolicies<L = RateLimit, B = Bulkhead> = (Option<L>, Option<B>);

/// The layers of a stack, whose guard asks `E`.
pub type ServerLayers<E> = (
    DeadlineLayer<HttpDeadline, HttpAnswer<Respond>>,
    GuardLayer<E, HttpClassify, AtEnd, Respond>,
    ExhaustedLayer,
);

/// A server's layers as one: made by [`ServerStack::http`] and [`ServerStack::grpc`], see the [module](self).
///
/// A clone is the same stack.
///
/// `G` are the policies; `E` is what the guard asks: the policies, or the policies with [exemptions](Self::exempt).
pub struct ServerStack<G = ServerPolicies, E = G> {
    layers: ServerLayers<E>,
    /// The policies of the guard in `layers`, for the handles.
    policies: GuardLayer<G>,
}

impl ServerStack {
    /// Begins a stack for HTTP, and for ports that HTTP and gRPC share. `name` is the service's: it stands in refusals,
    /// metrics and events.
    pub fn http(name: impl Into<Name>) -> ServerBuilder {
        ServerBuilder::new(name.into(), ServerConfig::default())
    }

    /// Begins a stack for gRPC. `name` is the service's: it stands in refusals, metrics and events.
    pub fn grpc(name: impl Into<Name>) -> ServerBuilder {
        let config = ServerConfig {
            protocol: Protocol::Grpc,
            ..ServerConfig::default()
        };
        ServerBuilder::new(name.into(), config)
    }
}

impl<G> ServerStack<G> {
    /// Lets requests pass rate limit and bulkhead for which `exempt` is true, for example health probes. They have a
    /// deadline like all others.
    pub fn exempt<Req: ?Sized, F>(self, exempt: F) -> ServerStack<G, Exempt<Arc<G>, F>>
    where
        F: Fn(&Req) -> bool,
    {
        let (deadline, guard, exhausted) = self.layers;
        ServerStack {
            layers: (deadline, guard.exempt(exempt), exhausted),
            policies: self.policies,
        }
    }
}

impl<L, B, E> ServerStack<ServerPolicies<L, B>, E> {
    /// The rate limit, unless there is none.
    pub fn rate_limit(&self) -> Option<&L> {
        self.policies.policy().0.as_ref()
    }

    /// The bulkhead, unless there is none.
    pub fn bulkhead(&self) -> Option<&B> {
        self.policies.policy().1.as_ref()
    }
}

impl<G, E> Clone for ServerStack<G, E> {
    fn clone(&self) -> Self {
        Self {
            layers: self.layers.clone(),
            policies: self.policies.clone(),
        }
    }
}

impl<G: fmt::Debug, E> fmt::Debug for ServerStack<G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStack")
            .field("policies", self.policies.policy())
            .finish_non_exhaustive()
    }
}

impl<S, G, E> Layer<S> for ServerStack<G, E>
where
    ServerLayers<E>: Layer<S>,
{
    type Service = <ServerLayers<E> as Layer<S>>::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.layers.layer(inner)
    }
}

/// Builds a [`ServerStack`]: see the [module](self) for what is in it, and the defaults.
///
/// Parts are handed in as they are built, so that they can be shared, kept and steered. `L` and `B` are rate limit and
/// bulkhead: any policy can stand for them, such as one per key.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ServerBuilder<L = RateLimit, B = Bulkhead> {
    rate_limit: Result<Option<L>, ConfigError>,
    bulkhead: Result<Option<B>, ConfigError>,
    rest: Rest,
}

/// What has the same type in every stack.
#[derive(Clone, Debug)]
struct Rest {
    name: Name,
    classify: HttpClassify,
    deadline: Duration,
}

impl ServerBuilder {
    fn new(name: Name, config: ServerConfig) -> Self {
        Self {
            rate_limit: part("rate_limit", config.rate_limit, |limit| {
                RateLimit::from_config(name.clone(), limit)
            }),
            bulkhead: part("bulkhead", config.bulkhead, |bulkhead| {
                Bulkhead::from_config(name.clone(), limited(bulkhead, SERVER_LIMIT))
            }),
            rest: Rest {
                name,
                classify: match config.protocol {
                    Protocol::Http => HttpClassify::new(),
                    Protocol::Grpc => HttpClassify::grpc(),
                },
                deadline: config.deadline,
            },
        }
    }

    /// All layers, and the protocol, as `config` says.
    ///
    /// What is wrong with it is said in the end, under the name of the part: `bulkhead.limit`.
    pub fn config(self, config: ServerConfig) -> Self {
        Self::new(self.rest.name, config)
    }
}

impl<L, B> ServerBuilder<L, B> {
    /// How long a call may take until the head of its response: more than zero and at most 365 days. Default 30 s.
    ///
    /// A call may [state](HttpDeadline) less. What it states bounds the body of the response too, and what it states
    /// beyond this does not count.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.rest.deadline = deadline;
        self
    }

    /// Limits the rate of calls: a [`RateLimit`], one per caller, or any other policy. Default: no limit.
    pub fn rate_limit<M>(self, limit: M) -> ServerBuilder<M, B> {
        ServerBuilder {
            rate_limit: Ok(Some(limit)),
            bulkhead: self.bulkhead,
            rest: self.rest,
        }
    }

    /// Limits calls in flight: a [`Bulkhead`], one per caller, or any other policy. Default: 1,000.
    pub fn bulkhead<C>(self, bulkhead: C) -> ServerBuilder<L, C> {
        ServerBuilder {
            rate_limit: self.rate_limit,
            bulkhead: Ok(Some(bulkhead)),
            rest: self.rest,
        }
    }

    /// Does not limit calls in flight.
    pub fn without_bulkhead(mut self) -> Self {
        self.bulkhead = Ok(None);
        self
    }

    /// The stack, or which setting cannot be.
    pub fn build(self) -> Result<ServerStack<ServerPolicies<L, B>>, ConfigError> {
        let name = self.rest.name.clone();
        self.checked().map_err(|error| error.of(name))
    }

    fn checked(self) -> Result<ServerStack<ServerPolicies<L, B>>, ConfigError> {
        let policies = GuardLayer::new((self.rate_limit?, self.bulkhead?));
        let guard = policies.clone().classify(self.rest.classify);
        let max = config::duration("deadline", self.rest.deadline)?;
        let deadline = DeadlineLayer::builder(self.rest.name).max(max).build()?;
        Ok(ServerStack {
            layers: (
                deadline.http().respond(),
                guard.complete(AtEnd).respond(),
                ExhaustedLayer::new(),
            ),
            policies,
        })
    }
}
