//! Fallbacks for HTTP and gRPC: failing responses are failures, and degraded answers are marked.

use crate::{GrpcCode, HttpClassify, HttpLayer, HttpReplay};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use resilience_core::{BoxError, Name, Outcome, Rejected};
use resilience_fallback::{FallbackLayer, Mark};
use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// Judges calls with [`HttpClassify`], marks answers with [`HttpMark`], and keeps requests for another service with
/// [`HttpReplay`]. To set something else, call `.classify(…)`, `.mark(…)` or `.replay(…)` after `.http()`.
///
/// Another service is asked as a retry would be: after a failure that the primary may have acted on, only for
/// idempotent requests. Where the other service cannot repeat what the primary did, allow the rest with
/// [`HttpReplay::allow_if`].
impl<A, C, M, R> HttpLayer for FallbackLayer<A, C, M, R> {
    type Http = FallbackLayer<A, HttpClassify, HttpMark, HttpReplay>;
    type Grpc = FallbackLayer<A, HttpClassify, HttpMark, HttpReplay>;

    fn http(self) -> Self::Http {
        self.classify(HttpClassify::new())
            .mark(HttpMark)
            .replay(HttpReplay::new())
    }

    /// Failures in the trailers come too late for a fallback: the response has passed by then.
    fn grpc(self) -> Self::Grpc {
        self.classify(HttpClassify::grpc())
            .mark(HttpMark)
            .replay(HttpReplay::grpc())
    }
}

/// Stands in the extensions of every answer that a fallback gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    policy: Name,
    outcome: Outcome,
}

impl Degraded {
    /// The mark of `res`, if a fallback gave it.
    pub fn of<B>(res: &Response<B>) -> Option<&Self> {
        res.extensions().get()
    }

    /// The name of the fallback.
    pub fn policy(&self) -> &Name {
        &self.policy
    }

    /// How the call ended that the fallback answered for.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

/// Marks degraded answers with [`Degraded`], and allows them any body: see [`FallbackBody`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpMark;

impl<B, D> Mark<Response<B>, Response<D>> for HttpMark {
    type Response = Response<FallbackBody<B, D>>;

    fn whole(&self, res: Response<B>) -> Self::Response {
        res.map(FallbackBody::whole)
    }

    fn degraded(&self, res: Response<D>, policy: &Name, outcome: Outcome) -> Self::Response {
        let policy = policy.clone();
        let mut res = res.map(FallbackBody::degraded);
        res.extensions_mut().insert(Degraded { policy, outcome });
        res
    }

    fn describe(&self, res: &Response<B>) -> Option<BoxError> {
        let extensions = res.extensions();
        if let Some(refused) = extensions.get::<Rejected>() {
            return Some(refused.clone().into());
        }
        #[cfg(feature = "timeout")]
        if let Some(late) = extensions.get::<resilience_timeout::TimedOut>() {
            return Some(late.clone().into());
        }
        #[cfg(feature = "timeout")]
        if let Some(late) = extensions.get::<resilience_timeout::DeadlineExceeded>() {
            return Some(late.clone().into());
        }
        Some(Box::new(FailedResponse {
            status: res.status(),
            code: GrpcCode::of(res.headers()),
        }))
    }
}

/// A failing response as an error: the [primary](resilience_core::BothFailed::primary) failure of a call whose fallback
/// failed too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedResponse {
    status: StatusCode,
    code: Option<GrpcCode>,
}

impl FailedResponse {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The gRPC code, where the head had one.
    pub fn code(&self) -> Option<GrpcCode> {
        self.code
    }
}

impl fmt::Display for FailedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "response with gRPC status {code:?}"),
            None => write!(f, "response with status {}", self.status),
        }
    }
}

impl Error for FailedResponse {}

pin_project! {
    /// The body of a service's response, or that of a fallback's answer.
    ///
    /// The two have the same kind of data; their errors are boxed. `String`, `http_body_util::Full<Bytes>` and the
    /// bodies of hyper, axum and tonic can stand in for one another.
    pub struct FallbackBody<B, D> {
        #[pin]
        kind: Kind<B, D>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B, D> {
        Whole { #[pin] body: B },
        Degraded { #[pin] body: D },
    }
}

impl<B, D> FallbackBody<B, D> {
    /// The service's body.
    pub fn whole(body: B) -> Self {
        Self {
            kind: Kind::Whole { body },
        }
    }

    /// The fallback's body.
    pub fn degraded(body: D) -> Self {
        Self {
            kind: Kind::Degraded { body },
        }
    }
}

impl<B, D> Body for FallbackBody<B, D>
where
    B: Body,
    B::Error: Into<BoxError>,
    D: Body<Data = B::Data>,
    D::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        match self.project().kind.project() {
            KindProj::Whole { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            KindProj::Degraded { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { body } => body.is_end_stream(),
            Kind::Degraded { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { body } => body.size_hint(),
            Kind::Degraded { body } => body.size_hint(),
        }
    }
}

impl<B, D> fmt::Debug for FallbackBody<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::Whole { .. } => "FallbackBody::Whole",
            Kind::Degraded { .. } => "FallbackBody::Degraded",
        })
    }
}
