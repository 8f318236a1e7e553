//! Timeouts for HTTP and gRPC: 504 and `DEADLINE_EXCEEDED`, and bodies that stand still.

use crate::{
    AnswerBody, GrpcCode, HttpLayer, Protocol, Respond, RespondLayer,
    refusal::{Failure, Retry},
};
#[cfg(feature = "tonic")]
use crate::{AsStatus, StatusError, StatusLayer};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use resilience_core::{BoxError, ConfigError, MapErr, Name};
use resilience_timeout::{Kind, Limit, OnTimeout, Telemetry, TimedOut, TimeoutLayer};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{task::coop, time::Sleep};

/// A timeout for HTTP and gRPC: bounds the time to the head of the response, and, if asked to, the silences in its
/// body.
///
/// `H` says what the caller gets when the head does not come; `I` what becomes of the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpTimeout<H, I = ()> {
    head: H,
    body: I,
}

/// Bounds the response's head. To bound its body too, call [`body_idle`](BodyIdleLayer::body_idle); to answer with
/// 504 or `DEADLINE_EXCEEDED`, [`respond`](RespondLayer::respond).
impl<H> HttpLayer for TimeoutLayer<H> {
    type Http = TimeoutLayer<HttpTimeout<H>>;
    type Grpc = TimeoutLayer<HttpTimeout<H>>;

    fn http(self) -> Self::Http {
        self.map_on_timeout(|head| HttpTimeout { head, body: () })
    }

    /// The same: answers go by the content type of the request.
    fn grpc(self) -> Self::Grpc {
        self.http()
    }
}

impl<H, I> RespondLayer for TimeoutLayer<HttpTimeout<H, I>> {
    type Responding = TimeoutLayer<HttpTimeout<Respond, I>>;

    fn respond(self) -> Self::Responding {
        self.map_on_timeout(|HttpTimeout { body, .. }| HttpTimeout {
            head: Respond,
            body,
        })
    }
}

#[cfg(feature = "tonic")]
impl<H, I> StatusLayer for TimeoutLayer<HttpTimeout<H, I>> {
    type WithStatus = TimeoutLayer<HttpTimeout<AsStatus, I>>;

    fn with_status(self) -> Self::WithStatus {
        self.map_on_timeout(|HttpTimeout { body, .. }| HttpTimeout {
            head: AsStatus,
            body,
        })
    }
}

/// Layers that can bound how long a body stands still.
pub trait BodyIdleLayer: Sized {
    /// The layer that bounds it.
    type WithBodyIdle;

    /// Breaks a response's body off with [`BodyIdle`] when no frame comes for `limit`: more than zero and at most 365
    /// days. See [`IdleBody`].
    ///
    /// `.respond()` may come before or after; what else the caller gets instead of a head, say before `.http()`.
    fn body_idle(self, limit: Duration) -> Result<Self::WithBodyIdle, ConfigError>;
}

impl<H, I> BodyIdleLayer for TimeoutLayer<HttpTimeout<H, I>> {
    type WithBodyIdle = TimeoutLayer<HttpTimeout<H, IdleLimit>>;

    fn body_idle(self, limit: Duration) -> Result<Self::WithBodyIdle, ConfigError> {
        let body = IdleLimit(Arc::new(Idle {
            limit: Limit::new(self.limit().policy().clone(), "body_idle", limit)?,
            telemetry: self.telemetry().clone(),
        }));
        Ok(self.map_on_timeout(|HttpTimeout { head, .. }| HttpTimeout { head, body }))
    }
}

/// What becomes of the body of a response whose head came in time.
pub trait LimitBody<B> {
    /// The body that the caller gets.
    type Body;

    /// Bounds `body`.
    fn limit(&self, body: B) -> Self::Body;
}

/// Leaves bodies as they are.
impl<B> LimitBody<B> for () {
    type Body = B;

    fn limit(&self, body: B) -> B {
        body
    }
}

/// Bounds how long a body stands still. Made by [`BodyIdleLayer::body_idle`].
#[derive(Clone, Debug)]
pub struct IdleLimit(Arc<Idle>);

#[derive(Debug)]
struct Idle {
    limit: Limit,
    telemetry: Arc<Telemetry>,
}

impl<B> LimitBody<B> for IdleLimit {
    type Body = IdleBody<B>;

    fn limit(&self, body: B) -> IdleBody<B> {
        IdleBody {
            body: Some(body),
            timer: None,
            waiting: false,
            idle: self.0.clone(),
        }
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

/// Answers with 504, or for gRPC `DEADLINE_EXCEEDED`, which classifiers outside take for a transient failure. The
/// [`TimedOut`] stands in the response's extensions.
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
        let failure = Failure {
            status: StatusCode::GATEWAY_TIMEOUT,
            code: GrpcCode::DeadlineExceeded,
            retry: Retry::Unsaid,
            message: why.to_string(),
        };
        let mut res = failure.response::<AnswerBody<B>>(protocol);
        res.extensions_mut().insert(why);
        Ok(res)
    }
}

/// Fails with a [`StatusError`]: `DEADLINE_EXCEEDED`, and the [`TimedOut`] behind it.
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

pin_project! {
    /// A response body that breaks off with [`BodyIdle`] when it stands still for too long.
    ///
    /// The limit runs while the body is pending, from one frame to the next; the time that its reader takes does not
    /// count. A body that has its frames at hand needs no timer. A frame that is there wins over a time that is up.
    /// When the time is up, the inner body is dropped at once, and the body is at its end after the error.
    ///
    /// Size hint, end-of-stream and trailers are those of the inner body. Other errors are boxed.
    pub struct IdleBody<B> {
        // Gone when the time was up.
        #[pin]
        body: Option<B>,
        // Made when the body is first pending, then used again for every frame.
        #[pin]
        timer: Option<Sleep>,
        // Whether the timer runs for the frame that is now awaited.
        waiting: bool,
        idle: Arc<Idle>,
    }
}

impl<B: Body> Body for IdleBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = body.poll_frame(cx) {
            *this.waiting = false;
            if !matches!(frame, Some(Ok(_))) {
                this.timer.set(None);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }

        let length = this.idle.limit.length();
        match this.timer.as_mut().as_pin_mut() {
            None => this.timer.set(Some(tokio::time::sleep(length))),
            Some(timer) if !*this.waiting => {
                let end = resilience_core::clock::now() + length;
                timer.reset(resilience_core::clock::instant(end));
            }
            Some(_) => {}
        }
        *this.waiting = true;
        let timer = this.timer.as_mut().as_pin_mut().expect("made above");
        // Outside of the task's budget, which a busy inner body may have used up.
        ready!(pin!(coop::unconstrained(timer)).poll(cx));

        this.body.set(None);
        this.timer.set(None);
        let why = this.idle.limit.passed();
        this.idle.telemetry.expired(Kind::Idle, &why);
        Poll::Ready(Some(Err(BodyIdle::new(&why).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for IdleBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleBody")
            .field("limit", &self.idle.limit)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

/// A response's body stood still for too long.
///
/// With the feature `tonic`, its source is a [`tonic::Status`] of `DEADLINE_EXCEEDED`, which is what a generated client
/// reports.
#[derive(Clone, Debug)]
pub struct BodyIdle {
    policy: Name,
    limit: Duration,
    #[cfg(feature = "tonic")]
    status: tonic::Status,
}

impl BodyIdle {
    fn new(why: &TimedOut) -> Self {
        let (policy, limit) = (why.policy().clone(), why.limit());
        Self {
            #[cfg(feature = "tonic")]
            status: tonic::Status::deadline_exceeded(sentence(&policy, limit)),
            policy,
            limit,
        }
    }

    /// The name of the policy.
    pub fn policy(&self) -> &Name {
        &self.policy
    }

    /// How long the next frame was waited for.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Finds an idle body in `error` or in anything it was caused by.
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        resilience_core::find_cause(error)
    }
}

fn sentence(policy: &Name, limit: Duration) -> String {
    format!("{policy}: no frame of the body within {limit:?}")
}

impl fmt::Display for BodyIdle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sentence(&self.policy, self.limit))
    }
}

impl Error for BodyIdle {
    #[cfg(feature = "tonic")]
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.status)
    }
}
