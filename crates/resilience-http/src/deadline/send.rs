use super::HttpDeadline;
#[cfg(feature = "tonic")]
use crate::{AsStatus, StatusLayer};
use crate::{Respond, RespondLayer, classify::deadline};
use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use resilience_core::{
    Boxed, ConfigError, Deadline, Keep, MapErr, Now, Reason, Reject, Rejected, config,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tower_layer::Layer;
use tower_service::Service;

/// Tells the other side how much time is left when a request is sent: what remains until the
/// [`Deadline`](resilience_core::Deadline) in its extensions.
///
/// Innermost on a client, within retries and the attempt timeout, so that each attempt says what is left of the whole.
///
/// | request | header | rounded down to |
/// |---|---|---|
/// | gRPC | `grpc-timeout` | what 8 digits can say, see [`format_grpc_timeout`](crate::format_grpc_timeout) |
/// | other | `x-request-timeout-ms`, or the one set with [`header`](Self::header) | milliseconds |
///
/// A header that says less is kept; one that says more, or nothing that can be understood, is replaced. With no time
/// left, in the header's own unit, the request is refused with [`Reason::Deadline`] instead of sent. A request without a
/// deadline is sent as it is, unless there is a [`cap`](Self::cap). So is one whose deadline is for the
/// [head only](Deadline::head_only), such as the one that a [`DeadlineLayer`](resilience_timeout::DeadlineLayer) gives to calls that
/// state none: whoever is told a time has to be over with the body by then.
///
/// ```
/// use resilience_http::SendDeadlineLayer;
/// use std::time::Duration;
///
/// let layer = SendDeadlineLayer::new().cap(Duration::from_millis(500))?;
/// # let _ = layer;
/// # Ok::<(), resilience_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SendDeadlineLayer<R = Boxed> {
    headers: HttpDeadline,
    cap: Option<Duration>,
    reject: R,
}

impl SendDeadlineLayer {
    /// `grpc-timeout` for gRPC, and `x-request-timeout-ms` for all else. Refusals are boxed errors.
    pub const fn new() -> Self {
        Self {
            headers: HttpDeadline::new(),
            cap: None,
            reject: Boxed,
        }
    }
}

impl Default for SendDeadlineLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> SendDeadlineLayer<R> {
    /// The header of requests that are not gRPC.
    pub fn header(mut self, name: HeaderName) -> Self {
        self.headers = self.headers.header(name);
        self
    }

    /// The most time that a request states, however much is left: that of one attempt, which is nobody's concern after
    /// its timeout. More than zero and at most 365 days. Default: none.
    pub fn cap(mut self, cap: Duration) -> Result<Self, ConfigError> {
        self.cap = Some(config::duration("cap", cap)?);
        Ok(self)
    }

    /// Refuses as `reject` says.
    pub fn reject<Q>(self, reject: Q) -> SendDeadlineLayer<Q> {
        SendDeadlineLayer {
            headers: self.headers,
            cap: self.cap,
            reject,
        }
    }

    /// Keeps the service's own error type, which is `From<Rejected>`.
    pub fn keep_error(self) -> SendDeadlineLayer<Keep> {
        self.reject(Keep)
    }
}

impl<R> RespondLayer for SendDeadlineLayer<R> {
    type Responding = SendDeadlineLayer<Respond>;

    fn respond(self) -> Self::Responding {
        self.reject(Respond)
    }
}

#[cfg(feature = "tonic")]
impl<R> StatusLayer for SendDeadlineLayer<R> {
    type WithStatus = SendDeadlineLayer<AsStatus>;

    fn with_status(self) -> Self::WithStatus {
        self.reject(AsStatus)
    }
}

impl<S, R: Clone> Layer<S> for SendDeadlineLayer<R> {
    type Service = SendDeadline<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        SendDeadline {
            inner,
            layer: self.clone(),
        }
    }
}

/// Tells the other side how much time is left: see [`SendDeadlineLayer`].
///
/// | | |
/// |---|---|
/// | `poll_ready` | the inner service's |
/// | `call` | asks for the [time of the call](Now::of_call) if the request has a deadline; sets the header and calls, or refuses |
/// | dropping the future | drops the inner call |
/// | `clone` | a clone of the inner service, with the same configuration |
#[derive(Clone, Debug)]
pub struct SendDeadline<S, R> {
    inner: S,
    layer: SendDeadlineLayer<R>,
}

impl<R> SendDeadlineLayer<R> {
    /// Says in `req` how much time it has.
    #[inline]
    fn state<B>(&self, req: &mut Request<B>) -> Result<(), Rejected> {
        let (deadline, mut now) = (deadline(req), Now::of_call());
        if deadline.is_some_and(|deadline| deadline.has_passed(&mut now)) {
            return Err(late());
        }
        let left = deadline.and_then(Deadline::body).map(|end| end - now.get());
        let Some(left) = left.into_iter().chain(self.cap).min() else {
            return Ok(());
        };
        let header = self.headers.header_of(req);
        if let Ok(Some(stated)) = header.read(req)
            && stated <= left
        {
            return Ok(());
        }
        let value = (left >= header.unit).then(|| (header.format)(left));
        match value.map(HeaderValue::try_from) {
            Some(Ok(value)) => {
                let name = header.name.clone();
                req.headers_mut().insert(name, value);
                Ok(())
            }
            _ => Err(late()),
        }
    }
}

fn late() -> Rejected {
    Rejected::new(Reason::Deadline, "send deadline")
}

impl<S, R, B, C> Service<Request<B>> for SendDeadline<S, R>
where
    S: Service<Request<B>, Response = Response<C>>,
    R: Reject<Request<B>, Response<C>, S::Error> + Clone,
{
    type Response = Response<C>;
    type Error = R::Error;
    type Future = SendDeadlineFuture<S::Future, R, Result<Response<C>, R::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| self.layer.reject.map_err(error))
    }

    #[inline]
    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let state = match self.layer.state(&mut req) {
            Ok(()) => State::Calling {
                inner: self.inner.call(req),
                reject: self.layer.reject.clone(),
            },
            Err(why) => State::Refused {
                answer: Some(self.layer.reject.reject(&req, why)),
            },
        };
        SendDeadlineFuture { state }
    }
}

pin_project! {
    /// The future of a call through a [`SendDeadline`]. Dropping it drops the inner call.
    pub struct SendDeadlineFuture<F, R, A> {
        #[pin]
        state: State<F, R, A>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R, A> {
        Calling { #[pin] inner: F, reject: R },
        Refused { answer: Option<A> },
    }
}

impl<F, R, Res, E> Future for SendDeadlineFuture<F, R, Result<Res, R::Error>>
where
    F: Future<Output = Result<Res, E>>,
    R: MapErr<E>,
{
    type Output = Result<Res, R::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling { inner, reject } => inner
                .poll(cx)
                .map(|result| result.map_err(|error| reject.map_err(error))),
            StateProj::Refused { answer } => {
                Poll::Ready(answer.take().expect("polled after completion"))
            }
        }
    }
}

impl<F, R, A> fmt::Debug for SendDeadlineFuture<F, R, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Calling { .. } => "SendDeadlineFuture::Calling",
            State::Refused { .. } => "SendDeadlineFuture::Refused",
        })
    }
}
