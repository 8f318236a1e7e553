use super::shared::Reader;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use resilience_core::BoxError;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// The body of one attempt: see [`HttpReplay`](crate::HttpReplay).
    ///
    /// Dropping it leaves the unread rest to the next attempt. When the next attempt begins, the bodies of earlier
    /// ones fail, whoever still holds them; the two never share a frame.
    pub struct ReplayBody<B> {
        #[pin]
        inner: Inner<B>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<B> {
        /// No other attempt is possible: the body itself.
        Plain { #[pin] body: B },
        /// Again a body that was at its end from the beginning.
        Empty { hint: SizeHint },
        Shared { reader: Reader<B> },
    }
}

impl<B> ReplayBody<B> {
    pub(crate) fn plain(body: B) -> Self {
        let inner = Inner::Plain { body };
        Self { inner }
    }

    pub(super) fn empty(hint: SizeHint) -> Self {
        let inner = Inner::Empty { hint };
        Self { inner }
    }

    pub(super) fn shared(reader: Reader<B>) -> Self {
        let inner = Inner::Shared { reader };
        Self { inner }
    }
}

impl<B: Body> Body for ReplayBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().inner.project() {
            InnerProj::Plain { body } => body.poll_frame(cx).map(|frame| {
                frame.map(|read| match read {
                    Ok(frame) => {
                        Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                    }
                    Err(error) => Err(error.into()),
                })
            }),
            InnerProj::Empty { .. } => Poll::Ready(None),
            InnerProj::Shared { reader } => reader.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Plain { body } => body.is_end_stream(),
            Inner::Empty { .. } => true,
            Inner::Shared { reader } => reader.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Plain { body } => body.size_hint(),
            Inner::Empty { hint } => *hint,
            Inner::Shared { reader } => reader.size_hint(),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.inner {
            Inner::Plain { .. } => "plain",
            Inner::Empty { .. } => "empty",
            Inner::Shared { .. } => "shared",
        };
        f.debug_tuple("ReplayBody").field(&kind).finish()
    }
}
