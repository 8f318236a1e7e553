//! What callers get when their deadline has passed, and what becomes of bodies.

use super::{DeadlineBody, HttpDeadline};
use crate::{
    AnswerBody, GrpcCode, HttpLayer, Protocol, Respond, RespondLayer, refusal,
    refusal::{Failure, Retry},
};
#[cfg(feature = "tonic")]
use crate::{AsStatus, StatusError, StatusLayer};
use http::{Request, Response, StatusCode};
#[cfg(feature = "tonic")]
use resilience_core::BoxError;
use resilience_core::MapErr;
use resilience_timeout::{BodyBound, DeadlineError, DeadlineExceeded, DeadlineLayer, OnDeadline};

/// Deadlines for HTTP and gRPC: `H` says what the caller gets instead of a head; bodies become [`DeadlineBody`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpAnswer<H>(H);

/// Reads the deadline from the request, see [`HttpDeadline`], and bounds bodies by it where the caller has stated it. To
/// answer with 504 or `DEADLINE_EXCEEDED`, and with 400 or `INVALID_ARGUMENT`, call [`respond`](RespondLayer::respond).
///
/// On a server and on a client alike: on a client, it is the deadline of the request's extensions that counts, and the
/// header that says how much time tonic's `Request::set_timeout` has set.
impl<C, H> HttpLayer for DeadlineLayer<C, H> {
    type Http = DeadlineLayer<HttpDeadline, HttpAnswer<H>>;
    type Grpc = DeadlineLayer<HttpDeadline, HttpAnswer<H>>;

    fn http(self) -> Self::Http {
        self.carry(HttpDeadline::new()).map_on_deadline(HttpAnswer)
    }

    /// The same: header and answers go by the content type of the request.
    fn grpc(self) -> Self::Grpc {
        self.http()
    }
}

impl<C, H> RespondLayer for DeadlineLayer<C, HttpAnswer<H>> {
    type Responding = DeadlineLayer<C, HttpAnswer<Respond>>;

    fn respond(self) -> Self::Responding {
        self.on_deadline(HttpAnswer(Respond))
    }
}

#[cfg(feature = "tonic")]
impl<C, H> StatusLayer for DeadlineLayer<C, HttpAnswer<H>> {
    type WithStatus = DeadlineLayer<C, HttpAnswer<AsStatus>>;

    fn with_status(self) -> Self::WithStatus {
        self.on_deadline(HttpAnswer(AsStatus))
    }
}

impl<H: MapErr<E>, E> MapErr<E> for HttpAnswer<H> {
    type Error = H::Error;

    fn map_err(&self, error: E) -> Self::Error {
        self.0.map_err(error)
    }
}

impl<ReqB, B, C, E, H> OnDeadline<Request<ReqB>, Response<B>, E> for HttpAnswer<H>
where
    H: OnDeadline<Request<ReqB>, Response<B>, E, Response = Response<C>>,
{
    type Response = Response<DeadlineBody<C>>;
    type Kept = (Protocol, H::Kept);

    #[inline]
    fn keep(&self, req: &Request<ReqB>) -> Self::Kept {
        (Protocol::of(req), self.0.keep(req))
    }

    #[inline]
    fn in_time(
        &self,
        (protocol, kept): Self::Kept,
        res: Response<B>,
        bound: Option<BodyBound>,
    ) -> Self::Response {
        self.0
            .in_time(kept, res, None)
            .map(|body| DeadlineBody::new(body, protocol, bound))
    }

    fn too_late(
        &self,
        (protocol, kept): Self::Kept,
        why: DeadlineError,
    ) -> Result<Self::Response, H::Error> {
        let answer = self.0.too_late(kept, why)?;
        Ok(answer.map(|body| DeadlineBody::new(body, protocol, None)))
    }
}

/// Answers calls whose time is up with 504, or for gRPC `DEADLINE_EXCEEDED`, and calls whose stated deadline cannot be
/// understood with 400 or `INVALID_ARGUMENT`. What is wrong stands in the response's extensions: the
/// [`Rejected`](resilience_core::Rejected) of a call that was not made, the [`DeadlineExceeded`] of one that was broken off,
/// or the [`MalformedDeadline`](resilience_timeout::MalformedDeadline).
impl<ReqB, B, E> OnDeadline<Request<ReqB>, Response<B>, E> for Respond {
    type Response = Response<AnswerBody<B>>;
    type Kept = Protocol;

    #[inline]
    fn keep(&self, req: &Request<ReqB>) -> Protocol {
        Protocol::of(req)
    }

    #[inline]
    fn in_time(&self, _: Protocol, res: Response<B>, _: Option<BodyBound>) -> Self::Response {
        res.map(AnswerBody::inner)
    }

    fn too_late(&self, protocol: Protocol, why: DeadlineError) -> Result<Self::Response, E> {
        let res = match why {
            DeadlineError::Refused(why) => refusal(protocol, why),
            DeadlineError::Exceeded(why) => {
                let mut res = exceeded(&why).response(protocol);
                res.extensions_mut().insert(why);
                res
            }
            DeadlineError::Malformed(why) => {
                let failure = Failure {
                    status: StatusCode::BAD_REQUEST,
                    code: GrpcCode::InvalidArgument,
                    retry: Retry::Unsaid,
                    message: why.to_string(),
                };
                let mut res = failure.response(protocol);
                res.extensions_mut().insert(why);
                res
            }
        };
        Ok(res)
    }
}

/// An exceeded deadline, as a caller is told.
pub(super) fn exceeded(why: &DeadlineExceeded) -> Failure {
    Failure {
        status: StatusCode::GATEWAY_TIMEOUT,
        code: GrpcCode::DeadlineExceeded,
        retry: Retry::Unsaid,
        message: why.to_string(),
    }
}

/// Fails with a [`StatusError`]: `DEADLINE_EXCEEDED` or `INVALID_ARGUMENT`, and behind it what is wrong.
#[cfg(feature = "tonic")]
impl<Req, Res, E: Into<BoxError>> OnDeadline<Req, Res, E> for AsStatus {
    type Response = Res;
    type Kept = ();

    #[inline]
    fn keep(&self, _: &Req) {}

    #[inline]
    fn in_time(&self, (): (), res: Res, _: Option<BodyBound>) -> Res {
        res
    }

    fn too_late(&self, (): (), why: DeadlineError) -> Result<Res, BoxError> {
        Err(StatusError::too_late(why).into())
    }
}
