use super::ExhaustedBody;
use crate::{
    GrpcCode, InnerRetries, Protocol, Pushback, RetriesExhausted, classify::by_bare_code,
    names::PUSHBACK, pushback,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_layer::Layer;
use tower_service::Service;

/// For servers: tells callers when a failure has been retried already, so that they need not retry it again.
///
/// Puts [`InnerRetries`] into the extensions of each request, for the calls that the handler makes: see
/// [`pass_on`](crate::pass_on). If one of them is marked when the handler answers, or the answer has
/// [`RetriesExhausted`] in its extensions, a failing answer says so:
///
/// | answer | fails with | then has |
/// |---|---|---|
/// | without a gRPC status | 408, 429, any 5xx | [`RetriesExhausted::HEADER`] |
/// | gRPC, in the head or in the trailers | what [`HttpClassify`](crate::HttpClassify) calls a failure | `grpc-retry-pushback-ms: -1`, in place of any delay |
///
/// All other answers, and errors, pass as they are; so does a header or a negative pushback that is there already.
///
/// Put it outside of all that makes calls. Refusals of limits inside of it are not marked: whoever was refused
/// here may come back.
///
/// ```
/// use axum::{Router, extract::Request, routing::get};
/// use resilience_http::{ExhaustedLayer, pass_on};
///
/// let app: Router = Router::new()
///     .route("/", get(|inbound: Request| async move {
///         let mut outbound = Request::new("query");
///         pass_on(inbound.extensions(), outbound.extensions_mut());
///         // … and send it through a client with retries.
///     }))
///     .layer(ExhaustedLayer::new());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ExhaustedLayer {
    _private: (),
}

impl ExhaustedLayer {
    /// The layer.
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for ExhaustedLayer {
    type Service = Exhausted<S>;

    fn layer(&self, inner: S) -> Exhausted<S> {
        Exhausted { inner }
    }
}

/// Tells callers when a failure has been retried already: see [`ExhaustedLayer`].
///
/// | | |
/// |---|---|
/// | `poll_ready` | the inner service's |
/// | `call` | calls the inner service |
/// | dropping the future | drops the inner call |
/// | `clone` | a clone of the inner service |
#[derive(Clone, Copy, Debug)]
pub struct Exhausted<S> {
    inner: S,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Exhausted<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ExhaustedBody<ResB>>;
    type Error = S::Error;
    type Future = ExhaustedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut req: Request<ReqB>) -> Self::Future {
        // A new one, even if there is one: what came of other calls does not count for this one.
        let retries = InnerRetries::default();
        req.extensions_mut().insert(retries.clone());
        ExhaustedFuture {
            protocol: Protocol::of(&req),
            future: self.inner.call(req),
            retries,
        }
    }
}

pin_project! {
    /// The future of [`Exhausted`].
    #[derive(Debug)]
    pub struct ExhaustedFuture<F> {
        #[pin]
        future: F,
        protocol: Protocol,
        retries: InnerRetries,
    }
}

impl<F, B, E> Future for ExhaustedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ExhaustedBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut res = ready!(this.future.poll(cx))?;
        if res.extensions().get::<RetriesExhausted>().is_some() {
            this.retries.exhaust();
        }
        let code = match this.protocol {
            Protocol::Http => None,
            Protocol::Grpc => GrpcCode::of(res.headers()),
        };
        let status = res.status();
        let mut in_trailers = None;
        if let Some(code) = code {
            if by_bare_code(code).is_failure() && this.retries.are_exhausted() {
                push_back(res.headers_mut());
            }
        } else if fails(status) {
            if this.retries.are_exhausted() {
                let headers = res.headers_mut();
                let entry = headers.entry(RetriesExhausted::HEADER);
                entry.or_insert(RetriesExhausted::VALUE);
            }
        } else if *this.protocol == Protocol::Grpc {
            in_trailers = Some(this.retries.clone());
        }
        Poll::Ready(Ok(res.map(|body| ExhaustedBody::new(body, in_trailers))))
    }
}

/// Whether clients may retry an answer with this status.
fn fails(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
}

/// Asks a gRPC client not to retry, unless that is what is asked already.
pub(super) fn push_back(headers: &mut HeaderMap) {
    if pushback(headers) != Some(Pushback::Stop) {
        headers.insert(&PUSHBACK, HeaderValue::from_static("-1"));
    }
}
