use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

pin_project! {
    /// Waits until a service is ready, and calls it then: what a timeout that [covers
    /// readiness](crate::TimeoutLayer::cover_readiness) bounds.
    pub struct ReadyCall<S, Req, F> {
        #[pin]
        stage: Stage<S, Req, F>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<S, Req, F> {
        // Taken when the service is ready.
        Waiting { call: Option<(S, Req)> },
        Called {
            #[pin]
            future: F,
        },
    }
}

impl<S, Req, F> ReadyCall<S, Req, F> {
    pub(crate) fn new(inner: S, req: Req) -> Self {
        let call = Some((inner, req));
        Self {
            stage: Stage::Waiting { call },
        }
    }

    /// Whether the service has been called.
    pub(crate) fn is_called(&self) -> bool {
        matches!(self.stage, Stage::Called { .. })
    }
}

impl<S: Service<Req>, Req> Future for ReadyCall<S, Req, S::Future> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        loop {
            match stage.as_mut().project() {
                StageProj::Waiting { call } => {
                    let (inner, _) = call.as_mut().expect("polled after completion");
                    ready!(inner.poll_ready(cx))?;
                    let (mut inner, req) = call.take().expect("it was there above");
                    let future = inner.call(req);
                    stage.set(Stage::Called { future });
                }
                StageProj::Called { future } => return future.poll(cx),
            }
        }
    }
}

impl<S, Req, F> fmt::Debug for ReadyCall<S, Req, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyCall")
            .field("called", &self.is_called())
            .finish_non_exhaustive()
    }
}
