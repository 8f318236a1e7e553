//! The full stacks, each put together in one place.

use axum::body::Body;
use http::{Request, Response};
use hyper_util::{client::legacy, rt::TokioExecutor};
use resilience_stack::{
    core::Exempt,
    http::{
        AtEnd, BodyLimits, BodyTimeoutLayer, ExhaustedLayer, HttpAnswer, HttpClassify,
        HttpDeadline, HttpTimeout, Respond, SendDeadlineLayer,
    },
    prelude::*,
    timeout::DeadlineBuilder,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tower::{
    Service, ServiceBuilder, service_fn,
    util::{BoxCloneService, ServiceExt},
};

/// A client. Bodies are boxed, so that every client has this type, with a stack around it or without.
pub(crate) type Client = BoxCloneService<Request<Body>, Response<Body>, BoxError>;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(60);

/// What admits calls in a stack, in a configuration that admits all that the tests send.
pub(crate) struct Policies {
    limit: RateLimit,
    bulkhead: Bulkhead,
    breaker: Breaker,
}

type Limits = (RateLimit, Bulkhead, Breaker);

impl Policies {
    pub(crate) fn new(name: &'static str) -> Self {
        let quota = Quota::per_second(100_000);
        let limit = RateLimit::builder(name).quota(quota);
        let breaker = Breaker::builder(name).count_window(1_000);
        Self {
            limit: limit.build().unwrap(),
            bulkhead: Bulkhead::new(name, 100).unwrap(),
            breaker: breaker.build().unwrap(),
        }
    }

    fn all(&self) -> Limits {
        let Self {
            limit,
            bulkhead,
            breaker,
        } = self;
        (limit.clone(), bulkhead.clone(), breaker.clone())
    }

    /// Waits until no call is in flight, and says how many have been watched: all of them were successes.
    pub(crate) async fn watched(&self) -> u64 {
        self.bulkhead.drained().await;
        let seen = self.breaker.snapshot();
        assert_eq!((seen.failures, seen.consecutive_failures), (0, 0));
        seen.calls
    }
}

/// The full stack of a client: fallback → deadline → retry → rate limit → bulkhead → breaker → attempt timeout → what is left
/// of the deadline.
pub(crate) fn client(policies: &Policies, inner: Client) -> Client {
    let other =
        service_fn(|_| async { Err::<Response<Body>, _>(BoxError::from("the other was asked")) });
    let stack = ServiceBuilder::new()
        .layer(FallbackLayer::service("client", other).http())
        .layer(deadline("client").build().unwrap().http())
        .layer(RetryLayer::builder("client").build().unwrap().http())
        .layer(GuardLayer::new(policies.all()).http())
        .layer(
            TimeoutLayer::new("client", LONG)
                .and_then(|limit| limit.http().body_idle(LONG))
                .unwrap(),
        )
        .layer(SendDeadlineLayer::new())
        .map_request(|req: Request<_>| req.map(Body::new))
        .service(inner);
    boxed(stack)
}

fn deadline(name: &'static str) -> DeadlineBuilder {
    DeadlineLayer::builder(name).max(LONG)
}

/// The full stack of a server, see [`server`]. A tuple of layers is a layer; the first is the outermost.
pub(crate) type Server<B> = (
    DeadlineLayer<HttpDeadline, HttpAnswer<Respond>>,
    GuardLayer<Exempt<Arc<Limits>, fn(&Request<B>) -> bool>, HttpClassify, AtEnd, Respond>,
    TimeoutLayer<HttpTimeout<Respond, BodyLimits>>,
    ExhaustedLayer,
);

/// The full stack of a server: deadline → rate limit → bulkhead → breaker → timeout → exhausted retries. All but the last
/// answer with responses; deadline and timeout bound bodies too.
pub(crate) fn server<B>(policies: &Policies) -> Server<B> {
    let deadline = deadline("server").unstated_bounds_bodies(true);
    let timeout = TimeoutLayer::new("server", LONG).unwrap();
    (
        deadline.build().unwrap().http().respond(),
        GuardLayer::new(policies.all())
            .http()
            .respond()
            .exempt(|req| req.uri().path() == "/health"),
        timeout
            .http()
            .respond()
            .body_idle(LONG)
            .and_then(|limits| limits.body_total(LONG))
            .unwrap(),
        ExhaustedLayer::new(),
    )
}

/// hyper-util's client, with a pool of its own.
pub(crate) fn hyper(http2: bool) -> Client {
    let mut client = legacy::Client::builder(TokioExecutor::new());
    boxed(client.http2_only(http2).build_http::<Body>())
}

/// tonic's `Channel`.
pub(crate) fn tonic(server: SocketAddr) -> Client {
    let to_tonic = |req: Request<Body>| req.map(tonic::body::Body::new);
    boxed(super::inventory::channel(server).map_request(to_tonic))
}

/// The headers of a gRPC request that is made by hand.
pub(crate) const GRPC: &[(&str, &str)] =
    &[("content-type", "application/grpc"), ("te", "trailers")];

/// Gives a client the type that all of them have.
pub(crate) fn boxed<S, B>(client: S) -> Client
where
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static,
{
    client
        .map_response(|res: Response<B>| res.map(Body::new))
        .map_err(Into::into)
        .boxed_clone()
}
