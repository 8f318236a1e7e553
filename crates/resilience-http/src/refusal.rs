//! The one place where refusals become HTTP and gRPC responses.

use crate::{
    GrpcCode, Protocol,
    advice::{in_millis, in_seconds},
    names::{GRPC_MESSAGE, GRPC_STATUS, PUSHBACK},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use resilience_core::{MapErr, Reason, Reject, Rejected};
use std::time::Duration;

/// The advice where no exact delay exists, but coming back makes sense.
const ADVISORY: Duration = Duration::from_secs(1);

/// Answers refused calls with a response, in the protocol of the request; the service's error type stays.
///
/// | reason | HTTP | gRPC |
/// |---|---|---|
/// | bulkhead full | 503 | `RESOURCE_EXHAUSTED` |
/// | rate limit | 429 | `RESOURCE_EXHAUSTED` |
/// | breaker open | 503 | `UNAVAILABLE` |
/// | load shed, shutting down, not ready, a policy of your own | 503 | `UNAVAILABLE` |
/// | deadline | 504 | `DEADLINE_EXCEEDED` |
/// | no key in the request | 400 | `INVALID_ARGUMENT` |
///
/// `Retry-After` (in whole seconds, rounded up; for gRPC `grpc-retry-pushback-ms`) is exact where the policy
/// knows the delay, and otherwise an advisory second; a request that can never be admitted, one that is too
/// late, and one without a key get none (for gRPC: the pushback that means "do not retry").
///
/// The [`Rejected`] also stands in the response's extensions, where [`HttpClassify`](crate::HttpClassify) looks
/// first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Respond;

impl<E> MapErr<E> for Respond {
    type Error = E;

    fn map_err(&self, error: E) -> E {
        error
    }
}

impl<ReqB, B: From<Bytes>, E> Reject<Request<ReqB>, Response<B>, E> for Respond {
    fn reject(&self, req: &Request<ReqB>, why: Rejected) -> Result<Response<B>, E> {
        Ok(refusal(Protocol::of(req), why))
    }
}

/// A refusal as a response: see [`Respond`].
pub fn refusal<B: From<Bytes>>(protocol: Protocol, why: Rejected) -> Response<B> {
    let failure = Failure {
        status: http_status(why.reason()),
        code: grpc_code(why.reason()),
        retry: Retry::of(&why),
        message: why.to_string(),
    };
    let mut res = failure.response(protocol);
    res.extensions_mut().insert(why);
    res
}

/// The HTTP status of a refusal.
pub fn http_status(reason: Reason) -> StatusCode {
    match reason {
        Reason::Rate => StatusCode::TOO_MANY_REQUESTS,
        Reason::Deadline => StatusCode::GATEWAY_TIMEOUT,
        // The caller's mistake: no breaker of its may open for it, and to send it again is no use.
        Reason::NoKey => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The gRPC code of a refusal.
pub fn grpc_code(reason: Reason) -> GrpcCode {
    match reason {
        Reason::Concurrency | Reason::Rate => GrpcCode::ResourceExhausted,
        Reason::Deadline => GrpcCode::DeadlineExceeded,
        Reason::NoKey => GrpcCode::InvalidArgument,
        _ => GrpcCode::Unavailable,
    }
}

/// What the caller is told about coming back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Retry {
    After(Duration),
    /// Coming back is no use.
    Never,
    /// Nothing is known.
    #[cfg(feature = "timeout")]
    Unsaid,
}

impl Retry {
    fn of(why: &Rejected) -> Self {
        match (why.delay(), why.reason()) {
            (Some(delay), _) => Self::After(delay),
            (None, Reason::Rate | Reason::Deadline | Reason::NoKey) => Self::Never,
            (None, _) => Self::After(ADVISORY),
        }
    }
}

/// A failure that a layer answers itself.
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) code: GrpcCode,
    pub(crate) retry: Retry,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn response<B: From<Bytes>>(self, protocol: Protocol) -> Response<B> {
        match protocol {
            Protocol::Http => self.http(),
            Protocol::Grpc => self.grpc(),
        }
    }

    fn http<B: From<Bytes>>(self) -> Response<B> {
        let mut res = Response::new(B::from(Bytes::from(self.message)));
        *res.status_mut() = self.status;
        let headers = res.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if let Retry::After(delay) = self.retry {
            headers.insert(RETRY_AFTER, in_seconds(delay));
        }
        res
    }

    /// A "trailers-only" response: the status stands in the head.
    fn grpc<B: From<Bytes>>(self) -> Response<B> {
        let mut res = Response::new(B::from(Bytes::new()));
        *res.headers_mut() = self.trailers();
        let content_type = HeaderValue::from_static("application/grpc");
        res.headers_mut().insert(CONTENT_TYPE, content_type);
        res
    }

    /// What ends a gRPC response.
    pub(crate) fn trailers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            &GRPC_STATUS,
            HeaderValue::from(u16::from(self.code.number())),
        );
        let message = utf8_percent_encode(&self.message, ESCAPED).to_string();
        if let Ok(message) = HeaderValue::try_from(message) {
            headers.insert(&GRPC_MESSAGE, message);
        }
        match self.retry {
            Retry::After(delay) => {
                headers.insert(&PUSHBACK, in_millis(delay));
            }
            Retry::Never => {
                headers.insert(&PUSHBACK, HeaderValue::from_static("-1"));
            }
            #[cfg(feature = "timeout")]
            Retry::Unsaid => {}
        }
        headers
    }
}

/// What the gRPC protocol asks to be percent-encoded in `grpc-message`: all but printable ASCII, and `%`.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');
