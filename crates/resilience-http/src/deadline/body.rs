use super::answer::exceeded;
use crate::Protocol;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use resilience_core::{BoxError, Now, clock};
use resilience_timeout::{BodyBound, DeadlineExceeded};
use std::{
    fmt, mem,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};
use tokio::{task::coop, time::Sleep};

pin_project! {
    /// A response body that has to be over by a deadline, or one that need not.
    ///
    /// When the deadline passes, the inner body is dropped, and this one ends: for HTTP with a [`DeadlineExceeded`], on which
    /// servers reset the stream or close the connection, so that nobody takes what came for the whole; for gRPC with the
    /// trailers `grpc-status: 4` (`DEADLINE_EXCEEDED`) and a message.
    ///
    /// What is there wins over a time that is up: the end, and one frame of data, which may have been there in time. A body with
    /// always another frame at hand ends with the second one. The deadline is noticed when somebody asks for a frame: a server
    /// does not while its client reads nothing of what was sent before.
    ///
    /// Size hint, end-of-stream and trailers are those of the inner body. Other errors are boxed.
    pub struct DeadlineBody<B> {
        // Gone when the time was up.
        #[pin]
        body: Option<B>,
        // Made when the body is first pending.
        #[pin]
        timer: Option<Sleep>,
        // A frame of data was there after the deadline, and has passed.
        late: bool,
        protocol: Protocol,
        bound: Option<BodyBound>,
    }
}

impl<B> DeadlineBody<B> {
    pub(super) fn new(body: B, protocol: Protocol, bound: Option<BodyBound>) -> Self {
        Self {
            body: Some(body),
            timer: None,
            late: false,
            protocol,
            bound,
        }
    }
}

impl<B: Body> Body for DeadlineBody<B>
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
        let polled = body.poll_frame(cx);
        let Some(bound) = this.bound else {
            return polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)));
        };
        match polled {
            // There may be no end to it: a body that is never pending never looks at the timer.
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                let late = Now::lazy().get() >= bound.end();
                if !mem::replace(this.late, late) {
                    return Poll::Ready(Some(Ok(frame)));
                }
            }
            Poll::Ready(frame) => {
                this.timer.set(None);
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
            Poll::Pending => {
                if this.timer.is_none() {
                    let at = clock::instant(bound.end());
                    this.timer.set(Some(tokio::time::sleep_until(at)));
                }
                let timer = this.timer.as_mut().as_pin_mut().expect("made above");
                // Outside of the task's budget, which a busy inner body may have used up.
                ready!(pin!(coop::unconstrained(timer)).poll(cx));
            }
        }

        this.body.set(None);
        this.timer.set(None);
        let why = bound.exceeded();
        Poll::Ready(Some(end(*this.protocol, why)))
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

/// How a body ends that was not over in time.
fn end<D>(protocol: Protocol, why: DeadlineExceeded) -> Result<Frame<D>, BoxError> {
    match protocol {
        Protocol::Http => Err(why.into()),
        Protocol::Grpc => Ok(Frame::trailers(exceeded(&why).trailers())),
    }
}

impl<B> fmt::Debug for DeadlineBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineBody")
            .field("protocol", &self.protocol)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}
