//! The layers of a client, in their order.

use super::{
    Body, Error, Origin, ResponseFuture, Target,
    builder::{Failed, Fallback},
    connect::Transport,
    hooks::{Hooks, Observed},
    resend::Resend,
};
use crate::{BodyTimeoutLayer, HttpDeadline, HttpLayer, HttpReplay, ReplayBody, SendDeadlineLayer};
use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::Body as HttpBody;
use resilience_breaker::Breaker;
use resilience_bulkhead::Bulkhead;
use resilience_core::{BoxError, ConfigError, Deadline, GuardLayer, Name, config::LONGEST};
use resilience_fallback::FallbackLayer;
use resilience_keyed::Keyed;
use resilience_retry::RetryLayer;
use resilience_timeout::{Carry, DeadlineLayer, MalformedDeadline, TimeoutLayer};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tower_layer::Layer;
use tower_service::Service;

/// Bulkhead and breaker of each host.
pub(super) type Hosts = Keyed<Origin, (Option<Bulkhead>, Option<Breaker>)>;

/// The whole stack. Its type would fill a page, and is nobody's concern.
pub(super) type Call = Box<dyn Fn(Request<Body>) -> ResponseFuture + Send + Sync>;

/// What the layers are made of.
pub(super) struct Stack {
    pub(super) name: Name,
    pub(super) timeout: Duration,
    pub(super) deadline_header: Option<HeaderName>,
    pub(super) retry: RetryLayer,
    pub(super) replay: HttpReplay,
    pub(super) hosts: Hosts,
    pub(super) attempt_timeout: Duration,
    pub(super) body_idle: Duration,
    pub(super) transport: Transport,
    pub(super) hooks: Hooks,
    pub(super) fallback: Option<Fallback>,
}

impl Stack {
    /// Innermost first.
    pub(super) fn build(self) -> Result<Call, ConfigError> {
        let mut send_deadline = SendDeadlineLayer::new();
        let mut carry = HttpDeadline::new();
        if let Some(name) = self.deadline_header {
            send_deadline = send_deadline.header(name.clone());
            carry = carry.header(name);
        }
        let service = Resend::new(self.transport, self.retry.budget().cloned());
        let service = send_deadline.layer(service);
        let service = TimeoutLayer::new(self.name.clone(), self.attempt_timeout)?
            .http()
            .body_idle(self.body_idle)?
            .layer(service);
        let hosts = self
            .hosts
            .key(|req: &Request<ReplayBody<Body>>| Origin::of(req.uri()));
        let service = GuardLayer::new(hosts).http().layer(service);
        let service = Observed::new(service, self.name.clone(), self.hooks);
        let service = self.retry.http().replay(self.replay).layer(service);
        let service = DeadlineLayer::builder(self.name.clone())
            .max(LONGEST)
            .unstated(self.timeout)
            .build()?
            .http()
            .carry(HeaderReduces {
                carry,
                timeout: self.timeout,
            })
            .layer(service);
        let service = Typed(service);
        let Some(fallback) = self.fallback else {
            return Ok(call(service));
        };
        let answer = move |failed: Failed| {
            let error = failed.error().and_then(Error::target);
            let target = error.or_else(|| failed.response()?.extensions().get());
            let target = target.cloned();
            let answer = target.map(|target| fallback(failed, target));
            async move {
                match answer {
                    Some(answer) => answer.await,
                    None => Err("a failure of no call".into()),
                }
            }
        };
        let fallback = FallbackLayer::async_function(self.name, answer).http();
        Ok(call(Typed(fallback.layer(service))))
    }
}

/// What the header of a request states is no more than the client's own time, unless its extensions say so: it may be a
/// header that somebody sent to a proxy, which passed it on.
#[derive(Clone, Debug)]
struct HeaderReduces {
    carry: HttpDeadline,
    timeout: Duration,
}

impl<B> Carry<Request<B>> for HeaderReduces {
    fn stated(&self, req: &Request<B>) -> Result<Option<Duration>, MalformedDeadline> {
        let stated = self.carry.stated(req)?;
        Ok(match self.carried(req).and_then(Deadline::body) {
            // The earlier of the two counts.
            Some(_) => stated,
            None => stated.map(|stated| stated.min(self.timeout)),
        })
    }

    fn carried(&self, req: &Request<B>) -> Option<Deadline> {
        self.carry.carried(req)
    }

    fn carry(&self, req: &mut Request<B>, deadline: Deadline) {
        self.carry.carry(req, deadline);
    }
}

fn call<S>(service: S) -> Call
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    Box::new(move |req| {
        let mut service = service.clone();
        ResponseFuture::new(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(req).await
        })
    })
}

/// Gives responses and errors the client's types. In its extensions, each response tells what it answers.
#[derive(Clone)]
struct Typed<S>(S);

impl<S, B> Service<Request<Body>> for Typed<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx).map_err(Error::not_ready)
    }

    fn call(&mut self, req: Request<Body>) -> Self::Future {
        let target = Target::of(&req);
        let future = self.0.call(req);
        Box::pin(async move {
            match future.await {
                Ok(res) => {
                    let mut res = res.map(Body::new);
                    res.extensions_mut().insert(target);
                    Ok(res)
                }
                Err(error) => Err(Error::call(target, error)),
            }
        })
    }
}
