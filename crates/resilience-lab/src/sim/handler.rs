//! What servers do with a call besides their own work.

use super::{BoxService, Request, Response};
use futures_util::future::{BoxFuture, join_all};
use http::StatusCode;
use resilience_core::BoxError;
use std::{
    convert::Infallible,
    fmt,
    task::{Context, Poll},
};
use tower::{Service, ServiceExt, service_fn, util::BoxCloneService};

/// An empty response.
pub(crate) fn status(code: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = code;
    response
}

/// The heads of what `service` answers: bodies do not travel.
pub(crate) fn boxed<S, B>(service: S) -> BoxService
where
    S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    B: 'static,
{
    let heads = service.map_response(|response| response.map(|_| super::Body::default()));
    BoxCloneService::new(heads.map_err(Into::into))
}

/// The handler that answers 200.
pub fn answer() -> BoxService {
    let ok = service_fn(|_: Request| async { Ok::<_, Infallible>(Response::default()) });
    BoxCloneService::new(ok.map_err(|never| match never {}))
}

/// A handler that calls other services, all at once, and answers 200 when all of them have answered well.
///
/// If one has failed, the answer is 503 as soon as all are over; [one after another](Self::in_turn), those after it are not
/// called. Each is sent a GET of its own; `carry` can hand on what the request brought, such as its deadline.
#[derive(Clone, Default)]
pub struct AllOf {
    services: Vec<BoxService>,
    in_turn: bool,
    carry: Option<fn(&Request, &mut Request)>,
}

impl AllOf {
    /// Calls nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `service` too.
    pub fn call<S, B>(mut self, service: S) -> Self
    where
        S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>, Future: Send>
            + Clone
            + Send
            + 'static,
        B: 'static,
    {
        self.services.push(boxed(service));
        self
    }

    /// Calls one after another, in the order in which they were added, until one fails.
    pub fn in_turn(mut self) -> Self {
        self.in_turn = true;
        self
    }

    /// Hands on what `carry` takes from the request that came to the one that goes out.
    pub fn carry(mut self, carry: fn(&Request, &mut Request)) -> Self {
        self.carry = Some(carry);
        self
    }
}

impl Service<Request> for AllOf {
    type Response = Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request) -> Self::Future {
        let calls = self.services.iter().map(|service| {
            let mut out = Request::default();
            if let Some(carry) = self.carry {
                carry(&req, &mut out);
            }
            service.clone().oneshot(out)
        });
        let well = |result: Result<Response, _>| result.is_ok_and(|res| is_good(res.status()));
        let answer = |well| {
            Ok(status(if well {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            }))
        };
        if self.in_turn {
            let calls: Vec<_> = calls.collect();
            return Box::pin(async move {
                for call in calls {
                    if !well(call.await) {
                        return answer(false);
                    }
                }
                answer(true)
            });
        }
        let calls = join_all(calls);
        Box::pin(async move { answer(calls.await.into_iter().all(well)) })
    }
}

/// Neither an error of the server, nor "too many requests".
pub(crate) fn is_good(code: StatusCode) -> bool {
    !code.is_server_error() && code != StatusCode::TOO_MANY_REQUESTS
}

impl fmt::Debug for AllOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllOf")
            .field("services", &self.services.len())
            .finish_non_exhaustive()
    }
}
