use super::layer::push_back;
use crate::{GrpcCode, InnerRetries, classify::by_bare_code};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// The body of a response through [`Exhausted`](crate::Exhausted): adds the pushback to trailers that need one.
    ///
    /// Size hint, end-of-stream, data and all other trailers are those of the inner body.
    pub struct ExhaustedBody<B> {
        #[pin]
        body: B,
        // `None` where no trailers can need it.
        retries: Option<InnerRetries>,
    }
}

impl<B> ExhaustedBody<B> {
    pub(super) fn new(body: B, retries: Option<InnerRetries>) -> Self {
        Self { body, retries }
    }
}

impl<B: Body> Body for ExhaustedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let mut polled = this.body.poll_frame(cx);
        if let (Some(retries), Poll::Ready(Some(Ok(frame)))) = (&*this.retries, &mut polled)
            && let Some(trailers) = frame.trailers_mut()
            && GrpcCode::of(trailers).is_some_and(|code| by_bare_code(code).is_failure())
            && retries.are_exhausted()
        {
            push_back(trailers);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for ExhaustedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExhaustedBody").finish_non_exhaustive()
    }
}
