//! Another service that answers in place of a failure.

use crate::{Failure, KeepRequest, StandIn};
use pin_project_lite::pin_project;
use resilience_core::{BothFailed, BoxError, MapErr, Outcome, Replay};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// Stands in with the answer of another service to the same request, unless that fails too.
#[derive(Clone, Copy)]
pub struct OtherService<S2>(pub(crate) S2);

impl<S2> fmt::Debug for OtherService<S2> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtherService")
    }
}

impl<S2, E: Into<BoxError>> MapErr<E> for OtherService<S2> {
    type Error = BoxError;

    fn map_err(&self, error: E) -> BoxError {
        error.into()
    }
}

impl<Req, R: Replay<Req> + Clone, S2> KeepRequest<Req, R> for OtherService<S2> {
    type Inner = R::Inner;
    type Kept = KeptRequest<Req, R>;

    fn keep(&self, req: Req, replay: &R) -> (R::Inner, Self::Kept) {
        let (req, kept) = replay.first(req, true);
        let kept = kept.map(|kept| (kept, replay.clone()));
        (req, KeptRequest(kept))
    }
}

/// What is kept of a request while the inner service is at work, for the other one.
pub struct KeptRequest<Req, R: Replay<Req>>(Option<(R::Kept, R)>);

impl<Req, R: Replay<Req>> KeptRequest<Req, R> {
    /// The request for the other service, if it may be sent again and is there in full.
    fn again(self, outcome: Outcome) -> Option<R::Inner> {
        let (kept, replay) = self.0?;
        if !replay.allows(&kept, outcome) {
            return None;
        }
        let (req, _) = replay.again(kept, 2, true)?;
        Some(req)
    }
}

impl<Req, R: Replay<Req>> fmt::Debug for KeptRequest<Req, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest")
            .field("kept", &self.0.is_some())
            .finish_non_exhaustive()
    }
}

impl<S2, Req, R, Res, E> StandIn<Res, E, KeptRequest<Req, R>> for OtherService<S2>
where
    S2: Service<R::Inner> + Clone,
    S2::Error: Into<BoxError>,
    R: Replay<Req>,
    E: Into<BoxError>,
{
    type Response = S2::Response;
    type Future = Asking<S2, R::Inner, S2::Future>;

    fn stand_in(
        &self,
        failure: Failure<Res, E>,
        kept: KeptRequest<Req, R>,
    ) -> Result<Self::Future, Failure<Res, E>> {
        let Some(req) = kept.again(failure.outcome()) else {
            return Err(failure);
        };
        Ok(Asking {
            // A failing response may hold a connection, or a permit, that the other service needs: it goes first.
            primary: Some(failure.into_error()),
            stage: Stage::Waiting {
                other: self.0.clone(),
                req: Some(req),
            },
        })
    }
}

pin_project! {
    /// The future of an [`OtherService`]: waits until a clone of it is ready, and calls that.
    pub struct Asking<S2, Req, F> {
        #[pin]
        stage: Stage<S2, Req, F>,
        // Taken when the other service has failed.
        primary: Option<BoxError>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<S2, Req, F> {
        // The request is taken when the service is ready.
        Waiting { other: S2, req: Option<Req> },
        Calling {
            #[pin]
            future: F,
        },
    }
}

impl<S2, Req> Future for Asking<S2, Req, S2::Future>
where
    S2: Service<Req>,
    S2::Error: Into<BoxError>,
{
    type Output = Result<S2::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = loop {
            match this.stage.as_mut().project() {
                StageProj::Waiting { other, req } => match ready!(other.poll_ready(cx)) {
                    Ok(()) => {
                        let req = req.take().expect("taken only here");
                        let future = other.call(req);
                        this.stage.set(Stage::Calling { future });
                    }
                    Err(error) => break Err(error),
                },
                StageProj::Calling { future } => break ready!(future.poll(cx)),
            }
        };
        Poll::Ready(result.map_err(|secondary| {
            let primary = this.primary.take().expect("polled after completion");
            BothFailed::new(primary, secondary).into()
        }))
    }
}

impl<S2, Req, F> fmt::Debug for Asking<S2, Req, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Waiting { .. } => "waiting",
            Stage::Calling { .. } => "calling",
        };
        f.debug_struct("Asking")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}
