//! What users are told of each attempt.

use super::{Origin, Target};
use crate::{Attempt, HttpClassify, HttpVerdict};
use http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use resilience_core::{BoxError, Classify, Name, Now, Outcome, Timestamp, Verdict};
use std::{
    error::Error,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tower_service::Service;

/// An attempt at a call, as hooks see it. The query of the URI is left out, since it may hold what logs should not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AttemptInfo {
    /// The name of the client.
    pub client: Name,
    /// Scheme, host and port.
    pub origin: Origin,
    target: Target,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

impl AttemptInfo {
    /// The method.
    pub fn method(&self) -> &Method {
        self.target.method()
    }

    /// The path of the URI.
    pub fn path(&self) -> &str {
        self.target.uri().path()
    }
}

/// The head of a response has come, whatever it says.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptEnd<'a> {
    /// Which attempt.
    pub attempt: &'a AttemptInfo,
    /// The status of the response.
    pub status: StatusCode,
    /// How it was judged; `None` for gRPC where the trailers will tell.
    pub outcome: Option<Outcome>,
    /// The time from the start of the attempt.
    pub duration: Duration,
}

/// An attempt has ended without a response.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptError<'a> {
    /// Which attempt.
    pub attempt: &'a AttemptInfo,
    /// Why: a failure, a refusal by the host's breaker or bulkhead, a timeout; [`Abandoned`] if the call was dropped.
    pub error: &'a (dyn Error + 'static),
    /// How it was judged.
    pub outcome: Outcome,
    /// The time from the start of the attempt.
    pub duration: Duration,
}

/// An attempt was dropped before there was a response: the caller went away, or the time for the whole call is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned;

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the attempt was dropped before there was a response")
    }
}

impl Error for Abandoned {}

pub(super) type OnStart = Box<dyn Fn(&AttemptInfo) + Send + Sync>;
pub(super) type OnEnd = Box<dyn Fn(&AttemptEnd<'_>) + Send + Sync>;
pub(super) type OnError = Box<dyn Fn(&AttemptError<'_>) + Send + Sync>;

#[derive(Default)]
pub(super) struct Hooks {
    pub(super) start: Option<OnStart>,
    pub(super) end: Option<OnEnd>,
    pub(super) error: Option<OnError>,
}

impl Hooks {
    pub(super) fn are_set(&self) -> bool {
        self.start.is_some() || self.end.is_some() || self.error.is_some()
    }
}

/// Calls a hook. A panic has been reported by the process's panic hook; it is not the call's business.
fn tell<T>(hook: Option<&T>, call: impl FnOnce(&T)) {
    if let Some(hook) = hook {
        let _reported = catch_unwind(AssertUnwindSafe(|| call(hook)));
    }
}

/// Tells the hooks of every attempt that passes.
#[derive(Clone)]
pub(super) struct Observed<S> {
    inner: S,
    name: Name,
    /// `None` if there are no hooks.
    hooks: Option<Arc<Hooks>>,
}

impl<S> Observed<S> {
    pub(super) fn new(inner: S, name: Name, hooks: Hooks) -> Self {
        Self {
            inner,
            name,
            hooks: hooks.are_set().then(|| Arc::new(hooks)),
        }
    }

    fn watch<B>(&self, req: &Request<B>) -> Option<Watch> {
        let hooks = self.hooks.clone()?;
        let attempt = AttemptInfo {
            client: self.name.clone(),
            origin: Origin::of(req.uri())?,
            target: Target::of(req),
            attempt: req.extensions().get().map_or(1, |Attempt(number)| *number),
        };
        tell(hooks.start.as_ref(), |start| start(&attempt));
        let start = Now::lazy().get();
        Some(Watch {
            hooks,
            attempt,
            start,
            ended: false,
        })
    }
}

impl<B, C, S> Service<Request<B>> for Observed<S>
where
    S: Service<Request<B>, Response = Response<C>, Error = BoxError>,
{
    type Response = Response<C>;
    type Error = BoxError;
    type Future = ObservedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let watch = self.watch(&req).map(|watch| {
            let verdict = Classify::<_, Response<C>, BoxError>::start(&HttpClassify::new(), &req);
            (watch, verdict)
        });
        ObservedFuture {
            inner: self.inner.call(req),
            watch,
        }
    }
}

pin_project! {
    pub(super) struct ObservedFuture<F> {
        #[pin]
        inner: F,
        watch: Option<(Watch, HttpVerdict)>,
    }
}

impl<F, C> Future for ObservedFuture<F>
where
    F: Future<Output = Result<Response<C>, BoxError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        if let Some((mut watch, mut verdict)) = this.watch.take() {
            match &result {
                Ok(res) => watch.end(
                    res.status(),
                    Verdict::<_, BoxError>::response(&mut verdict, res),
                ),
                Err(error) => {
                    let outcome = Verdict::<Response<C>, _>::error(&mut verdict, error);
                    watch.error(&**error, outcome);
                }
            }
        }
        Poll::Ready(result)
    }
}

/// An attempt that hooks have been told of. Each has exactly one end.
struct Watch {
    hooks: Arc<Hooks>,
    attempt: AttemptInfo,
    start: Timestamp,
    ended: bool,
}

impl Watch {
    fn duration(&mut self) -> Duration {
        self.ended = true;
        Now::lazy().get() - self.start
    }

    fn end(&mut self, status: StatusCode, outcome: Option<Outcome>) {
        let event = AttemptEnd {
            duration: self.duration(),
            attempt: &self.attempt,
            status,
            outcome,
        };
        tell(self.hooks.end.as_ref(), |end| end(&event));
    }

    fn error(&mut self, error: &(dyn Error + 'static), outcome: Outcome) {
        let event = AttemptError {
            duration: self.duration(),
            attempt: &self.attempt,
            error,
            outcome,
        };
        tell(self.hooks.error.as_ref(), |hook| hook(&event));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            self.error(&Abandoned, Outcome::Ignored);
        }
    }
}
