//! The body that carries a call's permit to its end.

use crate::{AnswerBody, EndVerdict};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use resilience_core::{Completion, Now, Outcome, Permit};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// A call is over when the body of its response has ended.
///
/// The verdict falls at the head for HTTP, and at the trailers for gRPC. The permit comes back with whichever is
/// first: a body that is known to be at its end, at the head or after a frame; trailers; an error; an upgrade to
/// another protocol; or the drop of the body. A body that is dropped early after a good head was a success; a
/// gRPC stream that is dropped before its trailers is ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtEnd;

impl<B, P, V> Completion<Response<B>, P, V> for AtEnd
where
    B: Body,
    P: Permit,
    V: EndVerdict,
{
    type Response = Response<PermitBody<B, P, V>>;

    #[inline]
    fn complete(
        &self,
        res: Response<B>,
        head: Option<Outcome>,
        mut permit: P,
        verdict: V,
        now: &mut Now,
    ) -> Self::Response {
        // What follows an upgrade is no longer this call.
        let upgraded = res.status() == StatusCode::SWITCHING_PROTOCOLS;
        let ended = upgraded || res.body().is_end_stream();
        permit.head(head, now);
        let mut open = Open {
            permit: Some(permit),
            verdict,
            head,
        };
        if ended {
            open.end(None, now);
        }
        res.map(|body| PermitBody {
            body: AnswerBody::inner(body),
            open: Some(open),
        })
    }
}

/// A call whose body has not ended.
struct Open<P: Permit, V: EndVerdict> {
    permit: Option<P>,
    verdict: V,
    head: Option<Outcome>,
}

impl<P: Permit, V: EndVerdict> Open<P, V> {
    fn end(&mut self, trailers: Option<&HeaderMap>, now: &mut Now) {
        self.finish(|verdict| verdict.end(trailers), now);
    }

    fn finish(&mut self, late: impl FnOnce(&mut V) -> Outcome, now: &mut Now) {
        if let Some(permit) = self.permit.take() {
            let outcome = self.head.unwrap_or_else(|| late(&mut self.verdict));
            permit.finish(outcome, now);
        }
    }
}

impl<P: Permit, V: EndVerdict> Drop for Open<P, V> {
    fn drop(&mut self) {
        self.finish(EndVerdict::dropped, &mut Now::lazy());
    }
}

pin_project! {
    /// A response body that holds the permit of its call until it ends.
    ///
    /// Size hint, end-of-stream and trailers are those of the inner body. Dropping it ends the call.
    pub struct PermitBody<B, P, V>
    where
        P: Permit,
        V: EndVerdict,
    {
        #[pin]
        body: AnswerBody<B>,
        open: Option<Open<P, V>>,
    }
}

/// A refusal: a body without a call.
impl<B, P: Permit, V: EndVerdict> From<Bytes> for PermitBody<B, P, V> {
    fn from(bytes: Bytes) -> Self {
        Self {
            body: bytes.into(),
            open: None,
        }
    }
}

impl<B, P, V> Body for PermitBody<B, P, V>
where
    B: Body,
    B::Data: From<Bytes>,
    P: Permit,
    V: EndVerdict,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = this.body.as_mut().poll_frame(cx);
        if let (Poll::Ready(frame), Some(open)) = (&polled, this.open.as_mut()) {
            let now = &mut Now::lazy();
            match frame {
                Some(Ok(frame)) if frame.is_trailers() => open.end(frame.trailers_ref(), now),
                Some(Ok(_)) if this.body.is_end_stream() => open.end(None, now),
                Some(Ok(_)) => {}
                Some(Err(_)) => open.finish(EndVerdict::broken, now),
                None => open.end(None, now),
            }
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

impl<B, P: Permit, V: EndVerdict> fmt::Debug for PermitBody<B, P, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.open.as_ref().is_some_and(|open| open.permit.is_some());
        f.debug_struct("PermitBody")
            .field("body", &self.body)
            .field("permit_held", &held)
            .finish()
    }
}
