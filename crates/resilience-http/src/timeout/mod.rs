//! Timeouts for HTTP and gRPC: 504 and `DEADLINE_EXCEEDED`, limits that requests bring along, and bodies that stand still
//! or do not end.

mod body;
mod limits;

pub use body::TimedBody;
pub use limits::{BodyLimits, BodyTimeoutLayer, LimitBody};

use crate::{
    AnswerBody, GrpcCode, HttpLayer, Protocol, Respond, RespondLayer,
    refusal::{Failure, Retry, refusal},
};
#[cfg(feature = "tonic")]
use crate::{AsStatus, StatusError, StatusLayer};
use http::{Request, Response, StatusCode};
#[cfg(feature = "tonic")]
use resilience_core::BoxError;
use resilience_core::{MapErr, Rejected};
use resilience_timeout::{OnTimeout, TimedOut, TimeoutLayer};
use std::time::Duration;

/// In the extensions of a request: how long the head of its response may take, in place of what the timeout on its way
/// says.
///
/// Every timeout that was made with `.http()` or `.grpc()`, and that the request passes in this process, keeps to it; each
/// attempt of a retry has it again. It may be shorter or longer than the layer's limit; the limits of the body stay what
/// they are. Any value is right: more than 365 days count as 365 days, and with zero only a response that is there at once is
/// in time.
///
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use resilience_http::AttemptTimeout;
///
/// let report = Request::get("/report/2024")
///     .extension(AttemptTimeout(Duration::from_secs(20)))
///     .body(())?;
/// # let _ = report;
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptTimeout(pub Duration);

/// A timeout for HTTP and gRPC: bounds the time to the head of the response, by an [`AttemptTimeout`] of the request if
/// there is one, and, if asked to, its body.
///
/// `H` says what the caller gets when the head does not come; `I` what becomes of the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpTimeout<H, I = ()> {
    head: H,
    body: I,
}

/// Bounds the response's head. To bound its body too, call [`body_idle`](BodyTimeoutLayer::body_idle) and
/// [`body_total`](BodyTimeoutLayer::body_total); to answer with 504 or `DEADLINE_EXCEEDED`,
/// [`respond`](RespondLayer::respond).
impl<H, M> HttpLayer for TimeoutLayer<H, M> {
    type Http = TimeoutLayer<HttpTimeout<H>, M>;
    type Grpc = TimeoutLayer<HttpTimeout<H>, M>;

    fn http(self) -> Self::Http {
        self.map_on_timeout(|head| HttpTimeout { head, body: () })
    }

    /// The same: answers go by the content type of the request.
    fn grpc(self) -> Self::Grpc {
        self.http()
    }
}

impl<H, I, M> RespondLayer for TimeoutLayer<HttpTimeout<H, I>, M> {
    type Responding = TimeoutLayer<HttpTimeout<Respond, I>, M>;

    fn respond(self) -> Self::Responding {
        self.map_on_timeout(|HttpTimeout { body, .. }| HttpTimeout {
            head: Respond,
            body,
        })
    }
}

#[cfg(feature = "tonic")]
impl<H, I, M> StatusLayer for TimeoutLayer<HttpTimeout<H, I>, M> {
    type WithStatus = TimeoutLayer<HttpTimeout<AsStatus, I>, M>;

    fn with_status(self) -> Self::WithStatus {
        self.map_on_timeout(|HttpTimeout { body, .. }| HttpTimeout {
            head: AsStatus,
            body,
        })
    }
}

impl<H: MapErr<E>, I, E> MapErr<E> for HttpTimeout<H, I> {
    type Error = H::Error;

    fn map_err(&self, error: E) -> Self::Error {
        self.head.map_err(error)
    }
}

impl<ReqB, B, C, E, H, I> OnTimeout<Request<ReqB>, Response<B>, E> for HttpTimeout<H, I>
where
    H: OnTimeout<Request<ReqB>, Response<B>, E, Response = Response<C>>,
    I: LimitBody<C>,
{
    type Response = Response<I::Body>;
    type Kept = H::Kept;

    fn limit(&self, req: &Request<ReqB>) -> Option<Duration> {
        match req.extensions().get() {
            Some(AttemptTimeout(limit)) => Some(*limit),
            None => self.head.limit(req),
        }
    }

    fn keep(&self, req: &Request<ReqB>) -> H::Kept {
        self.head.keep(req)
    }

    fn in_time(&self, res: Response<B>) -> Self::Response {
        self.head.in_time(res).map(|body| self.body.limit(body))
    }

    fn too_late(&self, kept: H::Kept, why: TimedOut) -> Result<Self::Response, H::Error> {
        let answer = self.head.too_late(kept, why)?;
        Ok(answer.map(|body| self.body.limit(body)))
    }
}

/// Answers with 504, or for gRPC `DEADLINE_EXCEEDED`, which classifiers outside take for a transient failure; when the
/// service was not ready, as [`Respond`] says for that refusal. The [`TimedOut`] stands in the response's extensions.
impl<ReqB, B, E> OnTimeout<Request<ReqB>, Response<B>, E> for Respond {
    type Response = Response<AnswerBody<B>>;
    type Kept = Protocol;

    fn keep(&self, req: &Request<ReqB>) -> Protocol {
        Protocol::of(req)
    }

    fn in_time(&self, res: Response<B>) -> Self::Response {
        res.map(AnswerBody::inner)
    }

    fn too_late(&self, protocol: Protocol, why: TimedOut) -> Result<Self::Response, E> {
        let mut res: Response<AnswerBody<B>> = match Rejected::find(&why) {
            Some(refused) => refusal(protocol, refused.clone()),
            None => Failure {
                status: StatusCode::GATEWAY_TIMEOUT,
                code: GrpcCode::DeadlineExceeded,
                retry: Retry::Unsaid,
                message: why.to_string(),
            }
            .response(protocol),
        };
        res.extensions_mut().insert(why);
        Ok(res)
    }
}

/// Fails with a [`StatusError`]: `DEADLINE_EXCEEDED`, or `UNAVAILABLE` when the service was not ready, and the [`TimedOut`]
/// behind it.
#[cfg(feature = "tonic")]
impl<Req, Res, E: Into<BoxError>> OnTimeout<Req, Res, E> for AsStatus {
    type Response = Res;
    type Kept = ();

    fn keep(&self, _: &Req) {}

    fn in_time(&self, res: Res) -> Res {
        res
    }

    fn too_late(&self, (): (), why: TimedOut) -> Result<Res, BoxError> {
        Err(StatusError::timed_out(why).into())
    }
}
